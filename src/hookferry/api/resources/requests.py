"""``/api/v1/requests``: what sources caught, and doing something with it.

How requests are shown is ``hookferry.api.caught_views``, which of them are meant
``hookferry.api.request_search``. Watching a source live is ``request_streams``, exports are
``request_exports``.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from litestar import Response, Router, get, post
from litestar.params import FromPath, FromQuery, QueryParameter, RawBody

from hookferry import ids
from hookferry.api.caught_views import (
    CaughtItem,
    CaughtView,
    ExplanationView,
    ReplayView,
    explanation_view,
    item_view,
    replay_view,
    request_view,
)
from hookferry.api.framework import Answer, Owner
from hookferry.api.request_search import SEARCH, RequestSearch, Searched, condition_in, filter_in
from hookferry.api.services import Services
from hookferry.api.wire import Page, decode_body, decode_cursor, encode_cursor, id_in, id_in_path
from hookferry.catch.inspection import below, masked
from hookferry.catch.replays import Replayed, forwarded
from hookferry.domain.request import CaughtRequest
from hookferry.engine.dispatch import authority
from hookferry.engine.masking import is_credential
from hookferry.errors import Conflict, InvalidField, NotFound
from hookferry.transport.target import parse_target
from hookferry.wire.copying import COPIES
from hookferry.wire.copying.captured import captured
from hookferry.wire.copying.comparison import Comparison, compare

MAX_REPLAYS = 50
"""Requests that one call replays."""
AT_ONCE = 8
"""And those of them that are in memory at a time."""
_DOWNLOAD = {"content-security-policy": "sandbox; default-src 'none'; frame-ancestors 'none'"}
"""Whatever the bytes are, no browser makes a page of them."""

Reveal = Annotated[
    bool, QueryParameter(description="true shows the values that look like credentials, too")
]


class RequestReplay(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Where a caught request goes again."""

    to: Literal["pipeline", "url"] = "pipeline"
    """``pipeline``: through its source as it is now, as a new request; ``url``: to
    ``target_url``."""
    target_url: str | None = None
    """The request's path below its source and its query follow it."""


class ManyReplays(RequestReplay, forbid_unknown_fields=True, kw_only=True):
    """Which caught requests go again, and where."""

    filter: RequestSearch
    limit: int = MAX_REPLAYS
    """The newest so many that it finds; they go oldest first."""
    cursor: str | None = None
    """``next`` of an earlier answer, to go on with older ones."""


class ReplaysView(msgspec.Struct):
    """What came of each, oldest first."""

    items: list[ReplayView]
    next: str | None
    """What ``cursor`` has to be for those that are older; null where none is."""


async def request_page(
    s: Services,
    tenant_id: int,
    wanted: RequestSearch,
    source_id: int | None,
    limit: int | None,
    cursor: str | None,
) -> Page[CaughtItem]:
    """Return a page of caught requests."""
    found = await s.catching.inspector.page(
        filter_in(tenant_id, wanted, source_id),
        limit=s.pages.of(limit),
        below_id=decode_cursor(cursor),
        condition=condition_in(wanted.where),
    )
    return Page(
        [item_view(masked(request), s.directory) for request in found.requests],
        None if found.below_id is None else encode_cursor(found.below_id),
    )


def request_router(s: Services) -> Router:
    """Return the addresses under ``/requests``."""
    inspector, replays = s.catching.inspector, s.catching.replays

    async def existing(tenant_id: int, text: str) -> CaughtRequest:
        return await inspector.one(tenant_id, id_in_path("req", text))

    def own_url(request: CaughtRequest) -> str:
        """Return the address of a request's source, as its senders know it."""
        try:
            source = s.directory.source(request.tenant_id, request.source_id)
        except NotFound:
            raise Conflict(
                "its source was deleted; say with target_url where the copy is to go"
            ) from None
        return source.public_url or s.sources.url(source)

    @get("/", summary="List caught requests, newest first")
    async def list_requests(
        owner: Owner,
        wanted: Searched,
        source: FromQuery[str | None] = None,
        limit: FromQuery[int | None] = None,
        cursor: FromQuery[str | None] = None,
    ) -> Page[CaughtItem]:
        source_id = None if source is None else id_in("src", source, field="source")
        return await request_page(s, owner.id, wanted, source_id, limit, cursor)

    @get("/{request_id:str}", summary="Get a caught request")
    async def get_one(
        owner: Owner, request_id: FromPath[str], reveal: Reveal = False
    ) -> CaughtView:
        request = await existing(owner.id, request_id)
        return request_view(request if reveal else masked(request), s.directory)

    @get(
        "/{request_id:str}/raw",
        summary="Get a caught request's body, byte for byte",
        opt={"answers": [Answer(200, str, "application/octet-stream")]},
    )
    async def raw(owner: Owner, request_id: FromPath[str]) -> Response[bytes]:
        request = await existing(owner.id, request_id)
        name = ids.encode("req", request.id)
        return Response(
            request.body,
            media_type="application/octet-stream",
            headers={"content-disposition": f'attachment; filename="{name}.bin"', **_DOWNLOAD},
        )

    @get(
        "/{request_id:str}/copy",
        summary="Get a command or program that sends a caught request again",
        opt={"answers": [Answer(200, str, "text/plain")]},
    )
    async def copy(
        owner: Owner,
        request_id: FromPath[str],
        form: Annotated[
            str, QueryParameter(name="as", description="curl, httpie or python")
        ] = "curl",
        target_url: Annotated[
            str | None, QueryParameter(description="where to; left out, to its source")
        ] = None,
        reveal: Reveal = False,
    ) -> Response[str]:
        if form not in COPIES:
            raise InvalidField(f"as is one of {', '.join(COPIES)}", field="as")
        request = await existing(owner.id, request_id)
        if not reveal:
            request = masked(request)
        target, base = parse_target(own_url(request) if target_url is None else target_url)
        origin = f"{target.scheme}://{authority(target)}"
        try:
            message = captured(
                request.method,
                origin,
                forwarded(base, request),
                request.headers,
                request.body,
                None if reveal else is_credential,
            )
        except ValueError as error:
            raise Conflict(f"{error}; GET {request_id}/raw has its body") from None
        return Response(COPIES[form](message), media_type="text/plain")

    @get("/{request_id:str}/compare/{other_id:str}", summary="Compare two caught requests")
    async def compare_two(
        owner: Owner, request_id: FromPath[str], other_id: FromPath[str]
    ) -> Comparison:
        first, second = await existing(owner.id, request_id), await existing(owner.id, other_id)
        # Bodies of megabytes may be parsed; the server goes on serving meanwhile.
        return await asyncio.to_thread(compare, _below(first), _below(second), is_credential)

    @post(
        "/{request_id:str}/replay",
        status_code=200,
        summary="Take a caught request once more, or send it to a URL",
        opt={"body": RequestReplay, "optional": True},
    )
    async def replay(owner: Owner, request_id: FromPath[str], body: RawBody) -> ReplayView:
        wanted = checked(decode_body(body, RequestReplay))
        request = await existing(owner.id, request_id)
        [made] = await repeat([request], wanted)
        return replay_view(made)

    @post(
        "/replay",
        status_code=200,
        summary="Take up to 50 caught requests once more, or send them to a URL",
        opt={"body": ManyReplays},
    )
    async def replay_many(owner: Owner, body: RawBody) -> ReplaysView:
        wanted = checked(decode_body(body, ManyReplays))
        if not 1 <= wanted.limit <= MAX_REPLAYS:
            raise InvalidField(f"limit is 1 to {MAX_REPLAYS}", field="limit")
        found = await inspector.page(
            filter_in(owner.id, wanted.filter, None),
            limit=wanted.limit,
            below_id=decode_cursor(wanted.cursor),
            condition=condition_in(wanted.filter.where),
        )
        oldest_first = found.requests[::-1]
        made: list[Replayed] = []
        for start in range(0, len(oldest_first), AT_ONCE):
            chunk = oldest_first[start : start + AT_ONCE]
            made += await repeat([await inspector.one(owner.id, r.id) for r in chunk], wanted)
        further = None if found.below_id is None else encode_cursor(found.below_id)
        return ReplaysView([replay_view(one) for one in made], further)

    async def repeat(requests: list[CaughtRequest], wanted: RequestReplay) -> list[Replayed]:
        if wanted.target_url is None:
            return await replays.to_pipeline(requests)
        return await replays.to_url(requests, wanted.target_url)

    @post(
        "/{request_id:str}/verify",
        status_code=200,
        summary="Verify a caught request again and tell how",
    )
    async def verify(owner: Owner, request_id: FromPath[str]) -> ExplanationView:
        explanation = await replays.verify(await existing(owner.id, request_id))
        if explanation is None:
            raise Conflict(
                "this source takes anybody's requests: there is nothing to verify; give it "
                "'verify' first"
            )
        return explanation_view(explanation)

    @post(
        "/{request_id:str}/release",
        status_code=200,
        summary="Let a quarantined request run as if it had been accepted",
    )
    async def release(owner: Owner, request_id: FromPath[str]) -> ReplayView:
        request = await existing(owner.id, request_id)
        return replay_view(Replayed(request=request, taken=await replays.release(request)))

    handlers: list[Any] = [
        list_requests,
        get_one,
        raw,
        copy,
        compare_two,
        replay,
        replay_many,
        verify,
        release,
    ]
    return Router(
        "/requests",
        route_handlers=handlers,
        dependencies={"wanted": SEARCH},
        tags=["requests"],
    )


R = TypeVar("R", bound=RequestReplay)


def checked(wanted: R) -> R:
    """Return an order to replay; raises InvalidField where it can't be meant."""
    if wanted.to == "url":
        if wanted.target_url is None:
            raise InvalidField("target_url is required to send to a URL", field="target_url")
        parse_target(wanted.target_url)
    elif wanted.target_url is not None:
        raise InvalidField('target_url goes with "to": "url"', field="target_url")
    return wanted


def _below(request: CaughtRequest) -> CaughtRequest:
    """Return a request with its path below the source, so that those of two can be compared."""
    return msgspec.structs.replace(request, path=below(request.path))
