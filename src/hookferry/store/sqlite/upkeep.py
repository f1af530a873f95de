"""Shards, boot, retention: what the ledger does for itself rather than for an event."""

from __future__ import annotations

import sqlite3
from typing import Final

from hookferry import ids
from hookferry.domain.webhook import Webhook
from hookferry.store.ports import Boot

_TABLES_WITH_IDS: Final = (
    "tenants",
    "event_types",
    "webhooks",
    "api_keys",
    "jobs",
    "events",
    "deliveries",
    "attempts",
)
GREATEST_ID: Final = (
    "SELECT max(value) FROM (SELECT value FROM ledger WHERE name = 'greatest_id' UNION ALL "
    + " UNION ALL ".join(f"SELECT max(id) FROM {name}" for name in _TABLES_WITH_IDS)  # noqa: S608
    + ")"
)


def claim_shards(connection: sqlite3.Connection, node: str) -> dict[int, int]:
    """Take over every shard; the port's ``Ownership.claim_shards``."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("UPDATE shards SET epoch = epoch + 1, node = ?", (node,))
    taken = epochs(connection)
    connection.execute("COMMIT")
    return taken


def epochs(connection: sqlite3.Connection) -> dict[int, int]:
    """Return the epoch of every shard; the port's ``Ownership.epochs``."""
    return dict(connection.execute("SELECT shard, epoch FROM shards").fetchall())


def boot(connection: sqlite3.Connection) -> Boot:
    """Return what a booting engine must know; the port's ``Upkeep.boot``."""
    greatest: int = connection.execute(GREATEST_ID).fetchone()[0]
    time_ms: int = connection.execute("SELECT value FROM ledger WHERE name = 'time_ms'").fetchone()[
        0
    ]
    return Boot(greatest, time_ms)


def remember_time(connection: sqlite3.Connection, now_ms: int) -> None:
    """Store the engine's time; the port's ``Upkeep.remember_time``."""
    connection.execute("UPDATE ledger SET value = ? WHERE name = 'time_ms'", (now_ms,))


def ping(connection: sqlite3.Connection) -> None:
    """Read something; the port's ``Upkeep.ping``."""
    connection.execute("SELECT value FROM ledger WHERE name = 'config_version'").fetchone()
