"""Turns the statements of a template into functions that append what they print."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from hookferry.errors import ScriptError
from hookferry.kata.templates.compiler import ExpressionCompiler
from hookferry.kata.templates.nodes import (
    Assign,
    Body,
    Capture,
    Evaluate,
    Filtered,
    For,
    If,
    Print,
    Spaceless,
    Statement,
    Text,
    With,
)
from hookferry.kata.templates.runtime import CELLS_A_STEP, Emission, Frame
from hookferry.kata.values import Value, kind_of, text_of, truthy

_BETWEEN_TAGS: Final = re.compile(r">\s+<")


class StatementCompiler:
    """Compiles one template."""

    def __init__(self) -> None:
        self._expressions = ExpressionCompiler()
        self._kinds: dict[type, Callable[[Any], Emission]] = {
            Text: self._text,
            Print: self._print,
            Evaluate: self._evaluate,
            Assign: self._assign,
            Capture: self._capture,
            If: self._if,
            For: self._for,
            With: self._with,
            Filtered: self._filtered,
            Spaceless: self._spaceless,
        }

    def body(self, body: Body) -> Emission:
        """Compile statements that are reached together; they pay together."""
        expressions = self._expressions
        before, expressions.cost = expressions.cost, 1
        emissions = tuple(map(self._statement, body))
        cost, expressions.cost = expressions.cost, before
        if len(emissions) == 1:
            (only,) = emissions

            def emit_one(frame: Frame, out: list[str]) -> None:
                frame.fuel.spend(cost)
                only(frame, out)

            return emit_one

        def emit(frame: Frame, out: list[str]) -> None:
            frame.fuel.spend(cost)
            for each in emissions:
                each(frame, out)

        return emit

    def _statement(self, node: Statement) -> Emission:
        self._expressions.cost += 1
        return self._kinds[type(node)](node)

    def _text(self, node: Text) -> Emission:
        text = node.text

        def emit(frame: Frame, out: list[str]) -> None:
            frame.fuel.build(len(text))
            out.append(text)

        return emit

    def _print(self, node: Print) -> Emission:
        value = self._expressions.expression(node.value)

        def emit(frame: Frame, out: list[str]) -> None:
            fuel = frame.fuel
            held = fuel.held
            text = text_of(value(frame))
            fuel.held = held  # what the text was made of is gone
            if text:
                fuel.build(len(text))
                out.append(text)

        return emit

    def _evaluate(self, node: Evaluate) -> Emission:
        value = self._expressions.expression(node.value)

        def emit(frame: Frame, out: list[str]) -> None:
            value(frame)

        return emit

    def _assign(self, node: Assign) -> Emission:
        names = tuple(node.names)
        values = tuple(map(self._expressions.expression, node.values))
        if len(names) == 1:
            (name,), (value,) = names, values

            def emit_one(frame: Frame, out: list[str]) -> None:
                frame.local[name] = value(frame)

            return emit_one

        def emit(frame: Frame, out: list[str]) -> None:
            frame.local.update(zip(names, [value(frame) for value in values], strict=True))

        return emit

    def _capture(self, node: Capture) -> Emission:
        name, body = node.name, self._captured(node.body)

        def emit(frame: Frame, out: list[str]) -> None:
            frame.local[name] = body(frame)

        return emit

    def _captured(self, body: Body) -> Callable[[Frame], str]:
        emission = self.body(body)

        def capture(frame: Frame) -> str:
            out: list[str] = []
            emission(frame, out)
            return "".join(out)

        return capture

    def _if(self, node: If) -> Emission:
        # The first test is reached in any case; one after it pays for itself.
        first, then = node.branches[0]
        branches = [(self._expressions.expression(first), self.body(then))]
        branches += [
            (self._expressions.branch(test), self.body(body)) for test, body in node.branches[1:]
        ]
        otherwise = self.body(node.otherwise)

        def emit(frame: Frame, out: list[str]) -> None:
            for test, body in branches:
                if truthy(test(frame)):
                    body(frame, out)
                    return
            otherwise(frame, out)

        return emit

    def _for(self, node: For) -> Emission:
        expressions = self._expressions
        items = expressions.expression(node.items)
        before, expressions.loop = expressions.loop, set()
        body = self.body(node.body)
        asked = expressions.loop
        # A loop around this one is reached by this one's parent.
        expressions.loop = before | asked
        otherwise = self.body(node.otherwise)
        key_name, item_name = node.key, node.item
        own = {name for name in (key_name, item_name, "loop") if name is not None}
        wants_loop, wants_parent = bool(asked), not asked.isdisjoint(("*", "parent"))

        def emit(frame: Frame, out: list[str]) -> None:
            value = items(frame)
            if not isinstance(value, list | dict) or not value:
                otherwise(frame, out)
                return
            local = frame.local
            before = frame.snapshot()
            length = len(value)
            parent = frame.variables() if wants_parent else None
            entries: Iterable[tuple[Value, Value]] = (
                value.items() if isinstance(value, dict) else enumerate(value)
            )
            for at, (key, item) in enumerate(entries):
                if key_name is not None:
                    local[key_name] = key
                local[item_name] = item
                if wants_loop:
                    local["loop"] = _loop(at, length, parent)
                body(frame, out)
            # As in Twig: what was there before keeps what it was set to within, the loop's own
            # variables are again what they were, and what is new is gone.
            kept = {
                name: found
                for name, found in local.items()
                if name not in own and (name in before or name in frame.scope)
            }
            kept |= {name: before[name] for name in own if name in before}
            local.clear()
            local.update(kept)

        return emit

    def _with(self, node: With) -> Emission:
        values = self._expressions.expression(node.values) if node.values is not None else None
        only, body = node.only, self.body(node.body)

        def emit(frame: Frame, out: list[str]) -> None:
            given = values(frame) if values is not None else {}
            if not isinstance(given, dict):
                raise ScriptError(f"with takes a dictionary of variables, not {kind_of(given)}")
            inner = Frame(frame.run, {}, {}) if only else frame.inner()
            frame.fuel.spend(1 + len(given) // CELLS_A_STEP)
            inner.local.update(given)
            body(inner, out)

        return emit

    def _filtered(self, node: Filtered) -> Emission:
        strides, body = self._expressions.steps(node.steps), self._captured(node.body)

        def emit(frame: Frame, out: list[str]) -> None:
            value: Value = body(frame)
            for stride in strides:
                value = stride(frame, value)
            text = text_of(value)
            frame.fuel.build(len(text))
            out.append(text)

        return emit

    def _spaceless(self, node: Spaceless) -> Emission:
        body = self._captured(node.body)

        def emit(frame: Frame, out: list[str]) -> None:
            text = body(frame)
            frame.fuel.build(len(text))
            out.append(_BETWEEN_TAGS.sub("><", text).strip())

        return emit


def _loop(at: int, length: int, parent: Value) -> dict[str, Value]:
    return {
        "index": at + 1,
        "index0": at,
        "revindex": length - at,
        "revindex0": length - at - 1,
        "first": at == 0,
        "last": at == length - 1,
        "length": length,
        "parent": parent,
    }
