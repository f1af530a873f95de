"""Migrations: they make what tables.py says, in any state a ledger can be in."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

from hookferry.errors import SchemaOutdated
from hookferry.store import migrations
from hookferry.store.sqlite import SqliteStore, schema
from hookferry.store.sqlite.connection import FILE_NAME, open_writer
from hookferry.store.tables import metadata


def definitions(connection: sqlite3.Connection) -> dict[str, str]:
    rows = connection.execute(
        "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name <> 'alembic_version'"
    )
    return {name: re.sub(r"\s+", " ", sql).replace("( ", "(") for name, sql in rows}


# The index by the hour can't be reflected; the definitions are compared as text, too.
@pytest.mark.filterwarnings("ignore:.*expression-based index")
def test_the_migrated_schema_is_the_one_that_the_tables_declare(tmp_path: Path) -> None:
    migrated = open_writer(tmp_path)
    schema.upgrade(migrated)
    declared = sqlite3.connect(":memory:")
    engine = create_engine("sqlite+pysqlite://", creator=lambda: declared, poolclass=StaticPool)
    metadata.create_all(engine)
    assert definitions(migrated) == definitions(declared)
    ours = create_engine("sqlite+pysqlite://", creator=lambda: migrated, poolclass=StaticPool)
    with ours.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    migrated.close()
    declared.close()


def test_migrating_twice_changes_nothing(tmp_path: Path) -> None:
    connection = open_writer(tmp_path)
    schema.upgrade(connection)
    before = list(connection.iterdump())
    schema.upgrade(connection)
    assert list(connection.iterdump()) == before
    assert schema.revision(connection) == migrations.HEAD
    connection.close()


async def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path)
    await store.aclose()
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(SchemaOutdated, match=r"9999.*newer build"):
        await SqliteStore.open(tmp_path)


async def test_an_unmigrated_ledger_is_refused_when_migrating_is_off(tmp_path: Path) -> None:
    with pytest.raises(SchemaOutdated, match="hookferry migrate"):
        await SqliteStore.open(tmp_path, migrate=False)
    store = await SqliteStore.open(tmp_path)
    await store.aclose()
    store = await SqliteStore.open(tmp_path, migrate=False)
    await store.aclose()


def test_the_build_speaks_the_newest_revision() -> None:
    assert migrations.known()[0] == migrations.HEAD
