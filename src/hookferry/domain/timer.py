"""A timer: when it is due, it publishes an event."""

from __future__ import annotations

from typing import Any

import msgspec


class Timer(msgspec.Struct, frozen=True, kw_only=True):
    """One timer as stored.

    What it fires is an event: of its own ``event_type`` for whoever subscribed, or, where it names
    an ``automation``, one that its own webhook alone gets (``hookferry.domain.webhook``, owner).
    """

    id: int
    tenant_id: int
    name: str
    """Unique in its tenant."""
    cron: str
    """Five or six fields (with seconds first), as ``hookferry.automate.schedule`` reads them."""
    timezone: str = "UTC"
    """An IANA name; the fields of ``cron`` are read on its clocks."""
    enabled: bool = True
    description: str = ""
    automation: str | None = None
    """The automation's name, looked up when it runs."""
    inputs: dict[str, Any] = {}
    """What the automation is given."""
    event_type: str | None = None
    data: Any = None
    """The event's data."""
    next_due_ms: int | None = None
    """Its first due time after the save (Unix ms); None while it is off, or never due again."""
    created_at_ms: int = 0
    updated_at_ms: int = 0
    version: int = 1
    deleted: bool = False

    def ended(self) -> Timer:
        """Return the timer as deleted: nobody needs what it would say."""
        return msgspec.structs.replace(
            self, deleted=True, inputs={}, data=None, next_due_ms=None, enabled=False
        )


class TimerMark(msgspec.Struct, frozen=True):
    """How far a timer has come; apart from ``Timer``, because it changes with each firing."""

    version: int
    """The timer's version that was due."""
    due_ms: int
    """The due time that was served last."""
    fired_at_ms: int
    next_due_ms: int | None
    """When it is due again; of a later version of the timer ``Timer.next_due_ms`` says it."""
    event_id: int | None = None
    """The event that it fired last; None where that could not be published."""
    error: str | None = None
    """Why not."""
    count: int = 1
    """How many due times were served: what tells one firing from the next whatever the clock
    does."""
