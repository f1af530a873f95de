"""Checkpoints between commits: nobody who waits for a commit waits for the log to be copied.

SQLite does them inside the commit that makes its log too long, which then takes several times as
long as others. Here the writer's thread does them once the commit's callers have been told, while
the event loop works on what they answer and ask next. Should it not get to it, SQLite does
(``AUTOCHECKPOINT_PAGES``).
"""

from __future__ import annotations

import contextlib
import sqlite3
from typing import Final

from hookferry.store.sqlite.connection import CHECKPOINT_PAGES

CHECKPOINT: Final = "PRAGMA wal_checkpoint(PASSIVE)"


class Checkpoints:
    """Knows when the log is due. For the writer's thread alone.

    SQLite tells how long its log is only when it copies it, so in between it is estimated by the
    rows that were changed, as many pages for each as last time.

    Args:
        connection: the writer's.
        pages: how long the log may become.
    """

    def __init__(self, connection: sqlite3.Connection, pages: int = CHECKPOINT_PAGES) -> None:
        self._pages = pages
        self._changes = connection.total_changes
        self._pages_each = 1.0
        self._before = 0
        """Pages of the log that a reader kept from being used again."""

    def after_call(self, connection: sqlite3.Connection) -> None:
        """Copy the log if it is due."""
        changes = connection.total_changes - self._changes
        if changes * self._pages_each < self._pages or connection.in_transaction:
            return
        self._changes += changes
        with contextlib.suppress(sqlite3.Error):  # the next commit tells what is wrong
            _, log, copied = connection.execute(CHECKPOINT).fetchone()
            self._pages_each = max(0.01, (log - self._before) / changes)
            self._before = 0 if copied == log else log
