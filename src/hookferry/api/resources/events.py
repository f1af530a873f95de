"""``/api/v1/events``: publishing many, and looking at what was published.

Publishing one is ``hookferry.api.publish``.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
from litestar import Response, Router, get, post
from litestar.params import FromPath, FromQuery, QueryParameter, RawBody

from hookferry import ids
from hookferry.api.access import Access
from hookferry.api.framework import Answer, AnyRequest, Owner, header_of
from hookferry.api.problems import Problem, problem_of
from hookferry.api.publish import tenant_of
from hookferry.api.resources.deliveries import DeliveryView, delivery_page, show_deliveries
from hookferry.api.services import Services
from hookferry.api.wire import (
    Moment,
    Page,
    decode_body,
    decode_cursor,
    id_in,
    id_in_path,
    page_of,
    time_ms,
    time_text,
)
from hookferry.domain.delivery import DeliveryState
from hookferry.domain.event import Event, EventState
from hookferry.domain.tenant import Tenant
from hookferry.engine.publication import Publication, decode_batch
from hookferry.errors import HookferryError, InvalidField, NotFound
from hookferry.match.patterns import check_event_type
from hookferry.store.ports import DeliveryFilter, EventFilter
from hookferry.tracing import read_trace
from hookferry.wire.bodies import data_of

BATCH_BODY = 16 * 1024 * 1024
"""Bytes of a batch."""
BATCHES_AT_ONCE = 4
"""Batches held in memory at a time; further ones wait, unread."""
MAX_REPLAY = 100
"""Webhooks that one replay may name."""
_NDJSON = ("application/x-ndjson", "application/ndjson", "application/jsonl")
_STATES = {state.name.lower(): state for state in EventState}


class EventView(msgspec.Struct, kw_only=True):
    """An event as it is shown."""

    id: str
    type: str
    tenant: str
    state: str
    data: Any
    """The published JSON value, or what a caught body says as one; null in lists, where
    ``data_url`` leads to it."""
    data_url: str
    received_at: Moment | None
    occurred_at: Moment | None
    external_id: str | None
    """The publisher's own id."""
    application: str | None
    entity: str | None
    primary_key: str | int | None
    changes: list[str] | None
    actor: dict[str, str | int | None] | None
    channels: list[str] | None
    schema_error: str | None
    """How the data breaks its type's schema, where that is only a warning."""
    match_errors: dict[str, str]
    """By webhook id: why its condition could not be evaluated, and so did not match."""
    request: str | None
    """The caught request that it was born from."""
    deliveries: dict[str, int]
    """Counts by state."""


class ReceiptView(msgspec.Struct):
    """What a publisher is told after the commit."""

    id: str
    deliveries: int
    duplicate: bool


class ReplayRequest(msgspec.Struct, forbid_unknown_fields=True):
    """To whom an event is delivered once more."""

    webhooks: list[str] | None = None
    """Webhook ids; left out, the webhooks that match the event now."""


class Replayed(msgspec.Struct):
    """The deliveries that a replay made."""

    items: list[DeliveryView]


def event_view(
    event: Event, tenant: Tenant, counts: dict[DeliveryState, int], *, with_data: bool
) -> EventView:
    """Show an event."""
    text = ids.encode("evt", event.id)
    meta = event.meta
    actor = None
    if meta.actor_id is not None or meta.actor_name is not None:
        actor = {"id": meta.actor_id, "name": meta.actor_name}
    return EventView(
        id=text,
        type=event.type,
        tenant=tenant.name,
        state=event.state.name.lower(),
        data=msgspec.Raw(data_of(event)) if with_data else None,
        data_url=f"/api/v1/events/{text}/data",
        received_at=time_text(event.received_at_ms),
        occurred_at=time_text(meta.occurred_at_ms),
        external_id=meta.external_id,
        application=meta.application,
        entity=meta.entity,
        primary_key=meta.primary_key,
        changes=meta.changes,
        actor=actor,
        channels=meta.channels,
        schema_error=meta.schema_error,
        match_errors=meta.match_errors or {},
        request=None if meta.caught is None else ids.encode("req", meta.caught.request_id),
        deliveries={state.name.lower(): count for state, count in counts.items()},
    )


def event_router(s: Services, access: Access) -> Router:
    """Return the addresses under ``/events``, the hot one excepted."""
    batches = asyncio.Semaphore(BATCHES_AT_ONCE)

    async def existing(tenant_id: int, text: str) -> Event:
        event = await s.store.event(tenant_id, id_in_path("evt", text))
        if event is None:
            raise NotFound(f"there is no event {text[:80]}")
        return event

    @post(
        "/batch",
        summary="Publish up to 1,000 events: a JSON array, or one event a line",
        request_max_body_size=BATCH_BODY,
        status_code=202,
        opt={
            "body": {"application/json": list[Publication], _NDJSON[0]: str},
            "answers": [
                Answer(202, list[ReceiptView], description="All are stored; receipts in order"),
                Answer(
                    207,
                    list[ReceiptView | Problem],
                    description="Some are stored, some refused; receipts and problems in order",
                ),
            ],
            "traced": True,
        },
    )
    async def batch(
        request: AnyRequest,
        tenant: Annotated[
            str | None, QueryParameter(description="whose events; the key's tenant, else 'default'")
        ] = None,
    ) -> Response[list[Any]]:
        authorization = header_of(request, b"authorization")
        access.tenant_of(access.key_of(authorization), tenant)
        async with batches:
            publications = decode_batch(
                await request.body(), ndjson=request.content_type[0] in _NDJSON
            )
            answers = await s.intake.publish_many(
                lambda p: tenant_of(access, authorization, tenant, p),
                publications,
                read_trace(request.scope["headers"]),
            )
        results: list[Any] = [
            problem_of(a)
            if isinstance(a, HookferryError)
            else ReceiptView(ids.encode("evt", a.event_id), a.deliveries, a.duplicate)
            for a in answers
        ]
        failed = any(isinstance(a, HookferryError) for a in answers)
        return Response(results, status_code=207 if failed else 202)

    @get("/", summary="List events")
    async def list_events(
        owner: Owner,
        event_type: Annotated[str | None, QueryParameter(name="type")] = None,
        event_state: Annotated[str | None, QueryParameter(name="state")] = None,
        external_id: FromQuery[str | None] = None,
        after: FromQuery[str | None] = None,
        before: FromQuery[str | None] = None,
        limit: FromQuery[int | None] = None,
        cursor: FromQuery[str | None] = None,
    ) -> Page[EventView]:
        size = s.pages.of(limit)
        if event_type is not None:
            check_event_type(event_type)
        if event_state is not None and event_state not in _STATES:
            raise InvalidField(f"state is one of {', '.join(_STATES)}", field="state")
        where = EventFilter(
            tenant_id=owner.id,
            type=event_type,
            state=None if event_state is None else _STATES[event_state],
            external_id=external_id,
            after_ms=time_ms(after, field="after"),
            before_ms=time_ms(before, field="before"),
        )
        found = await s.store.events(where, limit=size + 1, below_id=decode_cursor(cursor))
        counts = await s.store.states(owner.id, [e.id for e in found[:size]])
        return page_of(
            found,
            size,
            lambda e: event_view(e, owner, counts.get(e.id, {}), with_data=False),
            lambda e: e.id,
        )

    @get("/{event_id:str}", summary="Get an event")
    async def get_one(owner: Owner, event_id: FromPath[str]) -> EventView:
        event = await existing(owner.id, event_id)
        counts = await s.store.states(owner.id, [event.id])
        return event_view(event, owner, counts.get(event.id, {}), with_data=True)

    @get(
        "/{event_id:str}/data",
        summary="Get an event's data, byte for byte as published; of a caught one as JSON",
        opt={"answers": [Answer(200, Any)]},
    )
    async def data(owner: Owner, event_id: FromPath[str]) -> Response[bytes]:
        event = await existing(owner.id, event_id)
        return Response(data_of(event), media_type="application/json")

    @get("/{event_id:str}/deliveries", summary="List an event's deliveries")
    async def deliveries(
        owner: Owner,
        event_id: FromPath[str],
        limit: FromQuery[int | None] = None,
        cursor: FromQuery[str | None] = None,
    ) -> Page[DeliveryView]:
        event = await existing(owner.id, event_id)
        where = DeliveryFilter(tenant_id=owner.id, event_id=event.id)
        return await delivery_page(s, where, limit, cursor)

    @post(
        "/{event_id:str}/replay",
        status_code=202,
        summary="Deliver an event once more, to the same or to other webhooks",
        opt={"body": ReplayRequest, "optional": True},
    )
    async def replay(owner: Owner, event_id: FromPath[str], body: RawBody) -> Replayed:
        wanted = decode_body(body, ReplayRequest).webhooks
        numbers = None
        if wanted is not None:
            if not 1 <= len(wanted) <= MAX_REPLAY:
                raise InvalidField(f"webhooks names 1 to {MAX_REPLAY} webhooks", field="webhooks")
            numbers = [id_in("wh", text, field="webhooks") for text in wanted]
        made = await s.actions.replay(owner.id, id_in_path("evt", event_id), numbers)
        shown = await show_deliveries(s, owner.id, made)
        return Replayed([shown[d.id] for d in made])

    handlers: list[Any] = [batch, list_events, get_one, data, deliveries, replay]
    return Router("/events", route_handlers=handlers, tags=["events"])
