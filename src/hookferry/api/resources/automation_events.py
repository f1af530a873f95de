"""``/api/v1/automation_events``: handlers that run on events (behaviours S-CB-30).

One is a webhook of type ``automation`` whose handlers choose what runs: it is listed, paused and
looked into as such under ``/webhooks`` too, by the same id.
"""

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
from hookferry.domain.tenant import Tenant
from hookferry.domain.webhook import AUTOMATION, Webhook
from hookferry.engine.automation_events import (
    FIELDS,
    AutomationEventDefinition,
    is_automation_event,
    webhook_fields,
)
from hookferry.engine.definition import merge_patch
from hookferry.errors import NotFound


class AutomationEventView(msgspec.Struct, kw_only=True):
    """Handlers that run on events, as they are shown."""

    id: str
    """Of the webhook that they are."""
    name: str
    tenant: str
    events: tuple[str, ...]
    automations_kata: str
    description: str
    condition: dict[str, Any] | None
    mode: str
    state: str
    created_at: Moment | None
    updated_at: Moment | None
    version: int
    """The ETag's content, for If-Match."""


def view_of(webhook: Webhook, tenant: Tenant) -> AutomationEventView:
    """Show handlers."""
    return AutomationEventView(
        id=ids.encode("wh", webhook.id),
        name=webhook.name,
        tenant=tenant.name,
        events=webhook.events,
        automations_kata=webhook.automations_kata,
        description=webhook.description,
        condition=webhook.condition,
        mode=webhook.mode.value,
        state=webhook.state.label,
        created_at=time_text(webhook.created_at_ms),
        updated_at=time_text(webhook.updated_at_ms),
        version=webhook.version,
    )


def _shown(webhook: Webhook, tenant: Tenant, status: int = 200) -> Response[AutomationEventView]:
    headers = {"ETag": f'"{webhook.version}"'}
    if status == 201:
        headers["Location"] = f"/api/v1/automation_events/{ids.encode('wh', webhook.id)}"
    return Response(view_of(webhook, tenant), status_code=status, headers=headers)


def automation_event_router(s: Services) -> Router:
    """Return the addresses under ``/automation_events``."""

    def one(tenant: Tenant, text: str) -> Webhook:
        number = id_in_path("wh", text)
        found = s.directory.webhook(tenant.id, number)
        if not is_automation_event(found):
            raise NotFound(f"{ids.encode('wh', number)} is another webhook; see /api/v1/webhooks")
        return found

    @get("/", summary="List the handlers that run on events")
    async def list_automation_events(
        owner: Owner,
        name: FromQuery[str | None] = None,
        limit: FromQuery[int | None] = None,
        cursor: FromQuery[str | None] = None,
    ) -> Page[AutomationEventView]:
        found = [
            webhook
            for webhook in s.directory.webhooks(owner.id)
            if is_automation_event(webhook) and name in (None, webhook.name)
        ]
        return page_in_memory(
            found,
            s.pages.of(limit),
            cursor,
            lambda webhook: view_of(webhook, owner),
            lambda webhook: webhook.id,
        )

    @post("/", summary="Have handlers run on events", opt={"body": AutomationEventDefinition})
    async def create(owner: Owner, body: RawBody) -> Response[AutomationEventView]:
        fields = webhook_fields(decode_json(body))
        webhook, _ = await s.webhooks.create(owner.id, fields | {"type": AUTOMATION})
        return _shown(webhook, owner, 201)

    @get("/{webhook_id:str}", summary="Get handlers that run on events")
    async def get_one(owner: Owner, webhook_id: FromPath[str]) -> Response[AutomationEventView]:
        return _shown(one(owner, webhook_id), owner)

    @patch(
        "/{webhook_id:str}",
        summary="Change handlers that run on events by a JSON merge patch (RFC 7396)",
        opt={"body": AutomationEventDefinition, "partial": True},
    )
    async def change(
        owner: Owner, webhook_id: FromPath[str], body: RawBody, if_match: IfMatch = None
    ) -> Response[AutomationEventView]:
        before = one(owner, webhook_id)
        document = {name: getattr(before, name) for name in FIELDS}
        fields = webhook_fields(merge_patch(document, decode_json(body)))
        webhook = await s.webhooks.patch(owner.id, before.id, fields, version=version_in(if_match))
        return _shown(webhook, owner)

    @delete("/{webhook_id:str}", summary="Delete handlers that run on events")
    async def remove(owner: Owner, webhook_id: FromPath[str], if_match: IfMatch = None) -> None:
        found = one(owner, webhook_id)
        await s.webhooks.delete(owner.id, found.id, version=version_in(if_match))

    handlers: list[Any] = [list_automation_events, create, get_one, change, remove]
    return Router("/automation_events", route_handlers=handlers, tags=["automation_events"])
