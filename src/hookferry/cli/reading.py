"""How commands read what they are given: ``@file``, ``-`` for stdin, or the text itself."""

from __future__ import annotations

import sys
from pathlib import Path

from hookferry.cli.terminal import CommandError, Exit

INPUT_LIMIT = 16 * 1024 * 1024
"""Most bytes a command reads: as many as the largest batch."""


def read_bytes(given: str, what: str) -> bytes:
    """Return what ``given`` means: ``-`` stdin, ``@path`` a file, anything else itself.

    Raises:
        CommandError: the file can't be read, or there is too much.
    """
    if given == "-":
        data = sys.stdin.buffer.read(INPUT_LIMIT + 1)
    elif given.startswith("@"):
        path = Path(given[1:])
        try:
            with path.open("rb") as file:
                data = file.read(INPUT_LIMIT + 1)
        except OSError as error:
            raise CommandError(f"{what}: {path}: {error.strerror}", Exit.USAGE) from None
    else:
        return given.encode()
    if len(data) > INPUT_LIMIT:
        raise CommandError(f"{what}: more than {INPUT_LIMIT:,} bytes", Exit.USAGE)
    return data


def read_text(given: str, what: str) -> str:
    """As ``read_bytes``, for one line of text such as a secret; blanks are part of it."""
    try:
        return read_bytes(given, what).decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise CommandError(f"{what} is not text", Exit.USAGE) from None
