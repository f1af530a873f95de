"""Connections to the ledger's file: how they are set up, and what their errors mean.

The only place that knows PRAGMAs and SQLite's result codes.

* ``synchronous=FULL`` in WAL mode: a commit returns after the write-ahead log is on stable
  storage.
* The log is copied into the database (a checkpoint) when it is longer than ``CHECKPOINT_PAGES``
  (``checkpoints``): seldom enough that a page written by many commits is copied once, often enough
  that a commit behind or beside it takes some milliseconds longer and not tens of them. Readers
  never hold a transaction longer than one call, so checkpoints reach the log's end and it starts
  over. ``journal_size_limit`` gives back what a burst has taken.
* No vacuum: pages freed by retention are used again, so the file stays at its high-water mark.
  Incremental vacuum would write pointer-map pages with every event to save space that the next
  day needs again.
* ``secure_delete`` is FAST: what retention forgets is zeroed where that costs no further page.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Final

from hookferry.errors import HookferryError, LedgerDamaged, StartupError, StorageDown, StorageFull

NEEDS: Final = (3, 35, 0)
"""The oldest SQLite that knows every statement used: UPDATE ... FROM and RETURNING."""
FILE_NAME: Final = "ledger.sqlite3"
CHECKPOINT_PAGES: Final = 1_000
AUTOCHECKPOINT_PAGES: Final = 8 * CHECKPOINT_PAGES
"""When the commit itself has to copy the log: in a migration, or after a commit of this size."""
JOURNAL_LIMIT_BYTES: Final = 64 * 1024 * 1024
BUSY_TIMEOUT_MS: Final = 5_000
"""Only a foreign program (a backup, a shell) can make the writer wait; this is for how long."""
WRITER_CACHE_KIB: Final = 32 * 1024
READER_CACHE_KIB: Final = 4 * 1024
_STATEMENTS: Final = 512
"""Prepared statements kept: multi-row statements exist in up to 64 lengths each."""

_FULL = sqlite3.SQLITE_FULL
_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_PASSING = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_PERM,
    }
)


def require_version(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> None:
    """Raise StartupError when Python was built with a SQLite that is too old."""
    if version < NEEDS:
        raise StartupError(
            f"this Python's SQLite is {'.'.join(map(str, version))}, hookferry needs "
            f"{'.'.join(map(str, NEEDS))} or later: use a Python built with a newer one"
        )


def open_writer(folder: Path) -> sqlite3.Connection:
    """Open the one connection that writes, making the file if there is none."""
    connection = _connect(folder, "rwc")
    connection.execute("PRAGMA auto_vacuum=NONE")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint={AUTOCHECKPOINT_PAGES}")
    connection.execute(f"PRAGMA journal_size_limit={JOURNAL_LIMIT_BYTES}")
    connection.execute(f"PRAGMA cache_size=-{WRITER_CACHE_KIB}")
    connection.execute("PRAGMA secure_delete=FAST")
    return connection


def open_reader(folder: Path) -> sqlite3.Connection:
    """Open a connection that can't write."""
    connection = _connect(folder, "rw")
    connection.execute("PRAGMA query_only=ON")
    connection.execute(f"PRAGMA cache_size=-{READER_CACHE_KIB}")
    return connection


def open_copier(folder: Path) -> sqlite3.Connection:
    """Open a connection that copies the log and writes nothing else."""
    connection = _connect(folder, "rw")
    connection.execute("PRAGMA query_only=ON")
    connection.execute("PRAGMA synchronous=FULL")  # the log is on stable storage before its copy
    return connection


def inspect_only(folder: Path) -> sqlite3.Connection:
    """Open a connection that changes nothing, not even by folding in the log when it closes."""
    return _connect(folder, "ro")


def _connect(folder: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{(folder / FILE_NAME).absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=BUSY_TIMEOUT_MS / 1000,
        isolation_level=None,
        # Opened on one thread and handed to the one that uses it from then on.
        check_same_thread=False,
        cached_statements=_STATEMENTS,
    )
    connection.execute("PRAGMA temp_store=MEMORY")
    return connection


def means_damage(error: sqlite3.Error) -> bool:
    """Say whether an error means that the file is not a sound database."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE


def translate(error: sqlite3.Error) -> HookferryError | None:
    """Return what an error of SQLite means, None when it blames the data of the statement."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == _FULL:
        return StorageFull(
            "the disk under the ledger is full: free some space, and hookferry goes on by itself",
            retry_after=5,
        )
    if means_damage(error):
        return StorageDown(f"the ledger's file is damaged ({error}): stop hookferry, {REMEDY}")
    if code == sqlite3.SQLITE_INTERRUPT:
        return StorageDown("the search took too long: narrow it by webhook, source, type or time")
    if code in _PASSING:
        return StorageDown(f"the ledger can't be used at the moment: {error}")
    return None


def recover(connection: sqlite3.Connection, error: BaseException) -> BaseException:
    """Undo what a failed call left open and say what its error means."""
    if connection.in_transaction:
        # SQLite has rolled back by itself after some errors; then there is nothing to undo.
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
    return translate(error) or error if isinstance(error, sqlite3.Error) else error


REMEDY: Final = (
    "keep a copy of the data folder, then restore a backup of the file or rescue what can be read "
    f"with: sqlite3 {FILE_NAME} .recover | sqlite3 rescued.sqlite3"
)


def damaged(path: Path, why: object) -> LedgerDamaged:
    """Build the error for a file that can't be used."""
    return LedgerDamaged(f"{path} is damaged ({why}); nothing was changed: {REMEDY}")
