"""``/api/v1/timers``: what runs by the clock."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response, Router, delete, get, patch, post
from litestar.params import FromPath, FromQuery, RawBody

from hookferry import ids
from hookferry.api.framework import IfMatch, Owner
from hookferry.api.services import Services
from hookferry.api.wire import (
    Moment,
    Page,
    decode_json,
    id_in_path,
    page_in_memory,
    time_text,
    version_in,
)
from hookferry.automate.timers import TimerDefinition
from hookferry.domain.tenant import Tenant
from hookferry.domain.timer import Timer, TimerMark


class TimerView(msgspec.Struct, kw_only=True):
    """A timer as it is shown."""

    id: str
    name: str
    tenant: str
    cron: str
    timezone: str
    enabled: bool
    description: str
    automation: str | None
    """The name of what it runs; null where it publishes an event."""
    inputs: dict[str, Any]
    event_type: str | None
    data: Any
    next_due_at: Moment | None
    """Null while it is off."""
    last_due_at: Moment | None
    """The due time that was served last."""
    last_fired_at: Moment | None
    """When that was."""
    last_event: str | None
    """The event that it published then; its deliveries say what came of it."""
    last_error: str | None
    """Why it published none."""
    created_at: Moment | None
    updated_at: Moment | None
    version: int
    """The ETag's content, for If-Match."""


class FiredView(msgspec.Struct):
    """A timer that was fired by hand."""

    event: str


def timer_view(timer: Timer, mark: TimerMark | None, tenant: Tenant) -> TimerView:
    """Show a timer and how far it has come."""
    due = timer.next_due_ms
    if mark is not None and mark.version == timer.version:
        due = mark.next_due_ms
    return TimerView(
        id=ids.encode("tmr", timer.id),
        name=timer.name,
        tenant=tenant.name,
        cron=timer.cron,
        timezone=timer.timezone,
        enabled=timer.enabled,
        description=timer.description,
        automation=timer.automation,
        inputs=timer.inputs,
        event_type=timer.event_type,
        data=timer.data,
        next_due_at=time_text(due),
        last_due_at=None if mark is None else time_text(mark.due_ms),
        last_fired_at=None if mark is None else time_text(mark.fired_at_ms),
        last_event=None
        if mark is None or mark.event_id is None
        else ids.encode("evt", mark.event_id),
        last_error=None if mark is None else mark.error,
        created_at=time_text(timer.created_at_ms),
        updated_at=time_text(timer.updated_at_ms),
        version=timer.version,
    )


def timer_router(s: Services) -> Router:
    """Return the addresses under ``/timers``."""

    def view(timer: Timer, tenant: Tenant) -> TimerView:
        return timer_view(timer, s.directory.timer_mark(timer.id), tenant)

    def shown(timer: Timer, tenant: Tenant, status: int = 200) -> Response[TimerView]:
        headers = {"ETag": f'"{timer.version}"'}
        if status == 201:
            headers["Location"] = f"/api/v1/timers/{ids.encode('tmr', timer.id)}"
        return Response(view(timer, tenant), status_code=status, headers=headers)

    @get("/", summary="List timers")
    async def list_timers(
        owner: Owner,
        name: FromQuery[str | None] = None,
        enabled: FromQuery[bool | None] = None,
        limit: FromQuery[int | None] = None,
        cursor: FromQuery[str | None] = None,
    ) -> Page[TimerView]:
        found = [
            timer
            for timer in s.directory.timers(owner.id)
            if name in (None, timer.name) and enabled in (None, timer.enabled)
        ]
        return page_in_memory(
            found,
            s.pages.of(limit),
            cursor,
            lambda timer: view(timer, owner),
            lambda timer: timer.id,
        )

    @post("/", summary="Make a timer", opt={"body": TimerDefinition})
    async def create(owner: Owner, body: RawBody) -> Response[TimerView]:
        return shown(await s.timers.create(owner.id, decode_json(body)), owner, 201)

    @get("/{timer_id:str}", summary="Get a timer")
    async def get_one(owner: Owner, timer_id: FromPath[str]) -> Response[TimerView]:
        return shown(s.directory.timer(owner.id, id_in_path("tmr", timer_id)), owner)

    @patch(
        "/{timer_id:str}",
        summary="Change a timer by a JSON merge patch (RFC 7396)",
        opt={"body": TimerDefinition, "partial": True},
    )
    async def change(
        owner: Owner, timer_id: FromPath[str], body: RawBody, if_match: IfMatch = None
    ) -> Response[TimerView]:
        timer = await s.timers.patch(
            owner.id,
            id_in_path("tmr", timer_id),
            decode_json(body),
            version=version_in(if_match),
        )
        return shown(timer, owner)

    @delete("/{timer_id:str}", summary="Delete a timer; it fires no more")
    async def remove(owner: Owner, timer_id: FromPath[str], if_match: IfMatch = None) -> None:
        await s.timers.delete(owner.id, id_in_path("tmr", timer_id), version=version_in(if_match))

    @post(
        "/{timer_id:str}/fire",
        status_code=202,
        summary="Publish a timer's event now, whatever its next due time",
    )
    async def fire(owner: Owner, timer_id: FromPath[str]) -> FiredView:
        timer = s.directory.timer(owner.id, id_in_path("tmr", timer_id))
        return FiredView(ids.encode("evt", await s.ticking.fire(timer)))

    handlers: list[Any] = [list_timers, create, get_one, change, remove, fire]
    return Router("/timers", route_handlers=handlers, tags=["timers"])
