"""``/shared/<token>``: what a source caught, for whoever was given a link to look at it.

Nothing here changes anything or tells where the source is. Credentials are masked, and bodies are
shown as far as a view shows them.
"""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response, Router, get
from litestar.params import FromPath, FromQuery

from hookferry.api.caught_views import CaughtItem, CaughtView, item_view, request_view
from hookferry.api.services import Services
from hookferry.api.wire import decode_cursor, encode_cursor, id_in_path
from hookferry.catch.inspection import masked
from hookferry.errors import NotFound
from hookferry.store.ports import RequestFilter

_UNSEEN = {"x-robots-tag": "noindex, nofollow, noarchive"}
"""No search engine keeps what a link led it to."""


class SharedView(msgspec.Struct, kw_only=True):
    """A source, for those who may look."""

    name: str
    description: str
    items: list[CaughtItem]
    """Newest first."""
    next: str | None
    """Cursor of the following page, or null at the end."""


def shared_router(s: Services) -> Router:
    """Return the addresses under ``/shared``."""

    @get("/{token:str}", summary="List what a shared source caught, newest first")
    async def list_shared(
        token: FromPath[str],
        limit: FromQuery[int | None] = None,
        cursor: FromQuery[str | None] = None,
    ) -> Response[SharedView]:
        source = s.sources.shared(token)
        found = await s.catching.inspector.page(
            RequestFilter(tenant_id=source.tenant_id, source_id=source.id),
            limit=s.pages.of(limit),
            below_id=decode_cursor(cursor),
        )
        view = SharedView(
            name=source.name,
            description=source.description,
            items=[item_view(masked(request), s.directory) for request in found.requests],
            next=None if found.below_id is None else encode_cursor(found.below_id),
        )
        return Response(view, headers=_UNSEEN)

    @get("/{token:str}/requests/{request_id:str}", summary="Get a request of a shared source")
    async def get_shared(token: FromPath[str], request_id: FromPath[str]) -> Response[CaughtView]:
        source = s.sources.shared(token)
        number = id_in_path("req", request_id)
        request = await s.catching.inspector.one(source.tenant_id, number)
        if request.source_id != source.id:
            raise NotFound("this source caught no such request")
        view = request_view(masked(request), s.directory, shared=True)
        return Response(view, headers=_UNSEEN)

    handlers: list[Any] = [list_shared, get_shared]
    return Router(
        "/shared",
        route_handlers=handlers,
        opt={"public": True, "problems": (404,)},
        tags=["shared"],
    )
