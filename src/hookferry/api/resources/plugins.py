"""``/api/v1/plugins``: what installed packages bring, and what is switched on."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Router, get, post
from litestar.params import FromPath
from litestar.types import Guard

from hookferry.api.services import Services
from hookferry.api.wire import Page
from hookferry.automate.switches import Plugin


class PluginView(msgspec.Struct, kw_only=True):
    """A plugin as it is shown."""

    name: str
    kind: str
    """``built_in``, ``automation`` (a function for automations) or ``profile``."""
    description: str
    package: str | None
    """The installed package that brings it; null for what is built in."""
    enabled: bool
    problem: str | None
    """Why it can't be used, where that is so."""


def plugin_view(plugin: Plugin) -> PluginView:
    """Show a plugin."""
    return PluginView(**msgspec.structs.asdict(plugin))


def plugin_router(s: Services, guard: Guard) -> Router:
    """Return the addresses under ``/plugins``; they concern every tenant."""

    @get("/", summary="List plugins")
    async def list_plugins() -> Page[PluginView]:
        return Page([plugin_view(plugin) for plugin in s.plugins.list()], None)

    @get("/{name:str}", summary="Get a plugin")
    async def get_one(name: FromPath[str]) -> PluginView:
        return plugin_view(s.plugins.get(name))

    @post("/{name:str}/enable", status_code=200, summary="Switch a plugin on")
    async def enable(name: FromPath[str]) -> PluginView:
        return plugin_view(await s.plugins.switch(name, on=True))

    @post("/{name:str}/disable", status_code=200, summary="Switch a plugin off")
    async def disable(name: FromPath[str]) -> PluginView:
        return plugin_view(await s.plugins.switch(name, on=False))

    handlers: list[Any] = [list_plugins, get_one, enable, disable]
    return Router("/plugins", route_handlers=handlers, guards=[guard], tags=["plugins"])
