"""``/api/v1/sources/<id>/requests``: what one source caught, and what it catches, live."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
from litestar import Router, get
from litestar.params import FromPath, FromQuery, HeaderParameter, QueryParameter
from litestar.response import Stream

from hookferry import ids
from hookferry.api.caught_views import CaughtItem, StreamedRequest, streamed
from hookferry.api.framework import IS_HEAD, Answer, AnyRequest, Owner
from hookferry.api.request_search import SEARCH, Searched
from hookferry.api.resources.requests import request_page
from hookferry.api.services import Services
from hookferry.api.wire import Page, id_in, id_in_path

RETRY_MS = 2_000
"""After which a client whose connection broke comes back (Server-Sent Events, ``retry``)."""
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

    @get(
        "/",
        summary="Watch what a source catches, live, as Server-Sent Events",
        opt={"answers": [Answer(200, StreamedRequest, "text/event-stream")]},
    )
    async def stream(
        request: AnyRequest,
        owner: Owner,
        source_id: FromPath[str],
        after: Annotated[
            str | None,
            QueryParameter(description="begin with what came after this request; else with now"),
        ] = None,
        last_event_id: LastEventId = None,
    ) -> Stream:
        source = s.directory.source(owner.id, id_in_path("src", source_id))
        seen = last_event_id or after
        after_id = None
        if seen is not None:
            field = "after" if last_event_id is None else "Last-Event-ID"
            after_id = id_in("req", seen, field=field)
        streams = s.catching.streams
        streams.check_room(source.id)
        endless = event_lines(streams.follow(owner.id, source.id, after_id))
        return Stream(
            [b""] if request.scope.get(IS_HEAD) else endless,
            media_type="text/event-stream",
            headers={"x-accel-buffering": "no"},  # proxies that gather answers would hold it back
        )

    return Router(
        "/sources/{source_id:str}/requests/stream", route_handlers=[stream], tags=["streams"]
    )


async def event_lines(found: AsyncIterator[Any]) -> AsyncIterator[bytes]:
    """Yield a stream of requests as Server-Sent Events (HTML Living Standard, section 9.2)."""
    yield b"retry: %d\n\n" % RETRY_MS
    async with contextlib.aclosing(found) as requests:  # type: ignore[type-var]
        async for request in requests:
            if request is None:
                yield b": alive\n\n"
            else:
                name = ids.encode("req", request.id).encode()
                yield b"id: %b\nevent: request\ndata: %b\n\n" % (name, _encode(streamed(request)))
