"""What only a real file can show: durability settings, full disks, owners, damage."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sqlite3
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hookferry.errors import LedgerDamaged, LedgerOwned, StartupError, StorageDown, StorageFull
from hookferry.store.ports import Acceptance, EventFilter
from hookferry.store.sqlite import SqliteStore
from hookferry.store.sqlite.connection import (
    AUTOCHECKPOINT_PAGES,
    FILE_NAME,
    JOURNAL_LIMIT_BYTES,
    require_version,
)
from hookferry.store.sqlite.opening import READS_WAITING
from hookferry.store.sqlite.owner import LOCK_NAME, Owner
from store.conformance.books import Books, Maker

EVERYTHING = EventFilter(tenant_id=1)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = await SqliteStore.open(tmp_path)
    yield store
    await store.aclose()


@pytest.fixture
def books(store: SqliteStore) -> Books:
    return Books(store, Maker())


def on_writer(store: SqliteStore, sql: str) -> asyncio.Future[object]:
    """Execute on the very connection that commits."""
    return store._write(lambda connection: (connection.execute(sql).fetchone() or [None])[0])


# --------------------------------------------------------------------------- durability


@pytest.mark.parametrize(
    ("pragma", "value"),
    [
        ("synchronous", 2),
        ("journal_mode", "wal"),
        ("wal_autocheckpoint", AUTOCHECKPOINT_PAGES),
        ("journal_size_limit", JOURNAL_LIMIT_BYTES),
        ("auto_vacuum", 0),
        ("secure_delete", 2),
    ],
)
async def test_the_writer_is_set_up_for_durability(
    store: SqliteStore, pragma: str, value: object
) -> None:
    assert await on_writer(store, f"PRAGMA {pragma}") == value


async def test_readers_can_not_write(store: SqliteStore) -> None:
    def write(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM tenants")

    with pytest.raises(StorageDown, match="readonly"):
        await store._readers.run(write)


async def test_a_closed_ledger_has_its_log_folded_in(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path)
    books = Books(store, Maker())
    await books.accept(Acceptance(books.make.event(), ()))
    await store.aclose()
    assert sorted(os.listdir(tmp_path)) == sorted([FILE_NAME, LOCK_NAME])


# --------------------------------------------------------------------------- full disks


async def test_a_full_disk_is_told_and_goes_on_when_there_is_room(
    store: SqliteStore, books: Books
) -> None:
    pages = await on_writer(store, "PRAGMA page_count")
    await on_writer(store, f"PRAGMA max_page_count={pages}")
    event = books.make.event(payload=b"x" * 100_000)
    with pytest.raises(StorageFull) as caught:
        await books.accept(Acceptance(event, (), (books.make.key(),)))
    assert caught.value.retry_after > 0
    assert await store.events(EVERYTHING, limit=10) == []
    await on_writer(store, f"PRAGMA max_page_count={1 << 30}")
    committed = await books.accept(Acceptance(event, (), (books.make.key(),)))
    assert committed.repeated == {}
    assert await store.event(1, event.id) == event


async def test_a_foreign_lock_makes_the_ledger_unavailable_not_the_data_wrong(
    store: SqliteStore, books: Books, tmp_path: Path
) -> None:
    await on_writer(store, "PRAGMA busy_timeout=1")
    foreign = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    with contextlib.closing(foreign):
        foreign.execute("BEGIN IMMEDIATE")
        event = books.make.event()
        with pytest.raises(StorageDown, match="locked"):
            await books.accept(Acceptance(event, ()))
        foreign.execute("ROLLBACK")
    await books.accept(Acceptance(event, ()))
    assert await store.event(1, event.id) == event


async def test_more_waiting_calls_than_the_limit_are_refused(store: SqliteStore) -> None:
    calls = [store._readers.run(lambda connection: None) for _ in range(READS_WAITING)]
    with pytest.raises(StorageDown, match="wait for the ledger"):
        await store.ping()
    await asyncio.gather(*calls)
    await store.ping()


async def test_a_search_that_takes_too_long_is_stopped(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless(connection: sqlite3.Connection) -> None:
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n"
        ).fetchone()

    monkeypatch.setattr("hookferry.store.sqlite.store.READ_SECONDS", 0.05)
    with pytest.raises(StorageDown, match="narrow it"):
        await store._search(endless)
    await store.ping()


# --------------------------------------------------------------------------- owners

COMMIT_FOR_EVER = """
import asyncio, sys
from pathlib import Path
from hookferry.clock import SystemClock
from hookferry.domain.event import Event
from hookferry.ids import IdSource
from hookferry.store.ports import Acceptance, Batch
from hookferry.store.sqlite import SqliteStore

async def main():
    store = await SqliteStore.open(Path(sys.argv[1]))
    source = IdSource(SystemClock())
    while True:
        event = Event(source.next(), 1, "a.b", b"{}", 0)
        await store.commit(Batch(1, [Acceptance(event, ())]))
        print(event.id, flush=True)

asyncio.run(main())
"""

OWN = """
import sys
from pathlib import Path
from hookferry.store.sqlite.owner import Owner
owner = Owner.take(Path(sys.argv[1]))
print("owned", flush=True)
sys.stdin.read()
"""


async def test_a_folder_that_another_process_owns_is_refused_until_it_dies(tmp_path: Path) -> None:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", OWN, str(tmp_path), stdin=pipe, stdout=pipe
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"owned\n"
    with pytest.raises(LedgerOwned, match=f"process {process.pid} owns .* stop it"):
        await SqliteStore.open(tmp_path)
    process.kill()
    await process.wait()
    store = await SqliteStore.open(tmp_path)
    await store.aclose()


async def test_a_folder_is_refused_twice_in_one_process_too(
    store: SqliteStore, tmp_path: Path
) -> None:
    with pytest.raises(LedgerOwned, match=f"process {os.getpid()}"):
        await SqliteStore.open(tmp_path)
    await store.ping()


def test_a_released_folder_names_no_owner(tmp_path: Path) -> None:
    owner = Owner.take(tmp_path)
    assert (tmp_path / LOCK_NAME).read_text() == f"{os.getpid()}\n"
    owner.release()
    assert (tmp_path / LOCK_NAME).read_text() == ""


# --------------------------------------------------------------------------- damage


async def filled(folder: Path) -> Path:
    """Make a closed ledger with some events in it."""
    store = await SqliteStore.open(folder)
    books = Books(store, Maker())
    await books.accept(*(Acceptance(books.make.event(payload=b"x" * 3000), ()) for _ in range(50)))
    await store.aclose()
    return folder / FILE_NAME


def put(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def content(path: Path) -> bytes:
    return path.read_bytes()


async def refuse(folder: Path, path: Path) -> str:
    """Open a damaged ledger; it must be refused, left as it is, and its folder let go."""
    before = content(path)
    with pytest.raises(LedgerDamaged) as caught:
        await SqliteStore.open(folder)
    assert content(path) == before
    Owner.take(folder).release()
    return str(caught.value)


async def test_a_file_that_is_no_database_is_refused_and_kept(tmp_path: Path) -> None:
    path = await filled(tmp_path)
    path.write_bytes(b"garbage" + path.read_bytes()[7:])
    message = await refuse(tmp_path, path)
    assert "restore a backup" in message
    assert ".recover" in message


async def test_a_file_cut_short_is_refused_and_kept(tmp_path: Path) -> None:
    path = await filled(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - 4096 - 100])
    assert "cut short" in await refuse(tmp_path, path)


async def test_a_file_of_a_few_bytes_is_refused_and_kept(tmp_path: Path) -> None:
    path = await filled(tmp_path)
    path.write_bytes(b"SQLite format 3\x00")
    await refuse(tmp_path, path)


async def test_a_broken_schema_page_is_refused_and_kept(tmp_path: Path) -> None:
    path = await filled(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + b"\xff" * 3000 + whole[3100:])
    await refuse(tmp_path, path)


async def test_a_broken_root_page_of_a_table_is_refused_and_kept(tmp_path: Path) -> None:
    path = await filled(tmp_path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        page = connection.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'deliveries_due'"
        ).fetchone()[0]
    whole = bytearray(path.read_bytes())
    whole[(page - 1) * 4096 : page * 4096] = b"\xaa" * 4096
    path.write_bytes(whole)
    await refuse(tmp_path, path)


async def test_a_crash_in_the_middle_of_a_checkpoint_is_no_damage(tmp_path: Path) -> None:
    folder, crashed = tmp_path / "live", tmp_path / "crashed"
    crashed.mkdir()
    store = await SqliteStore.open(folder)
    before = (folder / FILE_NAME).stat().st_size
    books = Books(store, Maker())
    await books.accept(*(Acceptance(books.make.event(payload=b"x" * 3000), ()) for _ in range(50)))
    log = f"{FILE_NAME}-wal"
    shutil.copy(folder / log, crashed / log)
    events = await store.events(EVERYTHING, limit=100)
    await store.aclose()
    # The first pages, with the header that counts them all, were written; the new ones were not.
    whole = content(folder / FILE_NAME)
    assert len(whole) > before
    put(crashed / FILE_NAME, whole[:before])
    store = await SqliteStore.open(crashed)
    assert await store.events(EVERYTHING, limit=100) == events
    await store.aclose()


async def test_a_killed_process_leaves_every_commit_that_it_was_told_of(tmp_path: Path) -> None:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", COMMIT_FOR_EVER, str(tmp_path), stdout=pipe
    )
    assert process.stdout is not None
    told = [int(await process.stdout.readline()) for _ in range(20)]
    process.kill()
    told += [int(line) for line in (await process.stdout.read()).split(b"\n")[:-1]]
    await process.wait()
    store = await SqliteStore.open(tmp_path)
    stored = {event.id for event in await store.events(EVERYTHING, limit=100_000)}
    assert set(told) <= stored
    await store.aclose()


def test_a_sqlite_that_is_too_old_is_refused() -> None:
    require_version((3, 35, 0))
    with pytest.raises(StartupError, match=r"3\.26\.0.*needs 3\.35\.0"):
        require_version((3, 26, 0))


async def test_an_empty_file_left_by_a_crash_is_a_new_ledger(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).touch()
    store = await SqliteStore.open(tmp_path)
    assert (await store.boot()).time_ms == 0
    await store.aclose()


async def test_damage_found_while_running_says_what_to_do(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path)

    def corrupt(connection: sqlite3.Connection) -> None:
        error = sqlite3.DatabaseError("database disk image is malformed")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error

    with pytest.raises(StorageDown, match=r"damaged.*\.recover"):
        await store._write(corrupt)
    await store.aclose()
