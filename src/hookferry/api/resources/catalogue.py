"""``/api/v1/applications`` and ``/api/v1/asyncapi``: what a tenant's applications publish."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Router, get
from litestar.params import FromQuery

from hookferry.api.asyncapi import describe_events
from hookferry.api.framework import Owner
from hookferry.api.services import Services
from hookferry.api.wire import Page, page_in_memory
from hookferry.engine.event_types import Application, EventTypes


class ApplicationView(msgspec.Struct):
    """An application as it is shown."""

    name: str
    event_types: list[str]
    """The live event types that it publishes."""


def catalogue_router(s: Services) -> Router:
    """Return the addresses of the event catalogue beside ``/event_types``."""
    types = EventTypes(s.store, s.directory, s.ids, s.clock)

    def view(application: Application) -> ApplicationView:
        return ApplicationView(application.name, application.event_types)

    @get("/applications", summary="List the applications that event types name")
    async def list_applications(
        owner: Owner,
        limit: FromQuery[int | None] = None,
        cursor: FromQuery[str | None] = None,
    ) -> Page[ApplicationView]:
        return page_in_memory(
            types.applications(owner.id), s.pages.of(limit), cursor, view, lambda a: a.newest
        )

    @get("/asyncapi", summary="Get the event catalogue as an AsyncAPI 3.0 document")
    async def asyncapi(owner: Owner, application: FromQuery[str | None] = None) -> dict[str, Any]:
        return describe_events(owner, types.catalogue(owner.id, application))

    handlers: list[Any] = [list_applications, asyncapi]
    return Router("/", route_handlers=handlers, tags=["event_types"])
