"""The commands of scripts by their names, each with its documentation.

The registry is what scripts are checked against, what the reference is generated from, and what
the test suite carries out the examples of.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from hookferry.domain.run import RunExit
from hookferry.kata.frame import Execute, Frame, NodeRef
from hookferry.kata.tree import Node
from hookferry.kata.values import Value

if TYPE_CHECKING:
    from hookferry.kata.commands.compiler import Compiler, Place

Group = Literal["State transitions", "Flow control", "Logging", "Values", "Actions", "Simulation"]


class Input(NamedTuple):
    """What a command takes under ``inputs:``, or as a key of its own."""

    name: str
    doc: str
    required: bool = False
    default: Value = None
    read: Callable[[Value], Value] | None = None
    """Checks a value and brings it into the one form that policies and ports see; raises
    ScriptError. Not asked about a value that was left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A script and what a run of it comes to; carried out by the test suite."""

    script: str
    scope: Mapping[str, Value] = field(default_factory=dict)
    """Placeholders that it begins with."""
    outputs: Mapping[str, Value] = field(default_factory=dict)
    """What the actions come to, by command."""
    functions: Mapping[str, str] = field(default_factory=dict)
    """Scripts of the functions that it calls, by URI."""
    simulate: bool = False
    exit: RunExit = RunExit.RETURN
    returned: Mapping[str, Value] = field(default_factory=dict)
    log: tuple[str, ...] = ()
    """Its messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command of scripts."""

    name: str
    group: Group
    doc: str
    """A sentence or a few, for the reference."""
    prepare: Callable[[Compiler, Node, Place], Execute]
    """Compiles a node of this command; notes problems with the compiler."""
    examples: tuple[Example, ...]
    keys: tuple[Input, ...] = ()
    """Keys of its own, such as ``each:`` of ``repeat:``."""
    inputs: tuple[Input, ...] | None = None
    """What its ``inputs:`` takes; None: the command has no ``inputs:``, or takes any."""
    output: str | None = None
    """What its ``output:`` receives; None: it has none."""
    is_action: bool = False
    """It acts on the world, so it is up to the policy."""


COMMANDS: Final[dict[str, Command]] = {}


def register(command: Command) -> None:
    """Make a command known."""
    if command.name in COMMANDS:
        raise TypeError(f"the command {command.name} is registered twice")
    if not command.doc or not command.examples:
        raise TypeError(f"the command {command.name} needs a documentation and an example")
    COMMANDS[command.name] = command


def command(
    *names: str, group: Group, keys: tuple[Input, ...] = (), examples: tuple[Example, ...]
) -> Callable[[Callable[[Compiler, Node, Place], Execute]], Any]:
    """Register what compiles the nodes of a command; its docstring is the documentation."""

    def add(
        prepare: Callable[[Compiler, Node, Place], Execute],
    ) -> Callable[[Compiler, Node, Place], Execute]:
        for name in names:
            register(
                Command(
                    name=name,
                    group=group,
                    doc=inspect.getdoc(prepare) or "",
                    prepare=prepare,
                    keys=keys,
                    examples=examples,
                )
            )
        return prepare

    return add


def action_names() -> list[str]:
    """Return the names of the commands that a policy decides on."""
    return [name for name, known in COMMANDS.items() if known.is_action]


class Call(NamedTuple):
    """A command with inputs that is to be carried out."""

    ref: NodeRef
    own: dict[str, Value]
    """Values of the keys that are its own, such as ``uri:`` of ``function:``."""
    inputs: dict[str, Value]


Perform = Callable[[Frame, Call], Value]
"""Carries out a command that has ``inputs:`` and returns its output; raises ScriptError."""
