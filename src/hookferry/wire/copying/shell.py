"""Words of a POSIX shell (IEEE Std 1003.1, Shell Command Language).

Any bytes as one argument, or as a command's standard input. What is quoted here is never expanded,
and never ends its word.
"""

from __future__ import annotations

import shlex

from hookferry.wire.copying.captured import base64_lines, plain_text

_MARK = "HOOKFERRY_BODY"
"""Ends a here-document; its ``_`` stands in no line of base64."""


def word(data: bytes) -> str:
    """Return bytes as one word. NUL can't be in an argument, and must not be in ``data``."""
    text = plain_text(data)
    if text is not None:
        return shlex.quote(text)
    # A command substitution takes line feeds from the end, and there is none in a header's line.
    return f"\"$(printf '{''.join(map(_octal, data))}')\""


def _octal(byte: int) -> str:
    if byte == 0x25:
        return "%%"  # printf's format
    plain = 0x20 <= byte < 0x7F and byte not in b"'\\"
    return chr(byte) if plain else f"\\{byte:03o}"


def fed(command: str, data: bytes) -> str:
    """Return a command line in which ``command`` reads ``data`` from its standard input."""
    return f"base64 -d <<'{_MARK}' |\n{base64_lines(data)}\n{_MARK}\n{command}"


def lines(words: list[str]) -> str:
    """Return a command's parts, one a line."""
    return " \\\n  ".join(words)
