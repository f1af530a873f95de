"""What the API answers of automations, their runs, timers and plugins, as structs. Members that
this version does not know are passed over."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec


class AutomationSummary(msgspec.Struct, frozen=True, kw_only=True):
    """An automation as lists show it: without its script and policy."""

    id: str
    name: str
    extension_id: str
    """Its trigger."""
    tenant: str | None = None
    description: str = ""
    python: str | None = None
    """The function of an installed package that runs instead of a script."""
    created_at: datetime | None = None
    updated_at: datetime | None = None
    version: int = 1
    """What ``patch`` and ``delete`` compare, when given."""


class Automation(AutomationSummary, frozen=True, kw_only=True):
    """A script that webhooks, sources, timers and other scripts run."""

    script: str = ""
    policy_kata: str = ""


class AutomationEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Handlers that run on events."""

    id: str
    """Of the webhook that they are."""
    name: str
    events: tuple[str, ...]
    automations_kata: str
    tenant: str | None = None
    description: str = ""
    condition: dict[str, Any] | None = None
    mode: str = "async"
    state: str = "active"
    created_at: datetime | None = None
    updated_at: datetime | None = None
    version: int = 1
    """What ``patch`` and ``delete`` compare, when given."""


class LogLine(msgspec.Struct, frozen=True, kw_only=True):
    """What a run said."""

    at_ms: float
    """Milliseconds since the run began."""
    level: str
    """``debug``, ``warn``, ``error`` or ``alert``."""
    node: str
    """The key path of the command, such as ``start:log/b``."""
    message: str
    function: str | None = None
    """The function in which it was said; None in the script itself."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A command that a run carried out."""

    at_ms: float
    node: str
    command: str
    duration_ms: float | None = None
    """With all that stands under it; None where the run ended meanwhile."""
    function: str | None = None


class RunSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A run as lists show it."""

    id: str
    automation: str
    """Its name at the time."""
    exit: str
    """``return``, ``error``, or ``exit`` where the script came to an end without a verdict."""
    started_at: datetime
    duration_ms: float
    automation_id: str | None = None
    event: str | None = None
    delivery: str | None = None
    source: str | None = None
    error: str | None = None
    steps_used: int = 0
    """What it took of its budget: commands, iterations and operations."""


class Run(RunSummary, frozen=True, kw_only=True):
    """A run, whole. ``[cut]`` stands where there was too much to be kept."""

    returned: Any = None
    """What it answered."""
    dictionary: Any = None
    """Every placeholder at its end."""
    log: tuple[LogLine, ...] = ()
    log_dropped: int = 0
    """Lines that are not kept."""
    steps: tuple[Step, ...] = ()
    steps_dropped: int = 0


class SimulatedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller would be answered."""

    status: int
    headers: dict[str, str] = {}
    body: str | None = None
    """As text; None where it is none."""
    body_base64: str | None = None
    """As bytes, where it is no text."""


class Simulated(msgspec.Struct, frozen=True, kw_only=True):
    """How a simulated run ended."""

    exit: str
    output: dict[str, Any]
    """``__exit``, ``__return``, and every placeholder at the end."""
    error: str | None = None
    answer: SimulatedAnswer | None = None
    """None where the run failed: a caller would be answered 500."""
    log: tuple[LogLine, ...] = ()
    steps: tuple[Step, ...] = ()
    steps_used: int = 0
    duration_ms: float = 0.0


class Timer(msgspec.Struct, frozen=True, kw_only=True):
    """What runs an automation or publishes an event by the clock."""

    id: str
    name: str
    cron: str
    timezone: str = "UTC"
    tenant: str | None = None
    enabled: bool = True
    description: str = ""
    automation: str | None = None
    """The name of what it runs; None where it publishes an event."""
    inputs: dict[str, Any] = {}
    event_type: str | None = None
    data: Any = None
    next_due_at: datetime | None = None
    """None while it is off."""
    last_due_at: datetime | None = None
    last_fired_at: datetime | None = None
    last_event: str | None = None
    """The event that it published then; its deliveries say what came of it."""
    last_error: str | None = None
    """Why it published none."""
    created_at: datetime | None = None
    updated_at: datetime | None = None
    version: int = 1
    """What ``patch`` and ``delete`` compare, when given."""


class Fired(msgspec.Struct, frozen=True, kw_only=True):
    """A timer that was fired by hand."""

    event: str
    """The event that it published."""


class Plugin(msgspec.Struct, frozen=True, kw_only=True):
    """What an installed package brings, or is built in and can be switched off."""

    name: str
    kind: str
    """``built_in``, ``automation`` or ``profile``."""
    enabled: bool
    description: str = ""
    package: str | None = None
    problem: str | None = None
    """Why it can't be used, where that is so."""
