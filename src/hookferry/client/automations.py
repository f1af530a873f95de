"""The calls on ``automations``, ``automation_events`` and ``runs``: scripts, what runs them, and
what they did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, TypedDict, Unpack

from hookferry.client.automation_answers import (
    Automation,
    AutomationEvent,
    AutomationSummary,
    Run,
    RunSummary,
    Simulated,
)
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

_automation = reader(Automation)
_automations = reader(Page[AutomationSummary])
_simulated = reader(Simulated)
_event = reader(AutomationEvent)
_events = reader(Page[AutomationEvent])
_run = reader(Run)
_runs = reader(Page[RunSummary])

Exit = Literal["return", "error", "exit"]


class AutomationSettings(TypedDict, total=False):
    """What an automation has besides its name and trigger."""

    description: str | None
    script: str | None
    policy_kata: str | None
    """Which commands the script may use."""
    python: str | None
    """Instead of a script: the name under which an installed package offers a function."""


class AutomationChanges(AutomationSettings, total=False):
    """What ``automations.patch`` may change; None takes a field back to its default."""

    name: str
    extension_id: str


class Simulation(TypedDict, total=False):
    """What a script is tried on: a request, a caught one by its id, or an event."""

    request: Mapping[str, Any]
    """Such as ``{"method": "POST", "path": "a/b", "query": "n=1", "headers": {}, "body": ""}``."""
    request_id: str
    event: Mapping[str, Any]
    inputs: Mapping[str, Any]
    placeholders: Mapping[str, Any]
    """Further ones, in place of those of the request or event."""
    script: str
    """Tried instead of the saved one."""
    policy_kata: str


class _Automations(Resource):
    """Scripts."""

    @listing
    def list(
        self,
        *,
        name: str | None = None,
        extension_id: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Call[Page[AutomationSummary]]:
        """List the automations, newest first, without their scripts.

        Args:
            name: only the one of this name.
            extension_id: only those with this trigger.
            limit: how many a page has, 250 at most.
            cursor: ``next`` of an earlier page, to go on from there.
        """
        wanted = given(name=name, extension_id=extension_id, limit=limit, cursor=cursor)
        return Call("GET", "automations", _automations, wanted)

    @operation
    def create(
        self, /, name: str, extension_id: str, **settings: Unpack[AutomationSettings]
    ) -> Call[Automation]:
        """Make an automation; a script that could not run is refused with all its problems.

        Args:
            name: unique in its tenant, such as ``example.webhook.respond``.
            extension_id: its trigger, such as ``cerb.trigger.webhook.respond``.
            **settings: ``script``, ``policy_kata``, ``description``; or ``python``.
        """
        fields = {"name": name, "extension_id": extension_id, **settings}
        return Call("POST", "automations", _automation, body=encoded(fields))

    @operation
    def get(self, automation: str) -> Call[Automation]:
        """Return an automation by its id."""
        return Call("GET", path("automations", automation), _automation)

    @operation
    def patch(
        self, automation: str, changes: AutomationChanges, *, version: int | None = None
    ) -> Call[Automation]:
        """Change some of an automation's fields; what runs already goes on.

        Args:
            automation: its id.
            changes: the fields to change (RFC 7396).
            version: refuse unless it still has the ``version`` that you saw.
        """
        return Call(
            "PATCH",
            path("automations", automation),
            _automation,
            body=encoded(changes),
            headers=if_match(version),
        )

    @operation
    def delete(self, automation: str, *, version: int | None = None) -> Call[None]:
        """Delete an automation that no timer, source or webhook names; its runs stay."""
        return Call("DELETE", path("automations", automation), nothing, headers=if_match(version))

    @operation
    def simulate(self, automation: str, **example: Unpack[Simulation]) -> Call[Simulated]:
        """Try an automation on an example; its actions are simulated.

        Args:
            automation: its id.
            **example: what it is tried on, such as ``request`` or ``inputs``.
        """
        body = encoded(example)
        return Call("POST", path("automations", automation, "simulate"), _simulated, body=body)

    @listing
    def runs(
        self,
        automation: str,
        *,
        exit: Exit | None = None,
        after: datetime | None = None,
        before: datetime | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Call[Page[RunSummary]]:
        """List an automation's runs, newest first; see ``runs.list``."""
        wanted = given(exit=exit, after=after, before=before, limit=limit, cursor=cursor)
        return Call("GET", path("automations", automation, "runs"), _runs, wanted)


class _Runs(Resource):
    """What automations did."""

    @listing
    def list(
        self,
        *,
        automation: str | None = None,
        exit: Exit | None = None,
        event: str | None = None,
        delivery: str | None = None,
        source: str | None = None,
        after: datetime | None = None,
        before: datetime | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Call[Page[RunSummary]]:
        """List runs, newest first, without their logs.

        Args:
            automation: only those of this automation, by its id or its name.
            exit: only those that ended so.
            event: only those on this event.
            delivery: only those of this delivery.
            source: only those that answered this source's callers.
            after: begun at this time (with a zone) or later.
            before: begun before this time.
            limit: how many a page has, 250 at most.
            cursor: ``next`` of an earlier page, to go on from there.
        """
        wanted = given(
            automation=automation,
            exit=exit,
            event=event,
            delivery=delivery,
            source=source,
            after=after,
            before=before,
            limit=limit,
            cursor=cursor,
        )
        return Call("GET", "runs", _runs, wanted)

    @operation
    def get(self, run: str) -> Call[Run]:
        """Return a run by its id, with its log."""
        return Call("GET", path("runs", run), _run)


class AutomationEventSettings(TypedDict, total=False):
    """What handlers on events have besides their name, patterns and text."""

    description: str | None
    condition: Mapping[str, Any] | None
    mode: Literal["async", "sync", "sync_critical"]
    """``sync`` and ``sync_critical`` make publishers wait for what is answered."""


class AutomationEventChanges(AutomationEventSettings, total=False):
    """What ``automation_events.patch`` may change; None takes a field back to its default."""

    name: str
    events: Sequence[str]
    automations_kata: str


class _AutomationEvents(Resource):
    """Handlers that run on events."""

    @listing
    def list(
        self, *, name: str | None = None, limit: int | None = None, cursor: str | None = None
    ) -> Call[Page[AutomationEvent]]:
        """List the handlers that run on events, newest first."""
        wanted = given(name=name, limit=limit, cursor=cursor)
        return Call("GET", "automation_events", _events, wanted)

    @operation
    def create(
        self,
        /,
        name: str,
        events: Sequence[str],
        automations_kata: str,
        **settings: Unpack[AutomationEventSettings],
    ) -> Call[AutomationEvent]:
        """Have handlers run on events.

        Args:
            name: unique among the tenant's webhooks, which these are.
            events: patterns of event types, such as ``contact.*``.
            automations_kata: the handlers; the first enabled one runs.
            **settings: ``description``, ``condition``, ``mode``.
        """
        fields = {"name": name, "events": events, "automations_kata": automations_kata}
        return Call("POST", "automation_events", _event, body=encoded({**fields, **settings}))

    @operation
    def get(self, automation_event: str) -> Call[AutomationEvent]:
        """Return handlers by their id."""
        return Call("GET", path("automation_events", automation_event), _event)

    @operation
    def patch(
        self,
        automation_event: str,
        changes: AutomationEventChanges,
        *,
        version: int | None = None,
    ) -> Call[AutomationEvent]:
        """Change some of their fields.

        Args:
            automation_event: their id.
            changes: the fields to change (RFC 7396).
            version: refuse unless they still have the ``version`` that you saw.
        """
        return Call(
            "PATCH",
            path("automation_events", automation_event),
            _event,
            body=encoded(changes),
            headers=if_match(version),
        )

    @operation
    def delete(self, automation_event: str, *, version: int | None = None) -> Call[None]:
        """Delete handlers; what they owe is cancelled."""
        where = path("automation_events", automation_event)
        return Call("DELETE", where, nothing, headers=if_match(version))


class Automations(_Automations, SyncResource):
    """Automations, on a ``Client``."""


class AsyncAutomations(_Automations, AsyncResource):
    """Automations, on an ``AsyncClient``."""


class AutomationEvents(_AutomationEvents, SyncResource):
    """Handlers on events, on a ``Client``."""


class AsyncAutomationEvents(_AutomationEvents, AsyncResource):
    """Handlers on events, on an ``AsyncClient``."""


class Runs(_Runs, SyncResource):
    """Runs, on a ``Client``."""


class AsyncRuns(_Runs, AsyncResource):
    """Runs, on an ``AsyncClient``."""
