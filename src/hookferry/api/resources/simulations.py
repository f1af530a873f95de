"""``POST automations/{id}/simulate``: a script is tried on an example, its actions simulated."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
from litestar import Router, post
from litestar.params import FromPath, RawBody

from hookferry.api.framework import Owner
from hookferry.api.services import Services
from hookferry.api.wire import decode_body, id_in_path
from hookferry.automate.answers import ScriptAnswer
from hookferry.automate.simulator import Simulated, Simulation
from hookferry.domain.run import LogLine, Step


class AnswerView(msgspec.Struct, kw_only=True):
    """What a caller would be answered."""

    status: int
    headers: dict[str, str]
    body: str | None
    """As text; null where it is none."""
    body_base64: str | None
    """As bytes, where it is no text."""


class LogLineView(msgspec.Struct, kw_only=True):
    """A line of a run's log."""

    at_ms: float
    """Milliseconds since the run began."""
    level: str
    node: str
    """The key path of the command."""
    message: str
    function: str | None
    """The function in which it was said; null in the script itself."""


class StepView(msgspec.Struct, kw_only=True):
    """A command that was carried out."""

    at_ms: float
    node: str
    command: str
    duration_ms: float | None
    """With all that stands under it; null where the run ended meanwhile."""
    function: str | None


class SimulationView(msgspec.Struct, kw_only=True):
    """How a simulated run ended."""

    exit: str
    error: str | None
    output: dict[str, Any]
    """``__exit``, ``__return``, and every placeholder at the end."""
    answer: AnswerView | None
    """Null where the run failed: a caller would be answered 500 with an empty body."""
    log: list[LogLineView]
    steps: list[StepView]
    steps_used: int
    """What it took of its budget: commands, iterations and operations."""
    duration_ms: float


def simulation_router(s: Services) -> Router:
    """Return the addresses that try scripts."""

    @post(
        "/{automation_id:str}/simulate",
        status_code=200,
        summary="Try an automation on an example, its actions simulated",
        opt={"body": Simulation, "optional": True},
    )
    async def simulate(owner: Owner, automation_id: FromPath[str], body: RawBody) -> SimulationView:
        wanted = decode_body(body, Simulation)
        automation = s.directory.automation(owner.id, id_in_path("auto", automation_id))
        return view(await s.simulator.simulate(owner, automation, wanted))

    handlers: list[Any] = [simulate]
    return Router("/automations", route_handlers=handlers, tags=["automations"])


def view(simulated: Simulated) -> SimulationView:
    """Show how a simulated run ended."""
    return SimulationView(
        exit=simulated.exit,
        error=simulated.error,
        output=simulated.output,
        answer=None if simulated.answer is None else _answer(simulated.answer),
        log=log_view(simulated.log),
        steps=steps_view(simulated.steps),
        steps_used=simulated.steps_used,
        duration_ms=simulated.duration_ms,
    )


def log_view(lines: tuple[LogLine, ...]) -> list[LogLineView]:
    """Show a run's log."""
    return [
        LogLineView(
            at_ms=line.at_ms,
            level=line.level,
            node=line.node,
            message=line.message,
            function=line.function,
        )
        for line in lines
    ]


def steps_view(steps: tuple[Step, ...]) -> list[StepView]:
    """Show a run's steps."""
    return [
        StepView(
            at_ms=step.at_ms,
            node=step.node,
            command=step.command,
            duration_ms=step.duration_ms,
            function=step.function,
        )
        for step in steps
    ]


def _answer(answer: ScriptAnswer) -> AnswerView:
    try:
        text, raw = answer.body.decode(), None
    except UnicodeDecodeError:
        text, raw = None, base64.b64encode(answer.body).decode()
    return AnswerView(
        status=answer.status, headers=dict(answer.headers), body=text, body_base64=raw
    )
