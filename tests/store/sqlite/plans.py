"""How SQLite would run a statement."""

from __future__ import annotations

import sqlite3


def plan(
    connection: sqlite3.Connection, sql: str, parameters: tuple[object, ...] = ()
) -> list[str]:
    if not parameters:
        parameters = (None,) * sql.count("?")
    rows = connection.execute("EXPLAIN QUERY PLAN " + sql, parameters).fetchall()
    return [row[3] for row in rows]


def tables_scanned(steps: list[str]) -> list[str]:
    """Return the steps that read a whole table or index; constant rows and chunks are none."""
    bounded = (
        "CONSTANT ROW",
        "SCAN new",
        "SCAN held",
        "SCAN f",
        "SCAN wanted",
        "subquery",
        "json_each",
    )
    return [
        step
        for step in steps
        if step.startswith("SCAN ") and not any(name in step for name in bounded)
    ]
