"""``/api/v1/requests/export``: caught requests as NDJSON for programs, as HAR for tools of HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
from litestar import Router, get
from litestar.params import FromQuery, QueryParameter
from litestar.response import Stream

from hookferry import __version__
from hookferry.api.caught_views import request_view
from hookferry.api.framework import Answer, Owner
from hookferry.api.request_search import EXPORTS, SEARCH, Searched, condition_in, filter_in
from hookferry.api.resources.requests import Reveal
from hookferry.api.services import Services
from hookferry.api.wire import id_in
from hookferry.catch.inspection import masked, without_guid
from hookferry.domain.request import CaughtRequest
from hookferry.errors import InvalidField
from hookferry.wire.copying import har

FormatQuery = Annotated[str, QueryParameter(name="format", description="ndjson or har")]


async def ndjson_lines(s: Services, requests: AsyncIterator[CaughtRequest]) -> AsyncIterator[bytes]:
    """Yield requests as lines of JSON, with their whole bodies."""
    async for request in requests:
        yield msgspec.json.encode(request_view(request, s.directory, most=None)) + b"\n"


async def har_parts(
    requests: AsyncIterator[CaughtRequest], origin: str, *, reveal: bool
) -> AsyncIterator[bytes]:
    """Yield requests as one HTTP Archive.

    Args:
        requests: with what may be seen.
        origin: scheme, host and port that they came to.
        reveal: show their sources' addresses, through which anybody may send.
    """
    yield har.opening(__version__)
    between = b""
    async for request in requests:
        yield between + har.entry(request if reveal else without_guid(request), origin)
        between = b","
    yield har.CLOSING


def request_export_router(s: Services) -> Router:
    """Return the address ``/requests/export``."""

    @get(
        "/",
        summary="Export caught requests, newest first, as NDJSON or as an HTTP Archive",
        opt={
            "answers": [
                Answer(200, str, EXPORTS["ndjson"]),
                Answer(200, dict[str, Any], EXPORTS["har"]),
            ]
        },
    )
    async def export(
        owner: Owner,
        wanted: Searched,
        source: FromQuery[str | None] = None,
        form: FormatQuery = "ndjson",
        reveal: Reveal = False,
    ) -> Stream:
        if form not in EXPORTS:
            raise InvalidField(f"format is one of {', '.join(EXPORTS)}", field="format")
        source_id = None if source is None else id_in("src", source, field="source")
        where = filter_in(owner.id, wanted, source_id)
        found = s.catching.inspector.all(where, condition_in(wanted.where))
        shown = found if reveal else _masked(found)
        if form == "ndjson":
            parts = ndjson_lines(s, shown)
        else:
            parts = har_parts(shown, s.catching.origin(), reveal=reveal)
        return Stream(
            parts,
            media_type=EXPORTS[form],
            headers={"content-disposition": f'attachment; filename="requests.{form}"'},
        )

    return Router(
        "/requests/export",
        route_handlers=[export],
        dependencies={"wanted": SEARCH},
        tags=["requests"],
    )


async def _masked(requests: AsyncIterator[CaughtRequest]) -> AsyncIterator[CaughtRequest]:
    async for request in requests:
        yield masked(request)
