"""Scripts, compiled: checked whole when they are saved, so that a run meets no unknown name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from hookferry.errors import ScriptError
from hookferry.kata.commands.block import Block
from hookferry.kata.commands.compiler import Compiler, Place, read_tree
from hookferry.kata.frame import Finished, Frame, Mocked, RunEnded
from hookferry.kata.inputs import Inputs, read_inputs
from hookferry.kata.memory import Memory
from hookferry.kata.problems import Problem, refusal
from hookferry.kata.values import Value

if TYPE_CHECKING:
    from hookferry.kata.policy import Policy

_SECTIONS: Final = ("inputs", "start")


class Script:
    """A script that is ready to run, any number of times; see ``compile_script``."""

    __slots__ = ("_inputs", "_start")

    def __init__(self, inputs: Inputs, start: Block) -> None:
        self._inputs = inputs
        self._start = start

    def execute(self, frame: Frame, inputs: Mapping[str, Value]) -> Finished | None:
        """Run in a frame; returns what ended the run, None where the commands did.

        Raises:
            ScriptError: an input or a command is wrong; ``frame.node`` says which.
            OutOfFuel: the budget is spent.
            RunEnded: see there.
        """
        frame.node = "inputs"
        with frame.fuel.scratch():
            checked = self._inputs.check(inputs, frame.run)
        frame.memory.assign("inputs", checked)
        frame.node = "start"
        signal = self._start.execute(frame)
        assert not isinstance(signal, Mocked)  # compiled under on_simulate: only
        return signal

    def call(
        self, caller: Frame, uri: str, policy: Policy, inputs: Mapping[str, Value]
    ) -> dict[str, Value]:
        """Run as a function of another script: with a memory of its own, on the same budget.

        Raises:
            ScriptError: it ended in ``error``; what it returned is in ``extra["output"]``.
            OutOfFuel, RunEnded: as ``execute``: the caller ends too.
        """
        frame = Frame(
            Memory(caller.fuel),
            caller.run,
            journal=caller.journal,
            actions=caller.actions,
            policy=policy,
            simulate=caller.simulate,
            depth=caller.depth + 1,
            blocks=caller.blocks,
            function=uri,
        )
        try:
            finished = self.execute(frame, inputs)
        except (ScriptError, RunEnded) as error:
            frame.log("error", error.detail)
            raise
        if finished is None:
            return {}
        if finished.error is not None:
            frame.log("error", finished.error)
            raise ScriptError(finished.error, output=finished.value)
        return finished.value


def compile_script(text: str) -> Script:
    """Read a script and check all that can be known before it runs.

    That is its syntax, references, commands and their keys and inputs, the ``inputs:`` section and
    every template.

    Raises:
        ScriptRefused: something is wrong; every problem is listed with its line and column.
    """
    compiler = Compiler()
    tree = read_tree(text, compiler)
    sections = compiler.known(tree, _SECTIONS, "a script")
    start = sections.get("start")
    if start is None:
        compiler.problems.append(
            Problem(1, 1, "a script begins with start: and has its commands under it")
        )
    inputs = read_inputs(sections.get("inputs"), compiler.problems)
    block = Block(()) if start is None else compiler.block(start, Place("start"))
    if compiler.problems:
        raise refusal(compiler.problems)
    return Script(inputs, block)
