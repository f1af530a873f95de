"""A look at the database file before SQLite opens it, so that a damaged one is left untouched."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from hookferry.store.sqlite.connection import damaged

_MAGIC: Final = b"SQLite format 3\x00"
_HEADER: Final = 100


def inspect_file(path: Path) -> None:
    """Refuse a file that is plainly not a whole database; costs two reads, whatever its size.

    Checked are the header (SQLite's file format, section 1.3) and that the file is not shorter
    than the header says. The write-ahead log is not looked at: SQLite checks each of its frames
    by checksum and stops at the first torn one, which is what a crash leaves.

    Raises:
        LedgerDamaged: it is not one.
    """
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return
    if size == 0:
        # SQLite makes the file before it writes to it; a crash can leave it empty.
        return
    with path.open("rb") as file:
        header = file.read(_HEADER)
    if len(header) < _HEADER or not header.startswith(_MAGIC):
        raise damaged(path, "it does not begin with SQLite's header")
    page = int.from_bytes(header[16:18], "big")
    page = 65_536 if page == 1 else page
    if page < 512 or page & (page - 1):
        raise damaged(path, f"its header gives an impossible page size of {page} bytes")
    pages = int.from_bytes(header[28:32], "big")
    # The page count holds only where both change counters agree (section 1.3.7).
    if header[24:28] == header[92:96] and size < pages * page:
        raise damaged(path, f"it is cut short: {size} bytes, where its header says {pages * page}")
