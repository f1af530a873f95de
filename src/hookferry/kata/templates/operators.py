"""Twig's binary operators on values, with PHP 8's rules for what is compared and computed.

(https://www.php.net/manual/en/language.operators.comparison.php and
``language.types.numeric-strings``.) Each is called with the fuel that pays and two values.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from hookferry.errors import ScriptError
from hookferry.kata.fuel import Fuel
from hookferry.kata.templates.patterns import compile_pattern
from hookferry.kata.values import (
    MAX_DEPTH,
    MAX_INT,
    MIN_INT,
    Value,
    bounded,
    kind_of,
    leading_number,
    numeric,
    text_of,
    truthy,
)

LONG: Final = 1_024
"""Characters from which on going through a text is paid for beside the operator's own step."""

Operator = Callable[[Fuel, Value, Value], Value]


def pay_long(fuel: Fuel, text: Value) -> None:
    """Pay for going through a text where that takes longer than an operator's own step."""
    if isinstance(text, str) and len(text) > LONG:
        fuel.read(len(text))


def compare(fuel: Fuel, left: Value, right: Value, depth: int = 0) -> int:
    """Return -1, 0 or 1, as PHP's ``<=>``; what can't be compared is 1.

    Raises:
        ScriptError: lists or dictionaries of too many levels.
    """
    if isinstance(left, str) and isinstance(right, str):
        return _compare_texts(fuel, left, right)
    if left is None and isinstance(right, str):
        return -1 if right else 0
    if right is None and isinstance(left, str):
        return 1 if left else 0
    if left is None or right is None or isinstance(left, bool) or isinstance(right, bool):
        return _order(truthy(left), truthy(right))
    if isinstance(left, list | dict) or isinstance(right, list | dict):
        return _compare_entries(fuel, left, right, depth)
    if isinstance(left, int | float) and isinstance(right, int | float):
        return _order(left, right)
    if isinstance(left, str) and isinstance(right, int | float):
        return -_compare_number(right, left)
    if isinstance(right, str) and isinstance(left, int | float):
        return _compare_number(left, right)
    return 0 if left is right else 1


def _order(left: float, right: float) -> int:
    return 0 if left == right else -1 if left < right else 1


def _compare_texts(fuel: Fuel, left: str, right: str) -> int:
    if len(left) > LONG and len(right) > LONG:
        fuel.read(min(len(left), len(right)))
    if left == right:
        return 0
    numbers = numeric(left), numeric(right)
    if numbers[0] is not None and numbers[1] is not None:
        order = _order(numbers[0], numbers[1])
        # Whole numbers that decimals can't tell apart are compared as texts.
        if order or not (_is_long_whole(left) and _is_long_whole(right)):
            return order
    return -1 if left < right else 1


def _is_long_whole(text: str) -> bool:
    plain = text.strip().lstrip("+-")
    return plain.isdigit() and len(plain) > 15


def _compare_number(number: float, text: str) -> int:
    other = numeric(text)
    if other is not None:
        return _order(number, other)
    written = text_of(number)
    return 0 if written == text else -1 if written < text else 1


def _compare_entries(fuel: Fuel, left: Value, right: Value, depth: int) -> int:
    if not isinstance(right, list | dict):
        return 1
    if not isinstance(left, list | dict):
        return -1
    if depth >= MAX_DEPTH:
        raise ScriptError(f"a value has at most {MAX_DEPTH} levels")
    if len(left) != len(right):
        return _order(len(left), len(right))
    entries = left.items() if isinstance(left, dict) else enumerate(left)
    for key, value in entries:
        fuel.spend()
        other = lookup(right, key, fuel)
        if other is fuel:
            return 1
        order = compare(fuel, value, other, depth + 1)
        if order:
            return order
    return 0


def lookup(value: Value, key: Value, missing: Value = None) -> Value:
    """Return an entry of a list or dictionary; ``missing`` where there is none."""
    if isinstance(value, dict):
        return value.get(key if isinstance(key, str) else key_text(key), missing)
    if isinstance(value, list):
        at = key if type(key) is int else _index(key)
        if at is not None and 0 <= at < len(value):
            return value[at]
    return missing


def _index(key: Value) -> int | None:
    """Return a list's index: PHP takes digits, decimals and booleans for one."""
    if isinstance(key, str):
        plain = key.isascii() and key.isdigit() and len(key) < 10
        return int(key) if plain and str(int(key)) == key else None
    if isinstance(key, float):
        return int(key) if math.isfinite(key) else None
    return int(key) if isinstance(key, bool) else None


def key_text(key: Value) -> str:
    """Return a dictionary's key: PHP cuts off decimals, and true is 1, false 0.

    Raises:
        ScriptError: it is a list, a dictionary or a function.
    """
    if isinstance(key, bool):
        return "1" if key else "0"
    if isinstance(key, float) and math.isfinite(key):
        return str(int(key))
    if key is None or isinstance(key, str | int | float):
        return text_of(key)
    raise ScriptError(f"{kind_of(key)} can't be a key")


def contains(fuel: Fuel, value: Value, within: Value) -> bool:
    """``in``: a part of a text, an entry of a list, a value of a dictionary."""
    if isinstance(within, str):
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return False
        fuel.read(len(within))
        return text_of(value) in within
    if not isinstance(within, list | dict):
        return False
    for item in within.values() if isinstance(within, dict) else within:
        fuel.spend()
        if compare(fuel, value, item) == 0:
            return True
    return False


def _number(value: Value, operator: str) -> int | float:
    """Return an operand as a number: null and false are 0, text as far as it is a number."""
    if value is None or isinstance(value, bool):
        return int(value or 0)
    if isinstance(value, int | float):
        return bounded(value)
    found = leading_number(value) if isinstance(value, str) else None
    if found is None:
        shown = f"the text {value[:40]!r}" if isinstance(value, str) else kind_of(value)
        raise ScriptError(f"{operator} computes with numbers, and {shown} is none")
    return found


def _whole(value: Value, operator: str) -> int:
    number = _number(value, operator)
    if isinstance(number, int):
        return number
    if not math.isfinite(number) or not MIN_INT <= number <= MAX_INT:
        raise ScriptError(f"{operator} computes with whole numbers of 64 bits")
    return int(number)


def _add(fuel: Fuel, left: Value, right: Value) -> Value:
    return bounded(_number(left, "+") + _number(right, "+"))


def _subtract(fuel: Fuel, left: Value, right: Value) -> Value:
    return bounded(_number(left, "-") - _number(right, "-"))


def _multiply(fuel: Fuel, left: Value, right: Value) -> Value:
    return bounded(_number(left, "*") * _number(right, "*"))


def _divide(fuel: Fuel, left: Value, right: Value) -> Value:
    above, below = _number(left, "/"), _number(right, "/")
    if below == 0:
        raise ScriptError("a number can't be divided by zero")
    if isinstance(above, int) and isinstance(below, int) and above % below == 0:
        return bounded(above // below)
    return above / below


def _divide_whole(fuel: Fuel, left: Value, right: Value) -> Value:
    above, below = _number(left, "//"), _number(right, "//")
    if below == 0:
        raise ScriptError("a number can't be divided by zero")
    if isinstance(above, int) and isinstance(below, int):
        return bounded(above // below)
    quotient = above / below
    return bounded(math.floor(quotient)) if math.isfinite(quotient) else quotient


def _remainder(fuel: Fuel, left: Value, right: Value) -> Value:
    above, below = _whole(left, "%"), _whole(right, "%")
    if below == 0:
        raise ScriptError("a number can't be divided by zero")
    rest = abs(above) % abs(below)
    return -rest if above < 0 else rest  # PHP's has the sign of what is divided


def _power(fuel: Fuel, left: Value, right: Value) -> Value:
    base, exponent = _number(left, "**"), _number(right, "**")
    # Whole numbers stay whole while they fit 64 bits; 2**64 is known not to without computing it.
    whole = isinstance(base, int) and isinstance(exponent, int) and exponent >= 0
    if whole and (abs(base) <= 1 or exponent < 64):
        return bounded(base ** (exponent if abs(base) > 1 else min(exponent, 2 + exponent % 2)))
    try:
        found = float(base) ** exponent
    except OverflowError:
        return math.inf if base > 0 or exponent % 2 == 0 else -math.inf
    except ZeroDivisionError:
        return math.inf
    return found if isinstance(found, float) else math.nan  # PHP has no complex numbers


def _starts(fuel: Fuel, left: Value, right: Value) -> bool:
    if not isinstance(left, str) or not isinstance(right, str):
        return False
    pay_long(fuel, right)
    return left.startswith(right)


def _ends(fuel: Fuel, left: Value, right: Value) -> bool:
    if not isinstance(left, str) or not isinstance(right, str):
        return False
    pay_long(fuel, right)
    return left.endswith(right)


def _matches(fuel: Fuel, left: Value, right: Value) -> bool:
    if not isinstance(right, str):
        raise ScriptError(f"matches wants a regular expression, not {kind_of(right)}")
    text = left if isinstance(left, str) else text_of(left)
    return compile_pattern(fuel, right).search(fuel, text) is not None


OPERATORS: Final[dict[str, Operator]] = {
    "+": _add,
    "-": _subtract,
    "*": _multiply,
    "/": _divide,
    "//": _divide_whole,
    "%": _remainder,
    "**": _power,
    "==": lambda fuel, left, right: compare(fuel, left, right) == 0,
    "!=": lambda fuel, left, right: compare(fuel, left, right) != 0,
    "<": lambda fuel, left, right: compare(fuel, left, right) < 0,
    ">": lambda fuel, left, right: compare(fuel, right, left) < 0,
    "<=": lambda fuel, left, right: compare(fuel, left, right) <= 0,
    ">=": lambda fuel, left, right: compare(fuel, right, left) <= 0,
    "<=>": compare,
    "in": contains,
    "not in": lambda fuel, left, right: not contains(fuel, left, right),
    "starts with": _starts,
    "ends with": _ends,
    "matches": _matches,
    "xor": lambda fuel, left, right: truthy(left) != truthy(right),
    "b-and": lambda fuel, left, right: _whole(left, "b-and") & _whole(right, "b-and"),
    "b-or": lambda fuel, left, right: _whole(left, "b-or") | _whole(right, "b-or"),
    "b-xor": lambda fuel, left, right: _whole(left, "b-xor") ^ _whole(right, "b-xor"),
}
"""By the operator; ``and``, ``or``, ``??`` and ``~`` are the compiler's: they evaluate lazily."""


def negative(value: Value) -> Value:
    """``-value``."""
    return bounded(-_number(value, "-"))


def positive(value: Value) -> Value:
    """``+value``."""
    return _number(value, "+")
