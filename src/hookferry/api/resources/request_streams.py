"""``/api/v1/sources/<id>/requests``: what one source caught, and what it catches, live."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, aclosing, contextmanager, nullcontext
from typing import Annotated, cast

import msgspec
from litestar import Router, get
from litestar.params import FromPath, FromQuery, HeaderParameter, QueryParameter
from litestar.response import Stream

from hookferry import ids
from hookferry.api.caught_views import CaughtItem, RequestEvent, streamed
from hookferry.api.framework import IS_HEAD, Answer, AnyRequest, Owner
from hookferry.api.hotroute import HALF_CLOSED
from hookferry.api.request_search import SEARCH, Searched
from hookferry.api.resources.requests import request_page
from hookferry.api.services import Services
from hookferry.api.wire import Page, id_in, id_in_path
from hookferry.catch.stream import Watcher
from hookferry.catch.waiting import Listeners
from hookferry.domain.request import CaughtRequest

RETRY_MS = 2_000
"""After which a client whose connection broke comes back (Server-Sent Events, ``retry``)."""
ALIVE = b": alive\n\n"
_encode = msgspec.json.Encoder().encode

LastEventId = Annotated[
    str | None,
    HeaderParameter(
        name="Last-Event-ID", description="the id of the last request seen; goes before 'after'"
    ),
]


def caught_router(s: Services) -> Router:
    """Return the addresses under ``/sources/<id>/requests``."""

    @get("/", summary="List what a source caught, newest first")
    async def list_of_source(
        owner: Owner,
        source_id: FromPath[str],
        wanted: Searched,
        limit: FromQuery[int | None] = None,
        cursor: FromQuery[str | None] = None,
    ) -> Page[CaughtItem]:
        source = s.directory.source(owner.id, id_in_path("src", source_id))
        return await request_page(s, owner.id, wanted, source.id, limit, cursor)

    return Router(
        "/sources/{source_id:str}/requests",
        route_handlers=[list_of_source],
        dependencies={"wanted": SEARCH},
        tags=["requests"],
    )


def stream_router(s: Services) -> Router:
    """Return the address ``/sources/<id>/requests/stream``."""

    async def typed(request: CaughtRequest) -> str | None:
        if request.event_id is None:
            return None
        types = await s.store.event_types_of(request.tenant_id, [request.event_id])
        return types.get(request.event_id)

    @get(
        "/",
        summary="Watch what a source catches, live, as Server-Sent Events",
        opt={"answers": [Answer(200, RequestEvent, "text/event-stream")]},
    )
    async def stream(
        request: AnyRequest,
        owner: Owner,
        source_id: FromPath[str],
        after: Annotated[
            str | None,
            QueryParameter(description="begin with what came after this request; else with now"),
        ] = None,
        answer: Annotated[
            bool,
            QueryParameter(
                description="callers wait for what POST /requests/<id>/answer says, for as long as"
                " this stream goes on"
            ),
        ] = False,
        last_event_id: LastEventId = None,
    ) -> Stream:
        source = s.directory.source(owner.id, id_in_path("src", source_id))
        seen = after if last_event_id is None else last_event_id
        after_id = None
        if seen is not None:
            field = "after" if last_event_id is None else "Last-Event-ID"
            after_id = id_in("req", seen, field=field)
        else:  # now, and not some time after the answer began, when its reader counts on it
            after_id = await s.store.newest_request(owner.id, source.id)
        watcher = s.catching.streams.watch(owner.id, source.id, after_id)
        left = cast("asyncio.Event | None", request.scope.get(HALF_CLOSED))
        answers = answering(s.catching.listeners, source.id) if answer else nullcontext()
        return Stream(
            [b""] if request.scope.get(IS_HEAD) else event_lines(watcher, typed, answers, left),
            media_type="text/event-stream",
            headers={"x-accel-buffering": "no"},  # proxies that gather answers would hold it back
        )

    return Router(
        "/sources/{source_id:str}/requests/stream", route_handlers=[stream], tags=["streams"]
    )


@contextmanager
def answering(listeners: Listeners, source_id: int) -> Iterator[None]:
    """Let the reader of a stream answer the source's callers meanwhile."""
    listeners.join(source_id)
    try:
        yield
    finally:
        listeners.leave(source_id)


async def event_lines(
    watcher: Watcher,
    typed: Callable[[CaughtRequest], Awaitable[str | None]],
    answers: AbstractContextManager[None],
    left: asyncio.Event | None,
) -> AsyncIterator[bytes]:
    """Yield a stream of requests as Server-Sent Events (HTML Living Standard, section 9.2).

    Args:
        watcher: the stream.
        typed: tells the type of the event that a request became.
        answers: entered for as long as the stream goes on.
        left: set when the client has left; None where that can't be known before it is sent to.
    """
    leaving = None
    if left is not None:
        leaving = asyncio.ensure_future(left.wait())
        leaving.add_done_callback(lambda _: watcher.end())
    try:
        with answers:
            yield b"retry: %d\n\n" % RETRY_MS
            async with aclosing(aiter(watcher)) as requests:
                async for request in requests:
                    yield ALIVE if request is None else event_line(request, await typed(request))
    finally:
        if leaving is not None:
            leaving.cancel()


def event_line(request: CaughtRequest, event_type: str | None) -> bytes:
    """Return a request as one event, which has its id as its own."""
    name = ids.encode("req", request.id).encode()
    data = _encode(streamed(request, event_type))  # JSON of one line
    return b"id: %b\nevent: request\ndata: %b\n\n" % (name, data)
