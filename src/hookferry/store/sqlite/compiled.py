"""SQLAlchemy statements on plain connections: compiled text and its parameters."""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlalchemy import Executable
from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import CompilerElement

_DIALECT = SQLiteDialect(paramstyle="qmark")


def compiled(statement: Executable) -> tuple[str, tuple[Any, ...]]:
    """Return SQL with ``?`` and the parameters in their order."""
    assert isinstance(statement, CompilerElement)
    result = statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
    assert isinstance(result, SQLCompiler)
    names = result.positiontup or ()
    return str(result), tuple(result.params[name] for name in names)


def run(connection: sqlite3.Connection, statement: Executable) -> sqlite3.Cursor:
    """Execute a statement in the transaction that the connection is in."""
    return connection.execute(*compiled(statement))


def rows(connection: sqlite3.Connection, statement: Executable) -> list[Any]:
    """Execute a statement and return all rows."""
    return connection.execute(*compiled(statement)).fetchall()
