"""Event KATA: which automation answers, by handlers of which the first that is enabled runs.

As Cerb's (https://cerb.ai/docs/automations/#events)::

    automation/vip:
      uri: cerb:automation:example.vip
      inputs:
        name: {{request_params.name}}
      enabled@bool: {{request_headers.x_vip}}

Of several ``enabled:`` and ``disabled:`` rules the first that is true decides. Where none is, the
handler is enabled, unless all of its rules say when it is enabled.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from hookferry.domain.automation_names import NAME, named
from hookferry.errors import ScriptError
from hookferry.kata.annotations import REMOVED, says_yes
from hookferry.kata.evaluation import Evaluate, prepare
from hookferry.kata.parser import parse
from hookferry.kata.problems import Problem, hint, refusal
from hookferry.kata.references import resolve
from hookferry.kata.templates.registry import Run
from hookferry.kata.tree import Node
from hookferry.kata.values import Value, kind_of, text_of

_KEY: Final = "automation"
_RULES: Final = {"enabled": True, "disabled": False}
_URI: Final = "write it as uri: cerb:automation:example.name"


class Choice(NamedTuple):
    """What a handler runs."""

    handler: str
    """The handler's name: ``vip``."""
    automation: str
    """The automation's name: ``example.vip``."""
    inputs: dict[str, Value]


class _Rule(NamedTuple):
    enables: bool
    holds: Evaluate


class _Handler(NamedTuple):
    name: str
    uri: Evaluate
    inputs: Evaluate | None
    rules: tuple[_Rule, ...]

    def is_enabled(self, scope: Mapping[str, Value], run: Run) -> bool:
        for rule in self.rules:
            if says_yes(rule.holds(scope, run), run.fuel):
                return rule.enables
        return not self.rules or any(not rule.enables for rule in self.rules)

    def choice(self, scope: Mapping[str, Value], run: Run) -> Choice:
        name = named(text_of(self.uri(scope, run)))
        if not NAME.fullmatch(name):
            raise ScriptError(f"{_KEY}/{self.name}:uri names no automation; {_URI}")
        inputs = {} if self.inputs is None else self.inputs(scope, run)
        if inputs is None or inputs is REMOVED or inputs == "":
            inputs = {}
        if not isinstance(inputs, dict):
            raise ScriptError(
                f"{_KEY}/{self.name}:inputs came to {kind_of(inputs)}; it has to be a dictionary"
            )
        return Choice(self.name, name, inputs)


class Handlers:
    """Handlers in their order, compiled; see ``parse_handlers``."""

    __slots__ = ("_handlers",)

    def __init__(self, handlers: Iterable[_Handler]) -> None:
        self._handlers = tuple(handlers)

    def choose(self, scope: Mapping[str, Value], run: Run) -> Choice | None:
        """Return what the first enabled handler runs, None where none is enabled.

        Args:
            scope: the event's placeholders.
            run: pays.

        Raises:
            ScriptError: a rule, a URI or an input can't be evaluated.
            OutOfFuel: the run can't pay for it.
        """
        for handler in self._handlers:
            run.fuel.spend()
            if handler.is_enabled(scope, run):
                return handler.choice(scope, run)
        return None


def parse_handlers(text: str) -> Handlers:
    """Read event KATA and compile its templates.

    Raises:
        ScriptRefused: it is none; every problem is listed with its line and column.
    """
    tree, problems = resolve(parse(text))
    reader = _Reader(problems)
    handlers = [reader.handler(node) for node in tree.children]
    if problems:
        raise refusal(problems)
    return Handlers(handlers)


class _Reader:
    """Compiles handlers and notes what is wrong with them."""

    def __init__(self, problems: list[Problem]) -> None:
        self._problems = problems

    def _problem(self, node: Node, message: str) -> None:
        self._problems.append(Problem(node.line, node.column, message))

    def handler(self, node: Node) -> _Handler:
        if node.key != _KEY:
            self._problem(node, f"there are no handlers {node.key}/; {hint(node.key, [_KEY])}")
        elif node.id is None:
            self._problem(node, f"a handler has a name: {_KEY}/answer:")
        if node.text is not None or node.annotations:
            self._problem(node, f"{node.label}: has keys under it, no text and no annotations")
        uri = inputs = None
        rules: list[_Rule] = []
        for child in node.children:
            if child.name == "uri":
                uri = self._uri(child)
            elif child.name == "inputs":
                inputs = self._inputs(child)
            elif child.key in _RULES:
                rules.append(_Rule(_RULES[child.key], self._rule(child)))
            else:
                remedy = hint(child.name, ("uri", "inputs", *_RULES))
                self._problem(child, f"a handler has no {child.name}:; {remedy}")
        if uri is None:
            uri = _nothing
            if not node.text:
                self._problem(node, f"a handler names its automation; {_URI}")
        return _Handler(node.id or "", uri, inputs, tuple(rules))

    def _uri(self, node: Node) -> Evaluate:
        text = node.text or ""
        # Whether a template names one is known when it is rendered.
        is_constant = not node.annotations and "{{" not in text and "{%" not in text
        if is_constant and not NAME.fullmatch(named(text)):
            self._problem(node, f"this names no automation; {_URI}")
        return prepare(node, self._problems)

    def _inputs(self, node: Node) -> Evaluate:
        if node.text is not None and not node.annotations:
            self._problem(node, "inputs: has keys under it, no text")
        return prepare(node, self._problems)

    def _rule(self, node: Node) -> Evaluate:
        if node.children:
            self._problem(node, f"{node.label}: is yes or no, or a template that says so")
        return prepare(node, self._problems)


def _nothing(scope: Mapping[str, Value], run: Run) -> Value:
    """Stand in for a URI that is missing: the handlers are refused."""
    return None
