"""What commands with ``inputs:``, ``output:``, ``on_success:`` and ``on_error:`` share.

Some of them act on the world and are up to the policy, others only work on the run's memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from hookferry.errors import OutOfFuel, ScriptError
from hookferry.kata.annotations import REMOVED
from hookferry.kata.commands.compiler import Compiler, Place
from hookferry.kata.commands.registry import Call, Command, Example, Group, Input, Perform, register
from hookferry.kata.frame import Execute, Frame, Mocked, NodeRef, RunEnded, Signal
from hookferry.kata.tree import Node
from hookferry.kata.values import Value

COMMON: Final = (
    Input("inputs", "what the command takes; below"),
    Input("output", "the placeholder that its output is put at, or a dictionary with `error`"),
    Input("on_simulate", "commands to carry out in a simulation instead"),
    Input("on_success", "commands to carry out after it"),
    Input("on_error", "commands to carry out where it fails; without them the run ends in `error`"),
)
"""Keys of every such command."""


class Fields:
    """Keys whose values are wanted together.

    Args:
        compiler: compiles them and notes problems.
        known: how they are declared.
        nodes: those that are there.
    """

    __slots__ = ("_declared", "_values")

    def __init__(
        self, compiler: Compiler, known: tuple[Input, ...], nodes: Mapping[str, Node]
    ) -> None:
        self._declared = known
        self._values = {name: compiler.value(node) for name, node in nodes.items()}

    def read(self, frame: Frame) -> dict[str, Value]:
        """Return the values, those with defaults that were left out included.

        Raises:
            ScriptError: one is missing or not what it has to be.
        """
        found: dict[str, Value] = {}
        for name, _, required, default, read in self._declared:
            evaluate = self._values.get(name)
            value = REMOVED if evaluate is None else evaluate(frame.scope, frame.run)
            if value is REMOVED:
                if required:
                    raise ScriptError(f"{name}: is empty; it is required")
                value = default
                if value is None:
                    continue
            found[name] = value if read is None else read(value)
        return found


class Acting:
    """A node of such a command, compiled."""

    __slots__ = (
        "_command",
        "_inputs",
        "_on_error",
        "_on_simulate",
        "_on_success",
        "_output",
        "_own",
        "_perform",
        "_ref",
        "_simulated",
    )

    def __init__(
        self,
        command: Command,
        perform: Perform,
        compiler: Compiler,
        node: Node,
        place: Place,
        *,
        simulated: bool,
    ) -> None:
        self._command = command
        self._perform = perform
        self._simulated = simulated
        self._ref = NodeRef(place.path, node.key, node.line)
        keys = compiler.keys(node, command.keys)
        own = tuple(key for key in command.keys if key not in COMMON)
        nodes = {key.name: keys[key.name] for key in own if key.name in keys}
        self._own = Fields(compiler, own, nodes)
        self._inputs = self._compile_inputs(compiler, node, keys.get("inputs"))
        self._output = compiler.placeholder(keys["output"]) if "output" in keys else None
        mock = Place(place.path, mocking=True)
        self._on_simulate = compiler.block_at(node, "on_simulate", mock)
        self._on_success = compiler.block_at(node, "on_success", place)
        self._on_error = compiler.block_at(node, "on_error", place)

    def _compile_inputs(
        self, compiler: Compiler, node: Node, inputs: Node | None
    ) -> Callable[[Frame], dict[str, Value]]:
        declared = self._command.inputs
        if declared is None:
            return compiler.dictionary(inputs) if inputs is not None else lambda frame: {}
        found = {}
        if inputs is not None:
            found = compiler.keys(inputs, declared)
        elif any(known.required for known in declared):
            needed = ", ".join(known.name for known in declared if known.required)
            compiler.problem(node, f"{node.key}: needs inputs: with {needed}")
        return Fields(compiler, declared, found).read

    def execute(self, frame: Frame) -> Signal | None:
        """Carry it out; see ``Execute``."""
        try:
            done = self._attempt(frame)
        except OutOfFuel:
            raise
        except ScriptError as error:
            return self._failed(frame, error.detail, error.extra.get("output"))
        if done:
            return self._succeeded(frame)
        assert self._on_simulate is not None
        signal = self._on_simulate.execute(frame)
        if not isinstance(signal, Mocked):
            return signal
        if not signal.success:
            return self._failed(frame, *_mocked_error(signal.output))
        self._put(frame, signal.output)
        return self._succeeded(frame)

    def _attempt(self, frame: Frame) -> bool:
        """Carry it out unless its ``on_simulate:`` is to be carried out instead."""
        fuel = frame.fuel
        before = fuel.held
        try:
            own = self._own.read(frame)
            inputs = self._inputs(frame)
        except ScriptError:
            fuel.held = before
            raise
        held = fuel.held - before
        try:
            if self._command.is_action:
                self._check_policy(frame, own, inputs)
            if frame.simulate and self._on_simulate is not None:
                return False
            self._put(frame, self._carry_out(frame, own, inputs))
        finally:
            fuel.held -= held
        return True

    def _check_policy(self, frame: Frame, own: dict[str, Value], inputs: dict[str, Value]) -> None:
        scope = {
            **own,
            "node": {"id": f"{self._ref.path}:", "type": self._ref.command},
            "inputs": inputs,
            "output": self._output,
        }
        verdict = frame.policy.decide(self._ref.command, scope, frame.run)
        if not verdict.allowed:
            raise RunEnded(f"the policy does not allow {self._ref.command}: {verdict.reason}")

    def _carry_out(self, frame: Frame, own: dict[str, Value], inputs: dict[str, Value]) -> Value:
        if frame.simulate and not self._simulated:
            frame.log("debug", f"simulated: {self._ref.command} was not carried out")
            return None
        return self._perform(frame, Call(self._ref, own, inputs))

    def _put(self, frame: Frame, output: Value) -> None:
        if self._output is not None:
            frame.memory.assign(self._output, output)

    def _succeeded(self, frame: Frame) -> Signal | None:
        return None if self._on_success is None else self._on_success.execute(frame)

    def _failed(self, frame: Frame, detail: str, output: object) -> Signal | None:
        frame.node = self._ref.path
        if self._on_error is None:
            raise ScriptError(detail)
        said = dict(output) if isinstance(output, dict) else {}
        self._put(frame, {**said, "error": detail})
        return self._on_error.execute(frame)


def _mocked_error(output: Value) -> tuple[str, Value]:
    """Return the message and the output of ``simulate.error:``."""
    if isinstance(output, dict):
        message = output.get("error")
        return (message if isinstance(message, str) else "simulated"), output
    return (output if isinstance(output, str) and output else "simulated"), None


def perform_by_port(frame: Frame, call: Call) -> Value:
    """Have the world's port carry out an action."""
    with frame.fuel.scratch(), broken(call.ref):
        return frame.actions.perform(call.ref.command, call.inputs, call.ref)


@contextmanager
def broken(ref: NodeRef) -> Iterator[None]:
    """End the run where the world's port raises what it should not."""
    try:
        yield
    except ScriptError:
        raise
    except Exception as fault:
        raise RunEnded(f"{ref.command} broke unexpectedly", fault) from fault


def declare(
    name: str,
    doc: str,
    *,
    group: Group,
    inputs: tuple[Input, ...] | None,
    output: str,
    examples: tuple[Example, ...],
    keys: tuple[Input, ...] = (),
    perform: Perform = perform_by_port,
    is_action: bool = False,
    simulated: bool = True,
) -> None:
    """Register such a command.

    Args:
        name, doc, group, inputs, output, examples, keys, is_action: see ``Command``.
        perform: carries it out.
        simulated: a simulation carries it out too, where it has no ``on_simulate:``.
    """

    def prepare(compiler: Compiler, node: Node, place: Place) -> Execute:
        return Acting(known, perform, compiler, node, place, simulated=simulated).execute

    known = Command(
        name=name,
        group=group,
        doc=doc,
        prepare=prepare,
        examples=examples,
        keys=(*keys, *COMMON),
        inputs=inputs,
        output=output,
        is_action=is_action,
    )
    register(known)
