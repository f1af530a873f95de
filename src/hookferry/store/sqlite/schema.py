"""The schema of an SQLite ledger: migrated and checked on the writer's own connection."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import StaticPool

from hookferry.errors import SchemaOutdated
from hookferry.store import migrations

_REVISION: Final = "SELECT version_num FROM alembic_version"


def revision(connection: sqlite3.Connection) -> str | None:
    """Return the revision of a ledger, None for an empty file."""
    found = connection.execute(
        "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'alembic_version'"
    ).fetchone()
    if found is None:
        return None
    row = connection.execute(_REVISION).fetchone()
    return None if row is None else str(row[0])


def upgrade(connection: sqlite3.Connection) -> None:
    """Migrate to this build's revision in one transaction, when it is not there yet.

    Raises:
        SchemaOutdated: a newer build wrote the ledger.
    """
    at = revision(connection)
    migrations.refuse_newer(at)
    if at == migrations.HEAD:
        return
    with _alchemy(connection) as alchemy:
        alchemy.exec_driver_sql("BEGIN IMMEDIATE")
        migrations.upgrade(alchemy)
        alchemy.commit()


def refuse_other(connection: sqlite3.Connection) -> None:
    """Raise SchemaOutdated unless the ledger is at this build's revision."""
    at = revision(connection)
    migrations.refuse_newer(at)
    if at != migrations.HEAD:
        raise SchemaOutdated(
            f"the ledger's schema is revision {at or 'none'}, this build needs "
            f"{migrations.HEAD}: run hookferry migrate"
        )


@contextmanager
def _alchemy(connection: sqlite3.Connection) -> Iterator[Connection]:
    """Lend the connection to SQLAlchemy."""
    engine = create_engine("sqlite+pysqlite://", creator=lambda: connection, poolclass=StaticPool)
    with engine.connect() as alchemy:
        yield alchemy
