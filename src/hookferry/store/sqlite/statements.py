"""Multi-row statements, because the number of statements is what a batch costs.

Each call into SQLite gives up the interpreter's lock and has to win it back from a busy event
loop, so rows go in ``CHUNK`` at a time. The texts are cached by length, and with them SQLite's
prepared statements.
"""

from __future__ import annotations

import functools
import sqlite3
from typing import Any, Final

CHUNK: Final = 64
"""Rows of one statement. A row has at most 17 values: far below SQLite's 32,766 parameters."""


class MultiRow:
    """A statement with ``{rows}`` where the rows of a VALUES list go.

    Args:
        text: the SQL.
        width: values per row.
    """

    __slots__ = ("_text", "width")

    def __init__(self, text: str, width: int) -> None:
        self._text = text
        self.width = width

    def run(self, connection: sqlite3.Connection, values: list[Any]) -> None:
        """Execute for all rows; ``values`` holds them one after the other."""
        step = CHUNK * self.width
        for start in range(0, len(values), step):
            part = values[start : start + step]
            sql = _sql(self._text, self.width, len(part) // self.width)
            connection.execute(sql, part)

    def rows(
        self, connection: sqlite3.Connection, values: list[Any], *, before: tuple[Any, ...] = ()
    ) -> list[Any]:
        """Execute for all rows and return all that was found.

        Args:
            connection: where.
            values: the rows' values one after the other.
            before: values of ``?1``, ``?2``, ..., which come before the rows'.
        """
        found: list[Any] = []
        step = CHUNK * self.width
        for start in range(0, len(values), step):
            part = values[start : start + step]
            sql = _sql(self._text, self.width, len(part) // self.width)
            found += connection.execute(sql, (*before, *part)).fetchall()
        return found

    def sql(self, rows: int) -> str:
        """Return the text for a number of rows."""
        return _sql(self._text, self.width, rows)


@functools.lru_cache(maxsize=1_024)
def _sql(text: str, width: int, rows: int) -> str:
    row = "(" + ",".join("?" * width) + ")"
    return text.format(rows=",".join([row] * rows))
