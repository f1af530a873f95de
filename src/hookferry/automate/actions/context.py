"""What an action knows of the run that it is part of, and how it waits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

import msgspec

from hookferry.domain.event import Event
from hookferry.domain.tenant import Tenant
from hookferry.kata.fuel import Fuel

MAX_RESOURCES: Final = 16 * 1024 * 1024
"""Bytes of large answers that one run may hold beside its dictionary."""


class Waits(Protocol):
    """Waits from within a script (``hookferry.automate.turns.Guest.wait``)."""

    def __call__(self, wanted: Awaitable[Any]) -> Any:
        """Return what ``wanted`` comes to; raises what it raises."""
        ...


class Gathered(msgspec.Struct):
    """What a run comes to have beside its dictionary, over all of its commands."""

    resources: dict[str, bytes] = {}
    """Large values, by their URI."""
    published: int = 0
    """Events that it has published."""
    stored: int = 0
    """Values that it has stored or dropped."""


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """One run, as its actions see it."""

    tenant: Tenant
    automation: str
    """The name of the script that was started."""
    event: Event | None
    """What it runs on; None for one that is only tried."""
    fuel: Fuel
    waits: Waits
    now: float
    """Unix seconds."""
    gathered: Gathered = msgspec.field(default_factory=Gathered)


Action = Callable[[Context, Mapping[str, Any]], Any]
"""Carries out one command with its inputs; raises ScriptError."""
