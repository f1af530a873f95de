"""Sorting, as PHP 8 compares; long lists are sorted with pauses."""

from __future__ import annotations

from collections.abc import Callable
from functools import cmp_to_key
from typing import Any

from hookferry.kata.fuel import PORTION
from hookferry.kata.templates.operators import compare
from hookferry.kata.templates.registry import Run
from hookferry.kata.values import Value


def sorted_by(run: Run, values: list[Any], value_of: Callable[[Any], Value]) -> list[Any]:
    """Return a list in the order of what ``value_of`` says of each; equal ones stay as they are."""
    keys: list[Value] = []
    for portion in run.fuel.portions(values, per_step=2):
        keys += map(value_of, portion)
    if all(type(key) is int for key in keys):
        return _placed(run, values, _by_number(run, keys))

    def order(left: int, right: int) -> int:
        run.fuel.spend()
        return compare(run.fuel, keys[left], keys[right])

    return _placed(run, values, sorted_as(run, range(len(keys)), order))


def _placed(run: Run, values: list[Any], places: list[int]) -> list[Any]:
    """Return values in the order of their places."""
    ordered: list[Any] = []
    for portion in run.fuel.portions(places, per_step=8):
        ordered += map(values.__getitem__, portion)
    return ordered


def sorted_as(run: Run, values: Any, order: Callable[[Any, Any], int]) -> list[Any]:
    """Return values in an order that pays for itself; equal ones stay as they are."""
    key_of: Any = cmp_to_key(order)
    keys: list[Any] = []
    for portion in run.fuel.portions(values, per_step=8):
        keys += map(key_of, portion)
    keys.sort()
    return [key.obj for key in keys]


def _by_number(run: Run, numbers: list[int]) -> list[int]:
    """Return the places of numbers in their order: portions are sorted, then merged pairwise."""
    number_at = numbers.__getitem__
    runs = [
        sorted(portion, key=number_at)
        for portion in run.fuel.portions(range(len(numbers)), per_step=8)
    ]
    while len(runs) > 1:
        merged = []
        for at in range(0, len(runs), 2):
            both = [place for each in runs[at : at + 2] for place in each]
            run.fuel.spend(1 + len(both) // PORTION * 50)
            # What is in order already is merged, not sorted again.
            merged.append(sorted(both, key=number_at))
        runs = merged
    return runs[0] if runs else []
