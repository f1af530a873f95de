"""The log is copied between commits, when it is long enough."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from hookferry.store.sqlite.checkpoints import Checkpoints
from hookferry.store.sqlite.connection import FILE_NAME, open_writer
from hookferry.store.sqlite.store import SqliteStore
from hookferry.store.sqlite.worker import Worker

PAGES = 40


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = open_writer(tmp_path)
    connection.execute("CREATE TABLE t (a)")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    yield connection
    connection.close()


def commit(writer: sqlite3.Connection, rows: int = 1) -> None:
    """Add rows of a page each."""
    writer.execute("BEGIN")
    for _ in range(rows):
        writer.execute("INSERT INTO t VALUES (zeroblob(4000))")
    writer.execute("COMMIT")


def pages(folder: Path) -> int:
    """Pages in the database's file: those that only the log has are not."""
    return (folder / FILE_NAME).stat().st_size // 4096


def test_the_log_is_copied_once_it_is_long(writer: sqlite3.Connection, tmp_path: Path) -> None:
    checkpoints = Checkpoints(writer, PAGES)
    before = pages(tmp_path)
    commit(writer, PAGES - 1)
    checkpoints.after_call(writer)
    assert pages(tmp_path) == before
    commit(writer)
    checkpoints.after_call(writer)
    assert pages(tmp_path) >= before + PAGES


def test_how_long_it_is_by_the_rows_is_learned(writer: sqlite3.Connection, tmp_path: Path) -> None:
    writer.execute("CREATE TABLE small (a)")
    checkpoints = Checkpoints(writer, PAGES)
    for _ in range(2 * PAGES):  # all on one page
        writer.execute("BEGIN")
        writer.executemany("INSERT INTO small VALUES (?)", [(n,) for n in range(10)])
        writer.execute("COMMIT")
        checkpoints.after_call(writer)
    commit(writer)
    before = pages(tmp_path)
    checkpoints.after_call(writer)
    assert pages(tmp_path) == before, "a row is less than a tenth of a page by now"


def test_what_a_reader_holds_is_copied_later(writer: sqlite3.Connection, tmp_path: Path) -> None:
    checkpoints = Checkpoints(writer, PAGES)
    reader = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM t").fetchall()
    commit(writer, PAGES)
    before = pages(tmp_path)
    checkpoints.after_call(writer)
    assert pages(tmp_path) == before
    reader.execute("COMMIT")
    reader.close()
    commit(writer, PAGES)
    checkpoints.after_call(writer)
    assert pages(tmp_path) >= before + 2 * PAGES


async def test_a_result_is_on_its_way_before_what_comes_after_it() -> None:
    told: list[str] = []

    def after(_: str) -> None:
        told.append("after" if future.done() or worker._waking else "too early")

    worker = Worker("w", ["context"], limit=1, recover=lambda _, error: error, after=after)
    future = worker.run(lambda _: told.append("call"))
    await future
    await worker.aclose()
    assert told == ["call", "after"]


async def test_the_store_copies_its_log_between_commits(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path)
    try:
        after = store._writer._after
        assert isinstance(getattr(after, "__self__", None), Checkpoints)
    finally:
        await store.aclose()
