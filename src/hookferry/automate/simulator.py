"""The simulator: a script tried on an example, its actions not carried out (S-CB-27, S-CB-28)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

import msgspec

from hookferry.automate import examples
from hookferry.automate.answers import ScriptAnswer
from hookferry.automate.placeholders import placeholders
from hookferry.automate.running import Chosen, Ended, Running
from hookferry.clock import Clock
from hookferry.domain.automation import Automation
from hookferry.domain.event import Event
from hookferry.domain.request import CaughtRequest
from hookferry.domain.run import LogLine, Step, kept
from hookferry.domain.tenant import Tenant
from hookferry.domain.webhook import AUTOMATION, Webhook
from hookferry.errors import InvalidField, NotFound
from hookferry.ids import decode
from hookferry.kata import templates
from hookferry.kata.policy import compile_policy
from hookferry.kata.script import compile_script

MAX_OUTPUT: Final = 1024 * 1024
"""Bytes of what is printed, about; what is beyond is cut."""
_FIELDS: Final = ("request", "request_id", "event")


class Simulation(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What a script is tried on: a request, a caught one by its id, or an event."""

    request: dict[str, Any] | None = None
    request_id: str | None = None
    event: dict[str, Any] | None = None
    inputs: dict[str, Any] = {}
    """What event KATA or a timer would give it."""
    placeholders: dict[str, Any] = {}
    """Further ones, in place of those of the request or event."""
    script: str | None = None
    """Tried instead of the saved one."""
    policy_kata: str | None = None


class Simulated(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    exit: str
    error: str | None
    output: dict[str, Any]
    """``__exit``, ``__return``, then the dictionary, as Cerb's simulator prints them."""
    answer: ScriptAnswer | None
    """What a caller would be answered; None for one that failed, which is 500."""
    log: tuple[LogLine, ...]
    steps: tuple[Step, ...]
    steps_used: int
    duration_ms: float


class Requests(Protocol):
    """Caught requests (``hookferry.store.ports.Requests``)."""

    async def request(self, tenant_id: int, request_id: int) -> CaughtRequest | None:
        """Return one request, with its body."""
        ...


class Simulator:
    """Tries scripts.

    Args:
        running: runs them.
        requests: examples that were caught; None where there are none.
        clock: times.
    """

    def __init__(self, running: Running, requests: Requests | None, clock: Clock) -> None:
        self._running = running
        self._requests = requests
        self._clock = clock

    async def simulate(
        self, tenant: Tenant, automation: Automation, wanted: Simulation
    ) -> Simulated:
        """Try an automation, saved or not.

        Args:
            tenant: whose.
            automation: what is tried.
            wanted: what on.

        Raises:
            InvalidField, UnknownField: an example is none.
            NotFound: there is no such request.
            ScriptRefused: a script that it brings does not read as one.
        """
        changed = {
            name: value
            for name, value in (("script", wanted.script), ("policy_kata", wanted.policy_kata))
            if value is not None
        }
        tried = msgspec.structs.replace(automation, **changed)
        if tried.python is not None:
            raise InvalidField(
                "a plugin's function can't be simulated: what it does is its own", field="python"
            )
        if wanted.script is not None:
            compile_script(wanted.script)
        if wanted.policy_kata is not None:
            compile_policy(wanted.policy_kata)
        event = await self._event(tenant, wanted)
        webhook = Webhook(
            id=0,
            tenant_id=tenant.id,
            number=0,
            name="simulation",
            target_url=tried.name,
            events=(),
            type=AUTOMATION,
        )
        scope = {
            **placeholders(event, webhook),
            **examples.placeholders_of(wanted.placeholders),
        }
        chosen = Chosen(tried.name, wanted.inputs, tried)

        def choose(scope: Mapping[str, Any], run: templates.Run) -> Chosen:
            return chosen

        ended = await self._running.run(tenant, choose, scope, event=event, simulate=True)
        assert ended is not None  # something was chosen
        return _told(ended)

    async def _event(self, tenant: Tenant, wanted: Simulation) -> Event:
        given = [name for name in _FIELDS if getattr(wanted, name) is not None]
        if len(given) > 1:
            raise InvalidField(
                f"give one of {', '.join(_FIELDS)}, not {' and '.join(given)}", field=given[1]
            )
        now_ms = self._clock.wall_ms()
        if wanted.event is not None:
            return examples.of_event(wanted.event, now_ms)
        if wanted.request_id is None:
            return examples.of_request(wanted.request or {}, now_ms)
        found = None
        if self._requests is not None:
            found = await self._requests.request(tenant.id, decode("req", wanted.request_id))
        if found is None:
            raise NotFound(f"there is no request {wanted.request_id[:40]!r}", field="request_id")
        return examples.of_caught(found)


def _told(ended: Ended) -> Simulated:
    record, result = ended.record, ended.result
    if result is None:
        output: dict[str, Any] = {"__exit": "error", "__return": {"error": record.error}}
    else:
        output = kept(result.printed(), MAX_OUTPUT)
        if record.error is not None and result.error is None:  # what it returned is no answer
            output |= {"__exit": record.exit.value, "__return": {"error": record.error}}
    return Simulated(
        exit=record.exit.value,
        error=record.error,
        output=output,
        answer=ended.answer,
        log=record.log,
        steps=record.steps,
        steps_used=record.steps_used,
        duration_ms=record.duration_ms,
    )
