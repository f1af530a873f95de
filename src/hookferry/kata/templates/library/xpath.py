"""The part of XPath 1.0 that scripts need, on documents as ``xml_decode`` makes them.

Elements of different names under one parent are found in the order of their first ones; and an
element's text is its own, without that of the elements within it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

from hookferry.errors import ScriptError
from hookferry.kata.templates.registry import Run
from hookferry.kata.values import Value, text_of

MAX_PATH: Final = 256
_NODE_STEPS: Final = 2
_QNAME: Final = r"[^\W\d][\w.-]*(?::[^\W\d][\w.-]*)?"
_STEP: Final = re.compile(
    rf"(?P<axis>//|/)?(?:(?P<up>\.\.)|(?P<self>\.)|(?P<text>text\(\))|@(?P<attribute>{_QNAME}|\*)"
    rf"|(?P<name>{_QNAME}|\*))(?P<conditions>(?:\[[^\[\]]*\])*)"
)
_CONDITION: Final = re.compile(
    rf"\[\s*(?:(?P<place>\d{{1,6}})|(?P<last>last\(\))"
    rf"|(?P<operand>@?{_QNAME}|text\(\)|\.)(?:\s*(?P<operator>!?=)\s*(?:'(?P<one>[^']*)'"
    rf"|\"(?P<two>[^\"]*)\"|(?P<digits>-?\d+(?:\.\d+)?)))?)\s*\]"
)


class Node:
    """An element, an attribute or a text, at its place in a document."""

    __slots__ = ("_children", "name", "parent", "value")

    def __init__(self, name: str, value: Value, parent: Node | None) -> None:
        self.name = name
        self.value = value
        self.parent = parent
        self._children: list[Node] | None = None

    def children(self, run: Run) -> list[Node]:
        """Return the elements under it."""
        if self._children is None:
            self._children = []
            if isinstance(self.value, dict):
                for key, value in self.value.items():
                    if not key.startswith(("@", "#")):
                        items = value if isinstance(value, list) else [value]
                        run.fuel.spend(_NODE_STEPS * (1 + len(items)))
                        self._children += [Node(key, item, self) for item in items]
        return self._children

    def attributes(self, name: str) -> list[Node]:
        """Return its attributes of a name, or all of them."""
        if not isinstance(self.value, dict):
            return []
        return [
            Node(key, value, self)
            for key, value in self.value.items()
            if key.startswith("@") and name in ("*", key[1:])
        ]

    def text(self) -> str:
        """Return its own text."""
        said = self.value.get("#text", "") if isinstance(self.value, dict) else self.value
        return "" if isinstance(said, list | dict) else text_of(said)


def element_value(node: Node) -> Value:
    """Return what a script sees of a node: its text, or a dictionary with its name."""
    if isinstance(node.value, dict):
        return node.value | {"#name": node.name}
    return node.value


Condition = Callable[[Run, Node, int, int], bool]
"""Whether a node is kept, by its place (from 1) among how many."""


class Path:
    """A path that was read.

    Raises:
        ScriptError: it is none of those that are understood.
    """

    def __init__(self, path: str) -> None:
        said = path.strip()
        if not said or len(said) > MAX_PATH:
            raise ScriptError(f"an XPath has 1 to {MAX_PATH} characters")
        self.absolute = said.startswith("/")
        self._steps: list[tuple[re.Match[str], list[Condition]]] = []
        position = 0
        while position < len(said):
            step = _STEP.match(said, position)
            if step is None or (self._steps and not step["axis"]):
                raise ScriptError(
                    f"{said!r} is not understood as XPath at {said[position : position + 20]!r}; "
                    "write steps such as //item, /order/@id, item[2] or item[@id='7']"
                )
            self._steps.append((step, _conditions(step["conditions"])))
            position = step.end()

    def find(self, run: Run, name: str, root: Value) -> Iterable[Node]:
        """Return the nodes that the path finds in a document, each once."""
        document = Node("", {}, None)
        top = Node(name, root, document)
        document._children = [top]
        nodes = [document if self.absolute else top]
        for step, conditions in self._steps:
            if step["axis"] == "//":
                nodes = _with_descendants(run, nodes)
            found: dict[int, Node] = {}
            for node in nodes:
                run.fuel.spend(_NODE_STEPS)
                for each in _kept(run, _stepped(run, node, step), conditions):
                    found[id(each)] = each
            nodes = list(found.values())
        return [node for node in nodes if node is not document]


def _with_descendants(run: Run, nodes: list[Node]) -> list[Node]:
    found: dict[int, Node] = {}
    waiting = nodes[::-1]
    while waiting:
        node = waiting.pop()
        if id(node) not in found:
            run.fuel.spend(_NODE_STEPS)
            found[id(node)] = node
            waiting += node.children(run)[::-1]
    return list(found.values())


def _stepped(run: Run, node: Node, step: re.Match[str]) -> list[Node]:
    if step["up"]:
        return [] if node.parent is None else [node.parent]
    if step["self"]:
        return [node]
    if step["text"]:
        return [Node("#text", node.text(), node)] if node.text() else []
    if step["attribute"]:
        run.fuel.spend(_attribute_steps(node))
        return node.attributes(step["attribute"])
    name = step["name"]
    children = node.children(run)
    run.fuel.spend(1 + len(children) // 8)
    return children if name == "*" else [child for child in children if child.name == name]


def _attribute_steps(node: Node) -> int:
    return 1 + (len(node.value) // 4 if isinstance(node.value, dict) else 0)


def _kept(run: Run, nodes: list[Node], conditions: list[Condition]) -> list[Node]:
    for condition in conditions:
        run.fuel.spend(_NODE_STEPS * len(nodes))
        nodes = [
            node for place, node in enumerate(nodes, 1) if condition(run, node, place, len(nodes))
        ]
    return nodes


def _conditions(said: str) -> list[Condition]:
    found = []
    position = 0
    while position < len(said):
        condition = _CONDITION.match(said, position)
        if condition is None:
            raise ScriptError(
                f"{said[position:]!r} is not understood as an XPath's condition; write [2], "
                "[last()], [@id], [@id='7'] or [name='x']"
            )
        found.append(_condition(condition))
        position = condition.end()
    return found


def _condition(said: re.Match[str]) -> Condition:
    if said["place"]:
        wanted = int(said["place"])
        return lambda run, node, place, count: place == wanted
    if said["last"]:
        return lambda run, node, place, count: place == count
    operand, operator = said["operand"], said["operator"]
    value = next(
        (each for each in (said["one"], said["two"], said["digits"]) if each is not None), ""
    )

    def holds(run: Run, node: Node, place: int, count: int) -> bool:
        texts = _texts(run, node, operand)
        if operator is None:
            return bool(texts)
        run.fuel.spend(len(texts))
        return any((each == value) is (operator == "=") for each in texts)

    return holds


def _texts(run: Run, node: Node, operand: str) -> list[str]:
    if operand == ".":
        return [node.text()]
    if operand == "text()":
        return [node.text()] if node.text() else []
    if operand.startswith("@"):
        run.fuel.spend(_attribute_steps(node))
        return [attribute.text() for attribute in node.attributes(operand[1:])]
    children = node.children(run)
    run.fuel.spend(1 + len(children) // 8)
    return [child.text() for child in children if child.name == operand]
