"""A look at the ledger's file before anything writes to it, so that a damaged one stays as it is.

Its cost does not grow with the log, so it is no proof: damage in the middle of a large table is
found when a statement meets it (``connection.translate``), and by ``PRAGMA integrity_check``.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Final

from sqlalchemy import ClauseElement, Column, Table

from hookferry.store import tables
from hookferry.store.sqlite.connection import FILE_NAME, damaged, inspect_only, means_damage

_MAGIC: Final = b"SQLite format 3\x00"
_HEADER: Final = 100


_LONG: Final = (
    tables.events,
    tables.requests,
    tables.deliveries,
    tables.attempts,
    tables.dedupe,
    tables.dedupe_recent,
    tables.webhook_versions,
    tables.runs,
    tables.storage,
)
"""Tables that grow with the log: only both ends of each of their trees are read."""


def inspect_ledger(folder: Path) -> None:
    """Refuse a ledger that is plainly damaged, without changing its file.

    Small tables are checked whole, long ones at both ends of the table and of each index: new
    rows are written there, and with them most of what a failing disk tears.

    Raises:
        LedgerDamaged: the file is not a sound database.
    """
    path = folder / FILE_NAME
    _inspect_file(path)
    if not path.exists() or path.stat().st_size == 0:
        # SQLite makes the file before it writes to it; a crash can leave it empty.
        return
    try:
        with contextlib.closing(inspect_only(folder)) as connection:
            _inspect_tables(path, connection)
    except sqlite3.DatabaseError as error:
        if means_damage(error):
            raise damaged(path, error) from error
        raise


def _inspect_tables(path: Path, connection: sqlite3.Connection) -> None:
    found = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema")}
    for table in tables.metadata.sorted_tables:
        if table.name not in found:
            # Not migrated to yet.
            continue
        if table in _LONG:
            for statement in _both_ends(table, found):
                connection.execute(statement).fetchone()
        else:
            verdict = connection.execute(f"PRAGMA quick_check({table.name})").fetchone()[0]
            if verdict != "ok":
                raise damaged(path, verdict)


def _both_ends(table: Table, found: set[str]) -> list[str]:
    """Return statements that read the first and the last entry of each of a table's trees."""
    statements = []
    for order in ("ASC", "DESC"):
        keys = ", ".join(f"{column.name} {order}" for column in table.primary_key)
        statements.append(f"SELECT * FROM {table.name} ORDER BY {keys} LIMIT 1")  # noqa: S608
        for index in table.indexes:
            if index.name not in found:
                continue
            where = index.dialect_options["sqlite"]["where"]
            columns = ", ".join(f"{_term(each)} {order}" for each in index.expressions)
            statements.append(
                f"SELECT 1 FROM {table.name} INDEXED BY {index.name}"  # noqa: S608
                f"{'' if where is None else f' WHERE {where}'} ORDER BY {columns} LIMIT 1"
            )
    return statements


def _term(part: str | ClauseElement) -> str:
    """Return what an index is ordered by: a column, or an expression."""
    return part.name if isinstance(part, Column) else str(part)


def _inspect_file(path: Path) -> None:
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
    # The page count holds only where both change counters agree (section 1.3.7), and while a
    # write-ahead log is there it is the log's business: a crash in the middle of a checkpoint
    # leaves a short file, and SQLite finishes it from the log.
    log = path.with_name(path.name + "-wal")
    settled = header[24:28] == header[92:96] and not (log.exists() and log.stat().st_size)
    if settled and size < pages * page:
        raise damaged(path, f"it is cut short: {size} bytes, where its header says {pages * page}")
