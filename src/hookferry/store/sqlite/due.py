"""What is owed, and when: how lanes refill and how a boot finds its work.

These reads run on the writer's connection, so that they see every commit asked for before them.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Final

from hookferry.domain.delivery import WAITED_FOR
from hookferry.store.ports import DueBatch, DueDelivery
from hookferry.store.sqlite.codec import DELIVERY_COLUMNS, EVENT_COLUMNS, delivery_from, event_from

_DELIVERY = ", ".join(f"d.{name}" for name in DELIVERY_COLUMNS.split(", "))
_EVENT = ", ".join(f"e.{name}" for name in EVENT_COLUMNS.split(", "))
_WIDTH = len(DELIVERY_COLUMNS.split(", "))

READ_DUE: Final = (
    f"SELECT {_DELIVERY}, {_EVENT} FROM deliveries AS d INDEXED BY deliveries_due"  # noqa: S608
    " CROSS JOIN events AS e ON e.id = d.event_id"
    " WHERE d.webhook_id = ? AND d.state < 2 AND d.due <= ?"
    " AND d.id NOT IN (SELECT value FROM json_each(?))"
    " ORDER BY d.due, d.id LIMIT ?"
)
# Nobody finds due what waits for or of a synchronous call: its due time is no time.
NEXT_DUE: Final = (
    "SELECT due FROM deliveries INDEXED BY deliveries_due"  # noqa: S608
    f" WHERE webhook_id = ? AND state < 2 AND due > ? AND due < {WAITED_FOR}"
    " AND id NOT IN (SELECT value FROM json_each(?)) ORDER BY due LIMIT 1"
)
RETRYING: Final = (
    f"SELECT {_DELIVERY}, {_EVENT} FROM deliveries AS d INDEXED BY deliveries_retrying"  # noqa: S608
    " CROSS JOIN events AS e ON e.id = d.event_id"
    " WHERE d.webhook_id = ? AND d.state = 1"
    " AND d.id NOT IN (SELECT value FROM json_each(?)) ORDER BY d.id LIMIT 1"
)
# One seek per webhook that owes instead of a walk over a backlog of millions.
OWING_WEBHOOKS: Final = (
    "WITH RECURSIVE owing(webhook_id) AS ("
    "SELECT min(webhook_id) FROM deliveries INDEXED BY deliveries_due WHERE state < 2"
    " UNION ALL"
    " SELECT (SELECT min(d.webhook_id) FROM deliveries AS d INDEXED BY deliveries_due"
    " WHERE d.state < 2 AND d.webhook_id > owing.webhook_id)"
    " FROM owing WHERE owing.webhook_id IS NOT NULL)"
)
"""Defines ``owing``; its last row is null."""
OWING: Final = (
    f"{OWING_WEBHOOKS} SELECT webhook_id,"  # noqa: S608
    " (SELECT min(d.due) FROM deliveries AS d INDEXED BY deliveries_due"
    f" WHERE d.state < 2 AND d.webhook_id = owing.webhook_id AND d.due < {WAITED_FOR})"
    " FROM owing WHERE webhook_id IS NOT NULL"
)


def read_due(
    connection: sqlite3.Connection,
    webhook_id: int,
    now_ms: int,
    limit: int,
    max_bytes: int,
    skip: frozenset[int],
) -> DueBatch:
    """Read what a webhook is owed now; the port's ``Ledger.read_due``."""
    held = json.dumps(sorted(skip))
    rows: list[DueDelivery] = []
    size = 0
    cursor = connection.execute(READ_DUE, (webhook_id, now_ms, held, limit + 1))
    try:
        for row in cursor:
            if len(rows) == limit or size > max_bytes:
                return DueBatch(rows, True, None)
            event = event_from(row[_WIDTH:])
            size += len(event.payload)
            rows.append(DueDelivery(delivery_from(row[:_WIDTH]), event))
    finally:
        # A statement that was not read to its end would hold back checkpoints.
        cursor.close()
    later = connection.execute(NEXT_DUE, (webhook_id, now_ms, held)).fetchone()
    return DueBatch(rows, False, None if later is None else later[0])


def retrying(
    connection: sqlite3.Connection, webhook_id: int, skip: frozenset[int]
) -> DueDelivery | None:
    """Read a webhook's oldest retrying delivery; the port's ``Ledger.retrying``."""
    row = connection.execute(RETRYING, (webhook_id, json.dumps(sorted(skip)))).fetchone()
    if row is None:
        return None
    return DueDelivery(delivery_from(row[:_WIDTH]), event_from(row[_WIDTH:]))


def owing(connection: sqlite3.Connection) -> dict[int, int]:
    """Return the earliest due time by webhook; the port's ``Ledger.owing``."""
    found = connection.execute(OWING).fetchall()
    # Null where nothing is owed but what waits.
    return {webhook_id: due for webhook_id, due in found if due is not None}
