"""Runs scripts in tests: on a clock of their own, with a world that is written down."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

from hookferry.errors import ScriptError
from hookferry.kata.frame import Function, NodeRef
from hookferry.kata.fuel import Fuel
from hookferry.kata.interpreter import run
from hookferry.kata.policy import compile_policy
from hookferry.kata.result import Result
from hookferry.kata.script import compile_script
from hookferry.kata.templates.registry import Run

NOW = 1_763_000_000.0
"""2025-11-13 02:13:20 UTC."""
ALLOW_ALL = "commands:\n  all:\n    allow: yes"


class StillClock:
    """Goes on by a millisecond whenever it is asked."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def wall_ms(self) -> int:
        return int(NOW * 1_000)

    def monotonic(self) -> float:
        self.seconds += 0.001
        return self.seconds


class World:
    """Actions that come to what a test says, and a list of what was asked for.

    Args:
        outputs: by command: a value, an exception to raise, or a callable of the inputs.
        functions: by URI: a script, or a script and its policy.
    """

    def __init__(
        self,
        outputs: Mapping[str, Any] | None = None,
        functions: Mapping[str, str | tuple[str, str]] | None = None,
    ) -> None:
        self.outputs = dict(outputs or {})
        self.functions = dict(functions or {})
        self.performed: list[tuple[str, dict[str, Any]]] = []
        self.nodes: list[NodeRef] = []

    def perform(self, command: str, inputs: dict[str, Any], node: NodeRef) -> Any:
        self.performed.append((command, inputs))
        self.nodes.append(node)
        output = self.outputs.get(command)
        if isinstance(output, BaseException):
            raise output
        return output(inputs) if isinstance(output, Callable) else output  # type: ignore[arg-type]

    def function(self, uri: str, node: NodeRef) -> Function:
        if uri not in self.functions:
            raise ScriptError(f"there is no automation {uri}")
        found = self.functions[uri]
        script, policy = (found, ALLOW_ALL) if isinstance(found, str) else found
        return Function(compile_script(script), compile_policy(policy))


def play(
    script: str,
    *,
    scope: Mapping[str, Any] | None = None,
    inputs: Mapping[str, Any] | None = None,
    world: World | None = None,
    policy: str = ALLOW_ALL,
    simulate: bool = False,
    fuel: Fuel | None = None,
    now: float = NOW,
) -> Result:
    """Compile a script and run it."""
    return run(
        compile_script(script),
        scope=scope or {},
        inputs=inputs or {},
        actions=world or World(),
        policy=compile_policy(policy),
        run=Run(fuel or Fuel(), now=now, rng=random.Random(1)),
        clock=StillClock(),
        simulate=simulate,
    )
