"""Values of scripts, and the rules by which Twig prints and compares them.

A value is None, bool, int, float, str, list or dict (keys are str), or, inside a template only, an
arrow function. Values are never changed once built: what changes one builds another.
"""

from __future__ import annotations

import math
from typing import Any, Final

from hookferry.errors import ScriptError
from hookferry.kata.fuel import CELL, Fuel

Value = Any
"""As above; ``Any`` because every rule here looks at the type itself."""

MAX_DEPTH: Final = 64
"""Levels of a value: deeper ones are refused where they would be walked."""


def text_of(value: Value) -> str:
    """Return a value as Twig prints it: true is ``1``, false and null nothing.

    Raises:
        ScriptError: it is a list, a dictionary or a function; they are printed by a filter.
    """
    if isinstance(value, str):
        return value
    if value is None or value is False:
        return ""
    if value is True:
        return "1"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return float_text(value)
    raise ScriptError(
        f"{kind_of(value)} can't be printed as text; print it with |json_encode, |join or a loop"
    )


def float_text(value: float) -> str:
    """Return a decimal as PHP prints it: the shortest text that reads back, without ``.0``."""
    if math.isnan(value):
        return "NAN"
    if math.isinf(value):
        return "INF" if value > 0 else "-INF"
    if value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    text = repr(value)
    return text.replace("e", "E") if "e" in text else text


def kind_of(value: Value) -> str:
    """Name what a value is, for messages."""
    if value is None:
        return "null"
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a text"}
    names |= {list: "a list", dict: "a dictionary"}
    return names.get(type(value), "a function")


def truthy(value: Value) -> bool:
    """Tell whether a condition holds on a value: as PHP, ``"0"`` and what is empty do not."""
    if isinstance(value, str):
        return value not in ("", "0")
    return bool(value)


def size_of(value: Value, fuel: Fuel, depth: int = 0) -> int:
    """Return about how many bytes a value holds, paying for the walk.

    Raises:
        ScriptError: it has more than ``MAX_DEPTH`` levels.
        OutOfFuel: it is larger than the budget: one that doubles is as large as it would be
            written out.
    """
    if isinstance(value, str):
        return len(value)
    if not isinstance(value, list | dict):
        return 8
    if depth >= MAX_DEPTH:
        raise ScriptError(f"a value has at most {MAX_DEPTH} levels")
    fuel.spend(1 + len(value))
    if isinstance(value, list):
        return sum(CELL + size_of(item, fuel, depth + 1) for item in value)
    return sum(CELL + len(key) + size_of(item, fuel, depth + 1) for key, item in value.items())
