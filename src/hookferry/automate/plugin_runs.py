"""Runs of plugins' functions: with the inputs, commands, policy, log and time limit of a script."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import structlog

from hookferry.automate.actions.context import Action, Context
from hookferry.automate.answers import NOTHING, ScriptAnswer, answer_of
from hookferry.automate.plugins import PluginRun, Plugins, run_function
from hookferry.automate.turns import Guest
from hookferry.clock import Clock
from hookferry.domain.automation import Automation
from hookferry.domain.run import LogLine
from hookferry.errors import ScriptError
from hookferry.kata.commands import COMMANDS
from hookferry.kata.policy import Policy
from hookferry.kata.result import MAX_LINES
from hookferry.kata.templates import Run
from hookferry.kata.values import kind_of

log = structlog.get_logger(__name__)

LEVELS = ("debug", "warn", "error", "alert")


class PluginCall(NamedTuple):
    """A function of a plugin that is to run."""

    automation: Automation
    inputs: Mapping[str, Any]
    policy: Policy
    run: Run
    guest: Guest
    """Its place on the loop, for its commands."""
    context: Context
    seconds: float
    """How long it may take."""


class PluginEnded(NamedTuple):
    """What came of it."""

    lines: list[LogLine]
    returned: Any
    answer: ScriptAnswer | None
    """None where it failed."""
    error: str | None


async def call_plugin(
    call: PluginCall,
    scope: Mapping[str, Any],
    plugins: Plugins,
    actions: Mapping[str, Action],
    clock: Clock,
) -> PluginEnded:
    """Run a plugin's function to its end. Never raises for what it does.

    Args:
        call: what is run.
        scope: what a script would find in its dictionary.
        plugins: the functions there are.
        actions: what carries out each command.
        clock: times of its log.
    """
    begun = clock.monotonic()
    lines: list[LogLine] = []

    def say(level: str, message: str) -> None:
        if level not in LEVELS:
            raise ValueError(f"the level of a log line is one of {', '.join(LEVELS)}")
        if len(lines) < MAX_LINES:
            lines.append(LogLine(level, "", str(message), (clock.monotonic() - begun) * 1000))

    async def carry_out(command: str, inputs: Mapping[str, Any]) -> Any:
        action = actions.get(command)
        if action is None:
            raise ScriptError(f"there is no command {command!r}; there are {', '.join(actions)}")

        def work() -> Any:
            with call.run.fuel.scratch():
                checked = _checked(command, inputs)
                _check_policy(call, command, checked)
                return action(call.context, checked)

        return await call.guest.run(work)

    run = PluginRun(call.inputs, scope, say, carry_out)
    error, returned, answer = None, None, None
    try:
        function = plugins.function(str(call.automation.python))
        returned = await run_function(function, run, call.seconds)
        answer = _answer_of(returned, call.context)
    except ScriptError as failed:
        error = failed.detail
    except (Exception, SystemExit) as broken:  # the plugin's, whatever it is
        log.exception("plugin_failed", automation=call.automation.name)
        error = f"it raised {type(broken).__name__}: {broken}"
    finally:
        run.end()
    return PluginEnded(lines, returned, answer, error)


def _checked(command: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return inputs in the one form that policies and actions see, as scripts' are."""
    declared = COMMANDS[command].inputs or ()
    unknown = inputs.keys() - {known.name for known in declared}
    if unknown:
        raise ScriptError(f"{command} has no input {min(unknown)!r}")
    checked = {}
    for name, _, required, default, read in declared:
        value = inputs.get(name, default)
        if value is None:
            if required:
                raise ScriptError(f"{name}: is empty; it is required")
            continue
        checked[name] = value if read is None else read(value)
    return checked


def _check_policy(call: PluginCall, command: str, inputs: Mapping[str, Any]) -> None:
    node = {"id": f"{call.automation.name}:", "type": command}
    scope = {"node": node, "inputs": inputs, "output": None}
    verdict = call.policy.decide(command, scope, call.run)
    if not verdict.allowed:
        raise ScriptError(f"the policy does not allow {command}: {verdict.reason}")


def _answer_of(returned: Any, context: Context) -> ScriptAnswer:
    if returned is None:
        return NOTHING
    if not isinstance(returned, dict):
        raise ScriptError(
            f"it returned {kind_of(returned)}; it has to be None or a dictionary with "
            "status_code, headers and body"
        )
    return answer_of(returned, context.gathered.resources)
