"""``/api/v1/event_types``: the registered event types of a tenant."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response, Router, get, post, put
from litestar.params import FromPath, FromQuery, RawBody

from hookferry import ids
from hookferry.api.framework import Answer, IfMatch, Owner
from hookferry.api.publish import VerdictView, verdict_view
from hookferry.api.resources.events import ReceiptView
from hookferry.api.services import Services
from hookferry.api.wire import Moment, Page, decode_body, page_in_memory, time_text, version_in
from hookferry.domain.tenant import EventType
from hookferry.engine.event_types import EventTypes, EventTypeSettings
from hookferry.engine.intake import Receipt
from hookferry.engine.publication import Publication


class EventTypeView(msgspec.Struct, kw_only=True):
    """An event type as it is shown."""

    name: str
    application: str
    phase: str | None
    description: str
    schema: Any
    """The JSON Schema of the data, or null."""
    schema_mode: str
    example: Any
    archived: bool
    created_at: Moment | None
    updated_at: Moment | None
    version: int


def event_type_view(event_type: EventType) -> EventTypeView:
    """Show an event type."""
    return EventTypeView(
        name=event_type.name,
        application=event_type.application,
        phase=event_type.phase,
        description=event_type.description,
        schema=event_type.schema,
        schema_mode=event_type.schema_mode,
        example=event_type.example,
        archived=event_type.archived,
        created_at=time_text(event_type.created_at_ms),
        updated_at=time_text(event_type.updated_at_ms),
        version=event_type.version,
    )


def _shown(event_type: EventType) -> Response[EventTypeView]:
    headers = {"ETag": f'"{event_type.version}"'}
    return Response(event_type_view(event_type), headers=headers, status_code=200)


def event_type_router(s: Services) -> Router:
    """Return the addresses under ``/event_types``."""
    types = EventTypes(s.store, s.directory, s.ids, s.clock)

    @get("/", summary="List event types")
    async def list_types(
        owner: Owner,
        limit: FromQuery[int | None] = None,
        cursor: FromQuery[str | None] = None,
        application: FromQuery[str | None] = None,
    ) -> Page[EventTypeView]:
        found = types.list(owner.id, application)
        return page_in_memory(found, s.pages.of(limit), cursor, event_type_view, lambda t: t.id)

    @get("/{name:str}", summary="Get an event type")
    async def get_one(owner: Owner, name: FromPath[str]) -> Response[EventTypeView]:
        return _shown(types.get(owner.id, name))

    @put(
        "/{name:str}",
        summary="Register an event type",
        opt={"body": EventTypeSettings, "optional": True},
    )
    async def put_one(
        owner: Owner, name: FromPath[str], body: RawBody, if_match: IfMatch = None
    ) -> Response[EventTypeView]:
        settings = decode_body(body, EventTypeSettings)
        return _shown(await types.put(owner.id, name, settings, version=version_in(if_match)))

    @post("/{name:str}/archive", status_code=200, summary="Take an event type out of use")
    async def archive(owner: Owner, name: FromPath[str]) -> Response[EventTypeView]:
        return _shown(await types.archive(owner.id, name))

    @post(
        "/{name:str}/example",
        status_code=202,
        summary="Publish an event type's example as an event",
        opt={"answers": [Answer(200, VerdictView), Answer(202, ReceiptView)], "problems": (424,)},
    )
    async def send_example(
        owner: Owner, name: FromPath[str]
    ) -> Response[ReceiptView | VerdictView]:
        event_type, example = types.example(owner.id, name)
        told = await s.intake.publish_one(
            owner, Publication(type=event_type.name, data=msgspec.Raw(example))
        )
        if isinstance(told, Receipt):
            shown = ReceiptView(ids.encode("evt", told.event_id), told.deliveries, told.duplicate)
            return Response(shown, status_code=202)
        return Response(verdict_view(told), status_code=200)

    handlers: list[Any] = [list_types, get_one, put_one, archive, send_example]
    return Router("/event_types", route_handlers=handlers, tags=["event_types"])
