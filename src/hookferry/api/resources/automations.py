"""``/api/v1/automations``: scripts that webhooks, sources and timers run."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response, Router, delete, get, patch, post
from litestar.params import FromPath, FromQuery, RawBody

from hookferry import ids
from hookferry.api.framework import IfMatch, Owner
from hookferry.api.resources.runs import SEARCH, RunItem, Searched, run_page
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
from hookferry.automate.automations import AutomationDefinition
from hookferry.domain.automation import Automation
from hookferry.domain.tenant import Tenant


class AutomationItem(msgspec.Struct, kw_only=True):
    """An automation as lists show it: without its script and policy."""

    id: str
    name: str
    tenant: str
    extension_id: str
    """Its trigger."""
    description: str
    python: str | None
    """The function of an installed package that runs instead of a script."""
    created_at: Moment | None
    updated_at: Moment | None
    version: int
    """The ETag's content, for If-Match."""


class AutomationView(AutomationItem, kw_only=True):
    """An automation as it is shown."""

    script: str
    policy_kata: str


def automation_item(automation: Automation, tenant: Tenant) -> AutomationItem:
    """Show an automation as lists do: a page of whole scripts could be megabytes."""
    return AutomationItem(**_known(automation, tenant))


def automation_view(automation: Automation, tenant: Tenant) -> AutomationView:
    """Show an automation, whole."""
    return AutomationView(
        **_known(automation, tenant),
        script=automation.script,
        policy_kata=automation.policy_kata,
    )


def _known(automation: Automation, tenant: Tenant) -> dict[str, Any]:
    return {
        "id": ids.encode("auto", automation.id),
        "name": automation.name,
        "tenant": tenant.name,
        "extension_id": automation.extension_id,
        "description": automation.description,
        "python": automation.python,
        "created_at": time_text(automation.created_at_ms),
        "updated_at": time_text(automation.updated_at_ms),
        "version": automation.version,
    }


def _shown(automation: Automation, tenant: Tenant, status: int = 200) -> Response[AutomationView]:
    headers = {"ETag": f'"{automation.version}"'}
    if status == 201:
        headers["Location"] = f"/api/v1/automations/{ids.encode('auto', automation.id)}"
    return Response(automation_view(automation, tenant), status_code=status, headers=headers)


def automation_router(s: Services) -> Router:
    """Return the addresses under ``/automations``."""

    @get("/", summary="List automations, without their scripts")
    async def list_automations(
        owner: Owner,
        name: FromQuery[str | None] = None,
        extension_id: FromQuery[str | None] = None,
        limit: FromQuery[int | None] = None,
        cursor: FromQuery[str | None] = None,
    ) -> Page[AutomationItem]:
        found = [
            automation
            for automation in s.directory.automations(owner.id)
            if name in (None, automation.name) and extension_id in (None, automation.extension_id)
        ]
        return page_in_memory(
            found,
            s.pages.of(limit),
            cursor,
            lambda automation: automation_item(automation, owner),
            lambda automation: automation.id,
        )

    @post("/", summary="Make an automation", opt={"body": AutomationDefinition})
    async def create(owner: Owner, body: RawBody) -> Response[AutomationView]:
        return _shown(await s.automations.create(owner.id, decode_json(body)), owner, 201)

    @get("/{automation_id:str}", summary="Get an automation")
    async def get_one(owner: Owner, automation_id: FromPath[str]) -> Response[AutomationView]:
        number = id_in_path("auto", automation_id)
        return _shown(s.directory.automation(owner.id, number), owner)

    @patch(
        "/{automation_id:str}",
        summary="Change an automation by a JSON merge patch (RFC 7396)",
        opt={"body": AutomationDefinition, "partial": True},
    )
    async def change(
        owner: Owner, automation_id: FromPath[str], body: RawBody, if_match: IfMatch = None
    ) -> Response[AutomationView]:
        automation = await s.automations.patch(
            owner.id,
            id_in_path("auto", automation_id),
            decode_json(body),
            version=version_in(if_match),
        )
        return _shown(automation, owner)

    @delete("/{automation_id:str}", summary="Delete an automation; its runs stay their time")
    async def remove(owner: Owner, automation_id: FromPath[str], if_match: IfMatch = None) -> None:
        await s.automations.delete(
            owner.id, id_in_path("auto", automation_id), version=version_in(if_match)
        )

    @get("/{automation_id:str}/runs", summary="List an automation's runs, newest first")
    async def list_runs(
        owner: Owner,
        automation_id: FromPath[str],
        wanted: Searched,
        limit: FromQuery[int | None] = None,
        cursor: FromQuery[str | None] = None,
    ) -> Page[RunItem]:
        automation = s.directory.automation(owner.id, id_in_path("auto", automation_id))
        return await run_page(s, owner.id, wanted, automation.id, limit, cursor)

    handlers: list[Any] = [list_automations, create, get_one, change, remove, list_runs]
    return Router(
        "/automations",
        route_handlers=handlers,
        dependencies={"wanted": SEARCH},
        tags=["automations"],
    )
