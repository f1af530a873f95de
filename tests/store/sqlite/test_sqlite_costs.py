"""What a call costs does not grow with the log: counted in SQLite's own steps, not in time."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from hookferry.domain.delivery import DeliveryState
from hookferry.domain.webhook import Webhook
from hookferry.store.ports import Acceptance, Batch, DeliveryFilter, EventFilter, Settlement
from hookferry.store.sqlite import due, retention, schema, search
from hookferry.store.sqlite.claims import Claims
from hookferry.store.sqlite.commit import commit
from hookferry.store.sqlite.config import save
from hookferry.store.sqlite.connection import open_writer
from hookferry.store.sqlite.upkeep import boot
from store.conformance.books import HOUR, NOW, Maker

SMALL, LARGE = 300, 3_000
STEP = 10
"""Virtual machine instructions between two counts."""
VERSION = 1 << 40


class Log:
    """A ledger with a number of settled events, and some that owe."""

    def __init__(self, folder: Path, settled: int) -> None:
        self.connection = open_writer(folder)
        schema.upgrade(self.connection)
        self.make = Maker()
        self.webhook: Webhook = save(self.connection, self.make.webhook(), False)
        for _ in range(settled // 100):
            commit(self.connection, self.batch(100, DeliveryState.DELIVERED))
        commit(self.connection, self.batch(10, DeliveryState.PENDING))

    def batch(self, size: int, state: DeliveryState) -> Batch:
        events = [self.make.event() for _ in range(size)]
        pairs = [(e, self.make.delivery(e, self.webhook.id, state=state)) for e in events]
        return Batch(VERSION, [Acceptance(e, (d,)) for e, d in pairs])

    def settling(self, size: int) -> Batch:
        read = due.read_due(self.connection, self.webhook.id, NOW, size, 1 << 20, frozenset())
        return Batch(
            VERSION,
            settle=[
                Settlement(
                    row.delivery.id,
                    self.webhook.id,
                    self.webhook.shard,
                    0,
                    DeliveryState.DELIVERED,
                    0,
                    1,
                    200,
                    None,
                    NOW,
                    self.make.attempt(row.delivery),
                )
                for row in read.rows
            ],
        )

    def steps(self, call: Callable[[sqlite3.Connection], object]) -> int:
        counted = 0

        def count() -> None:
            nonlocal counted
            counted += 1

        self.connection.set_progress_handler(count, STEP)
        call(self.connection)
        self.connection.set_progress_handler(None, 0)
        return counted


CALLS: dict[str, Callable[[Log], Callable[[sqlite3.Connection], object]]] = {
    "accept": lambda log: _commit(log.batch(50, DeliveryState.PENDING)),
    "settle": lambda log: _commit(log.settling(10)),
    "read what is due": lambda log: (
        lambda c: due.read_due(c, log.webhook.id, NOW, 5, 1 << 20, frozenset())
    ),
    "owing": lambda _: due.owing,
    "boot": lambda _: boot,
    "list events": lambda _: lambda c: search.find_events(c, EventFilter(tenant_id=1), 50, None),
    "list deliveries": lambda log: (
        lambda c: search.find_deliveries(
            c, DeliveryFilter(tenant_id=1, webhook_id=log.webhook.id), 50, None
        )
    ),
    "list dead letters": lambda _: (
        lambda c: search.find_deliveries(
            c, DeliveryFilter(tenant_id=1, states=(DeliveryState.FAILED,)), 50, None
        )
    ),
    "forget": lambda _: lambda c: retention.forget_events(c, 0, NOW + HOUR, 100),
}


def _commit(batch: Batch) -> Callable[[sqlite3.Connection], object]:
    return lambda connection: commit(connection, batch)


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Log, Log]:
    small, large = (tmp_path_factory.mktemp(name) for name in ("small", "large"))
    return Log(small, SMALL), Log(large, LARGE)


@pytest.mark.parametrize("name", CALLS)
def test_a_call_costs_the_same_in_a_log_ten_times_as_long(logs: tuple[Log, Log], name: str) -> None:
    small, large = (log.steps(CALLS[name](log)) for log in logs)
    assert 0 < large <= small * 1.2 + 2


def test_events_that_owe_are_not_walked_again_by_every_call(tmp_path: Path) -> None:
    log = Log(tmp_path, 0)
    commit(log.connection, log.batch(200, DeliveryState.PENDING))
    sweep = retention.Sweep()
    sweep.start(NOW + HOUR)
    chunk = retention.forget_events(log.connection, sweep.after_id, NOW + HOUR, 1_000)
    assert chunk.forgotten == 0
    assert chunk.reached is not None
    sweep.reached(chunk.reached)
    sweep.start(NOW + HOUR + 1)
    again = log.steps(lambda c: retention.forget_events(c, sweep.after_id, NOW + HOUR + 1, 1_000))
    assert again < 20
    sweep.start(NOW + HOUR + retention.RESWEEP_MS)
    assert sweep.after_id == 0
    log.connection.close()


def test_a_commit_of_many_rows_takes_few_statements(tmp_path: Path) -> None:
    log = Log(tmp_path, 0)
    statements: list[str] = []
    claims = Claims(log.connection)
    log.connection.set_trace_callback(statements.append)
    commit(log.connection, log.batch(128, DeliveryState.PENDING), claims=claims)
    # Begin, configuration version, two chunks of events, two of deliveries, the time, commit.
    assert len(statements) == 8
    log.connection.close()


def test_a_commit_without_resolutions_pays_nothing_for_them(tmp_path: Path) -> None:
    log = Log(tmp_path, 0)
    commit(log.connection, log.batch(10, DeliveryState.PENDING))
    batch = log.settling(10)
    statements: list[str] = []
    claims = Claims(log.connection)
    log.connection.set_trace_callback(statements.append)
    commit(log.connection, batch, claims=claims)
    # Begin, configuration version, epochs, attempts, settlements, the time, commit.
    assert len(statements) == 7
    log.connection.close()
