"""Sorting, as PHP 8 compares."""

from __future__ import annotations

from collections.abc import Callable
from functools import cmp_to_key

from hookferry.kata.templates.operators import compare
from hookferry.kata.templates.registry import Run
from hookferry.kata.values import Value


def sorted_by(run: Run, values: list[Value], value_of: Callable[[Value], Value]) -> list[Value]:
    """Return a list in the order of what ``value_of`` says of each; equal ones stay as they are."""
    run.fuel.spend(1 + len(values) // 2)
    if all(type(value_of(value)) is int for value in values):
        return sorted(values, key=value_of)

    def order(left: Value, right: Value) -> int:
        run.fuel.spend()
        return compare(run.fuel, value_of(left), value_of(right))

    return sorted(values, key=cmp_to_key(order))
