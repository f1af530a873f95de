"""What the commands of a run share: its memory, budget, journal, policy and the world's port."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from hookferry.kata.annotations import REMOVED
from hookferry.kata.evaluation import Evaluate
from hookferry.kata.journal import Journal
from hookferry.kata.memory import Memory
from hookferry.kata.result import Level
from hookferry.kata.templates.registry import Run
from hookferry.kata.values import Value

if TYPE_CHECKING:
    from hookferry.kata.policy import Policy
    from hookferry.kata.script import Script

MAX_FUNCTIONS: Final = 8
"""How deep functions may call functions."""
MAX_BLOCKS: Final = 128
"""How deep blocks of commands may be nested in a run, over all its functions: the interpreter
uses Python's stack, two or three of its 1,000 frames for each."""


class NodeRef(NamedTuple):
    """Which command of a script it is."""

    path: str
    """Its key path, such as ``start:http.request/get``."""
    command: str
    line: int


class Function(NamedTuple):
    """An automation that another one may call."""

    script: Script
    policy: Policy


class Actions(Protocol):
    """The world, as scripts may act on it.

    Both methods raise ``ScriptError`` for what can't be done: its detail goes to the run's log
    and to ``on_error:``, a dictionary in its ``extra["output"]`` to ``output:``. Any other
    exception ends the run.
    """

    def perform(self, command: str, inputs: dict[str, Value], node: NodeRef) -> Value:
        """Carry out an action command and return its output.

        The inputs have been checked as the command declares them, and the policy allows it.
        """
        ...

    def function(self, uri: str, node: NodeRef) -> Function:
        """Return the automation of a URI such as ``cerb:automation:example.math.sum``."""
        ...


class Finished(NamedTuple):
    """The run is over."""

    value: dict[str, Value]
    """What ``return:`` or ``error:`` was given."""
    error: str | None = None
    """What ``error:`` says; None after ``return:``."""


class Mocked(NamedTuple):
    """``simulate.success:`` or ``simulate.error:`` said what an action came to."""

    success: bool
    output: Value


Signal = Finished | Mocked
Execute = Callable[["Frame"], Signal | None]
"""A command, ready to run. It returns what makes those after it not be reached, else None; raises
ScriptError where it can't go on."""


class RunEnded(Exception):
    """The run ends in ``error``, and no ``on_error:`` is asked.

    Either the policy does not allow a command, and nothing a script says may go on as though a
    guard were not there; or an action broke in a way that nobody thought of.

    Args:
        detail: why, for the log.
        fault: what an action raised.
    """

    def __init__(self, detail: str, fault: Exception | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.fault = fault


class Frame:
    """One script that runs.

    Args:
        memory: its working memory.
        run: budget, time and chance, shared with the functions it calls.
        journal: shared likewise.
        actions, policy: what it may do.
        simulate: actions are not carried out.
        depth: how many functions called one another to get here.
        blocks: how many blocks of commands are open around it.
        function: its URI, where it is a function.
    """

    __slots__ = (
        "actions",
        "blocks",
        "depth",
        "fuel",
        "function",
        "journal",
        "memory",
        "node",
        "policy",
        "run",
        "scope",
        "simulate",
    )

    def __init__(
        self,
        memory: Memory,
        run: Run,
        *,
        journal: Journal,
        actions: Actions,
        policy: Policy,
        simulate: bool,
        depth: int = 0,
        blocks: int = 0,
        function: str | None = None,
    ) -> None:
        self.memory = memory
        self.scope = memory.values
        self.run = run
        self.fuel = run.fuel
        self.journal = journal
        self.actions = actions
        self.policy = policy
        self.simulate = simulate
        self.depth = depth
        self.function = function
        self.node = "start"
        """Key path of the command that is being carried out."""
        self.blocks = blocks

    def evaluate(self, evaluate: Evaluate) -> Value:
        """Return what a node comes to now, ``REMOVED`` as null; whoever keeps it counts it."""
        held = self.fuel.held
        value = evaluate(self.scope, self.run)
        self.fuel.held = held
        return None if value is REMOVED else value

    def log(self, level: Level, message: str) -> None:
        """Write a line of the log."""
        self.journal.log(level, self.node, message, self.function)
