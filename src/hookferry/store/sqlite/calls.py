"""Synchronous calls in the ledger: what their outcome changes, and what a crash leaves of them.

What waits is told by its due time (``WAITED_FOR``, ``HELD``), which is beyond every time, so the
index of owing deliveries finds it behind everything that is due.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from hookferry.domain.delivery import HELD, WAITED_FOR
from hookferry.store.ports import Resolution, Settlement
from hookferry.store.sqlite.due import OWING_WEBHOOKS
from hookferry.store.sqlite.statements import MultiRow

CALLER_GONE: Final = "caller_gone"
"""Why a delivery ended whose caller did not hear of it."""
ABANDON_CHUNK: Final = 500
"""Deliveries abandoned in one transaction: a few milliseconds."""

# States as DeliveryState and EventState number them: 2 is a vetoed event; 3 a failed, 4 a
# cancelled delivery. The + leaves the choice of rows to the event.
VETO: Final = MultiRow("UPDATE events SET state = 2 WHERE id IN (VALUES {rows})", 1)
RELEASE: Final = MultiRow(
    "UPDATE deliveries SET due = new.column2, updated_at = new.column3"  # noqa: S608
    " FROM (VALUES {rows}) AS new WHERE deliveries.event_id = new.column1"
    f" AND +deliveries.state < 2 AND +deliveries.due = {HELD}",
    3,
)
DISCARD: Final = MultiRow(
    "UPDATE deliveries SET state = 4, last_error = new.column2, updated_at = new.column3"  # noqa: S608
    " FROM (VALUES {rows}) AS new WHERE deliveries.event_id = new.column1"
    f" AND +deliveries.state < 2 AND +deliveries.due = {HELD}",
    3,
)
WAITING: Final = MultiRow(
    "SELECT d.id FROM (VALUES {rows}) AS wanted CROSS JOIN deliveries AS d"  # noqa: S608
    f" ON d.id = wanted.column1 WHERE +d.state < 2 AND +d.due = {WAITED_FOR}",
    1,
)
# One seek per webhook that owes, however long its backlog is.
ABANDON: Final = (
    f"UPDATE deliveries SET state = CASE due WHEN {WAITED_FOR} THEN 3 ELSE 4 END,"  # noqa: S608
    f" last_error = '{CALLER_GONE}', updated_at = ? WHERE id IN ({OWING_WEBHOOKS}"
    " SELECT d.id FROM owing CROSS JOIN deliveries AS d INDEXED BY deliveries_due"
    " ON d.webhook_id = owing.webhook_id"
    f" WHERE d.state < 2 AND d.due >= {WAITED_FOR} LIMIT ?)"
)


def no_longer_waited_for(
    connection: sqlite3.Connection, answered: Sequence[Settlement]
) -> frozenset[int]:
    """Return the deliveries of these settlements that nobody waits for any more."""
    wanted = [settlement.delivery_id for settlement in answered]
    waiting = {row[0] for row in WAITING.rows(connection, list(wanted))}
    return frozenset(number for number in wanted if number not in waiting)


def resolve(
    connection: sqlite3.Connection, resolutions: Sequence[Resolution], refused: frozenset[int]
) -> None:
    """Store what synchronous answers lead to, in the caller's transaction; ``Batch.resolve``.

    Args:
        connection: the writer's.
        resolutions: what to store.
        refused: synchronous deliveries that were ended otherwise; what rests on them is left out.
    """
    vetoed: list[Any] = []
    released: list[Any] = []
    discarded: list[Any] = []
    for r in resolutions:
        if not refused.isdisjoint(r.waited):
            continue
        if r.vetoed:
            vetoed.append(r.event_id)
        if r.release_due_ms is None:
            discarded += (r.event_id, r.reason, r.at_ms)
        else:
            released += (r.event_id, r.release_due_ms, r.at_ms)
    VETO.run(connection, vetoed)
    RELEASE.run(connection, released)
    DISCARD.run(connection, discarded)


def abandon_calls(connection: sqlite3.Connection, at_ms: int) -> int:
    """End a chunk of what waits; return how many. Part of the port's ``Ledger.abandon_calls``."""
    return connection.execute(ABANDON, (at_ms, ABANDON_CHUNK)).rowcount
