"""Synchronous calls on a real file: all or nothing, and cheap whatever else is owed."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from hookferry.domain.delivery import HELD, WAITED_FOR, DeliveryState
from hookferry.store.ports import Acceptance, Batch, Resolution, Settlement
from hookferry.store.sqlite import calls, schema
from hookferry.store.sqlite.commit import commit
from hookferry.store.sqlite.config import save
from hookferry.store.sqlite.connection import open_writer
from store.conformance.books import NOW, Maker

VERSION = 1 << 40
STEP = 10


@pytest.fixture
def connection(tmp_path: Path) -> sqlite3.Connection:
    connection = open_writer(tmp_path)
    schema.upgrade(connection)
    return connection


def test_a_resolution_that_can_not_be_stored_takes_its_settlements_with_it(
    connection: sqlite3.Connection,
) -> None:
    make = Maker()
    webhook = save(connection, make.webhook(), False)
    event = make.event()
    waited = make.delivery(event, webhook.id, due=WAITED_FOR)
    held = make.delivery(event, webhook.id, due=HELD)
    commit(connection, Batch(VERSION, [Acceptance(event, (waited, held))]))
    connection.execute(
        "CREATE TEMP TRIGGER refuse BEFORE UPDATE OF due ON deliveries"
        f" WHEN old.due = {HELD} BEGIN SELECT raise(ABORT, 'the disk is on fire'); END"
    )
    settlement = Settlement(
        waited.id, webhook.id, webhook.shard, 0, DeliveryState.DELIVERED, 0, 1, 200, None, NOW, None
    )
    resolution = Resolution(event.id, NOW, release_due_ms=NOW)
    with pytest.raises(sqlite3.IntegrityError, match="the disk is on fire"):
        commit(connection, Batch(VERSION, settle=[settlement], resolve=[resolution]))
    assert connection.in_transaction
    connection.execute("ROLLBACK")
    state = connection.execute("SELECT state FROM deliveries WHERE id = ?", (waited.id,))
    assert state.fetchone()[0] == DeliveryState.PENDING
    connection.close()


def _steps_to_abandon(connection: sqlite3.Connection, backlog: int) -> int:
    make = Maker()
    for number in range(5):
        webhook = save(connection, make.webhook(f"w{number}"), False)
        event = make.event()
        deliveries = [make.delivery(event, webhook.id) for _ in range(backlog)]
        deliveries += [make.delivery(event, webhook.id, due=HELD) for _ in range(4)]
        commit(connection, Batch(VERSION, [Acceptance(event, deliveries)]))
    counted = 0

    def count() -> None:
        nonlocal counted
        counted += 1

    connection.set_progress_handler(count, STEP)
    assert calls.abandon_calls(connection, NOW) == 20
    connection.set_progress_handler(None, 0)
    connection.close()
    return counted


def test_abandoning_calls_costs_the_same_behind_a_backlog_ten_times_as_long(
    tmp_path: Path,
) -> None:
    steps = []
    for backlog in (100, 1_000):
        folder = tmp_path / str(backlog)
        folder.mkdir()
        connection = open_writer(folder)
        schema.upgrade(connection)
        steps.append(_steps_to_abandon(connection, backlog))
    small, large = steps
    assert 0 < large <= small * 1.2 + 2


def test_abandoning_goes_in_chunks(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "ABANDON_CHUNK", 3)
    make = Maker()
    webhook = save(connection, make.webhook(), False)
    event = make.event()
    held = [make.delivery(event, webhook.id, due=HELD) for _ in range(4)]
    commit(connection, Batch(VERSION, [Acceptance(event, held)]))
    assert [calls.abandon_calls(connection, NOW) for _ in range(3)] == [3, 1, 0]
    connection.close()
