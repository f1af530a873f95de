"""Which plugins there are, and which of them are switched on; for the whole server.

A plugin is what other installed packages bring by entry points, and ``cerb.webhooks``, which is
built in (behaviours S-CB-01). Each is on until somebody switches it off. A profile has no switch of
its own: webhooks are made with it, and stay as they are made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import entry_points
from typing import Final

import msgspec
import structlog

from hookferry.automate import plugins
from hookferry.catch.reception import WEBHOOKS
from hookferry.clock import Clock
from hookferry.domain.automation import PluginState
from hookferry.engine.directory import Directory
from hookferry.errors import Conflict, InvalidField, NotFound
from hookferry.ids import IdSource
from hookferry.store.ports import ConfigStore
from hookferry.wire.profiles import plugins as profiles

BUILT_IN: Final = "built_in"
PROFILE: Final = "profile"
AUTOMATION: Final = "automation"
KINDS: Final = (BUILT_IN, AUTOMATION, PROFILE)
_DESCRIPTIONS: Final = {AUTOMATION: "An automation in Python.", PROFILE: "How events are sent."}
_BUILT_IN: Final[Mapping[str, str]] = {
    WEBHOOKS: "Addresses that catch webhooks, and automations that answer them."
}

log = structlog.get_logger(__name__)


class Plugin(msgspec.Struct, frozen=True, kw_only=True):
    """One plugin."""

    name: str
    kind: str
    description: str
    package: str | None
    """The installed package that brings it; None for what is built in."""
    enabled: bool
    problem: str | None = None
    """Why it can't be used, where that is so."""


class PluginSwitches:
    """The rules for plugins.

    Args:
        config: where their states are saved.
        directory: the snapshot that is read.
        ids: makes the records' ids.
        clock: times of change.
    """

    def __init__(
        self, config: ConfigStore, directory: Directory, ids: IdSource, clock: Clock
    ) -> None:
        self._config = config
        self._directory = directory
        self._ids = ids
        self._clock = clock

    def list(self) -> list[Plugin]:
        """Return the plugins there are, by kind and name."""
        automations = self._brought(AUTOMATION, plugins.GROUP, plugins.names(), plugins.load)
        offered = self._brought(PROFILE, profiles.GROUP, profiles.names(), profiles.load)
        return [*self._built_in(), *automations, *offered]

    def get(self, name: str) -> Plugin:
        """Return a plugin by its name; raises NotFound."""
        for plugin in self.list():
            if plugin.name == name:
                return plugin
        raise NotFound(f"there is no plugin {name[:80]!r}; GET /api/v1/plugins lists them")

    async def switch(self, name: str, *, on: bool) -> Plugin:
        """Switch a plugin on or off; to do it twice is no error.

        Raises:
            NotFound: there is no such plugin.
            Conflict: it has no switch.
        """
        plugin = self.get(name)
        if plugin.kind == PROFILE:
            raise Conflict(
                f"{name!r} is a profile, which has no switch: give the webhooks that use it "
                "another one, or stop them"
            )
        before = self._directory.plugin(name)
        if plugin.enabled is on:
            return plugin
        now = self._clock.wall_ms()
        if before is None:
            after = PluginState(id=self._ids.next(), name=name, enabled=on, updated_at_ms=now)
        else:
            after = msgspec.structs.replace(
                before, enabled=on, updated_at_ms=now, version=before.version + 1
            )
        await self._config.save(after)
        await self._directory.refresh()
        log.info("plugin_switched", plugin=name, enabled=on)
        return self.get(name)

    # ------------------------------------------------------------------ kinds

    def _built_in(self) -> Iterator[Plugin]:
        for name, description in _BUILT_IN.items():
            yield Plugin(
                name=name,
                kind=BUILT_IN,
                description=description,
                package=None,
                enabled=self._directory.plugin_enabled(name),
            )

    def _brought(
        self, kind: str, group: str, names: Iterable[str], load: Callable[[str], object]
    ) -> Iterator[Plugin]:
        """Yield what installed packages bring by a group of entry points."""
        packages = _packages(group)
        for name in sorted(names):
            problem = None
            try:
                load(name)
            except InvalidField as error:
                problem = error.detail
            yield Plugin(
                name=name,
                kind=kind,
                description=_DESCRIPTIONS[kind],
                package=packages.get(name),
                enabled=kind == PROFILE or self._directory.plugin_enabled(name),
                problem=problem,
            )


def _packages(group: str) -> dict[str, str]:
    """Return the installed package that brings each entry point of a group."""
    return {
        entry.name: entry.dist.name for entry in entry_points(group=group) if entry.dist is not None
    }
