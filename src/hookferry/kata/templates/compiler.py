"""Turns the expressions of a template into functions that evaluate them.

Every node costs a step. What is evaluated in any case is paid for at once, before it begins:
``Costs`` adds up the nodes, and each place that may or may not be reached pays for its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from hookferry.kata.fuel import CELL
from hookferry.kata.templates.nodes import (
    Apply,
    Arguments,
    ArrowOf,
    Attribute,
    Call,
    Chain,
    Check,
    Concat,
    Conditional,
    Constant,
    Defined,
    DictOf,
    Expression,
    ListOf,
    Name,
    Operation,
    Step,
    Unary,
)
from hookferry.kata.templates.operators import (
    OPERATORS,
    key_text,
    lookup,
    negative,
    pay_long,
    positive,
)
from hookferry.kata.templates.runtime import Arrow, Evaluation, Frame
from hookferry.kata.values import Value, text_of, truthy

Stride = Callable[[Frame, Value], Value]
"""A compiled step: what becomes of the value before it."""
MISSING: Final = object()


class ExpressionCompiler:
    """Compiles the expressions of one template.

    Attributes:
        cost: steps of what was compiled since the last place that pays.
        loop: what was asked of ``loop``: its keys, ``*`` for all of it.
    """

    def __init__(self) -> None:
        self.cost = 0
        self.loop: set[str] = set()
        self._kinds: dict[type, Callable[[Any], Evaluation]] = {
            Constant: self._constant,
            Name: self._name,
            ListOf: self._list,
            DictOf: self._dict,
            Unary: self._unary,
            Concat: self._concat,
            Conditional: self._conditional,
            ArrowOf: self._arrow,
            Call: self._call,
            Defined: self._defined,
            Chain: self._chain,
        }
        self._steps: dict[type, Callable[[Any], Stride]] = {
            Attribute: self._attribute,
            Apply: self._apply,
            Check: self._check,
            Operation: self._operation,
        }

    def expression(self, node: Expression) -> Evaluation:
        """Compile what is evaluated in any case."""
        self.cost += 1
        return self._kinds[type(node)](node)

    def branch(self, node: Expression) -> Evaluation:
        """Compile what may not be reached: it pays for itself."""
        before, self.cost = self.cost, 0
        evaluate = self.expression(node)
        cost, self.cost = self.cost, before

        def paid(frame: Frame) -> Value:
            frame.fuel.spend(cost)
            return evaluate(frame)

        return paid

    def steps(self, nodes: list[Step]) -> tuple[Stride, ...]:
        """Compile steps that a value goes through."""
        self.cost += len(nodes)
        return tuple(self._steps[type(node)](node) for node in nodes)

    def _constant(self, node: Constant) -> Evaluation:
        value = node.value
        return lambda frame: value

    def _name(self, node: Name) -> Evaluation:
        name = node.name
        if name == "loop":
            self.loop.add("*")

        def read(frame: Frame) -> Value:
            value = frame.local.get(name, MISSING)
            return frame.scope.get(name) if value is MISSING else value

        return read

    def _list(self, node: ListOf) -> Evaluation:
        items = tuple(map(self.expression, node.items))
        size = CELL * len(items)

        def build(frame: Frame) -> Value:
            frame.fuel.build(size)
            return [item(frame) for item in items]

        return build

    def _dict(self, node: DictOf) -> Evaluation:
        entries = tuple((self._key(key), self.expression(value)) for key, value in node.entries)
        size = CELL * len(entries)

        def build(frame: Frame) -> Value:
            frame.fuel.build(size)
            return {key(frame): value(frame) for key, value in entries}

        return build

    def _key(self, node: Expression) -> Callable[[Frame], str]:
        """Compile the key of an entry: comparing it with others is paid for."""
        if isinstance(node, Constant):
            constant = key_text(node.value)
            return lambda frame: constant
        key = self.expression(node)

        def paid(frame: Frame) -> str:
            text = key_text(key(frame))
            pay_long(frame.fuel, text)
            return text

        return paid

    def _unary(self, node: Unary) -> Evaluation:
        operand = self.expression(node.operand)
        if node.operator == "not":
            return lambda frame: not truthy(operand(frame))
        change = negative if node.operator == "-" else positive
        return lambda frame: change(operand(frame))

    def _concat(self, node: Concat) -> Evaluation:
        parts = tuple(map(self.expression, node.parts))

        def build(frame: Frame) -> Value:
            texts = [text_of(part(frame)) for part in parts]
            frame.fuel.build(sum(map(len, texts)))
            return "".join(texts)

        return build

    def _conditional(self, node: Conditional) -> Evaluation:
        test, no = self.expression(node.test), self.branch(node.no)
        if node.yes is None:

            def either(frame: Frame) -> Value:
                value = test(frame)
                return value if truthy(value) else no(frame)

            return either
        yes = self.branch(node.yes)
        return lambda frame: yes(frame) if truthy(test(frame)) else no(frame)

    def _arrow(self, node: ArrowOf) -> Evaluation:
        names, body = node.names, self.branch(node.body)
        return lambda frame: Arrow(frame, names, body)

    def _call(self, node: Call) -> Evaluation:
        call = node.callee.call
        positional, named = self._arguments(node.arguments)
        if not named:
            return lambda frame: call(frame.run, *[argument(frame) for argument in positional])
        return lambda frame: call(
            frame.run,
            *[argument(frame) for argument in positional],
            **{name: argument(frame) for name, argument in named},
        )

    def _arguments(
        self, arguments: Arguments
    ) -> tuple[tuple[Evaluation, ...], tuple[tuple[str, Evaluation], ...]]:
        positional = tuple(map(self.expression, arguments.positional))
        named = tuple((name, self.expression(node)) for name, node in arguments.named.items())
        return positional, named

    def _defined(self, node: Defined) -> Evaluation:
        wanted = not node.negated
        if isinstance(node.target, Name):
            name = node.target.name
            return lambda frame: (name in frame.local or name in frame.scope) is wanted
        assert isinstance(node.target, Chain)
        *before, last = node.target.steps
        assert isinstance(last, Attribute)
        base = self.expression(Chain(node.target.first, before))
        find = self.expression(last.key)

        def ask(frame: Frame) -> bool:
            value, key = base(frame), find(frame)
            pay_long(frame.fuel, key)
            return (lookup(value, key, MISSING) is not MISSING) is wanted

        return ask

    def _chain(self, node: Chain) -> Evaluation:
        asked = self.loop.copy()
        first, strides = self.expression(node.first), self.steps(node.steps)
        if node.first == Name("loop") and isinstance(node.steps[0], Attribute):
            key = node.steps[0].key
            if isinstance(key, Constant):
                self.loop = asked | {str(key.value)}
        if len(strides) == 1:
            (only,) = strides
            return lambda frame: only(frame, first(frame))

        def go(frame: Frame) -> Value:
            value = first(frame)
            for stride in strides:
                value = stride(frame, value)
            return value

        return go

    def _attribute(self, node: Attribute) -> Stride:
        if isinstance(node.key, Constant):
            key = node.key.value
            text = key_text(key)
            return lambda frame, value: (
                value.get(text) if type(value) is dict else lookup(value, key)
            )
        computed = self.expression(node.key)

        def find(frame: Frame, value: Value) -> Value:
            found = computed(frame)
            pay_long(frame.fuel, found)
            return lookup(value, found)

        return find

    def _apply(self, node: Apply) -> Stride:
        call = node.callee.call
        positional, named = self._arguments(node.arguments)
        if not positional and not named:
            return lambda frame, value: call(frame.run, value)
        if not named:
            return lambda frame, value: call(
                frame.run, value, *[argument(frame) for argument in positional]
            )
        return lambda frame, value: call(
            frame.run,
            value,
            *[argument(frame) for argument in positional],
            **{name: argument(frame) for name, argument in named},
        )

    def _check(self, node: Check) -> Stride:
        test = self._apply(Apply(node.callee, node.arguments))
        if node.negated:
            return lambda frame, value: not test(frame, value)
        return test

    def _operation(self, node: Operation) -> Stride:
        if node.operator == "and":
            also = self.branch(node.operand)
            return lambda frame, value: truthy(value) and truthy(also(frame))
        if node.operator == "or":
            else_ = self.branch(node.operand)
            return lambda frame, value: truthy(value) or truthy(else_(frame))
        if node.operator == "??":
            instead = self.branch(node.operand)
            return lambda frame, value: instead(frame) if value is None else value
        compute, operand = OPERATORS[node.operator], self.expression(node.operand)
        return lambda frame, value: compute(frame.fuel, value, operand(frame))
