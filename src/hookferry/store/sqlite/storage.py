"""What automations keep between runs; the port's ``Storage``. One statement per look and put."""

from __future__ import annotations

import sqlite3
from typing import Final

from hookferry.errors import Conflict
from hookferry.store.ports import VALUES_KEPT

GET: Final = (
    "SELECT value FROM storage WHERE tenant_id = ?1 AND key = ?2"
    " AND (expires_at IS NULL OR expires_at > ?3)"
)
REPLACE: Final = "UPDATE storage SET value = ?3, expires_at = ?4 WHERE tenant_id = ?1 AND key = ?2"
INSERT: Final = "INSERT INTO storage (tenant_id, key, value, expires_at) VALUES (?, ?, ?, ?)"
COUNT: Final = (
    "SELECT count(*) FROM (SELECT 1 FROM storage INDEXED BY storage_tenant"
    " WHERE tenant_id = ? LIMIT ?)"
)
DROP_EXPIRED: Final = "DELETE FROM storage WHERE tenant_id = ? AND expires_at <= ?"
DROP: Final = (
    "DELETE FROM storage WHERE tenant_id = ? AND key = ? RETURNING coalesce(expires_at > ?, 1)"
)


def value(connection: sqlite3.Connection, tenant_id: int, key: str, now_ms: int) -> bytes | None:
    """Return a value; the port's ``Storage.value``."""
    found = connection.execute(GET, (tenant_id, key, now_ms)).fetchone()
    return None if found is None else found[0]


def put_value(
    connection: sqlite3.Connection,
    tenant_id: int,
    key: str,
    value: bytes,
    expires_at_ms: int | None,
    now_ms: int,
) -> None:
    """Store a value; the port's ``Storage.put_value``."""
    connection.execute("BEGIN IMMEDIATE")
    given = (tenant_id, key, value, expires_at_ms)
    if not connection.execute(REPLACE, given).rowcount:
        if _is_full(connection, tenant_id):
            # Those that have expired wait for the janitor; they are not in the way.
            connection.execute(DROP_EXPIRED, (tenant_id, now_ms))
            if _is_full(connection, tenant_id):
                raise Conflict(
                    f"this tenant's automations store {VALUES_KEPT:,} values, which is the limit; "
                    "delete some (storage.delete), or store values that expire"
                )
        connection.execute(INSERT, given)
    connection.execute("COMMIT")


def _is_full(connection: sqlite3.Connection, tenant_id: int) -> bool:
    counted: int = connection.execute(COUNT, (tenant_id, VALUES_KEPT)).fetchone()[0]
    return counted == VALUES_KEPT


def drop_value(connection: sqlite3.Connection, tenant_id: int, key: str, now_ms: int) -> bool:
    """Forget a value; the port's ``Storage.drop_value``."""
    # All of its rows are read: a statement that is left half-way is not committed.
    found = connection.execute(DROP, (tenant_id, key, now_ms)).fetchall()
    return bool(found and found[0][0])
