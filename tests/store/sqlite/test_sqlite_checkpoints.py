"""The log is copied between commits, when it is long enough."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from hookferry.store.ports import Acceptance
from hookferry.store.sqlite import checkpoints
from hookferry.store.sqlite.checkpoints import Checkpoints, Copier
from hookferry.store.sqlite.connection import CHECKPOINT_PAGES, FILE_NAME, open_writer
from hookferry.store.sqlite.store import SqliteStore
from hookferry.store.sqlite.worker import Worker
from store.conformance.books import Books, Maker

PAGES = 40
EVENTS = 100
"""Of a page each, in a commit."""


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


@pytest.fixture
def copier(writer: sqlite3.Connection, tmp_path: Path) -> Iterator[Copier]:
    copier = Copier(tmp_path)
    yield copier
    copier.stop()
    writer.close()
    copier.close()


def log_pages(folder: Path) -> int:
    """Pages that the log's file has room for: as many as were in it when it was longest."""
    return (folder / f"{FILE_NAME}-wal").stat().st_size // 4120


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


def test_most_of_the_log_is_copied_while_commits_go_on(
    writer: sqlite3.Connection, copier: Copier, tmp_path: Path
) -> None:
    before = pages(tmp_path)
    commit(writer, PAGES)
    writer.execute("BEGIN")
    writer.execute("INSERT INTO t VALUES (1)")
    copier.begin().result()
    writer.execute("COMMIT")
    assert pages(tmp_path) >= before + PAGES


def test_the_writer_copies_what_was_committed_meanwhile_and_the_log_begins_anew(
    writer: sqlite3.Connection,
    copier: Copier,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begin = copier.begin
    reader = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)

    def begin_with_a_commit_meanwhile() -> Future[int]:
        reader.execute("BEGIN")  # keeps the copy from going on to what comes now
        reader.execute("SELECT * FROM t").fetchone()
        commit(writer, 3)
        copying = begin()
        copying.result()
        reader.execute("COMMIT")
        return copying

    monkeypatch.setattr(copier, "begin", begin_with_a_commit_meanwhile)
    checkpoints = Checkpoints(writer, PAGES, copier)
    for _ in range(5):
        commit(writer, PAGES)
        checkpoints.after_call(writer)  # copies all but three pages
        checkpoints.after_call(writer)
    reader.close()
    assert log_pages(tmp_path) < 2 * PAGES


def test_a_copy_is_on_stable_storage_before_the_writer_copies_the_rest(
    writer: sqlite3.Connection, copier: Copier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[int, int]] = []

    def sync(descriptor: int) -> None:
        synced.append((os.fstat(descriptor).st_ino, pages(tmp_path)))

    monkeypatch.setattr(checkpoints, "_sync", sync)
    before = pages(tmp_path)
    commit(writer, PAGES)
    copier.begin().result()
    [(inode, then)] = synced
    assert inode == (tmp_path / FILE_NAME).stat().st_ino
    assert then >= before + PAGES


def test_a_copier_leaves_the_locks_of_the_ledger_alone(
    writer: sqlite3.Connection, copier: Copier, tmp_path: Path
) -> None:
    commit(writer, PAGES)
    copier.begin().result()
    # Who closes a ledger last takes its log away, and locks tell who is the last.
    visit = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('SELECT * FROM t').close()"
    subprocess.run([sys.executable, "-c", visit, str(tmp_path / FILE_NAME)], check=True)
    assert (tmp_path / f"{FILE_NAME}-wal").exists()
    commit(writer)


def test_a_copy_that_fails_is_left_to_the_writer(
    writer: sqlite3.Connection, copier: Copier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(checkpoints, "_sync", fails)
    due = Checkpoints(writer, PAGES, copier)
    commit(writer, PAGES)
    due.after_call(writer)
    copier.begin().result()
    commit(writer)
    due.after_call(writer)
    commit(writer, PAGES)
    assert log_pages(tmp_path) < 2 * PAGES


async def test_a_result_is_on_its_way_before_what_comes_after_it() -> None:
    told: list[str] = []

    def after(_: str) -> None:
        told.append("after" if future.done() or worker._waking else "too early")

    worker = Worker(
        "w",
        ["context"],
        limit=1,
        recover=lambda _, error: error,
        after=after,
        close=lambda _: None,
    )
    future = worker.run(lambda _: told.append("call"))
    await future
    await worker.aclose()
    assert told == ["call", "after"]


@pytest.mark.parametrize("lost", [None, lambda: None], ids=["thread", "process"])
async def test_the_store_copies_its_log_between_commits(
    tmp_path: Path, lost: Callable[[], None] | None
) -> None:
    store = await SqliteStore.open(tmp_path, writer_lost=lost)
    books = Books(store, Maker())
    try:
        before = pages(tmp_path)
        # Shorter than what SQLite copies by itself, in the commit.
        for _ in range(2 * CHECKPOINT_PAGES // EVENTS):
            await books.accept(
                *(Acceptance(books.make.event(payload=b"x" * 4096), ()) for _ in range(EVENTS))
            )
        await books.version()  # what comes after a call is done before the next
        assert pages(tmp_path) >= before + CHECKPOINT_PAGES
    finally:
        await store.aclose()
