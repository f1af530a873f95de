"""What tests of the SQLite ledger share."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from hookferry.store.sqlite import schema
from hookferry.store.sqlite.connection import open_writer


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = open_writer(tmp_path)
    schema.upgrade(connection)
    connection.execute("CREATE TEMP TABLE forgotten (id INTEGER PRIMARY KEY)")
    yield connection
    connection.close()
