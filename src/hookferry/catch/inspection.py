"""Looking at what sources caught: finding requests, and which of their values may be seen.

How a request is shown is the doors' business. What is hidden here is hidden from views and copies
alike: the values of headers, parameters and answers' headers whose names say that they carry a
credential (``hookferry.engine.masking``). Bodies are shown as they came.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final, Protocol
from urllib.parse import unquote_to_bytes

import msgspec

from hookferry.catch.arrival import PATH
from hookferry.domain.event import EventMeta
from hookferry.domain.request import Caught, CaughtRequest
from hookferry.domain.source import GUID_DIGITS
from hookferry.engine.masking import MASK, is_credential
from hookferry.errors import ConditionError, NotFound
from hookferry.ids import encode
from hookferry.match.conditions import Condition
from hookferry.match.facts import Facts
from hookferry.store.ports import RequestFilter
from hookferry.wire.bodies import first_value, form_of, read

SCANNED: Final = 1_000
"""Requests that one page of a search by condition looks at; its cursor goes on behind them."""
SCANNED_BYTES: Final = 64 * 1024 * 1024
"""And bytes of their bodies."""
CHUNK: Final = 8
"""Requests that are in memory at a time, with their bodies."""
SEARCHES_AT_ONCE: Final = 2
"""Searches by condition that run at a time; further ones wait their turn."""
_MASK = MASK.encode()


class RequestLog(Protocol):
    """What is read of the ledger."""

    async def request(self, tenant_id: int, request_id: int) -> CaughtRequest | None:
        """Return one request, with its body."""
        ...

    async def requests(
        self, where: RequestFilter, *, limit: int, below_id: int | None = None, bodies: bool = False
    ) -> list[CaughtRequest]:
        """Return requests, newest first."""
        ...

    async def event_types_of(self, tenant_id: int, event_ids: Sequence[int]) -> dict[int, str]:
        """Return the type of each of the events that exists."""
        ...


class Found(msgspec.Struct, frozen=True):
    """A page of a search."""

    requests: Sequence[CaughtRequest]
    below_id: int | None
    """Where the search goes on; None where nothing is left to look at."""


class Inspector:
    """Finds caught requests.

    Args:
        store: the ledger.
    """

    def __init__(self, store: RequestLog) -> None:
        self._store = store
        self._searching = asyncio.Semaphore(SEARCHES_AT_ONCE)

    async def one(self, tenant_id: int, request_id: int) -> CaughtRequest:
        """Return a request with its body; raises NotFound."""
        found = await self._store.request(tenant_id, request_id)
        if found is None:
            raise NotFound(
                f"there is no caught request {encode('req', request_id)} (any more: they are kept "
                "for as long as their source's retention says)"
            )
        return found

    async def page(
        self,
        where: RequestFilter,
        *,
        limit: int,
        below_id: int | None = None,
        condition: Condition | None = None,
    ) -> Found:
        """Return a page of requests, newest first, without their bodies.

        Args:
            where: which.
            limit: how many at most.
            below_id: only those with ids below it.
            condition: only those for which it holds. A page looks at a bounded number of requests,
                so that it may have fewer than ``limit``, or none, and not be the last.
        """
        if condition is None:
            found = await self._store.requests(where, limit=limit + 1, below_id=below_id)
            more = len(found) > limit
            found = found[:limit]
            return Found(found, found[-1].id if more else None)
        kept: list[CaughtRequest] = []
        async with self._searching:
            scanned = size = 0
            async for chunk in self._chunks(where, below_id):
                holding = await self.holding(where.tenant_id, chunk, condition)
                for request in holding:
                    kept.append(msgspec.structs.replace(request, body=b""))
                    if len(kept) == limit:
                        return Found(kept, request.id)
                scanned += len(chunk)
                size += sum(len(request.body) for request in chunk)
                if scanned >= SCANNED or size >= SCANNED_BYTES:
                    return Found(kept, chunk[-1].id)
        return Found(kept, None)

    async def all(
        self, where: RequestFilter, condition: Condition | None = None
    ) -> AsyncIterator[CaughtRequest]:
        """Yield every request that a filter finds, newest first, with its body.

        Memory does not grow with their number.
        """
        async for chunk in self._chunks(where, None):
            found: Sequence[CaughtRequest] = chunk
            if condition is not None:
                found = await self.holding(where.tenant_id, chunk, condition)
            for request in found:
                yield request

    async def _chunks(
        self, where: RequestFilter, below_id: int | None
    ) -> AsyncIterator[list[CaughtRequest]]:
        while True:
            chunk = await self._store.requests(where, limit=CHUNK, below_id=below_id, bodies=True)
            if not chunk:
                return
            yield chunk
            below_id = chunk[-1].id

    async def holding(
        self, tenant_id: int, requests: Sequence[CaughtRequest], condition: Condition
    ) -> list[CaughtRequest]:
        """Return those for which a condition holds; one that it can't be told of is not among."""
        events = [r.event_id for r in requests if r.event_id is not None]
        types = await self._store.event_types_of(tenant_id, events) if events else {}

        def holds(request: CaughtRequest) -> bool:
            type_ = "" if request.event_id is None else types.get(request.event_id, "")
            try:
                return condition.holds(facts_of(request, type_))
            except ConditionError:
                return False

        # Bodies of megabytes may be parsed; the server goes on serving meanwhile.
        return await asyncio.to_thread(lambda: [r for r in requests if holds(r)])


# ------------------------------------------------------------------ what is known of a request


def facts_of(request: CaughtRequest, event_type: str = "") -> Facts:
    """Return a request as conditions see the event that it became, or would have.

    Args:
        request: with its body.
        event_type: of that event; empty where it became none.
    """
    content_type = first_value(request.headers, b"content-type")
    coding = first_value(request.headers, b"content-encoding")
    form = form_of(content_type, request.body, coding)
    caught = Caught(
        request_id=request.id,
        source_id=request.source_id,
        form=form,
        method=request.method,
        path=below(request.path).strip(b"/"),
        query=request.query,
        client=request.client,
        headers=request.headers,
    )
    return Facts(event_type, read(form, content_type, request.body), EventMeta(caught=caught))


def below(path: bytes) -> bytes:
    """Return what of a path is below the source's own address, its first slash included.

    The address itself lets anybody send, so it is not for everyone who may look.
    """
    return path[len(PATH) + GUID_DIGITS :] if path.startswith(PATH) else path


# ------------------------------------------------------------------ what may be seen


def masked(request: CaughtRequest) -> CaughtRequest:
    """Return a request with its credentials hidden, as it is shown and copied."""
    return msgspec.structs.replace(
        request,
        query=masked_query(request.query),
        headers=tuple(
            (name, _MASK if is_credential(name.decode("latin-1")) else value)
            for name, value in request.headers
        ),
        answer_headers=tuple(
            (name, MASK if is_credential(name) else value) for name, value in request.answer_headers
        ),
    )


def without_guid(request: CaughtRequest) -> CaughtRequest:
    """Return a request with its source's guid hidden in its path, where the whole path is shown."""
    path = request.path
    hidden = PATH + _MASK + below(path) if path.startswith(PATH) else path
    return msgspec.structs.replace(request, path=hidden)


def masked_query(query: bytes) -> bytes:
    """Return a query with the values of its credentials hidden."""
    parts = []
    for part in query.split(b"&"):
        name, equals, _ = part.partition(b"=")
        plain = unquote_to_bytes(name.replace(b"+", b" ")).decode("utf-8", "replace")
        parts.append(name + equals + _MASK if equals and is_credential(plain) else part)
    return b"&".join(parts)
