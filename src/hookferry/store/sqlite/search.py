"""Search: the port's ``Log``, compiled by SQLAlchemy and run on the reading connections.

Every statement is scoped to a tenant and has a limit or a list of ids. Times are turned into id
ranges, because ids are time-sortable and need no further index.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, exists, func, literal_column, or_, select

from hookferry import ids
from hookferry.domain.delivery import Attempt, Delivery, DeliveryState
from hookferry.domain.event import Event
from hookferry.store.ports import DeliveryFilter, EventFilter
from hookferry.store.sqlite.codec import (
    DELIVERY_COLUMNS,
    EVENT_COLUMNS,
    attempt_from,
    delivery_from,
    event_from,
)
from hookferry.store.sqlite.compiled import rows
from hookferry.store.tables import attempts, deliveries, events, webhooks

_EVENT = [events.c[name] for name in EVENT_COLUMNS.split(", ")]
_DELIVERY = [deliveries.c[name] for name in DELIVERY_COLUMNS.split(", ")]
_IDS: Final = 500
"""Ids in one statement."""


def _of_tenant(tenant_id: int) -> ColumnElement[bool]:
    """Check a delivery's tenant without offering the planner the tenant's index."""
    return deliveries.c.tenant_id + 0 == tenant_id


def between(
    key: ColumnElement[int], after_ms: int | None, before_ms: int | None, below_id: int | None
) -> Iterator[ColumnElement[bool]]:
    """Yield what ids of a time (Unix milliseconds) and below an id are."""
    if after_ms is not None:
        yield key >= ids.lowest_at(after_ms)
    below = [] if before_ms is None else [ids.lowest_at(before_ms)]
    if below_id is not None:
        below.append(below_id)
    if below:
        yield key < min(below)


def event(connection: sqlite3.Connection, tenant_id: int, event_id: int) -> Event | None:
    """Return one event; the port's ``Log.event``."""
    statement = select(*_EVENT).where(events.c.id == event_id, events.c.tenant_id + 0 == tenant_id)
    found = rows(connection, statement)
    return event_from(found[0]) if found else None


def select_events(where: EventFilter, limit: int, below_id: int | None) -> Select[Any]:
    """Build the statement of ``find_events``."""
    statement = (
        select(*_EVENT)
        .where(
            events.c.tenant_id == where.tenant_id,
            *between(events.c.id, where.after_ms, where.before_ms, below_id),
        )
        .order_by(events.c.id.desc())
        .limit(limit)
    )
    if where.external_id is not None:
        statement = statement.where(events.c.external_id == where.external_id)
    if where.type is not None:
        statement = statement.where(events.c.type == where.type)
    if where.state is not None:
        statement = statement.where(events.c.state == int(where.state))
    return statement


def find_events(
    connection: sqlite3.Connection, where: EventFilter, limit: int, below_id: int | None
) -> list[Event]:
    """Return events, newest first; the port's ``Log.events``."""
    return [event_from(row) for row in rows(connection, select_events(where, limit, below_id))]


def delivery(connection: sqlite3.Connection, tenant_id: int, delivery_id: int) -> Delivery | None:
    """Return one delivery; the port's ``Log.delivery``."""
    statement = select(*_DELIVERY).where(deliveries.c.id == delivery_id, _of_tenant(tenant_id))
    found = rows(connection, statement)
    return delivery_from(found[0]) if found else None


def select_deliveries(where: DeliveryFilter, limit: int, below_id: int | None) -> Select[Any]:
    """Build the statement of ``find_deliveries``."""
    d = deliveries.c
    statement = (
        select(*_DELIVERY)
        .where(*between(d.id, where.after_ms, where.before_ms, below_id))
        .order_by(d.id.desc())
        .limit(limit)
    )
    # Exactly one of these three may choose the index: the one that leaves the fewest rows.
    if where.event_id is not None:
        statement = statement.where(d.event_id == where.event_id, _of_tenant(where.tenant_id))
        if where.webhook_id is not None:
            statement = statement.where(d.webhook_id + 0 == where.webhook_id)
    elif where.webhook_id is not None:
        statement = statement.where(d.webhook_id == where.webhook_id, _of_tenant(where.tenant_id))
    else:
        statement = statement.where(d.tenant_id == where.tenant_id)
    if where.states is not None:
        if where.states == (DeliveryState.FAILED,):
            # Spelled out, because the index of dead letters is partial.
            statement = statement.where(d.state == literal_column("3"))
        else:
            statement = statement.where(d.state.in_([int(state) for state in where.states]))
    if where.status is not None:
        statement = statement.where(d.last_status == where.status)
    if where.event_type is not None:
        statement = statement.where(
            exists().where(events.c.id == d.event_id, events.c.type == where.event_type)
        )
    if where.text is not None:
        in_payload = func.instr(events.c.payload, where.text.encode()) > 0
        statement = statement.where(
            or_(
                func.instr(d.last_error, where.text) > 0,
                exists().where(events.c.id == d.event_id, in_payload),
            )
        )
    return statement


def find_deliveries(
    connection: sqlite3.Connection, where: DeliveryFilter, limit: int, below_id: int | None
) -> list[Delivery]:
    """Return deliveries, newest first; the port's ``Log.deliveries``."""
    statement = select_deliveries(where, limit, below_id)
    return [delivery_from(row) for row in rows(connection, statement)]


def webhook_names(
    connection: sqlite3.Connection, tenant_id: int, webhook_ids: Sequence[int]
) -> dict[int, str]:
    """Return the names of webhooks; the port's ``Log.webhook_names``."""
    found: dict[int, str] = {}
    for part in _parts(webhook_ids):
        statement = select(webhooks.c.id, webhooks.c.name).where(
            webhooks.c.id.in_(part), webhooks.c.tenant_id + 0 == tenant_id
        )
        found.update(rows(connection, statement))
    return found


def select_attempts(
    tenant_id: int, delivery_id: int, limit: int, newest: bool, below_id: int | None
) -> Select[Any]:
    """Build the statement of ``find_attempts``."""
    key = attempts.c.id
    return (
        select(key, attempts.c.delivery_id, attempts.c.document)
        .where(
            attempts.c.delivery_id == delivery_id,
            exists().where(deliveries.c.id == delivery_id, _of_tenant(tenant_id)),
            *between(key, None, None, below_id),
        )
        .order_by(key.desc() if newest else key)
        .limit(limit)
    )


def find_attempts(
    connection: sqlite3.Connection,
    tenant_id: int,
    delivery_id: int,
    limit: int,
    newest: bool,
    below_id: int | None,
) -> list[Attempt]:
    """Return a delivery's attempts; the port's ``Log.attempts``."""
    statement = select_attempts(tenant_id, delivery_id, limit, newest, below_id)
    return [attempt_from(row) for row in rows(connection, statement)]


def states(
    connection: sqlite3.Connection, tenant_id: int, event_ids: Sequence[int]
) -> dict[int, dict[DeliveryState, int]]:
    """Count deliveries by event and state; the port's ``Log.states``."""
    counts: dict[int, dict[DeliveryState, int]] = {}
    for part in _parts(event_ids):
        statement = (
            select(deliveries.c.event_id, deliveries.c.state, func.count())
            .where(deliveries.c.event_id.in_(part), _of_tenant(tenant_id))
            .group_by(deliveries.c.event_id, deliveries.c.state)
        )
        for event_id, state, count in rows(connection, statement):
            counts.setdefault(event_id, {})[DeliveryState(state)] = count
    return counts


def event_types_of(
    connection: sqlite3.Connection, tenant_id: int, event_ids: Sequence[int]
) -> dict[int, str]:
    """Return the types of events; the port's ``Log.event_types_of``."""
    found: dict[int, str] = {}
    for part in _parts(event_ids):
        statement = select(events.c.id, events.c.type).where(
            events.c.id.in_(part), events.c.tenant_id + 0 == tenant_id
        )
        found.update(rows(connection, statement))
    return found


def webhook_counts(
    connection: sqlite3.Connection, tenant_id: int, webhook_id: int, since_ms: int
) -> dict[DeliveryState, int]:
    """Count a webhook's deliveries by state; the port's ``Log.webhook_counts``."""
    statement = (
        select(deliveries.c.state, func.count())
        .where(
            deliveries.c.webhook_id == webhook_id,
            deliveries.c.id >= ids.lowest_at(since_ms),
            _of_tenant(tenant_id),
        )
        .group_by(deliveries.c.state)
    )
    return {DeliveryState(state): count for state, count in rows(connection, statement)}


def _parts(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(numbers), _IDS):
        yield numbers[start : start + _IDS]
