"""Casts to numbers, as PHP does them: they never fail.

A text is the number that it begins with, else 0 (https://www.php.net/manual/en/language.types.numeric-strings.php).
"""

from __future__ import annotations

import math
import re
from typing import Final

from hookferry.kata.values import Value

_BLANKS: Final = " \n\r\t\v\f"
_NUMBER: Final = re.compile(
    r"[+-]?(?:[0-9]+(?P<rest>\.[0-9]*)?|(?P<dot>\.[0-9]+))(?P<e>[eE][+-]?[0-9]+)?"
)
_LONGEST: Final = 400
"""Characters of a number that are looked at: the largest decimal has 309 digits."""
_SMALLEST_WHOLE: Final = -(2**63)
_LARGEST_WHOLE: Final = 2**63 - 1


def cast_whole(value: Value) -> int:
    """Return a value as a whole number of 64 bits; decimals are cut off."""
    number = _number(value)
    if isinstance(number, float):
        if math.isnan(number) or (math.isinf(number) and not isinstance(value, str)):
            return 0
        number = math.trunc(max(min(number, 2.0**64), -(2.0**64)))
    return max(min(number, _LARGEST_WHOLE), _SMALLEST_WHOLE)


def cast_decimal(value: Value) -> float:
    """Return a value as a decimal number."""
    number = _number(value)
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def _number(value: Value) -> int | float:
    if isinstance(value, int | float):
        return value
    if not isinstance(value, str):
        return int(bool(value))
    found = _NUMBER.match(value.lstrip(_BLANKS)[:_LONGEST])
    if found is None:
        return 0
    is_decimal = found["rest"] or found["dot"] or found["e"]
    return float(found[0]) if is_decimal else int(found[0])
