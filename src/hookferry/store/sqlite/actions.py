"""What people do to deliveries, jobs, and the idempotency keys of management calls.

All of it on the writer's connection, each call one transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import insert, select

from hookferry.domain.delivery import Delivery, DeliveryState
from hookferry.store.ports import DedupeKey, Job
from hookferry.store.sqlite.claims import FIND_KEYS, SORT_IN_KEYS, key_rows
from hookferry.store.sqlite.commit import BEGIN, insert_deliveries
from hookferry.store.sqlite.compiled import rows, run
from hookferry.store.sqlite.statements import MultiRow
from hookferry.store.tables import jobs

WEBHOOK_DELETED: Final = "webhook_deleted"
"""Why a delivery was cancelled whose webhook was deleted."""

# States as DeliveryState numbers them: 0 and 1 owe, 1 is retrying, 2 to 5 can be sent again, 4 is
# cancelled. The + leaves the choice of rows to the ids.
REQUEUE: Final = MultiRow(
    "UPDATE deliveries SET state = 1, due = ?1, updated_at = ?2"
    " WHERE +tenant_id = ?3 AND +state BETWEEN 2 AND 5 AND id IN (VALUES {rows})"
    " AND NOT EXISTS (SELECT 1 FROM webhooks"
    " WHERE webhooks.id = deliveries.webhook_id AND webhooks.live = 0)"
    " RETURNING id, webhook_id",
    1,
)
CANCEL: Final = MultiRow(
    "UPDATE deliveries SET state = 4, last_error = ?1, updated_at = ?2"
    " WHERE +tenant_id = ?3 AND +state < 2 AND id IN (VALUES {rows})"
    " RETURNING id, webhook_id",
    1,
)
DELETED_WEBHOOKS: Final = MultiRow(
    "SELECT id FROM webhooks WHERE id IN (VALUES {rows}) AND live = 0", 1
)


def requeue(
    connection: sqlite3.Connection,
    tenant_id: int,
    delivery_ids: Sequence[int],
    due_ms: int,
    at_ms: int,
) -> dict[int, int]:
    """Make settled deliveries due again; the port's ``Actions.requeue``."""
    connection.execute(BEGIN)
    changed = REQUEUE.rows(connection, list(delivery_ids), before=(due_ms, at_ms, tenant_id))
    connection.execute("COMMIT")
    return dict(changed)


def cancel(
    connection: sqlite3.Connection,
    tenant_id: int,
    delivery_ids: Sequence[int],
    reason: str,
    at_ms: int,
) -> dict[int, int]:
    """Cancel what is owed; the port's ``Actions.cancel``."""
    connection.execute(BEGIN)
    changed = CANCEL.rows(connection, list(delivery_ids), before=(reason, at_ms, tenant_id))
    connection.execute("COMMIT")
    return dict(changed)


def add_deliveries(connection: sqlite3.Connection, deliveries: Sequence[Delivery]) -> None:
    """Store deliveries of stored events; the port's ``Actions.add_deliveries``."""
    connection.execute(BEGIN)
    webhook_ids = list({delivery.webhook_id for delivery in deliveries})
    deleted = {row[0] for row in DELETED_WEBHOOKS.rows(connection, webhook_ids)}
    insert_deliveries(
        connection,
        [
            msgspec.structs.replace(
                delivery, state=DeliveryState.CANCELLED, last_error=WEBHOOK_DELETED
            )
            if delivery.webhook_id in deleted and delivery.state < 2
            else delivery
            for delivery in deliveries
        ],
    )
    connection.execute("COMMIT")


# --------------------------------------------------------------------------- jobs

_JOB = [
    jobs.c[name]
    for name in (
        "id",
        "tenant_id",
        "kind",
        "state",
        "spec",
        "cursor",
        "done",
        "created_at",
        "updated_at",
    )
]


def _job(row: Sequence[Any]) -> Job:
    return Job(**dict(zip(Job.__struct_fields__, row, strict=True)))


def put_job(connection: sqlite3.Connection, job: Job) -> None:
    """Insert or replace a job; the port's ``Jobs.put_job``."""
    values = dict(zip((c.name for c in _JOB), msgspec.structs.astuple(job), strict=True))
    run(connection, insert(jobs).prefix_with("OR REPLACE").values(values))


def job(connection: sqlite3.Connection, tenant_id: int, job_id: int) -> Job | None:
    """Return one job; the port's ``Jobs.job``."""
    found = rows(
        connection, select(*_JOB).where(jobs.c.id == job_id, jobs.c.tenant_id == tenant_id)
    )
    return _job(found[0]) if found else None


def running_jobs(connection: sqlite3.Connection) -> list[Job]:
    """Return the jobs that have not ended; the port's ``Jobs.running_jobs``."""
    running = select(*_JOB).where(jobs.c.state == "running").order_by(jobs.c.id)
    return [_job(row) for row in rows(connection, running)]


# --------------------------------------------------------------------------- answers


def claim(connection: sqlite3.Connection, key: DedupeKey, now_ms: int) -> DedupeKey | None:
    """Claim a key; the port's ``Answers.claim``."""
    connection.execute(BEGIN)
    found = FIND_KEYS.rows(connection, [key.key_hash, key.scope, key.tenant_id])
    first = DedupeKey(*found[0]) if found else None
    if first is not None and first.expires_at_ms > now_ms:
        connection.execute("ROLLBACK")
        return first
    SORT_IN_KEYS.run(connection, key_rows([key]))
    connection.execute("COMMIT")
    return None


def answer(connection: sqlite3.Connection, key: DedupeKey) -> None:
    """Put a claimed key's answer; the port's ``Answers.answer``."""
    connection.execute(
        "UPDATE dedupe SET answer = ?, expires_at = ?"
        " WHERE tenant_id = ? AND scope = ? AND key_hash = ?",
        (key.answer, key.expires_at_ms, key.tenant_id, key.scope, key.key_hash),
    )


def release(connection: sqlite3.Connection, key: DedupeKey) -> None:
    """Forget a claim; the port's ``Answers.release``."""
    connection.execute(
        "DELETE FROM dedupe WHERE tenant_id = ? AND scope = ? AND key_hash = ?",
        (key.tenant_id, key.scope, key.key_hash),
    )
