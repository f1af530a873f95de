"""From bytes to text, by the charsets that bodies are sent in."""

from __future__ import annotations

import re

_KNOWN = re.compile(
    r"us-ascii|ascii|utf-?8|utf-?16(?:-?[lb]e)?|utf-?32(?:-?[lb]e)?"
    r"|iso[-_]?8859-(?:[1-9]|1[0-6])|latin-?1|windows-(?:874|125[0-8])|cp125[0-8]|koi8-[ru]"
    r"|shift[-_]jis|euc-(?:jp|kr)|iso-2022-jp|gb2312|gbk|gb18030|big5",
    re.I,
)
"""Python has codecs that are no charsets, and some whose work grows with the square of the text."""


def known(charset: str | None) -> bool:
    """Tell whether a charset of this name is read."""
    return charset is not None and _KNOWN.fullmatch(charset) is not None


def decode(body: bytes, charset: str | None) -> str | None:
    """Return the text that a body is, or None where it is none.

    Args:
        body: without compression.
        charset: as its sender calls it. UTF-8 is tried where it is unknown, or not what it is.
    """
    for name in (charset if known(charset) else None, "utf-8"):
        if name is not None:
            try:
                text = body.decode(name)
            except ValueError:
                continue
            return text.removeprefix("\ufeff")
    return None
