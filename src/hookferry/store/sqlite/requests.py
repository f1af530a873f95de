"""What sources caught, as people look for it: the port's ``Requests``.

Lists are read row by row from one statement, which gives a tenant's or a source's requests newest
first. What SQL can't look into (headers, which are in the document) is told row by row, so a search
that finds little costs time and no memory, and is broken off like any other.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, case, cast, exists, func, literal, or_, select, text
from sqlalchemy.types import LargeBinary

from hookferry import ids
from hookferry.domain.request import CaughtRequest, Verdict
from hookferry.store.ports import RequestAnswer, RequestFilter
from hookferry.store.sqlite.codec import REQUEST_COLUMNS, answered_document, request_from
from hookferry.store.sqlite.compiled import compiled, rows
from hookferry.store.sqlite.rings import UNPROVEN_VERDICTS
from hookferry.store.sqlite.search import between
from hookferry.store.tables import UNPROVEN, events, requests

BODIES_BYTES: Final = 64 * 1024 * 1024
"""Bodies that one list reads; it ends with the one that exceeds them."""

_REQUEST = [requests.c[name] for name in REQUEST_COLUMNS.split(", ")]
# What became an event has its body and its headers there; with the event gone, they are lost.
_OF_EVENT = events.c.id == requests.c.event_id
_PAYLOAD = select(events.c.payload).where(_OF_EVENT).scalar_subquery()
_BODY: ColumnElement[bytes] = func.coalesce(requests.c.body, _PAYLOAD, literal(b""))
_NO_BODY: ColumnElement[bytes] = literal(b"")
_META = case((requests.c.body.is_(None), select(events.c.meta).where(_OF_EVENT).scalar_subquery()))
_QUERY = case((requests.c.query != b"", literal(b"?").concat(requests.c.query)), else_=b"")
_TARGET = cast(requests.c.path.concat(_QUERY), LargeBinary)

ANSWERED: Final = "SELECT document FROM requests WHERE id = ? AND tenant_id + 0 = ?"
SET_ANSWER: Final = "UPDATE requests SET status = ?, document = ? WHERE id = ?"


def _of_tenant(tenant_id: int) -> ColumnElement[bool]:
    """Check a request's tenant without offering the planner the tenant's index."""
    return requests.c.tenant_id + 0 == tenant_id


def request(
    connection: sqlite3.Connection, tenant_id: int, request_id: int
) -> CaughtRequest | None:
    """Return one request; the port's ``Requests.request``."""
    statement = select(*_REQUEST, _BODY, _META).where(
        requests.c.id == request_id, _of_tenant(tenant_id)
    )
    found = rows(connection, statement)
    return request_from(found[0]) if found else None


def select_requests(where: RequestFilter, below_id: int | None, bodies: bool) -> Select[Any]:
    """Build the statement of ``find_requests``; it leaves out the filter by a header."""
    r = requests.c
    statement = (
        select(*_REQUEST, _BODY if bodies else _NO_BODY, _META)
        .where(*between(r.id, where.after_ms, where.before_ms, below_id))
        .order_by(r.id.desc())
    )
    # Exactly one of these two may choose the index: the one that leaves the fewest rows.
    if where.source_id is None:
        statement = statement.where(r.tenant_id == where.tenant_id)
    else:
        statement = statement.where(r.source_id == where.source_id, _of_tenant(where.tenant_id))
    if where.verdicts is not None:
        if where.source_id is not None and UNPROVEN_VERDICTS.issuperset(where.verdicts):
            # Spelled out, because the index of the unproven is partial.
            statement = statement.where(text(UNPROVEN))
        statement = statement.where(r.verdict.in_([int(verdict) for verdict in where.verdicts]))
    if where.duplicate_of is not None:
        # A duplicate comes after the first.
        statement = statement.where(r.id > where.duplicate_of)
    for column, wanted in (
        (r.reason, where.reason),
        (r.method, where.method),
        (r.status, where.status),
        (r.client, where.client),
        (r.key, where.key),
        (r.duplicate_of, where.duplicate_of),
    ):
        if wanted is not None:
            statement = statement.where(column == wanted)
    if where.path is not None:
        statement = statement.where(func.instr(_TARGET, where.path.encode()) > 0)
    if where.text is not None:
        wanted_text = where.text.encode()
        in_payload = func.instr(events.c.payload, wanted_text) > 0
        statement = statement.where(
            or_(
                func.instr(r.body, wanted_text) > 0,
                exists().where(r.body.is_(None), events.c.id == r.event_id, in_payload),
            )
        )
    return statement


def find_requests(
    connection: sqlite3.Connection,
    where: RequestFilter,
    limit: int,
    below_id: int | None,
    bodies: bool,
) -> list[CaughtRequest]:
    """Return requests, newest first; the port's ``Requests.requests``."""
    statement = select_requests(where, below_id, bodies)
    return _read(connection, statement, limit, BODIES_BYTES, where.header)


def select_above(tenant_id: int, source_id: int, above_id: int) -> Select[Any]:
    """Build the statement of ``requests_above``."""
    r = requests.c
    return (
        select(*_REQUEST, _BODY, _META)
        .where(r.source_id == source_id, r.id > above_id, _of_tenant(tenant_id))
        .order_by(r.id)
    )


def requests_above(
    connection: sqlite3.Connection,
    tenant_id: int,
    source_id: int,
    above_id: int,
    limit: int,
    max_bytes: int,
) -> list[CaughtRequest]:
    """Return a source's next requests; the port's ``Requests.requests_above``."""
    return _read(connection, select_above(tenant_id, source_id, above_id), limit, max_bytes)


def select_newest(tenant_id: int, source_id: int) -> Select[Any]:
    """Build the statement of ``newest_request``."""
    r = requests.c
    return (
        select(r.id)
        .where(r.source_id == source_id, _of_tenant(tenant_id))
        .order_by(r.id.desc())
        .limit(1)
    )


def newest_request(connection: sqlite3.Connection, tenant_id: int, source_id: int) -> int:
    """Return a source's newest id; the port's ``Requests.newest_request``."""
    found = rows(connection, select_newest(tenant_id, source_id))
    return found[0][0] if found else 0


def select_counts(tenant_id: int, source_id: int, since_ms: int) -> Select[Any]:
    """Build the statement of ``request_counts``."""
    r = requests.c
    return (
        select(r.verdict, func.count())
        .where(r.source_id == source_id, r.id >= ids.lowest_at(since_ms), _of_tenant(tenant_id))
        .group_by(r.verdict)
    )


def request_counts(
    connection: sqlite3.Connection, tenant_id: int, source_id: int, since_ms: int
) -> dict[Verdict, int]:
    """Count a source's requests by verdict; the port's ``Requests.request_counts``."""
    found = rows(connection, select_counts(tenant_id, source_id, since_ms))
    return {Verdict(verdict): count for verdict, count in found}


def put_answers(connection: sqlite3.Connection, answers: Sequence[RequestAnswer]) -> None:
    """Keep what callers were answered, in the caller's transaction."""
    for answer in answers:
        known = connection.execute(ANSWERED, (answer.request_id, answer.tenant_id))
        for row in known.fetchall():
            document = answered_document(
                row[0], answer.headers, answer.body, answer.answered_by, answer.detail
            )
            connection.execute(SET_ANSWER, (answer.status, document, answer.request_id))


def _read(
    connection: sqlite3.Connection,
    statement: Select[Any],
    limit: int,
    max_bytes: int,
    header: tuple[str, str] | None = None,
) -> list[CaughtRequest]:
    """Return the first requests with a header, up to the one whose body is too much."""
    found: list[CaughtRequest] = []
    size = 0
    cursor = connection.execute(*compiled(statement))
    try:
        for row in cursor:
            if len(found) == limit or size > max_bytes:
                break
            one = request_from(row)
            if header is None or _has_header(one, *header):
                found.append(one)
                size += len(one.body)
    finally:
        # A statement that was not read to its end would hold back checkpoints.
        cursor.close()
    return found


def _has_header(one: CaughtRequest, name: str, part_of_value: str) -> bool:
    wanted, part = name.encode().lower(), part_of_value.encode()
    return any(key.lower() == wanted and part in value for key, value in one.headers)
