"""The commit of a batch: the ledger's hottest statements. One transaction, few statements."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final

from hookferry.domain.delivery import Delivery
from hookferry.domain.event import NO_META
from hookferry.domain.run import Run
from hookferry.store.ports import (
    Acceptance,
    Batch,
    Committed,
    HealthChange,
    Settlement,
)
from hookferry.store.sqlite.calls import no_longer_waited_for, resolve
from hookferry.store.sqlite.caught import insert_requests
from hookferry.store.sqlite.claims import NOTHING, Claims
from hookferry.store.sqlite.codec import attempt_document, encode_meta
from hookferry.store.sqlite.config import disable_webhooks
from hookferry.store.sqlite.requests import put_answers
from hookferry.store.sqlite.rings import Opened, Rings
from hookferry.store.sqlite.runs import insert_runs
from hookferry.store.sqlite.statements import MultiRow

BEGIN: Final = "BEGIN IMMEDIATE"
CONFIG_VERSION: Final = "SELECT value FROM ledger WHERE name = 'config_version'"
REMEMBER_TIME: Final = "UPDATE ledger SET value = ?1 WHERE name = 'time_ms' AND value < ?1"

INSERT_EVENTS: Final = MultiRow(
    "INSERT INTO events (id, tenant_id, type, state, received_at, payload) VALUES {rows}", 6
)
INSERT_EVENTS_WITH_META: Final = MultiRow(
    "INSERT INTO events (id, tenant_id, type, state, received_at, meta, payload) VALUES {rows}", 7
)
INSERT_NAMED_EVENTS: Final = MultiRow(
    "INSERT INTO events (id, tenant_id, type, state, received_at, external_id, meta, payload)"
    " VALUES {rows}",
    8,
)
INSERT_DELIVERIES: Final = MultiRow(
    "INSERT INTO deliveries (id, event_id, webhook_id, tenant_id, state, due, updated_at)"
    " VALUES {rows}",
    7,
)
INSERT_USED_DELIVERIES: Final = MultiRow(
    "INSERT INTO deliveries (id, event_id, webhook_id, tenant_id, state, due, updated_at,"
    " attempts, last_status, last_error) VALUES {rows}",
    10,
)
INSERT_ATTEMPTS: Final = MultiRow(
    "INSERT INTO attempts (id, delivery_id, document) VALUES {rows}", 3
)
# The + keeps the planner from walking the index of owing deliveries instead of the batch. Nulls
# come as 0 and '', which bind faster than None and are never a status or an error.
SETTLE: Final = MultiRow(
    "UPDATE deliveries SET state = new.column2, due = new.column3, attempts = new.column4,"
    " last_status = nullif(new.column5, 0), last_error = nullif(new.column6, ''),"
    " updated_at = new.column7"
    " FROM (VALUES {rows}) AS new WHERE deliveries.id = new.column1 AND +deliveries.state < 2",
    7,
)
# Finds nothing as long as nobody else owns a shard, and every row found costs a call into SQLite.
STALE_EPOCHS: Final = MultiRow(
    "SELECT held.column1, held.column2 FROM (VALUES {rows}) AS held"
    " CROSS JOIN shards ON shards.shard = held.column1 WHERE shards.epoch <> held.column2",
    2,
)
PUT_HEALTH: Final = MultiRow(
    "INSERT OR REPLACE INTO webhook_health (webhook_id, consecutive_failures, failing_since,"
    " last_success, last_failure, last_error, total_calls, total_errors) VALUES {rows}",
    8,
)

_NONE_REFUSED: Final[frozenset[int]] = frozenset()


def commit(
    connection: sqlite3.Connection,
    batch: Batch,
    rings: Rings | None = None,
    claims: Claims | None = None,
) -> Committed:
    """Store a batch; the port's ``Ledger.commit``.

    Args:
        connection: the writer's.
        batch: what to store.
        rings: what is known of the sources' rings; without it, they are counted.
        claims: the keys that are not sorted in yet; without it, they are read.
    """
    rings = rings or Rings()
    claims = claims or Claims(connection)
    execute = connection.execute
    execute(BEGIN)
    version: int = execute(CONFIG_VERSION).fetchone()[0]
    stale = version > batch.config_version
    refused = _NONE_REFUSED
    claimed = NOTHING
    opened: Opened | None = None
    if batch.accept and not stale:
        claimed = claims.claim(connection, batch.accept)
        opened = _accept(connection, batch.accept, claimed.repeated.keys(), rings)
    if batch.settle or batch.health:
        lost = _lost_shards(connection, batch)
        refused = _settle(connection, batch.settle, lost)
        if batch.health and _put_health(connection, batch.health, lost, batch.now_ms):
            version = execute(CONFIG_VERSION).fetchone()[0]
    if batch.answered:
        refused |= _answer(connection, batch.answered)
    if batch.resolve:
        # After the settlements, which it is about, and in their transaction.
        resolve(connection, batch.resolve, refused)
    if batch.answers:
        put_answers(connection, batch.answers)
    execute(REMEMBER_TIME, (batch.now_ms,))
    execute("COMMIT")
    claims.keep(claimed)
    if opened is not None:
        rings.keep(opened)
    return Committed(version, stale and bool(batch.accept), claimed.repeated, refused)


def _accept(
    connection: sqlite3.Connection,
    accept: Sequence[Acceptance],
    repeated: AbstractSet[int],
    rings: Rings,
) -> Opened | None:
    plain: list[Any] = []
    rich: list[Any] = []
    named: list[Any] = []
    caught: list[Acceptance] = []
    deliveries: list[Delivery] = []
    for position, acceptance in enumerate(accept):
        if position in repeated:
            continue
        if acceptance.request is not None:
            caught.append(acceptance)
        event = acceptance.event
        if event is None:
            continue
        # A bytearray binds without the look-up of an adapter that bytes, and None, go through.
        payload = bytearray(event.payload)
        row = (event.id, event.tenant_id, event.type, int(event.state), event.received_at_ms)
        meta = event.meta
        if meta is NO_META or meta == NO_META:
            plain += row
            plain.append(payload)
        elif meta.external_id is None:
            rich += row
            rich += (bytearray(encode_meta(meta)), payload)
        else:
            named += row
            named += (meta.external_id, bytearray(encode_meta(meta)), payload)
        deliveries += acceptance.deliveries
    INSERT_EVENTS.run(connection, plain)
    INSERT_EVENTS_WITH_META.run(connection, rich)
    INSERT_NAMED_EVENTS.run(connection, named)
    insert_deliveries(connection, deliveries)
    return insert_requests(connection, caught, rings) if caught else None


def insert_deliveries(connection: sqlite3.Connection, deliveries: Sequence[Delivery]) -> None:
    """Insert deliveries, in the caller's transaction."""
    fresh: list[Any] = []
    used: list[Any] = []
    for d in deliveries:
        row = (d.id, d.event_id, d.webhook_id, d.tenant_id, int(d.state), d.due_ms, d.updated_at_ms)
        if d.attempts or d.last_error is not None or d.last_status is not None:
            used += row
            used += (d.attempts, d.last_status, d.last_error)
        else:
            fresh += row
    INSERT_DELIVERIES.run(connection, fresh)
    INSERT_USED_DELIVERIES.run(connection, used)


def _lost_shards(connection: sqlite3.Connection, batch: Batch) -> set[tuple[int, int]]:
    """Return the (shard, epoch) pairs of a batch that are no longer true, in its transaction."""
    held = {(settlement.shard, settlement.epoch) for settlement in batch.settle}
    held.update((change.shard, change.epoch) for change in batch.health)
    return set(STALE_EPOCHS.rows(connection, [value for pair in held for value in pair]))


def _settle(
    connection: sqlite3.Connection, settle: Sequence[Settlement], lost: set[tuple[int, int]]
) -> frozenset[int]:
    if not lost:
        _keep_attempts(connection, settle)
        _put_states(connection, settle)
        return _NONE_REFUSED
    valid = [s for s in settle if (s.shard, s.epoch) not in lost]
    _keep_attempts(connection, valid)
    _put_states(connection, valid)
    return frozenset(s.delivery_id for s in settle if (s.shard, s.epoch) in lost)


def _answer(connection: sqlite3.Connection, answered: Sequence[Settlement]) -> frozenset[int]:
    """Settle synchronous deliveries that are still waited for; return the others."""
    ended = no_longer_waited_for(connection, answered)
    _keep_attempts(connection, answered)
    _put_states(connection, [s for s in answered if s.delivery_id not in ended])
    return ended


def _keep_attempts(connection: sqlite3.Connection, settle: Sequence[Settlement]) -> None:
    attempts: list[Any] = []
    runs: list[Run] = []
    for settlement in settle:
        attempt = settlement.attempt
        if attempt is not None:
            attempts += (attempt.id, attempt.delivery_id, bytearray(attempt_document(attempt)))
        if settlement.run is not None:
            runs.append(settlement.run)
    INSERT_ATTEMPTS.run(connection, attempts)
    if runs:
        insert_runs(connection, runs)


def _put_states(connection: sqlite3.Connection, settle: Sequence[Settlement]) -> None:
    last: dict[int, Settlement] = {}
    for settlement in settle:
        # Several settlements of one delivery: in their order, until it owes nothing.
        earlier = last.get(settlement.delivery_id)
        if earlier is None or earlier.state < 2:
            last[settlement.delivery_id] = settlement
    rows: list[Any] = []
    for s in last.values():
        rows += (
            s.delivery_id,
            int(s.state),
            s.due_ms,
            s.attempts,
            s.last_status or 0,
            s.last_error or "",
            s.at_ms,
        )
    SETTLE.run(connection, rows)


def _put_health(
    connection: sqlite3.Connection,
    changes: Sequence[HealthChange],
    lost: set[tuple[int, int]],
    now_ms: int,
) -> bool:
    """Store health; return whether a webhook was disabled."""
    rows: dict[int, tuple[Any, ...]] = {}
    disabled: list[int] = []
    for change in changes:
        if (change.shard, change.epoch) in lost:
            continue
        h = change.health
        rows[change.webhook_id] = (
            change.webhook_id,
            h.consecutive_failures,
            h.failing_since_ms,
            h.last_success_ms,
            h.last_failure_ms,
            h.last_error,
            h.total_calls,
            h.total_errors,
        )
        if change.disable:
            disabled.append(change.webhook_id)
    PUT_HEALTH.run(connection, [value for row in rows.values() for value in row])
    return bool(disabled) and disable_webhooks(connection, disabled, now_ms)
