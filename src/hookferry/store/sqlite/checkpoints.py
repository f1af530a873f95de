"""Checkpoints between commits: nobody who waits for a commit waits for the log to be copied.

SQLite does them inside the commit that makes its log too long, which then takes several times as
long as others. Here the writer does them once the commit's callers have been told, while the event
loop works on what they answer and ask next. Should it not get to it, SQLite does
(``AUTOCHECKPOINT_PAGES``).

Where the writer is a process of its own, it has a ``Copier`` do most of it, while commits go on.
SQLite begins its log anew only when nothing of it is left to copy, so what was committed meanwhile
is copied by the writer after all: that is little, and soon on stable storage.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

from hookferry.store.sqlite.connection import CHECKPOINT_PAGES, FILE_NAME, open_copier

CHECKPOINT: Final = "PRAGMA wal_checkpoint(PASSIVE)"
_sync: Final = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync
_LEAST_PAGES_EACH: Final = 0.1
"""Pages of the log for a changed row, at least: rows that share pages may be followed by others."""


class Copier:
    """Copies the log on a thread of its own, and sees to it that the copy is on stable storage.

    SQLite leaves the latter to whoever copies the last piece, who would wait for all of it.

    Args:
        folder: the data folder.

    Raises:
        sqlite3.Error: the ledger can't be opened.
    """

    def __init__(self, folder: Path) -> None:
        self._connection = open_copier(folder)
        # Closing it would drop the POSIX locks that SQLite has on the file in this process.
        self._descriptor = os.open(folder / FILE_NAME, os.O_RDONLY)
        self._thread = ThreadPoolExecutor(1, "ledger-copier")

    def begin(self) -> Future[int]:
        """Begin to copy what is in the log; the future has its pages, 0 where that fails."""
        return self._thread.submit(self._copy)

    def _copy(self) -> int:
        pages: int = 0
        with contextlib.suppress(sqlite3.Error, OSError):  # whoever copies the last piece finds out
            _, pages, _ = self._connection.execute(CHECKPOINT).fetchone()
            _sync(self._descriptor)
        return pages

    def stop(self) -> None:
        """Wait for the copy that is under way, and copy no more."""
        self._thread.shutdown()
        self._connection.close()

    def close(self) -> None:
        """Let go of the file, once no connection of this process uses it any more."""
        os.close(self._descriptor)


class Checkpoints:
    """Knows when the log is due. For the writer's thread alone.

    SQLite tells how long its log is only when it copies it, so in between it is estimated by the
    rows that were changed, as many pages for each as last time.

    Args:
        connection: the writer's.
        pages: how long the log may become.
        copier: who copies most of it; None where the writer does all.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        pages: int = CHECKPOINT_PAGES,
        copier: Copier | None = None,
    ) -> None:
        self._pages = pages
        self._copier = copier
        self._copying: Future[int] | None = None
        self._changes = connection.total_changes
        self._changes_copied = 0
        """How many rows are in what the copier copies."""
        self._pages_each = 1.0
        self._before = 0
        """Pages of the log that a reader kept from being used again."""

    def after_call(self, connection: sqlite3.Connection) -> None:
        """Copy the log if it is due, or the rest of it if most has been copied."""
        changes = connection.total_changes - self._changes
        if connection.in_transaction:
            return
        if self._copying is not None:
            if self._copying.done():
                self._learn(self._copying.result(), self._changes_copied)
                self._copying = None
                self._copy(connection, changes)
        elif changes * self._pages_each >= self._pages:
            if self._copier is None:
                self._copy(connection, changes)
            else:
                self._changes_copied = changes
                self._copying = self._copier.begin()

    def _copy(self, connection: sqlite3.Connection, changes: int) -> None:
        self._changes += changes
        with contextlib.suppress(sqlite3.Error):  # the next commit tells what is wrong
            _, pages, copied = connection.execute(CHECKPOINT).fetchone()
            if self._copier is None:
                self._learn(pages, changes)
            self._before = 0 if copied == pages else pages

    def _learn(self, pages: int, changes: int) -> None:
        if pages > self._before:
            self._pages_each = max(_LEAST_PAGES_EACH, (pages - self._before) / changes)
