"""What commands are compiled with: blocks, values, conditions, and a list of what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from hookferry.errors import ScriptError
from hookferry.kata.annotations import REMOVED, says_yes
from hookferry.kata.commands.block import Block, Prepared
from hookferry.kata.commands.registry import COMMANDS, Input
from hookferry.kata.evaluation import Evaluate, prepare
from hookferry.kata.frame import Frame, NodeRef
from hookferry.kata.parser import parse
from hookferry.kata.problems import Problem, hint, refusal
from hookferry.kata.references import resolve
from hookferry.kata.tree import Node, Tree
from hookferry.kata.values import Value, kind_of

_PLACEHOLDER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_AWAIT: Final = (
    "this trigger does not support await:, which pauses timers and forms; the caller waits for an"
    " answer, so end with return: instead"
)


_ELSEWHERE: Final = re.compile(
    r"(?:record|queue|file)\.[a-z.]+|metric\.increment|api\.command|email\.parse|(?:en|de)crypt\.pgp"
)
_NO_PART: Final = (
    "that is not part of hookferry: use http.request: to ask the system that has it, storage.set:"
    " to keep values, event.publish: to tell others"
)
MAX_TEXT: Final = 64 * 1024
"""Characters of a script or policy."""
MAX_WRITTEN_OUT: Final = 128 * 1024
"""Characters of its texts when references are written out. Compiling a template takes up to ten
microseconds for each, and whoever saves it waits."""


def read_tree(text: str, compiler: Compiler) -> Tree:
    """Read a script or policy, its references in their places; their problems are noted.

    Raises:
        ScriptRefused: it is no KATA, or too long.
    """
    if len(text) > MAX_TEXT:
        message = f"the text has {len(text):,} characters; it may have {MAX_TEXT:,}, so split it"
        raise refusal([Problem(1, 1, message)])
    tree, problems = resolve(parse(text))
    compiler.problems.extend(problems)
    size = sum(map(_size, tree.children))
    if size > MAX_WRITTEN_OUT:
        message = (
            f"with its references written out the text has {size:,} characters; it may have"
            f" {MAX_WRITTEN_OUT:,}, so repeat less of it"
        )
        raise refusal([Problem(1, 1, message)])
    return tree


def _size(node: Node) -> int:
    return len(node.text or "") + sum(map(_size, node.children))


class Place(NamedTuple):
    """Where a node stands."""

    path: str
    """Its key path, such as ``start:decision:outcome/other:then``."""
    mocking: bool = False
    """It stands under an ``on_simulate:``."""

    def under(self, node: Node) -> Place:
        """Return the place of a child."""
        return Place(f"{self.path}:{node.name}", self.mocking)


class Compiler:
    """Compiles the nodes of one script and collects what is wrong with them.

    Attributes:
        problems: all that was found so far.
    """

    __slots__ = ("problems",)

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def problem(self, node: Node, message: str) -> None:
        """Note what is wrong at a node."""
        self.problems.append(Problem(node.line, node.column, message))

    def block(self, node: Node, place: Place) -> Block:
        """Compile the commands under a node."""
        if node.text is not None or node.annotations:
            self.problem(node, f"{node.label}: has commands under it, no text and no annotations")
        prepared = []
        for child in node.children:
            command = COMMANDS.get(child.key)
            if command is None:
                self._unknown(child)
                continue
            at = place.under(child)
            execute = command.prepare(self, child, at)
            prepared.append(Prepared(NodeRef(at.path, child.key, child.line), execute))
        return Block(tuple(prepared))

    def block_at(self, node: Node, key: str, place: Place) -> Block | None:
        """Compile the commands under a key of a node, if it has that key."""
        child = node.child(key)
        return None if child is None else self.block(child, place.under(child))

    def value(self, node: Node) -> Evaluate:
        """Compile a node whose value is wanted."""
        return prepare(node, self.problems)

    def dictionary(self, node: Node) -> Callable[[Frame], dict[str, Value]]:
        """Compile a node whose value has to be a dictionary; one that is empty is one.

        What it builds stays held, as with ``Evaluate``.
        """
        if node.text is not None and not node.annotations:
            self.problem(node, f"{node.key}: has keys under it, no text")
        value = self.value(node)

        def evaluate(frame: Frame) -> dict[str, Value]:
            found = value(frame.scope, frame.run)
            if isinstance(found, dict):
                return found
            if found is None or found == "" or found is REMOVED:
                return {}
            raise ScriptError(f"{node.label}: came to {kind_of(found)}; it has to be a dictionary")

        return evaluate

    def condition(self, node: Node) -> Callable[[Frame], bool]:
        """Compile a node that tells yes or no."""
        value = self.value(node)
        return lambda frame: says_yes(frame.evaluate(value), frame.fuel)

    def placeholder(self, node: Node) -> str:
        """Return the name of a placeholder that a node gives as its text."""
        name = node.text or ""
        if node.annotations not in ((), ("text",)) or not _PLACEHOLDER.fullmatch(name):
            self.problem(
                node,
                f"{node.label}: names a placeholder, with letters (a-z), digits and _ only",
            )
        return name

    def keys(self, node: Node, known: Iterable[Input]) -> dict[str, Node]:
        """Return the children of a node that takes certain keys, and note all others."""
        names = {key.name: key for key in known}
        if node.annotations:
            self.problem(node, f"{node.key}: takes no annotations; its keys may have some")
        elif node.text is not None:
            self.problem(node, f"{node.key}: takes no text; its keys are {', '.join(names)}")
        found = self.known(node, names, f"{node.key}:")
        for name, key in names.items():
            if key.required and name not in found:
                self.problem(node, f"{node.key}: needs the key {name}:")
        return found

    def known(self, tree: Tree, names: Iterable[str], where: str) -> dict[str, Node]:
        """Return children by their names, and note those that are not known."""
        names = set(names)
        found = {}
        for child in tree.children:
            if child.name in names:
                found[child.name] = child
            elif child.key in names:
                self.problem(child, f"{child.key} takes no id here; write {child.key}:")
            else:
                remedy = hint(child.key, names) if names else "it takes none"
                self.problem(child, f"{where} has no key {child.name}; {remedy}")
        return found

    def _unknown(self, node: Node) -> None:
        if node.key == "await":
            self.problem(node, _AWAIT)
        elif _ELSEWHERE.fullmatch(node.key):
            self.problem(node, f"{node.key} is a command of Cerb {_NO_PART}")
        else:
            self.problem(node, f"there is no command {node.key}; {hint(node.key, COMMANDS)}")
