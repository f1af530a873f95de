"""Values of scripts, and the rules by which Twig prints and compares them.

A value is None, bool, int, float, str, list or dict (keys are str), or, inside a template only, an
arrow function. Values are never changed once built: what changes one builds another.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any, Final

from hookferry.errors import ScriptError
from hookferry.kata.fuel import CELL, PORTION, Fuel

Value = Any
"""As above; ``Any`` because every rule here looks at the type itself."""

MAX_INT: Final = 2**63 - 1
MIN_INT: Final = -(2**63)
"""Whole numbers beyond these are decimals, as in PHP."""
MAX_DIGITS: Final = 400
"""Characters of a text that is looked at as a number: the largest decimal has 309 digits."""
MAX_DEPTH: Final = 64
"""Levels of a value: deeper ones are refused where they would be walked."""
_NUMBER_SIZE: Final = 8
"""Bytes that a number, a boolean and null count for."""

_NUMBER: Final = re.compile(
    r"[ \t\n\r\v\f]*([+-]?(?:([0-9]+)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?)[ \t\n\r\v\f]*"
)


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
    if isinstance(value, int | float):
        number = bounded(value)
        return str(number) if isinstance(number, int) else float_text(number)
    raise ScriptError(
        f"{kind_of(value)} can't be printed as text; print it with |json_encode, |join or a loop"
    )


def float_text(value: float) -> str:
    """Return a decimal as PHP prints it: with 14 significant digits, without ``.0``."""
    if math.isnan(value):
        return "NAN"
    if math.isinf(value):
        return "INF" if value > 0 else "-INF"
    text = f"{value:.14G}"
    digits, mark, exponent = text.partition("E")
    if not mark:
        return text
    return f"{digits}{'' if '.' in digits else '.0'}E{int(exponent):+d}"


def bounded(number: int | float) -> int | float:
    """Return a number as PHP holds it: a whole one of more than 64 bits is a decimal."""
    if isinstance(number, float) or MIN_INT <= number <= MAX_INT:
        return number
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def numeric(text: str) -> int | float | None:
    """Return the number that a text is, as PHP reads numeric strings; None where it is none."""
    if not text or text[0] not in "0123456789+-. \t\n\r\v\f" or len(text) > MAX_DIGITS:
        return None
    found = _NUMBER.fullmatch(text)
    return _read_number(found) if found else None


def leading_number(text: str) -> int | float | None:
    """Return the number that a text begins with; None where it begins with none."""
    found = _NUMBER.match(text[:MAX_DIGITS])
    return _read_number(found) if found else None


def _read_number(found: re.Match[str]) -> int | float:
    if found[2] and found[3] is None and found[4] is None:
        return bounded(int(found[1]))
    return float(found[1])


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
        return _NUMBER_SIZE
    if depth >= MAX_DEPTH:
        raise ScriptError(f"a value has at most {MAX_DEPTH} levels")
    total = CELL * len(value)
    if isinstance(value, list):
        items: Iterable[Value] = value
    else:
        items = value.values()
        total += sum(map(len, value))
    if len(value) <= PORTION:  # as most are
        fuel.spend(1 + len(value))
        return total + _size_of_all(items, fuel, depth + 1)
    for portion in fuel.portions(items):
        total += _size_of_all(portion, fuel, depth + 1)
    return total


def _size_of_all(items: Iterable[Value], fuel: Fuel, depth: int) -> int:
    # Texts and whole numbers, which most values are, without a call for each.
    return sum(
        len(item)
        if type(item) is str
        else _NUMBER_SIZE
        if type(item) is int
        else size_of(item, fuel, depth)
        for item in items
    )
