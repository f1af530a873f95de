"""``/api/v1/deliveries``: what is owed, what became of it, and acting on it."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any

import msgspec
from litestar import Response, Router, get, post
from litestar.params import FromPath, FromQuery, QueryParameter, RawBody
from litestar.response import Stream

from hookferry import ids
from hookferry.api.framework import Owner
from hookferry.api.resources.jobs import JobView, job_view
from hookferry.api.services import Services
from hookferry.api.wire import (
    Page,
    decode_body,
    decode_cursor,
    id_in,
    id_in_path,
    page_of,
    time_ms,
    time_text,
)
from hookferry.domain.delivery import OWING, Attempt, Delivery, DeliveryState
from hookferry.errors import Conflict, InvalidField, NotFound
from hookferry.match.patterns import check_event_type
from hookferry.store.ports import DeliveryFilter

MAX_IDS = 1_000
"""Deliveries that one call may name; more are for a filter and its job."""
EXPORT_CHUNK = 250
"""Deliveries that an export holds at a time."""
MAX_TEXT = 200
"""Characters of a text searched for."""
DeliveryStateQuery = Annotated[
    str | None,
    QueryParameter(name="state", description="one or several states, separated by commas"),
]
FormatQuery = Annotated[str, QueryParameter(name="format", description="csv or ndjson")]
_FORMATS = {"csv": "text/csv", "ndjson": "application/x-ndjson"}
_STATES = {state.name.lower(): state for state in DeliveryState}


class DeliveryView(msgspec.Struct, kw_only=True):
    """A delivery as it is shown."""

    id: str
    event: str
    event_type: str | None
    webhook: str
    state: str
    attempts: int
    next_attempt_at: dt.datetime | None
    """Null when nothing is owed any more."""
    last_status: int | None
    last_error: str | None
    created_at: dt.datetime | None
    updated_at: dt.datetime | None


class AttemptView(msgspec.Struct, kw_only=True):
    """One try as it is shown."""

    id: str
    number: int
    started_at: dt.datetime | None
    duration_ms: float
    success: bool
    status: int | None
    error: str | None
    detail: str | None
    verdict: str | None
    address: str | None
    request_head: str
    """As sent, credentials masked."""
    response_head: str
    response_body: str
    """Bytes that are not UTF-8 are replaced."""
    response_truncated: bool
    timings: dict[str, float]


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
    """Show deliveries, by id; the event types are looked up together."""
    types = await s.store.event_types_of(tenant_id, list({d.event_id for d in found}))
    to_wall = s.intake.timeline.to_wall_ms
    return {
        d.id: DeliveryView(
            id=ids.encode("dlv", d.id),
            event=ids.encode("evt", d.event_id),
            event_type=types.get(d.event_id),
            webhook=ids.encode("wh", d.webhook_id),
            state=d.state.name.lower(),
            attempts=d.attempts,
            next_attempt_at=time_text(to_wall(d.due_ms)) if d.state in OWING else None,
            last_status=d.last_status,
            last_error=d.last_error,
            created_at=time_text(ids.time_of(d.id)),
            updated_at=time_text(d.updated_at_ms),
        )
        for d in found
    }


async def delivery_page(
    s: Services, where: DeliveryFilter, limit: int | None, cursor: str | None
) -> Page[DeliveryView]:
    """Return a page of deliveries."""
    size = s.pages.of(limit)
    found = await s.store.deliveries(where, limit=size + 1, below_id=decode_cursor(cursor))
    shown = await show_deliveries(s, where.tenant_id, found)
    return page_of(found, size, lambda d: shown[d.id], lambda d: d.id)


def attempt_view(attempt: Attempt) -> AttemptView:
    """Show an attempt."""
    return AttemptView(
        id=ids.encode("att", attempt.id),
        number=attempt.number,
        started_at=time_text(attempt.started_at_ms),
        duration_ms=round(attempt.duration_ms, 3),
        success=attempt.success,
        status=attempt.status,
        error=attempt.error,
        detail=attempt.detail,
        verdict=attempt.verdict,
        address=attempt.address,
        request_head=attempt.request_head.decode("latin-1"),
        response_head=attempt.response_head.decode("latin-1"),
        response_body=attempt.response_body.decode("utf-8", "replace"),
        response_truncated=attempt.response_truncated,
        timings={phase: round(ms, 3) for phase, ms in attempt.timings.items()},
    )


_COLUMNS = DeliveryView.__struct_fields__


def _csv_line(values: Sequence[object]) -> bytes:
    line = io.StringIO()
    csv.writer(line).writerow(values)  # RFC 4180
    return line.getvalue().encode()


def _csv_row(view: DeliveryView) -> bytes:
    row = msgspec.to_builtins(view)
    return _csv_line(["" if row[name] is None else row[name] for name in _COLUMNS])


async def export_lines(s: Services, where: DeliveryFilter, form: str) -> AsyncIterator[bytes]:
    """Yield an export page by page; memory does not grow with it."""
    if form == "csv":
        yield _csv_line(_COLUMNS)
    below: int | None = None
    while True:
        found = await s.store.deliveries(where, limit=EXPORT_CHUNK, below_id=below)
        shown = await show_deliveries(s, where.tenant_id, found)
        if form == "csv":
            yield b"".join(_csv_row(shown[d.id]) for d in found)
        else:
            yield b"".join(msgspec.json.encode(shown[d.id]) + b"\n" for d in found)
        if len(found) < EXPORT_CHUNK:
            return
        below = found[-1].id


def delivery_router(s: Services) -> Router:
    """Return the addresses under ``/deliveries``."""

    async def existing(tenant_id: int, text: str) -> Delivery:
        number = id_in_path("dlv", text)
        delivery = await s.store.delivery(tenant_id, number)
        if delivery is None:
            raise NotFound(f"there is no delivery {text[:80]}")
        return delivery

    async def shown(delivery: Delivery) -> DeliveryView:
        return (await show_deliveries(s, delivery.tenant_id, [delivery]))[delivery.id]

    @get("/", summary="List deliveries")
    async def list_deliveries(
        owner: Owner,
        webhook: FromQuery[str | None] = None,
        event: FromQuery[str | None] = None,
        event_type: FromQuery[str | None] = None,
        delivery_state: DeliveryStateQuery = None,
        status_code: FromQuery[int | None] = None,
        after: FromQuery[str | None] = None,
        before: FromQuery[str | None] = None,
        text: FromQuery[str | None] = None,
        limit: FromQuery[int | None] = None,
        cursor: FromQuery[str | None] = None,
    ) -> Page[DeliveryView]:
        wanted = Filter(
            webhook=webhook,
            event=event,
            event_type=event_type,
            state=delivery_state,
            status_code=status_code,
            after=after,
            before=before,
            text=text,
        )
        return await delivery_page(s, delivery_filter(owner.id, wanted), limit, cursor)

    @get("/export", summary="Export deliveries as CSV or NDJSON")
    async def export(
        owner: Owner,
        form: FormatQuery = "ndjson",
        webhook: FromQuery[str | None] = None,
        event: FromQuery[str | None] = None,
        event_type: FromQuery[str | None] = None,
        delivery_state: DeliveryStateQuery = None,
        status_code: FromQuery[int | None] = None,
        after: FromQuery[str | None] = None,
        before: FromQuery[str | None] = None,
        text: FromQuery[str | None] = None,
    ) -> Stream:
        if form not in _FORMATS:
            raise InvalidField(f"format is one of {', '.join(_FORMATS)}", field="format")
        wanted = Filter(
            webhook=webhook,
            event=event,
            event_type=event_type,
            state=delivery_state,
            status_code=status_code,
            after=after,
            before=before,
            text=text,
        )
        where = delivery_filter(owner.id, wanted)
        return Stream(
            export_lines(s, where, form),
            media_type=_FORMATS[form],
            headers={"content-disposition": f'attachment; filename="deliveries.{form}"'},
        )

    @get("/{delivery_id:str}", summary="Get a delivery")
    async def get_one(owner: Owner, delivery_id: FromPath[str]) -> DeliveryView:
        return await shown(await existing(owner.id, delivery_id))

    @get("/{delivery_id:str}/attempts", summary="List a delivery's attempts, newest first")
    async def attempts(
        owner: Owner,
        delivery_id: FromPath[str],
        limit: FromQuery[int | None] = None,
        cursor: FromQuery[str | None] = None,
    ) -> Page[AttemptView]:
        delivery = await existing(owner.id, delivery_id)
        size = s.pages.of(limit)
        below = decode_cursor(cursor)
        tries = await s.store.attempts(owner.id, delivery.id)
        rest = [a for a in reversed(tries) if below is None or a.number < below]
        return page_of(rest[: size + 1], size, attempt_view, lambda a: a.number)

    @post("/{delivery_id:str}/resend", status_code=200, summary="Resend a delivery")
    async def resend(owner: Owner, delivery_id: FromPath[str]) -> DeliveryView:
        delivery = await existing(owner.id, delivery_id)
        if not await s.actions.resend(owner.id, [delivery.id]):
            raise Conflict(
                f"this delivery is {delivery.state.name.lower()} or its webhook was deleted; only "
                "what is delivered, failed, cancelled or skipped can be resent"
            )
        return await shown(await existing(owner.id, delivery_id))

    @post("/{delivery_id:str}/cancel", status_code=200, summary="Cancel a delivery that owes")
    async def cancel(owner: Owner, delivery_id: FromPath[str]) -> DeliveryView:
        delivery = await existing(owner.id, delivery_id)
        if not await s.actions.cancel(owner.id, [delivery.id]):
            raise Conflict(
                f"this delivery is {delivery.state.name.lower()}; only what is pending or retrying "
                "can be cancelled"
            )
        return await shown(await existing(owner.id, delivery_id))

    @post(
        "/resend",
        status_code=200,
        summary="Resend many: ids at once, or a filter as a job",
        opt={"body": ResendRequest},
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
        export,
        get_one,
        attempts,
        resend,
        cancel,
        resend_many,
    ]
    return Router("/deliveries", route_handlers=handlers, tags=["deliveries"])
