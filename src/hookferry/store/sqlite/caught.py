"""Caught requests in the commit of a batch.

Hot statements, written by hand; what people look for is in ``requests``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from hookferry.store.ports import Acceptance
from hookferry.store.sqlite.codec import request_document
from hookferry.store.sqlite.rings import Opened, Rings, size_of
from hookferry.store.sqlite.statements import MultiRow

# A released request takes the place of the quarantined one.
INSERT_BORN: Final = MultiRow(
    "INSERT OR REPLACE INTO requests (id, tenant_id, source_id, received_at, verdict, status, size,"
    " method, path, query, client, event_id, document, key) VALUES {rows}",
    14,
)
INSERT_KEPT: Final = MultiRow(
    "INSERT OR REPLACE INTO requests (id, tenant_id, source_id, received_at, verdict, status, size,"
    " method, path, query, client, event_id, document, key, reason, duplicate_of, body)"
    " VALUES {rows}",
    17,
)


def insert_requests(
    connection: sqlite3.Connection, accept: Sequence[Acceptance], rings: Rings
) -> Opened | None:
    """Store the requests of acceptances, in the caller's transaction, and trim their rings.

    Args:
        connection: the writer's.
        accept: acceptances, each with a request.
        rings: what is known of them; to be given what this returns once that is committed.
    """
    born: list[Any] = []
    kept: list[Any] = []
    opened = rings.open(connection, accept)
    for acceptance in accept:
        request = acceptance.request
        assert request is not None
        is_born = acceptance.event is not None
        # A bytearray binds without the look-up of an adapter that bytes goes through.
        row = (
            request.id,
            request.tenant_id,
            request.source_id,
            request.received_at_ms,
            int(request.verdict),
            request.status,
            size_of(acceptance),
            request.method,
            bytearray(request.path),
            bytearray(request.query),
            request.client,
            request.event_id,
            bytearray(request_document(request, with_headers=not is_born)),
            request.key,
        )
        if is_born:
            born += row
        else:
            kept += row
            kept += (request.reason, request.duplicate_of, bytearray(request.body))
    INSERT_BORN.run(connection, born)
    INSERT_KEPT.run(connection, kept)
    if opened is not None:
        opened.trim(connection, len(accept))
    return opened
