"""The calls on ``requests``: what sources caught, and doing something with it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Generator, Mapping
from datetime import datetime
from typing import Any, Literal

from hookferry.client.calls import (
    AsyncResource,
    Call,
    Page,
    Resource,
    SyncResource,
    encoded,
    given,
    listing,
    operation,
    path,
    reader,
)
from hookferry.client.errors import ApiError, Unreachable
from hookferry.client.listening import (
    SILENCE_SECONDS,
    EventReader,
    StreamedRequest,
    request_in,
    stream_of,
)
from hookferry.client.request_answers import (
    CaughtRequest,
    CaughtSummary,
    Explanation,
    ManyReplayed,
    Replayed,
    RequestComparison,
)
from hookferry.client.retrying import RETRIED_STATUSES
from hookferry.errors import HookferryError

_ENDED = "the server ended the stream, and does not take it up again"
BEGINNING = "req_0000000000000"
"""``after`` it comes everything that is kept."""

_page = reader(Page[CaughtSummary])
_request = reader(CaughtRequest)
_comparison = reader(RequestComparison)
_explanation = reader(Explanation)
_replayed = reader(Replayed)
_many = reader(ManyReplayed)


class _Requests(Resource):
    """What sources caught."""

    @listing
    def list(
        self,
        *,
        source: str | None = None,
        verdict: str | None = None,
        reason: str | None = None,
        method: str | None = None,
        status_code: int | None = None,
        client: str | None = None,
        key: str | None = None,
        duplicate_of: str | None = None,
        path: str | None = None,
        header: str | None = None,
        text: str | None = None,
        after: datetime | None = None,
        before: datetime | None = None,
        where: Mapping[str, Any] | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Call[Page[CaughtSummary]]:
        """List caught requests, newest first, without headers and bodies.

        Args:
            source: only those of the source with this id.
            verdict: only those with this verdict, such as ``quarantined``; several are joined by
                commas.
            reason: only those with this reason.
            method: only those with this method.
            status_code: only those whose caller was answered so.
            client: only those from this address.
            key: only those with this duplicate key.
            duplicate_of: only the repeats of the request with this id.
            path: only those with this in their path or query.
            header: only those with this header: its name, a colon, and a part of its value.
            text: only those with this in their body.
            after: only those received at this time (one with a zone) or later.
            before: only those received earlier.
            where: only those for which this condition holds.
            limit: how many a page has, 250 at most. With ``where`` a page may have fewer, or none,
                and not be the last.
            cursor: ``next`` of an earlier page, to go on from there.
        """
        query = given(
            source=source,
            verdict=verdict,
            reason=reason,
            method=method,
            status_code=status_code,
            client=client,
            key=key,
            duplicate_of=duplicate_of,
            path=path,
            header=header,
            text=text,
            after=after,
            before=before,
            where=None if where is None else encoded(where).decode(),
            limit=limit,
            cursor=cursor,
        )
        return Call("GET", "requests", _page, query)

    @operation
    def get(self, request: str, *, reveal: bool = False) -> Call[CaughtRequest]:
        """Return a caught request by its id.

        Args:
            request: its id.
            reveal: show the values that look like credentials, too.
        """
        return Call("GET", path("requests", request), _request, given(reveal=reveal or None))

    @operation
    def raw(self, request: str) -> Call[bytes]:
        """Return a caught request's body, byte for byte."""
        return Call("GET", path("requests", request, "raw"), bytes)

    @operation
    def copy(
        self,
        request: str,
        form: Literal["curl", "httpie", "python"] = "curl",
        *,
        target_url: str | None = None,
        reveal: bool = False,
    ) -> Call[str]:
        """Return a command or program that sends a caught request again.

        Args:
            request: its id.
            form: what runs it.
            target_url: where to; left out, to its source.
            reveal: show the values that look like credentials, too.
        """
        query = {"as": form} | given(target_url=target_url, reveal=reveal or None)
        return Call("GET", path("requests", request, "copy"), bytes.decode, query)

    @operation
    def compare(self, request: str, other: str) -> Call[RequestComparison]:
        """Tell how two caught requests differ, by their ids."""
        return Call("GET", path("requests", request, "compare", other), _comparison)

    @operation
    def replay(self, request: str, *, target_url: str | None = None) -> Call[Replayed]:
        """Take a caught request through its source once more, as it is now, or send it to a URL.

        Args:
            request: its id.
            target_url: where it is sent, its path below the source and its query behind it.
        """
        body = encoded(_order(target_url))
        where = path("requests", request, "replay")
        return Call("POST", where, _replayed, body=body, asks_receivers=True)

    @operation
    def replay_where(
        self,
        where: Mapping[str, Any],
        *,
        target_url: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Call[ManyReplayed]:
        """Do so with the newest requests that a filter finds, oldest first.

        Args:
            where: the filter: names as of ``list``.
            target_url: as of ``replay``.
            limit: how many at most, 50 or fewer.
            cursor: ``next`` of an earlier answer, to go on with older ones.
        """
        body = encoded(_order(target_url) | given(filter=where, limit=limit, cursor=cursor))
        return Call("POST", "requests/replay", _many, body=body, asks_receivers=True)

    @operation
    def verify(self, request: str) -> Call[Explanation]:
        """Verify a caught request again, with its source's secrets as they are, and tell how."""
        return Call("POST", path("requests", request, "verify"), _explanation)

    @operation
    def release(self, request: str) -> Call[Replayed]:
        """Let a quarantined request run as if it had been accepted, once."""
        return Call("POST", path("requests", request, "release"), _replayed, asks_receivers=True)


class Requests(_Requests, SyncResource):
    """What sources caught, on a ``Client``."""

    def stream(
        self, source: str, *, after: str | None = None
    ) -> Generator[StreamedRequest, None, None]:
        """Yield what a source catches, oldest first, as it is caught.

        A connection that breaks is made again, and nothing is missed or told twice.

        Args:
            source: its id.
            after: begin with what came after this request's id; left out, with what comes now.

        Raises:
            ApiError: it was refused.
            Unreachable: there is no connection, for as often as the client's retry policy says.
        """
        seen = after
        if seen is None:
            newest = self.list(source=source, limit=1).page().items
            seen = newest[0].id if newest else BEGINNING
        attempt = 0
        while True:
            events = EventReader()
            failure: HookferryError = Unreachable(_ENDED)
            try:
                with self._session.stream(stream_of(source, after=seen), SILENCE_SECONDS) as pieces:
                    for piece in pieces:
                        attempt = 0
                        for data in events.feed(piece):
                            request = request_in(data)
                            seen = request.id
                            yield request
            except (Unreachable, ApiError) as error:
                failure = _passing(error)
            attempt += 1
            wait = self._session.retry.wait_before(attempt, None)
            if wait is None:
                raise failure
            time.sleep(wait)


class AsyncRequests(_Requests, AsyncResource):
    """What sources caught, on an ``AsyncClient``."""

    async def stream(
        self, source: str, *, after: str | None = None
    ) -> AsyncGenerator[StreamedRequest, None]:
        """Yield what a source catches; as on ``Requests``."""
        seen = after
        if seen is None:
            newest = (await self.list(source=source, limit=1).page()).items
            seen = newest[0].id if newest else BEGINNING
        attempt = 0
        while True:
            events = EventReader()
            failure: HookferryError = Unreachable(_ENDED)
            try:
                async with self._session.stream(
                    stream_of(source, after=seen), SILENCE_SECONDS
                ) as pieces:
                    async for piece in pieces:
                        attempt = 0
                        for data in events.feed(piece):
                            request = request_in(data)
                            seen = request.id
                            yield request
            except (Unreachable, ApiError) as error:
                failure = _passing(error)
            attempt += 1
            wait = self._session.retry.wait_before(attempt, None)
            if wait is None:
                raise failure
            await asyncio.sleep(wait)


def _passing(error: Unreachable | ApiError) -> HookferryError:
    """Return an error that may pass; raise any other."""
    if isinstance(error, ApiError) and error.status not in RETRIED_STATUSES:
        raise error
    return error


def _order(target_url: str | None) -> dict[str, object]:
    return {"to": "pipeline"} if target_url is None else {"to": "url", "target_url": target_url}
