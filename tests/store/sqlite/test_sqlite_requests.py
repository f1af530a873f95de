"""What caught requests cost the SQLite ledger: bytes once, few statements, nothing that grows."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from hookferry.domain.event import Event
from hookferry.domain.request import Verdict
from hookferry.errors import StorageDown
from hookferry.store.ports import Acceptance, Batch, RequestFilter, Ring
from hookferry.store.sqlite import SqliteStore, requests, retention, rings, schema, search
from hookferry.store.sqlite.claims import Claims
from hookferry.store.sqlite.commit import commit
from hookferry.store.sqlite.connection import open_writer
from hookferry.store.sqlite.rings import Rings
from hookferry.store.sqlite.upkeep import boot
from store.conformance.books import HOUR, NOW, SOURCE, Books, Maker

VERSION = 1 << 40
GB = 1 << 30
SMALL, LARGE = 300, 3_000
STEP = 10
"""Virtual machine instructions between two counts."""


class Log:
    """A ledger, and what its writer knows."""

    def __init__(self, folder: Path) -> None:
        self.connection = open_writer(folder)
        schema.upgrade(self.connection)
        self.make = Maker()
        self.rings = Rings()
        self.claims = Claims(self.connection)

    def commit(self, *accept: Acceptance) -> None:
        commit(self.connection, Batch(VERSION, list(accept)), self.rings, self.claims)

    def alone(self, count: int, ring: Ring | None = None) -> list[Acceptance]:
        return [Acceptance(None, (), (), self.make.request(), ring) for _ in range(count)]

    def statements(self, *accept: Acceptance) -> int:
        """Return how many statements a commit takes."""
        seen: list[str] = []
        self.connection.set_trace_callback(seen.append)
        self.commit(*accept)
        self.connection.set_trace_callback(None)
        return len(seen)

    def steps(self, call: Callable[[sqlite3.Connection], object]) -> int:
        counted = 0

        def count() -> None:
            nonlocal counted
            counted += 1

        self.connection.set_progress_handler(count, STEP)
        call(self.connection)
        self.connection.set_progress_handler(None, 0)
        return counted


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    log = Log(tmp_path)
    yield log
    log.connection.close()


def test_bytes_of_a_request_that_became_an_event_are_stored_once(log: Log) -> None:
    log.commit(log.make.caught(body=b"the body"))
    [row] = log.connection.execute("SELECT body, document FROM requests").fetchall()
    assert row[0] is None
    assert b"X-Tag" not in row[1]
    [(payload, meta)] = log.connection.execute("SELECT payload, meta FROM events").fetchall()
    assert payload == b"the body"
    assert b"X-Tag" in meta


def test_a_meta_written_before_this_schema_is_read(log: Log) -> None:
    both = log.make.caught()
    assert isinstance(both.event, Event)
    log.commit(both)
    was = msgspec.json.encode(both.event.meta)
    log.connection.execute("UPDATE events SET meta = ?", (was,))
    assert search.event(log.connection, 1, both.event.id) == both.event
    assert both.request is not None
    assert requests.request(log.connection, 1, both.request.id) == both.request


def test_a_commit_of_many_requests_takes_few_statements(log: Log) -> None:
    # Begin, configuration version, two chunks of events, two of requests, the time, commit.
    assert log.statements(*(log.make.caught() for _ in range(128))) == 8
    # The same without events.
    assert log.statements(*log.alone(128)) == 6


def test_a_commit_without_requests_pays_nothing_for_rings(log: Log) -> None:
    log.commit(*log.alone(10, Ring(True, 5, GB)))
    # Begin, configuration version, events, the time, commit.
    assert log.statements(Acceptance(log.make.event())) == 5


def test_a_ring_is_counted_once_and_looked_at_only_when_it_is_full(log: Log) -> None:
    ring = Ring(True, 5, GB)
    # The newest of the source and what the ring holds are asked for once, before the request.
    assert log.statements(*log.alone(1, ring)) == 7
    assert log.statements(*log.alone(1, ring)) == 5
    log.commit(*log.alone(3, ring))
    # Its oldest are found, and one is deleted.
    assert log.statements(*log.alone(1, ring)) == 7


def test_retention_does_not_have_rings_counted_again(log: Log) -> None:
    ring = Ring(True, 5, GB)
    log.commit(*log.alone(5, ring))
    none = frozenset[int]()
    assert retention.forget_requests(log.connection, log.rings, 1 << 62, 2, None, none) == 2
    assert log.statements(*log.alone(2, ring)) == 5
    # Full again: the oldest are found, and one is deleted.
    assert log.statements(*log.alone(1, ring)) == 7


@pytest.mark.parametrize("unproven", [True, False])
def test_a_full_ring_costs_the_same_however_large_it_is(tmp_path: Path, unproven: bool) -> None:
    costs = []
    for size in (SMALL, LARGE):
        (tmp_path / str(size)).mkdir()
        log = Log(tmp_path / str(size))
        ring = Ring(unproven, size, GB)
        log.commit(*log.alone(size, ring))
        log.commit(*log.alone(1, ring))
        one = Batch(VERSION, log.alone(1, ring))
        costs.append(log.steps(_commit(one, log.rings)))
        assert len(requests.find_requests(log.connection, FIND, LARGE * 2, None, False)) == size
        log.connection.close()
    assert costs[1] <= costs[0] * 1.2 + 2


def test_a_ring_made_smaller_empties_a_bounded_step_at_a_time(log: Log) -> None:
    log.commit(*log.alone(200))
    ring = Ring(True, 10, GB)
    left = []
    for _ in range(4):
        log.commit(*log.alone(1, ring))
        [(count,)] = log.connection.execute("SELECT count(*) FROM requests").fetchall()
        left.append(count)
    step = rings.TRIM_BESIDE
    assert left == [200 - step, 200 - 2 * step, 10, 10]


def test_a_ring_of_large_bodies_empties_a_bounded_step_at_a_time(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rings, "TRIM_BYTES", 50)
    log.commit(*(Acceptance(None, request=log.make.request(body=b"x" * 20)) for _ in range(20)))
    log.commit(*log.alone(1, Ring(True, 2, GB)))
    [(count,)] = log.connection.execute("SELECT count(*) FROM requests").fetchall()
    assert count == 21 - 3


@pytest.mark.parametrize("unproven", [True, False])
def test_a_ring_far_too_full_is_counted_in_part_and_emptied_all_the_same(
    log: Log, monkeypatch: pytest.MonkeyPatch, unproven: bool
) -> None:
    monkeypatch.setattr(rings, "COUNT_BESIDE", 20)
    monkeypatch.setattr(rings, "TRIM_BESIDE", 5)
    log.commit(*log.alone(2_000))
    ring = Ring(unproven, 10, GB)
    first = Batch(VERSION, log.alone(1, ring))
    assert log.steps(_commit(first, log.rings)) < 200
    for _ in range(2_000 // 5):
        log.commit(*log.alone(1, ring))
    assert len(requests.find_requests(log.connection, FIND, 99, None, False)) == 10


def test_rings_of_so_many_sources_are_remembered_and_no_more(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rings, "SOURCES_COUNTED", 3)
    ring = Ring(True, 2, GB)
    for turn in range(3):
        for source in range(1, 6):
            log.commit(Acceptance(None, request=log.make.request(source=source), ring=ring))
            assert len(log.rings._held) <= 3
        assert len(requests.find_requests(log.connection, FIND, 99, None, False)) == min(
            5 * (turn + 1), 10
        )


def test_old_requests_with_large_bodies_go_a_few_at_a_time(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "CHUNK_BYTES", 50)
    log.commit(*(Acceptance(None, request=log.make.request(body=b"x" * 20)) for _ in range(5)))
    below = 1 << 62
    none = frozenset[int]()
    gone = retention.forget_requests(log.connection, log.rings, below, 99, None, none)
    assert gone == 3
    assert retention.forget_requests(log.connection, log.rings, below, 99, None, none) == 2
    assert retention.forget_requests(log.connection, log.rings, below, 99, None, none) == 0


# --------------------------------------------------------------------------- a long log

FIND = RequestFilter(tenant_id=1)
CALLS: dict[str, Callable[[Log], Callable[[sqlite3.Connection], object]]] = {
    "accept": lambda log: _commit(Batch(VERSION, [log.make.caught() for _ in range(50)])),
    "boot": lambda _: boot,
    "newest": lambda _: lambda c: requests.newest_request(c, 1, SOURCE),
    "list": lambda _: lambda c: requests.find_requests(c, FIND, 50, None, True),
    "list of a source": lambda _: (
        lambda c: requests.find_requests(
            c, RequestFilter(tenant_id=1, source_id=SOURCE), 50, None, False
        )
    ),
    "list of a quarantine": lambda _: (
        lambda c: requests.find_requests(
            c,
            RequestFilter(tenant_id=1, source_id=SOURCE, verdicts=(Verdict.QUARANTINED,)),
            50,
            None,
            False,
        )
    ),
    "what follows": lambda log: (
        lambda c: requests.requests_above(c, 1, SOURCE, log.make.id() - 50, 20, GB)
    ),
    "deleted sources": lambda _: retention.deleted_sources,
    "forget": lambda log: (
        lambda c: retention.forget_requests(c, log.rings, 1 << 62, 50, None, frozenset())
    ),
    "forget those of one source": lambda log: (
        lambda c: retention.forget_requests(c, log.rings, 1 << 62, 50, SOURCE, frozenset())
    ),
    "forget those of others": lambda log: (
        lambda c: retention.forget_requests(c, log.rings, 1 << 62, 50, None, frozenset({SOURCE}))
    ),
}


def _commit(batch: Batch, known: Rings | None = None) -> Callable[[sqlite3.Connection], object]:
    return lambda connection: commit(connection, batch, known)


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Log, Log]]:
    made = []
    for size in (SMALL, LARGE):
        log = Log(tmp_path_factory.mktemp(str(size)))
        log.commit(*log.alone(60))
        log.commit(*(log.make.caught() for _ in range(size)))
        log.commit(Acceptance(None, request=log.make.request(source=SOURCE + 1)))
        made.append(log)
    yield made[0], made[1]
    for log in made:
        log.connection.close()


@pytest.mark.parametrize("name", CALLS)
def test_a_call_costs_the_same_in_a_log_ten_times_as_long(logs: tuple[Log, Log], name: str) -> None:
    small, large = (log.steps(CALLS[name](log)) for log in logs)
    assert 0 < large <= small * 1.2 + 2


# --------------------------------------------------------------------------- searches


async def test_a_search_by_header_that_takes_too_long_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await SqliteStore.open(tmp_path)
    make = Maker()
    books = Books(store, make)
    await books.catch(*(make.request() for _ in range(3_000)))
    where = RequestFilter(tenant_id=1, header=("x-none", ""))
    assert await store.requests(where, limit=9) == []
    monkeypatch.setattr("hookferry.store.sqlite.store.READ_SECONDS", 0.0)
    monkeypatch.setattr("hookferry.store.sqlite.store._READ_STEPS", 1_000)
    with pytest.raises(StorageDown, match="took too long"):
        await store.requests(where, limit=9)
    await store.aclose()


async def test_a_list_that_was_not_read_to_its_end_holds_nothing_up(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path)
    make = Maker()
    books = Books(store, make)
    await books.catch(*(make.request() for _ in range(50)))
    for _ in range(4):
        await store.requests(FIND, limit=1)
        await store.requests_above(1, SOURCE, 0, limit=1, max_bytes=0)
    await books.catch(make.request(at=NOW + HOUR))

    def fold_in(connection: sqlite3.Connection) -> object:
        return connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    # Nobody was busy, and all of the log was folded in.
    assert await store._write(fold_in) == (0, 0, 0)
    await store.aclose()
