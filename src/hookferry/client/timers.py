"""The calls on ``timers``, which run by the clock, and ``plugins``, which packages bring."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict, Unpack

from hookferry.client.automation_answers import Fired, Plugin, Timer
from hookferry.client.calls import (
    AsyncResource,
    Call,
    Page,
    Resource,
    SyncResource,
    encoded,
    given,
    if_match,
    listing,
    nothing,
    operation,
    path,
    reader,
)

_timer = reader(Timer)
_timers = reader(Page[Timer])
_fired = reader(Fired)
_plugin = reader(Plugin)
_plugins = reader(Page[Plugin])


class TimerSettings(TypedDict, total=False):
    """What a timer has besides its name and times: an automation to run, or an event."""

    timezone: str | None
    """On whose clocks ``cron`` is read, such as ``Europe/Berlin``; UTC when left out."""
    enabled: bool
    description: str | None
    automation: str | None
    """Its name or id."""
    inputs: Mapping[str, Any] | None
    """What it is given."""
    event_type: str | None
    data: Any
    """The event's data."""


class TimerChanges(TimerSettings, total=False):
    """What ``timers.patch`` may change; None takes a field back to its default."""

    name: str
    cron: str


class _Timers(Resource):
    """What runs by the clock."""

    @listing
    def list(
        self,
        *,
        name: str | None = None,
        enabled: bool | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Call[Page[Timer]]:
        """List the timers, newest first.

        Args:
            name: only the one of this name.
            enabled: only those that are on, or off.
            limit: how many a page has, 250 at most.
            cursor: ``next`` of an earlier page, to go on from there.
        """
        wanted = given(name=name, enabled=enabled, limit=limit, cursor=cursor)
        return Call("GET", "timers", _timers, wanted)

    @operation
    def create(self, /, name: str, cron: str, **settings: Unpack[TimerSettings]) -> Call[Timer]:
        """Make a timer.

        Args:
            name: unique in its tenant, without spaces.
            cron: minute, hour, day of month, month and day of week, such as
                ``*/15 8-18 * * MON-FRI``.
            **settings: ``automation`` with ``inputs``, or ``event_type`` with ``data``; and
                ``timezone``, ``enabled``, ``description``.
        """
        fields = {"name": name, "cron": cron, **settings}
        return Call("POST", "timers", _timer, body=encoded(fields))

    @operation
    def get(self, timer: str) -> Call[Timer]:
        """Return a timer by its id."""
        return Call("GET", path("timers", timer), _timer)

    @operation
    def patch(
        self, timer: str, changes: TimerChanges, *, version: int | None = None
    ) -> Call[Timer]:
        """Change some of a timer's fields; its next due time is found anew.

        Args:
            timer: its id.
            changes: the fields to change (RFC 7396).
            version: refuse unless it still has the ``version`` that you saw.
        """
        return Call(
            "PATCH",
            path("timers", timer),
            _timer,
            body=encoded(changes),
            headers=if_match(version),
        )

    @operation
    def delete(self, timer: str, *, version: int | None = None) -> Call[None]:
        """Delete a timer: it fires no more."""
        return Call("DELETE", path("timers", timer), nothing, headers=if_match(version))

    @operation
    def fire(self, timer: str) -> Call[Fired]:
        """Publish a timer's event now, whatever its next due time."""
        return Call("POST", path("timers", timer, "fire"), _fired)


class _Plugins(Resource):
    """What installed packages bring; for an administrator's key."""

    @listing
    def list(self) -> Call[Page[Plugin]]:
        """List the plugins."""
        return Call("GET", "plugins", _plugins, of_tenant=False)

    @operation
    def get(self, plugin: str) -> Call[Plugin]:
        """Return a plugin by its name."""
        return Call("GET", path("plugins", plugin), _plugin, of_tenant=False)

    @operation
    def enable(self, plugin: str) -> Call[Plugin]:
        """Switch a plugin on."""
        return Call("POST", path("plugins", plugin, "enable"), _plugin, of_tenant=False)

    @operation
    def disable(self, plugin: str) -> Call[Plugin]:
        """Switch a plugin off, for every tenant."""
        return Call("POST", path("plugins", plugin, "disable"), _plugin, of_tenant=False)


class Timers(_Timers, SyncResource):
    """Timers, on a ``Client``."""


class AsyncTimers(_Timers, AsyncResource):
    """Timers, on an ``AsyncClient``."""


class Plugins(_Plugins, SyncResource):
    """Plugins, on a ``Client``."""


class AsyncPlugins(_Plugins, AsyncResource):
    """Plugins, on an ``AsyncClient``."""
