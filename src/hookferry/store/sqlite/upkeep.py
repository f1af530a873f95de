"""Shards and boot: who owns the ledger's work, and where it goes on."""

from __future__ import annotations

import sqlite3
from typing import Final

from hookferry.store.ports import Boot

GREATEST_ID: Final = (
    "SELECT max(value) FROM (SELECT value FROM ledger WHERE name = 'greatest_id'"
    " UNION ALL SELECT max(id) FROM tenants UNION ALL SELECT max(id) FROM event_types"
    " UNION ALL SELECT max(id) FROM webhooks UNION ALL SELECT max(id) FROM api_keys"
    " UNION ALL SELECT max(id) FROM credentials UNION ALL SELECT max(id) FROM jobs"
    " UNION ALL SELECT max(id) FROM events UNION ALL SELECT max(id) FROM deliveries"
    " UNION ALL SELECT max(id) FROM attempts UNION ALL SELECT max(id) FROM sources"
    " UNION ALL SELECT max(id) FROM requests UNION ALL SELECT max(id) FROM automations"
    " UNION ALL SELECT max(id) FROM runs UNION ALL SELECT max(id) FROM timers"
    " UNION ALL SELECT max(id) FROM plugins UNION ALL SELECT max(id) FROM packages)"
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
