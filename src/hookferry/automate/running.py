"""Running automations: from a name and what is known of an event to a result and its record.

A run takes turns with everything else (``turns``), within its budget: steps, memory and time of its
own, and a share of the memory that all runs have together.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple, Protocol

import msgspec
import structlog

from hookferry.automate.acting import Acting
from hookferry.automate.actions.context import Action, Context
from hookferry.automate.answers import NOTHING, ScriptAnswer, answer_of
from hookferry.automate.plugin_runs import PluginCall, call_plugin
from hookferry.automate.plugins import Plugins
from hookferry.automate.records import Note, plugin_record, record
from hookferry.automate.turns import Guest, Turns
from hookferry.clock import Clock
from hookferry.domain.automation import ON_CALL, Automation
from hookferry.domain.automation_names import named
from hookferry.domain.event import Event
from hookferry.domain.run import Run
from hookferry.domain.tenant import Tenant
from hookferry.errors import HookferryError, OutOfFuel, ScriptError, ScriptRefused
from hookferry.ids import IdSource
from hookferry.kata import interpreter, templates
from hookferry.kata.frame import Function
from hookferry.kata.fuel import MEMORY, STEPS, Fuel
from hookferry.kata.policy import Policy, compile_policy
from hookferry.kata.result import Result
from hookferry.kata.script import Script, compile_script

log = structlog.get_logger(__name__)

SHARED_MEMORY: Final = 512 * 1024 * 1024
"""Bytes of values that all runs together may hold."""
MAX_COMPILED: Final = 1_000
"""Scripts that are kept compiled."""


class Automations(Protocol):
    """Automations by name (``hookferry.engine.directory.Directory``)."""

    def automation_by_name(self, tenant_id: int, name: str) -> Automation | None:
        """Return a live one."""
        ...

    def on_automation(self, listener: Callable[[Automation], None]) -> None:
        """Call ``listener`` with every one that changed."""
        ...


class RunLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a run may use up (SEMANTICS section 11)."""

    seconds: float = 25.0
    """Where its policy does not say."""
    max_seconds: float = 60.0
    steps: int = STEPS
    memory: int = MEMORY
    shared_memory: int = SHARED_MEMORY


class Ended(NamedTuple):
    """A run that has ended."""

    record: Run
    answer: ScriptAnswer | None
    """What it answers; None where it failed."""
    result: Result | None
    """As the interpreter tells it; None where it never began or is a plugin's function."""


class Chosen(NamedTuple):
    """Which automation runs."""

    name: str
    inputs: Mapping[str, Any] = {}
    draft: Automation | None = None
    """What runs, where it is not (or not yet) saved as this."""


Choose = Callable[[Mapping[str, Any], templates.Run], Chosen | None]
"""Says which automation runs, by the placeholders; None for none. May raise ScriptError."""


class _Compiled(NamedTuple):
    version: int
    script: Script | None
    policy: Policy


class _Pool:
    """The memory that all runs have together.

    Args:
        limit: bytes.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0


class _Share:
    """One run's part of it.

    Args:
        pool: whose.
        guest: the run's place on the loop.
    """

    def __init__(self, pool: _Pool, guest: Guest) -> None:
        self._pool = pool
        self._guest = guest
        self._known = 0
        self.fuel: Fuel | None = None

    def pause(self) -> None:
        """Count what the run holds, and give way; for ``Fuel``."""
        if self.fuel is not None:
            self._pool.held += self.fuel.held - self._known
            self._known = self.fuel.held
            if self._pool.held > self._pool.limit:
                raise OutOfFuel("all scripts together hold too much; run this one again later")
        self._guest.pause()

    def close(self) -> None:
        """Give back what was held."""
        self._pool.held -= self._known
        self._known = 0


class Running:
    """Runs automations.

    Args:
        directory: automations by name.
        actions: what carries out each command.
        plugins: automations in Python.
        ids: makes the runs' ids.
        clock: times.
        limits: what a run may use up.
    """

    def __init__(
        self,
        directory: Automations,
        actions: Mapping[str, Action],
        plugins: Plugins,
        ids: IdSource,
        clock: Clock,
        limits: RunLimits = RunLimits(),  # noqa: B008 - frozen
    ) -> None:
        self._directory = directory
        self._actions = actions
        self._plugins = plugins
        self._ids = ids
        self._clock = clock
        self._limits = limits
        self._turns = Turns(clock.monotonic)
        self._rng = random.SystemRandom()
        self._pool = _Pool(limits.shared_memory)
        self._compiled: OrderedDict[int, _Compiled] = OrderedDict()
        directory.on_automation(self._changed)

    async def run(
        self,
        tenant: Tenant,
        choose: Choose,
        scope: Mapping[str, Any],
        *,
        event: Event | None = None,
        simulate: bool = False,
    ) -> Ended | None:
        """Run an automation to its end. Never raises for what a script does.

        Args:
            tenant: whose.
            choose: says which and with which inputs; may evaluate templates.
            scope: what the script knows: its placeholders.
            event: what it runs on.
            simulate: its actions are not carried out.

        Returns:
            How it ended; None where nothing was chosen.
        """
        guest = Guest(self._turns, self._limits.max_seconds)
        share = _Share(self._pool, guest)
        fuel = Fuel(steps=self._limits.steps, memory=self._limits.memory, pause=share.pause)
        share.fuel = fuel
        now_ms = self._clock.wall_ms()
        begun = self._clock.monotonic()
        run = templates.Run(fuel, now=now_ms / 1000, rng=self._rng)
        note = Note(self._ids.next(), tenant, event, now_ms, begun, fuel)

        def work() -> Ended | PluginCall | None:
            chosen = choose(scope, run)
            if chosen is None:
                return None
            return self._carry_out(note, chosen, scope, run, guest, simulate)

        try:
            came_to = await guest.run(work)
            if isinstance(came_to, PluginCall):
                return await self._call_plugin(note, came_to, scope)
            return came_to
        except HookferryError as error:
            return self._failed(note, error.detail)
        except Exception as error:  # a bug of ours: this run's alone
            log.exception("run_failed", automation=note.automation)
            return self._failed(note, f"it broke unexpectedly: {type(error).__name__}")
        finally:
            share.close()

    def _carry_out(
        self,
        note: Note,
        chosen: Chosen,
        scope: Mapping[str, Any],
        run: templates.Run,
        guest: Guest,
        simulate: bool,
    ) -> Ended | PluginCall:
        """Run what was chosen, within its greenlet."""
        note.automation = chosen.name
        automation = chosen.draft or self._named(note.tenant, chosen.name)
        note.automation_id = automation.id
        if automation.extension_id == ON_CALL and not simulate:
            raise ScriptError(f"{chosen.name} is a function: other automations call it")
        compiled = self._compile(automation) if chosen.draft is None else _compiled(automation)
        seconds = self._seconds(compiled.policy)
        guest.limit(seconds)
        context = self._context(note, guest)
        if compiled.script is None:
            return PluginCall(
                automation, chosen.inputs, compiled.policy, run, guest, context, seconds
            )
        result = interpreter.run(
            compiled.script,
            scope=scope,
            inputs=chosen.inputs,
            actions=Acting(self._actions, context, partial(self._function, note.tenant)),
            policy=compiled.policy,
            run=run,
            clock=self._clock,
            simulate=simulate,
        )
        if result.fault is not None:
            log.error("action_broke", automation=note.automation, exc_info=result.fault)
        error, answer = result.error, None
        if result.exit == "return":
            try:
                answer = answer_of(result.returned, context.gathered.resources)
            except ScriptError as refused:
                error = refused.detail
        elif result.exit == "exit":
            answer = NOTHING
        return Ended(record(note, self._clock, result, error), answer, result)

    def _context(self, note: Note, guest: Guest) -> Context:
        return Context(
            tenant=note.tenant,
            automation=note.automation,
            event=note.event,
            fuel=note.fuel,
            waits=guest.wait,
            now=note.at_ms / 1000,
        )

    async def _call_plugin(self, note: Note, call: PluginCall, scope: Mapping[str, Any]) -> Ended:
        ended = await call_plugin(call, scope, self._plugins, self._actions, self._clock)
        kept = plugin_record(note, self._clock, ended.lines, ended.returned, ended.error)
        return Ended(kept, ended.answer, None)

    def _failed(self, note: Note, error: str) -> Ended:
        """Return the end of a run that did not get to one of its own."""
        return Ended(record(note, self._clock, None, error), None, None)

    # ------------------------------------------------------------------ scripts

    def _named(self, tenant: Tenant, name: str) -> Automation:
        found = self._directory.automation_by_name(tenant.id, name)
        if found is None:
            raise ScriptError(f"there is no automation {name[:128]!r}")
        return found

    def _function(self, tenant: Tenant, uri: str) -> Function:
        automation = self._named(tenant, named(uri))
        try:
            compiled = self._compile(automation)
        except ScriptRefused as refused:  # it was saved by a version that took it
            raise ScriptError(f"{automation.name}: {refused.detail}") from None
        if compiled.script is None:
            raise ScriptError(f"{automation.name} is a plugin's function, and no script's to call")
        return Function(compiled.script, compiled.policy)

    def _compile(self, automation: Automation) -> _Compiled:
        """Return an automation compiled, and keep it: the rule of what is saved is elsewhere."""
        known = self._compiled.get(automation.id)
        if known is None or known.version != automation.version:
            known = self._compiled[automation.id] = _compiled(automation)
            if len(self._compiled) > MAX_COMPILED:
                self._compiled.popitem(last=False)
        self._compiled.move_to_end(automation.id)
        return known

    def _changed(self, automation: Automation) -> None:
        self._compiled.pop(automation.id, None)

    def _seconds(self, policy: Policy) -> float:
        """Return how long a run may take."""
        if policy.time_limit_ms is None:
            return self._limits.seconds
        return min(policy.time_limit_ms / 1000, self._limits.max_seconds)


def _compiled(automation: Automation) -> _Compiled:
    script = None if automation.python else compile_script(automation.script)
    return _Compiled(automation.version, script, compile_policy(automation.policy_kata))
