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
from hookferry.domain.webhook import AUTOMATION, Mode, Webhook
from hookferry.engine.definition import merge_patch
from hookferry.engine.validation import explain_validation
from hookferry.errors import InvalidField, NotFound


class AutomationEventDefinition(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """Handlers that run on events, as their owner writes them."""

    name: str
    """1 to 100 characters without spaces, unique among the tenant's webhooks."""
    events: tuple[str, ...]
    """Patterns of event types, such as ``contact.*``."""
    automations_kata: str
    """The handlers; the first enabled one runs."""
    description: str = ""
    condition: dict[str, Any] | None = None
    """Only events that it holds for."""
    mode: Mode = Mode.ASYNC
    """``sync`` and ``sync_critical`` make publishers wait for what is answered."""


_NAMES = AutomationEventDefinition.__struct_fields__


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


def _is_one(webhook: Webhook) -> bool:
    return webhook.type == AUTOMATION and webhook.owner is None and bool(webhook.automations_kata)


def _fields(document: object) -> dict[str, Any]:
    """Return the fields of a definition, as a webhook's; None for those that are left out.

    Raises:
        UnknownField, InvalidField: the document is no such definition.
    """
    try:
        definition = msgspec.convert(merge_patch({}, document), AutomationEventDefinition)
    except msgspec.ValidationError as error:
        explain_validation(error, AutomationEventDefinition)
    if not definition.automations_kata.strip():
        raise InvalidField(
            "automations_kata has no handlers; one is, for example, 'automation/a:' with "
            "'uri: cerb:automation:example.name' under it",
            field="automations_kata",
        )
    fields: dict[str, Any] = msgspec.to_builtins(definition)
    return fields


def automation_event_router(s: Services) -> Router:
    """Return the addresses under ``/automation_events``."""

    def one(tenant: Tenant, text: str) -> Webhook:
        number = id_in_path("wh", text)
        found = s.directory.webhook(tenant.id, number)
        if not _is_one(found):
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
            if _is_one(webhook) and name in (None, webhook.name)
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
        fields = _fields(decode_json(body))
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
        document = {name: getattr(before, name) for name in _NAMES}
        fields = _fields(merge_patch(document, decode_json(body)))
        webhook = await s.webhooks.patch(owner.id, before.id, fields, version=version_in(if_match))
        return _shown(webhook, owner)

    @delete("/{webhook_id:str}", summary="Delete handlers that run on events")
    async def remove(owner: Owner, webhook_id: FromPath[str], if_match: IfMatch = None) -> None:
        found = one(owner, webhook_id)
        await s.webhooks.delete(owner.id, found.id, version=version_in(if_match))

    handlers: list[Any] = [list_automation_events, create, get_one, change, remove]
    return Router("/automation_events", route_handlers=handlers, tags=["automation_events"])
