"""The ``inputs:`` section of a script: which inputs it takes, of which types, and their defaults.

As Cerb's (https://cerb.ai/docs/automations/#inputs). A value is brought into the form of its type,
which is what ``inputs.name`` is in the script. Where Cerb loads the records that ``record/`` and
``records/`` name, a script here sees their ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from hookferry.errors import OutOfFuel, ScriptError
from hookferry.kata.annotations import REMOVED, says_yes
from hookferry.kata.evaluation import Evaluate, prepare
from hookferry.kata.input_types import KINDS, TYPES, Read
from hookferry.kata.problems import Problem, hint
from hookferry.kata.templates.registry import Run
from hookferry.kata.tree import Node
from hookferry.kata.values import Value

_PROPERTIES: Final = ("default", "description", "required", "snippet")
"""``snippet:``, what Cerb's editor proposes, has no effect here."""
_MORE_PROPERTIES: Final = {
    "text": ("type",),
    "record": ("record_type",),
    "records": ("record_type",),
}


class _Input(NamedTuple):
    name: str
    read: Read
    required: Evaluate | None
    default: Evaluate | None

    def value(self, given: Value, run: Run) -> Value:
        """Return the input's value, None where it has none; raises ScriptError saying why not."""
        if _is_missing(given) and self.default is not None:
            given = self.default({}, run)
        if not _is_missing(given):
            return self.read(run, given)
        if self.required is not None and says_yes(self.required({}, run), run.fuel):
            raise ScriptError("is required")
        return None


class Inputs:
    """The inputs of a script; see ``read_inputs``."""

    __slots__ = ("_declared",)

    def __init__(self, declared: tuple[_Input, ...] = ()) -> None:
        self._declared = declared

    def check(self, given: Mapping[str, Value], run: Run) -> dict[str, Value]:
        """Return what ``inputs`` is in the script.

        Inputs that are not declared are passed on, as Cerb does. An empty text counts as none.

        Raises:
            ScriptError: names each input that is missing or not of its type.
            OutOfFuel: the run can't pay for it.
        """
        checked = dict(given)
        wrong = []
        for declared in self._declared:
            try:
                value = declared.value(checked.pop(declared.name, None), run)
            except OutOfFuel:
                raise
            except ScriptError as error:
                wrong.append(f"inputs:{declared.name} {error.detail}")
                continue
            if value is not None:
                checked[declared.name] = value
        if wrong:
            raise ScriptError("; ".join(wrong))
        return checked


def read_inputs(section: Node | None, problems: list[Problem]) -> Inputs:
    """Compile the ``inputs:`` section of a script.

    Args:
        section: the node, its references in their places; None where the script has none.
        problems: what is wrong with it is appended.
    """
    if section is None:
        return Inputs()
    reader = _Reader(problems)
    return Inputs(tuple(reader.input(node) for node in reader.children(section)))


class _Reader:
    """Reads the section and notes what is wrong with it."""

    def __init__(self, problems: list[Problem]) -> None:
        self._problems = problems
        self._names: set[str] = set()

    def _problem(self, node: Node, message: str) -> None:
        self._problems.append(Problem(node.line, node.column, message))

    def children(self, node: Node) -> tuple[Node, ...]:
        if node.text is not None or node.annotations:
            self._problem(node, f"{node.label}: has keys under it, no text and no annotations")
        return node.children

    def input(self, node: Node) -> _Input:
        kind = KINDS.get(node.key)
        if kind is None:
            self._problem(node, f"there are no inputs {node.key}/; {hint(node.key, KINDS)}")
            kind = KINDS["text"]
        if node.id is None:
            self._problem(node, f"an input has a name: {node.key}/customer_id:")
        elif node.id in self._names:
            self._problem(node, f"there is an input {node.id} already; give it another name")
        name = node.id or node.key
        self._names.add(name)
        found = self._properties(node)
        read = kind.read if node.key != "text" else self._type(found.get("type"))
        return _Input(
            name, read, self._prepared(found, "required"), self._prepared(found, "default")
        )

    def _properties(self, node: Node) -> dict[str, Node]:
        known = (*_PROPERTIES, *_MORE_PROPERTIES.get(node.key, ()))
        found = {}
        for child in self.children(node):
            if child.name in known:
                found[child.name] = child
            else:
                self._problem(
                    child, f"an input {node.key}/ has no {child.name}:; {hint(child.name, known)}"
                )
        return found

    def _type(self, node: Node | None) -> Read:
        if node is None:
            return KINDS["text"].read
        name = (node.text or "").strip()
        if name not in TYPES:
            self._problem(node, f"there is no type {name[:60]!r}; {hint(name, TYPES)}")
            return KINDS["text"].read
        return TYPES[name].read

    def _prepared(self, found: Mapping[str, Node], name: str) -> Evaluate | None:
        return prepare(found[name], self._problems) if name in found else None


def _is_missing(value: Value) -> bool:
    return value is None or value is REMOVED or value == ""
