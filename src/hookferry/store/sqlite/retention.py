"""Retention: what is older than its time goes, a chunk per transaction.

Events are found by their ids, which hold their time, so the cost does not grow with the log. A
sweep goes on where the last call stopped. Events that still owe are passed over; the next sweep,
an hour of retention later, looks at them again, so a backlog that is held for weeks is not walked
by every call.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Final, NamedTuple

from hookferry import ids
from hookferry.store.sqlite.rings import DELETE_REQUESTS, Rings
from hookferry.store.sqlite.statements import MultiRow

CHUNK_EVENTS: Final = 256
CHUNK_DELIVERIES: Final = 2_000
"""Deliveries deleted in one transaction, unless a single event has more."""
CHUNK_REQUESTS: Final = 256
CHUNK_RUNS: Final = 64
"""Runs deleted in one transaction; each keeps up to some 200 KB."""
CHUNK_BYTES: Final = 16 * 1024 * 1024
"""Bodies deleted in one transaction, unless a single one is larger: SQLite reads every page that it
frees."""
RESWEEP_MS: Final = 3_600_000

# How far a chunk reaches: at least one event, at most CHUNK_DELIVERIES deliveries.
REACH: Final = (
    "SELECT max(id) FROM (SELECT e.id, row_number() OVER (ORDER BY e.id) AS position,"
    " sum((SELECT count(*) FROM deliveries AS d WHERE d.event_id = e.id))"
    " OVER (ORDER BY e.id) AS work FROM events AS e WHERE e.id > ? AND e.id < ?"
    " ORDER BY e.id LIMIT ?) WHERE position = 1 OR work <= ?"
)
CHOOSE: Final = (
    "INSERT INTO forgotten SELECT e.id FROM events AS e WHERE e.id > ? AND e.id <= ?"
    " AND NOT EXISTS (SELECT 1 FROM deliveries AS d WHERE d.event_id = e.id AND +d.state < 2)"
)
DELETE_ATTEMPTS: Final = (
    "DELETE FROM attempts WHERE delivery_id IN (SELECT d.id FROM forgotten AS f"
    " CROSS JOIN deliveries AS d ON d.event_id = f.id)"
)
# Runs of replays can be younger than what they are about.
DELETE_RUNS: Final = "DELETE FROM runs WHERE event_id IN (SELECT id FROM forgotten)"
OLD_RUNS: Final = (
    "DELETE FROM runs WHERE id IN (SELECT id FROM runs WHERE id < ? ORDER BY id LIMIT ?)"
)
DELETE_DELIVERIES: Final = "DELETE FROM deliveries WHERE event_id IN (SELECT id FROM forgotten)"
DELETE_EVENTS: Final = "DELETE FROM events WHERE id IN (SELECT id FROM forgotten)"
# What was the greatest id stays known when its row goes.
KEEP_GREATEST: Final = (
    "UPDATE ledger SET value = max(value,"
    " coalesce((SELECT max(id) FROM events), 0), coalesce((SELECT max(id) FROM deliveries), 0),"
    " coalesce((SELECT max(id) FROM attempts), 0), coalesce((SELECT max(id) FROM jobs), 0),"
    " coalesce((SELECT max(id) FROM requests), 0), coalesce((SELECT max(id) FROM sources), 0),"
    " coalesce((SELECT max(id) FROM runs), 0))"
    " WHERE name = 'greatest_id'"
)
# One seek per source that holds requests, however many those are.
HOLDING: Final = (
    "WITH RECURSIVE holding(source_id) AS ("
    "SELECT min(source_id) FROM requests INDEXED BY requests_source"
    " UNION ALL"
    " SELECT (SELECT min(r.source_id) FROM requests AS r INDEXED BY requests_source"
    " WHERE r.source_id > holding.source_id)"
    " FROM holding WHERE holding.source_id IS NOT NULL)"
)
"""Defines ``holding``; its last row is null."""
DELETED_SOURCES: Final = (
    f"{HOLDING} SELECT sources.id FROM holding CROSS JOIN sources"  # noqa: S608
    " ON sources.id = holding.source_id WHERE sources.live = 0"
)
OLD_REQUESTS: Final = (
    "SELECT id, source_id, size, verdict FROM requests WHERE id < ? ORDER BY id LIMIT ?"
)
OLD_REQUESTS_OF_SOURCE: Final = (
    "SELECT id, source_id, size, verdict FROM requests INDEXED BY requests_source"
    " WHERE source_id = ? AND id < ? ORDER BY id LIMIT ?"
)
OLD_REQUESTS_OF_OTHERS: Final = (
    f"{HOLDING} SELECT r.id, r.source_id, r.size, r.verdict FROM holding CROSS JOIN requests AS r"  # noqa: S608
    " INDEXED BY requests_source ON r.source_id = holding.source_id"
    " WHERE holding.source_id NOT IN (SELECT value FROM json_each(?)) AND r.id < ? LIMIT ?"
)
# Bins come and go by themselves; what is deleted would pile up.
OLD_SOURCES: Final = (
    "SELECT s.id FROM sources AS s WHERE s.id < ? AND s.live = 0"
    " AND json_extract(CAST(s.document AS TEXT), '$.updated_at_ms') < ?"
    " AND NOT EXISTS (SELECT 1 FROM requests AS r WHERE r.source_id = s.id) LIMIT ?"
)
DELETE_SOURCES: Final = MultiRow("DELETE FROM sources WHERE id IN (VALUES {rows})", 1)
DELETE_JOBS: Final = (
    "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs"
    " WHERE id < ? AND state <> 'running' AND updated_at < ? ORDER BY id LIMIT ?)"
)
# By the hour, and in it by key: what is deleted together shares pages.
DELETE_KEYS: Final = (
    "DELETE FROM dedupe WHERE (key_hash, scope, tenant_id) IN (SELECT key_hash, scope, tenant_id"
    " FROM dedupe INDEXED BY dedupe_expires WHERE expires_at / 3600000 < ? / 3600000 LIMIT ?)"
)
DELETE_VALUES: Final = (
    "DELETE FROM storage WHERE rowid IN (SELECT rowid FROM storage INDEXED BY storage_expires"
    " WHERE expires_at <= ? LIMIT ?)"
)
DELETE_VERSIONS: Final = (
    "DELETE FROM webhook_versions WHERE rowid IN (SELECT rowid FROM webhook_versions"
    " INDEXED BY webhook_versions_replaced WHERE replaced_at < ? LIMIT ?)"
)


class Sweep:
    """How far retention has come, in this process."""

    def __init__(self) -> None:
        self._after_id = 0
        self._began_before_ms = 0

    def start(self, before_ms: int) -> None:
        """Begin a call: from the beginning when the last sweep began long enough ago."""
        if before_ms - self._began_before_ms >= RESWEEP_MS:
            self._after_id = 0
            self._began_before_ms = before_ms

    @property
    def after_id(self) -> int:
        """Everything up to this id was looked at."""
        return self._after_id

    def reached(self, event_id: int) -> None:
        """Note how far a chunk went."""
        self._after_id = max(self._after_id, event_id)


class Chunk(NamedTuple):
    """What one transaction did."""

    forgotten: int
    reached: int | None
    """The greatest id looked at; None when there was nothing to look at."""


def forget_events(
    connection: sqlite3.Connection, after_id: int, before_ms: int, limit: int
) -> Chunk:
    """Delete at most ``limit`` of the next events that owe nothing, with all that is theirs."""
    below = ids.lowest_at(before_ms)
    # Outside the transaction, because undoing it would make SQLite prepare everything anew.
    connection.execute("CREATE TEMP TABLE IF NOT EXISTS forgotten (id INTEGER PRIMARY KEY)")
    connection.execute("BEGIN IMMEDIATE")
    arguments = (after_id, below, min(limit, CHUNK_EVENTS), CHUNK_DELIVERIES)
    reached: int | None = connection.execute(REACH, arguments).fetchone()[0]
    forgotten = 0
    if reached is not None:
        forgotten = connection.execute(CHOOSE, (after_id, reached)).rowcount
    if not forgotten:
        connection.execute("ROLLBACK")
        return Chunk(0, reached)
    connection.execute(KEEP_GREATEST)
    connection.execute(DELETE_ATTEMPTS)
    connection.execute(DELETE_RUNS)
    connection.execute(DELETE_DELIVERIES)
    connection.execute(DELETE_EVENTS)
    connection.execute("DELETE FROM forgotten")
    connection.execute("COMMIT")
    return Chunk(forgotten, reached)


def deleted_sources(connection: sqlite3.Connection) -> list[int]:
    """Return the deleted sources that still hold requests."""
    return [row[0] for row in connection.execute(DELETED_SOURCES)]


def forget_requests(
    connection: sqlite3.Connection,
    rings: Rings,
    below: int,
    limit: int,
    source_id: int | None,
    spare: frozenset[int],
) -> int:
    """Delete a chunk of the requests with ids below one; return how many, 0 if there are none.

    Args:
        connection: the writer's.
        rings: what is known of them; told of what goes.
        below: the ids.
        limit: how many at most.
        source_id: only this source's.
        spare: not these sources'; without a ``source_id``.
    """
    limit = min(limit, CHUNK_REQUESTS)
    if source_id is not None:
        found = connection.execute(OLD_REQUESTS_OF_SOURCE, (source_id, below, limit))
    elif spare:
        found = connection.execute(
            OLD_REQUESTS_OF_OTHERS, (json.dumps(sorted(spare)), below, limit)
        )
    else:
        found = connection.execute(OLD_REQUESTS, (below, limit))
    gone: list[tuple[int, int, int, int]] = []
    freed = 0
    for row in found.fetchall():
        gone.append(row)
        freed += row[2]
        if freed > CHUNK_BYTES:
            break
    if gone:
        # Nobody else writes between the look and this.
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(KEEP_GREATEST)
        DELETE_REQUESTS.run(connection, [row[0] for row in gone])
        connection.execute("COMMIT")
        for _, source, size, verdict in gone:
            rings.lose(source, size, verdict)
    return len(gone)


def forget_sources(connection: sqlite3.Connection, before_ms: int) -> None:
    """Delete a chunk of the sources that were deleted before a time and hold nothing."""
    below = ids.lowest_at(before_ms)
    gone = [row[0] for row in connection.execute(OLD_SOURCES, (below, before_ms, CHUNK_EVENTS))]
    if gone:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(KEEP_GREATEST)
        DELETE_SOURCES.run(connection, gone)
        connection.execute("COMMIT")


def forget_jobs(connection: sqlite3.Connection, before_ms: int) -> None:
    """Delete a chunk of the jobs that ended before a time."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(KEEP_GREATEST)
    connection.execute(DELETE_JOBS, (ids.lowest_at(before_ms), before_ms, CHUNK_EVENTS))
    connection.execute("COMMIT")


def forget_versions(connection: sqlite3.Connection, before_ms: int) -> bool:
    """Delete a chunk of the webhook versions replaced before a time; return if there may be more.

    Every event that was sent as they say is older, and was forgotten unless it still owes.
    """
    return connection.execute(DELETE_VERSIONS, (before_ms, CHUNK_EVENTS)).rowcount == CHUNK_EVENTS


def forget_runs(connection: sqlite3.Connection, before_ms: int) -> bool:
    """Delete a chunk of the runs from before a time; return if there may be more."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(KEEP_GREATEST)
    gone = connection.execute(OLD_RUNS, (ids.lowest_at(before_ms), CHUNK_RUNS)).rowcount
    connection.execute("COMMIT")
    return gone == CHUNK_RUNS


def forget_values(connection: sqlite3.Connection, now_ms: int, limit: int) -> int:
    """Delete at most ``limit`` stored values that have expired; return how many went."""
    return connection.execute(DELETE_VALUES, (now_ms, limit)).rowcount


def forget_keys(connection: sqlite3.Connection, now_ms: int, limit: int) -> int:
    """Delete at most ``limit`` dedupe keys that expired before this hour; return how many went.

    Those that are not sorted in yet are bounded by their number (``claims``).
    """
    return connection.execute(DELETE_KEYS, (now_ms, limit)).rowcount
