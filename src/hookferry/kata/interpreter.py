"""Runs scripts: commands in, a result out. Nothing that a script does raises."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hookferry.clock import Clock
from hookferry.domain.run import RunExit
from hookferry.errors import OutOfFuel, ScriptError
from hookferry.kata.frame import Actions, Frame, RunEnded
from hookferry.kata.journal import Journal, readable
from hookferry.kata.memory import Memory
from hookferry.kata.policy import Policy
from hookferry.kata.result import Result
from hookferry.kata.script import Script
from hookferry.kata.templates.registry import Run
from hookferry.kata.values import Value

_BEFORE: Final = "start"
"""Where a run is before its first command."""


def run(
    script: Script,
    *,
    scope: Mapping[str, Value],
    inputs: Mapping[str, Value],
    actions: Actions,
    policy: Policy,
    run: Run,
    clock: Clock,
    simulate: bool = False,
) -> Result:
    """Run a script to its end.

    Args:
        script: what to run.
        scope: placeholders that it begins with, such as ``request_method``.
        inputs: values for its ``inputs:``, which check them; it reads them as ``inputs.name``.
        actions: carries out what acts on the world.
        policy: which of it the script may do. Its time limit is up to whoever gave the fuel.
        run: budget, time and chance. Its fuel's pause may raise OutOfFuel when the time is over.
        clock: times the steps.
        simulate: actions are not carried out; their ``on_simulate:`` is instead.

    Whatever the script, the inputs or an action does wrong ends the run in ``error``; so does a
    spent budget, whatever ``on_error:`` says.
    """
    fuel = run.fuel
    used = fuel.used
    journal = Journal(clock)
    frame = Frame(
        Memory(fuel), run, journal=journal, actions=actions, policy=policy, simulate=simulate
    )
    error, fault, finished = None, None, None
    spent = located = False
    try:
        for key, value in scope.items():
            frame.memory.assign(key, value)
        finished = script.execute(frame, inputs)
    except (ScriptError, RunEnded) as ended:
        error = ended.detail
        spent = isinstance(ended, OutOfFuel)
        located = isinstance(ended, ScriptError) and not spent and frame.node != _BEFORE
        fault = ended.fault if isinstance(ended, RunEnded) else None
    returned: dict[str, Value] = {} if error is None else {"error": error}
    if finished is not None:
        returned, error = finished
    if error is not None:
        error = readable(error)
        journal.log("error", frame.node, error, None, last=True)
        if located:
            error = f"{frame.node}: {error}"
    exit = RunExit.EXIT if finished is None else RunExit.RETURN
    return Result(
        exit=exit if error is None else RunExit.ERROR,
        returned=returned,
        error=error,
        out_of_fuel=spent,
        dictionary=frame.memory.values,
        log=journal.lines,
        log_dropped=journal.lines_dropped,
        steps=journal.steps(),
        steps_dropped=journal.steps_dropped,
        fuel_used=fuel.used - used,
        duration_ms=journal.elapsed_ms(),
        fault=fault,
    )
