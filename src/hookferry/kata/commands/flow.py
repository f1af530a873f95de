"""Commands that decide what is carried out: ``decision``, ``outcome``, ``repeat``, ``while``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from hookferry.errors import ScriptError
from hookferry.kata.commands.block import Block
from hookferry.kata.commands.compiler import Compiler, Place
from hookferry.kata.commands.registry import Example, Input, command
from hookferry.kata.frame import Execute, Frame, Signal
from hookferry.kata.tree import Node
from hookferry.kata.values import Value, kind_of

_IF: Final = Input("if", "yes or no; an outcome without it always matches")
_THEN: Final = Input("then", "the commands to carry out", required=True)
_WHILE: Final = Input("if", "yes or no, asked before each round", required=True)
_EACH: Final = Input("each", "a list or a dictionary", required=True)
_AS: Final = Input("as", "the placeholder of the value, or of both: `key, value`", required=True)
_DO: Final = Input("do", "the commands to repeat", required=True)

_NAMES: Final = re.compile(r"(?:([A-Za-z_][A-Za-z0-9_]*) *, *)?([A-Za-z_][A-Za-z0-9_]*)")
_EMPTY: Final = Block(())


class _Outcome:
    __slots__ = ("condition", "then")

    def __init__(self, condition: Callable[[Frame], bool] | None, then: Block) -> None:
        self.condition = condition
        self.then = then

    def matches(self, frame: Frame) -> bool:
        return self.condition is None or self.condition(frame)


def _outcome(compiler: Compiler, node: Node, place: Place) -> _Outcome:
    keys = compiler.keys(node, (_IF, _THEN))
    condition = compiler.condition(keys["if"]) if "if" in keys else None
    return _Outcome(condition, compiler.block_at(node, "then", place) or _EMPTY)


@command(
    "decision",
    group="Flow control",
    keys=(Input("outcome", "one of several, each with an id: `outcome/weekend:`"),),
    examples=(
        Example(
            script="""\
start:
  decision:
    outcome/large:
      if@bool: {{amount > 1000}}
      then:
        return:
          queue: manager
    outcome/other:
      then:
        return:
          queue: clerk
""",
            scope={"amount": 250},
            returned={"queue": "clerk"},
        ),
    ),
)
def prepare_decision(compiler: Compiler, node: Node, place: Place) -> Execute:
    """Carries out the first of its outcomes that matches; one without `if:` always does."""
    if node.annotations or node.text is not None:
        compiler.problem(node, "decision: has outcomes under it: outcome/name:")
    outcomes = []
    for child in node.children:
        if child.key != "outcome":
            compiler.problem(
                child,
                f"decision: takes outcomes only, not {child.name}; put it under the then: of one",
            )
            continue
        outcomes.append(_outcome(compiler, child, place.under(child)))

    def decide(frame: Frame) -> Signal | None:
        for outcome in outcomes:
            frame.fuel.spend()
            if outcome.matches(frame):
                return outcome.then.execute(frame)
        return None

    return decide


@command(
    "outcome",
    group="Flow control",
    keys=(_IF, _THEN),
    examples=(
        Example(
            script="""\
start:
  outcome/anonymous:
    if@bool: {{request_headers.authorization is empty}}
    then:
      return:
        status_code@int: 401
  return:
    status_code@int: 200
""",
            scope={"request_headers": {}},
            returned={"status_code": 401},
        ),
    ),
)
def prepare_outcome(compiler: Compiler, node: Node, place: Place) -> Execute:
    """Carries out commands on a condition. Several of which one is taken are a `decision:`."""
    outcome = _outcome(compiler, node, place)
    return lambda frame: outcome.then.execute(frame) if outcome.matches(frame) else None


@command(
    "repeat",
    group="Flow control",
    keys=(_EACH, _AS, _DO),
    examples=(
        Example(
            script="""\
start:
  set:
    sum@int: 0
  repeat:
    each@csv: 1, 2, 3
    as: number
    do:
      set:
        sum@int: {{sum + number}}
  return:
    sum@key: sum
""",
            returned={"sum": 6},
        ),
        Example(
            script="""\
start:
  set:
    words@json: []
  repeat:
    each@key: request_params
    as: name, value
    do:
      var.push:
        inputs:
          key: words
          value: {{name}} is {{value}}
  return:
    text: {{words|join('; ')}}
""",
            scope={"request_params": {"name": "Joe", "age": "37"}},
            returned={"text": "name is Joe; age is 37"},
        ),
    ),
)
def prepare_repeat(compiler: Compiler, node: Node, place: Place) -> Execute:
    """Carries out commands for each value of a list or dictionary. In a list the key is the place,
    counted from 0. The placeholders keep their last values."""
    keys = compiler.keys(node, (_EACH, _AS, _DO))
    each = compiler.value(keys["each"]) if "each" in keys else None
    key, value = _read_as(compiler, keys.get("as"))
    do = compiler.block_at(node, "do", place) or _EMPTY

    def repeat(frame: Frame) -> Signal | None:
        held = frame.fuel.held
        values = each(frame.scope, frame.run) if each is not None else None
        held = frame.fuel.held - held
        signal = None
        for index, item in _pairs(values):
            frame.fuel.spend()
            frame.node = place.path
            if key is not None:
                frame.memory.assign(key, index)
            frame.memory.assign(value, item)
            signal = do.execute(frame)
            if signal is not None:
                break
        frame.fuel.held -= held
        return signal

    return repeat


def _pairs(values: Value) -> Iterable[tuple[Any, Value]]:
    if isinstance(values, dict):
        return values.items()
    if isinstance(values, list):
        return enumerate(values)
    raise ScriptError(
        f"each: is {kind_of(values)}; repeat: takes a list or a dictionary, as @csv, @json, @list"
        " and @key give one"
    )


def _read_as(compiler: Compiler, node: Node | None) -> tuple[str | None, str]:
    """Read ``value`` or ``key, value``."""
    if node is None:
        return None, ""
    match = _NAMES.fullmatch((node.text or "").strip())
    if match is None or node.annotations not in ((), ("text",)):
        compiler.problem(node, "as: names one placeholder, or two as in as: key, value")
        return None, ""
    return match[1], match[2]


@command(
    "while",
    group="Flow control",
    keys=(_WHILE, _DO),
    examples=(
        Example(
            script="""\
start:
  set:
    counter: 0
  while:
    if@bool: {{counter < 5}}
    do:
      set:
        counter: {{counter + 1}}
  return:
    counter@key: counter
""",
            returned={"counter": "5"},
        ),
    ),
)
def prepare_while(compiler: Compiler, node: Node, place: Place) -> Execute:
    """Carries out commands again and again as long as a condition holds."""
    keys = compiler.keys(node, (_WHILE, _DO))
    condition = compiler.condition(keys["if"]) if "if" in keys else None
    do = compiler.block_at(node, "do", place) or _EMPTY

    def loop(frame: Frame) -> Signal | None:
        while condition is not None and condition(frame):
            frame.fuel.spend()
            signal = do.execute(frame)
            if signal is not None:
                return signal
            frame.node = place.path
        return None

    return loop
