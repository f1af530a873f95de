"""``/api/v1/deliveries``: what is owed, what became of it, and acting on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, QueryParameter, RawBody

from hookferry import ids
from hookferry.api.framework import Answer, Owner
from hookferry.api.resources.jobs import JobView, job_view
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
from hookferry.domain.delivery import OWING, Delivery, DeliveryState
from hookferry.engine.log_view import waiting_for
from hookferry.errors import Conflict, InvalidField, NotFound
from hookferry.match.patterns import check_event_type
from hookferry.store.ports import DeliveryFilter

MAX_IDS = 1_000
"""Deliveries that one call may name; more are for a filter and its job."""
MAX_TEXT = 200
"""Characters of a text searched for."""
DeliveryStateQuery = Annotated[
    str | None,
    QueryParameter(name="state", description="one or several states, separated by commas"),
]
_STATES = {state.name.lower(): state for state in DeliveryState}


class DeliveryView(msgspec.Struct, kw_only=True):
    """A delivery as it is shown."""

    id: str
    event: str
    event_type: str | None
    webhook: str
    webhook_name: str | None
    """Its present name, or the last of one that was deleted."""
    state: str
    attempts: int
    next_attempt_at: Moment | None
    """Null when nothing is owed any more, and for what waits for something else than a time."""
    waiting_for: Literal["answer", "verdict"] | None
    """Its own synchronous answer, or the verdict of the event's synchronous webhooks."""
    last_status: int | None
    last_error: str | None
    created_at: Moment | None
    updated_at: Moment | None


class Filter(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Which deliveries; the same names as the list's query parameters."""

    webhook: str | None = None
    event: str | None = None
    event_type: str | None = None
    state: str | None = None
    """One or several states, separated by commas."""
    status_code: int | None = None
    after: str | None = None
    before: str | None = None
    text: str | None = None


def filter_in_query(
    webhook: FromQuery[str | None] = None,
    event: FromQuery[str | None] = None,
    event_type: FromQuery[str | None] = None,
    delivery_state: DeliveryStateQuery = None,
    status_code: FromQuery[int | None] = None,
    after: FromQuery[str | None] = None,
    before: FromQuery[str | None] = None,
    text: FromQuery[str | None] = None,
) -> Filter:
    """Return the filter that a query spells out."""
    return Filter(
        webhook=webhook,
        event=event,
        event_type=event_type,
        state=delivery_state,
        status_code=status_code,
        after=after,
        before=before,
        text=text,
    )


Wanted = NamedDependency[Filter]
WANTED = Provide(filter_in_query, sync_to_thread=False)
"""The dependency ``wanted``: which deliveries a request is about."""


class ResendRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What to resend: ids, or everything that a filter finds."""

    ids: list[str] | None = None
    filter: Filter | None = None


class Changed(msgspec.Struct):
    """The deliveries that an action changed; the others were not in a state that allows it."""

    changed: list[str]


def delivery_filter(tenant_id: int, wanted: Filter) -> DeliveryFilter:
    """Turn a filter of the outside face into the ledger's.

    Raises:
        InvalidField: naming the field.
    """
    states = None
    if wanted.state is not None:
        try:
            states = tuple(_STATES[name.strip()] for name in wanted.state.split(","))
        except KeyError as error:
            raise InvalidField(
                f"{error} is not a delivery state; choose from {', '.join(_STATES)}", field="state"
            ) from None
    if wanted.event_type is not None:
        check_event_type(wanted.event_type, field="event_type")
    if wanted.status_code is not None and not 100 <= wanted.status_code <= 999:
        raise InvalidField("status_code is an HTTP status such as 503", field="status_code")
    if wanted.text is not None and not 1 <= len(wanted.text) <= MAX_TEXT:
        raise InvalidField(f"text has 1 to {MAX_TEXT} characters", field="text")
    return DeliveryFilter(
        tenant_id=tenant_id,
        event_id=None if wanted.event is None else id_in("evt", wanted.event, field="event"),
        webhook_id=None if wanted.webhook is None else id_in("wh", wanted.webhook, field="webhook"),
        event_type=wanted.event_type,
        states=states,
        status=wanted.status_code,
        after_ms=time_ms(wanted.after, field="after"),
        before_ms=time_ms(wanted.before, field="before"),
        text=wanted.text,
    )


async def show_deliveries(
    s: Services, tenant_id: int, found: Sequence[Delivery]
) -> dict[int, DeliveryView]:
    """Show deliveries, by id; event types and webhooks are looked up together."""
    types = await s.store.event_types_of(tenant_id, list({d.event_id for d in found}))
    names = await s.store.webhook_names(tenant_id, list({d.webhook_id for d in found}))
    to_wall = s.intake.timeline.to_wall_ms

    def shown(d: Delivery) -> DeliveryView:
        waiting = waiting_for(d)
        timed = d.state in OWING and waiting is None
        return DeliveryView(
            id=ids.encode("dlv", d.id),
            event=ids.encode("evt", d.event_id),
            event_type=types.get(d.event_id),
            webhook=ids.encode("wh", d.webhook_id),
            webhook_name=names.get(d.webhook_id),
            state=d.state.name.lower(),
            attempts=d.attempts,
            next_attempt_at=time_text(to_wall(d.due_ms)) if timed else None,
            waiting_for=waiting,
            last_status=d.last_status,
            last_error=d.last_error,
            created_at=time_text(ids.time_of(d.id)),
            updated_at=time_text(d.updated_at_ms),
        )

    return {d.id: shown(d) for d in found}


async def delivery_page(
    s: Services, where: DeliveryFilter, limit: int | None, cursor: str | None
) -> Page[DeliveryView]:
    """Return a page of deliveries."""
    size = s.pages.of(limit)
    found = await s.store.deliveries(where, limit=size + 1, below_id=decode_cursor(cursor))
    shown = await show_deliveries(s, where.tenant_id, found)
    return page_of(found, size, lambda d: shown[d.id], lambda d: d.id)


async def existing_delivery(s: Services, tenant_id: int, text: str) -> Delivery:
    """Return the delivery that an address names; raises NotFound."""
    delivery = await s.store.delivery(tenant_id, id_in_path("dlv", text))
    if delivery is None:
        raise NotFound(f"there is no delivery {text[:80]}")
    return delivery


def delivery_router(s: Services) -> Router:
    """Return the addresses under ``/deliveries``."""

    async def shown(delivery: Delivery) -> DeliveryView:
        return (await show_deliveries(s, delivery.tenant_id, [delivery]))[delivery.id]

    @get("/", summary="List deliveries")
    async def list_deliveries(
        owner: Owner,
        wanted: Wanted,
        limit: FromQuery[int | None] = None,
        cursor: FromQuery[str | None] = None,
    ) -> Page[DeliveryView]:
        return await delivery_page(s, delivery_filter(owner.id, wanted), limit, cursor)

    @get("/{delivery_id:str}", summary="Get a delivery")
    async def get_one(owner: Owner, delivery_id: FromPath[str]) -> DeliveryView:
        return await shown(await existing_delivery(s, owner.id, delivery_id))

    @post("/{delivery_id:str}/resend", status_code=200, summary="Resend a delivery")
    async def resend(owner: Owner, delivery_id: FromPath[str]) -> DeliveryView:
        delivery = await existing_delivery(s, owner.id, delivery_id)
        if not await s.actions.resend(owner.id, [delivery.id]):
            raise Conflict(
                f"this delivery is {delivery.state.name.lower()} or its webhook was deleted; only "
                "what is delivered, failed, cancelled or skipped can be resent"
            )
        return await shown(await existing_delivery(s, owner.id, delivery_id))

    @post("/{delivery_id:str}/cancel", status_code=200, summary="Cancel a delivery that owes")
    async def cancel(owner: Owner, delivery_id: FromPath[str]) -> DeliveryView:
        delivery = await existing_delivery(s, owner.id, delivery_id)
        if not await s.actions.cancel(owner.id, [delivery.id]):
            raise Conflict(
                f"this delivery is {delivery.state.name.lower()}; only what is pending or retrying "
                "can be cancelled"
            )
        return await shown(await existing_delivery(s, owner.id, delivery_id))

    @post(
        "/resend",
        status_code=200,
        summary="Resend many: ids at once, or a filter as a job",
        opt={
            "body": ResendRequest,
            "answers": [
                Answer(200, Changed, description="Ids: these are sent again"),
                Answer(202, JobView, description="A filter: the job that sends them again"),
            ],
        },
    )
    async def resend_many(owner: Owner, body: RawBody) -> Response[Changed | JobView]:
        wanted = decode_body(body, ResendRequest)
        if (wanted.ids is None) == (wanted.filter is None):
            raise InvalidField("give either ids or filter", field="ids")
        if wanted.filter is not None:
            job = await s.actions.resend_where(delivery_filter(owner.id, wanted.filter))
            return Response(job_view(job), status_code=202)
        named = wanted.ids or []
        if not 1 <= len(named) <= MAX_IDS:
            raise InvalidField(
                f"ids names 1 to {MAX_IDS:,} deliveries; for more use filter", field="ids"
            )
        numbers = [id_in("dlv", text, field="ids") for text in named]
        changed = await s.actions.resend(owner.id, numbers)
        return Response(Changed([ids.encode("dlv", d) for d in changed]))

    handlers: list[Any] = [
        list_deliveries,
        get_one,
        resend,
        cancel,
        resend_many,
    ]
    return Router(
        "/deliveries",
        route_handlers=handlers,
        dependencies={"wanted": WANTED},
        tags=["deliveries"],
    )
