"""Which caught requests a search of the memory store finds."""

from __future__ import annotations

from collections.abc import Sequence

from hookferry.domain.request import CaughtRequest
from hookferry.store.ports import RequestFilter
from sim.disk import Disk, within

BODIES_BYTES = 64 * 1024 * 1024


def is_wanted(request: CaughtRequest, where: RequestFilter, below_id: int | None) -> bool:
    target = request.path + (b"?" + request.query if request.query else b"")
    return (
        request.tenant_id == where.tenant_id
        and within(request.id, where.after_ms, where.before_ms, below_id)
        and where.source_id in (None, request.source_id)
        and (where.verdicts is None or request.verdict in where.verdicts)
        and where.reason in (None, request.reason)
        and where.method in (None, request.method)
        and where.status in (None, request.status)
        and where.client in (None, request.client)
        and where.key in (None, request.key)
        and where.duplicate_of in (None, request.duplicate_of)
        and (where.path is None or where.path.encode() in target)
        and (where.text is None or where.text.encode() in request.body)
        and (where.header is None or _has_header(request, *where.header))
    )


def _has_header(request: CaughtRequest, name: str, text: str) -> bool:
    return any(
        key.lower() == name.lower().encode() and text.encode() in value
        for key, value in request.headers
    )


def requests_of(disk: Disk, tenant_id: int, source_id: int) -> list[CaughtRequest]:
    """Return a source's requests, oldest first."""
    found = [r for _, r in sorted(disk.requests.items())]
    return [r for r in found if r.source_id == source_id and r.tenant_id == tenant_id]


def first_of(found: Sequence[CaughtRequest], limit: int, max_bytes: int) -> list[CaughtRequest]:
    """Return the first ones, up to the one whose body is too much."""
    first: list[CaughtRequest] = []
    for request in found:
        if len(first) == limit or sum(len(r.body) for r in first) > max_bytes:
            break
        first.append(request)
    return first
