"""The operators of a condition's leaves: one table, and the meaning of each.

Values are JSON's. A type mismatch makes every comparison false, ``not_equals`` included, except
that null may be compared with anything: it equals null only. True and false are no numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hookferry.errors import InvalidField
from hookferry.match.regexes import Pattern

MAX_LISTED = 200
"""Values of ``in`` and ``not_in``."""

Test = Callable[[Any], bool]
"""Tells of a value that is there whether the comparison holds."""

_KINDS: dict[type, str] = {
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    list: "list",
    dict: "object",
    type(None): "null",
}


def kind_of(value: object) -> str:
    """Return a JSON value's type, by its name."""
    return _KINDS[type(value)]


def same(one: Any, other: Any) -> bool:
    """Tell whether two JSON values are equal: 1 is 1.0, and neither is true."""
    kind = kind_of(one)
    if kind != kind_of(other):
        return False
    if kind == "list":
        return len(one) == len(other) and all(map(same, one, other))
    if kind == "object":
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


def _comparable(one: object, other: object) -> bool:
    return kind_of(one) == kind_of(other) or one is None or other is None


def _equals(wanted: Any, _: str) -> Test:
    if type(wanted) is str:  # what most conditions compare
        return lambda seen: type(seen) is str and seen == wanted
    return lambda seen: same(seen, wanted)


def _not_equals(wanted: Any, _: str) -> Test:
    return lambda seen: _comparable(seen, wanted) and not same(seen, wanted)


def _ordered(holds: Callable[[Any, Any], bool]) -> Callable[[Any, str], Test]:
    """Make an operator of numbers, and of strings by code point (so that RFC 3339 times order)."""

    def operator(wanted: Any, field: str) -> Test:
        kind = _require(wanted, field, "number", "string")
        return lambda seen: kind_of(seen) == kind and holds(seen, wanted)

    return operator


def _textual(holds: Callable[[str, str], bool]) -> Callable[[Any, str], Test]:
    def operator(wanted: Any, field: str) -> Test:
        _require(wanted, field, "string")
        return lambda seen: type(seen) is str and holds(seen, wanted)

    return operator


def _contains(wanted: Any, _: str) -> Test:
    def test(seen: Any) -> bool:
        if type(seen) is list:
            return any(same(item, wanted) for item in seen)
        return type(seen) is str and type(wanted) is str and wanted in seen

    return test


def _not_contains(wanted: Any, _: str) -> Test:
    def test(seen: Any) -> bool:
        if type(seen) is list:
            return not any(same(item, wanted) for item in seen)
        return type(seen) is str and type(wanted) is str and wanted not in seen

    return test


def _matches(wanted: Any, field: str) -> Test:
    _require(wanted, field, "string")
    pattern = Pattern(wanted, field=field)
    return lambda seen: type(seen) is str and pattern.found_in(seen)


def _in(wanted: Any, field: str) -> Test:
    listed = _listed(wanted, field)
    return lambda seen: any(same(seen, item) for item in listed)


def _not_in(wanted: Any, field: str) -> Test:
    listed = _listed(wanted, field)
    return lambda seen: (
        any(_comparable(seen, item) for item in listed)
        and not any(same(seen, item) for item in listed)
    )


def _listed(wanted: Any, field: str) -> list[Any]:
    _require(wanted, field, "list")
    if not 1 <= len(wanted) <= MAX_LISTED:
        raise InvalidField(f"a list here has 1 to {MAX_LISTED} values", field=field)
    kept: list[Any] = wanted
    return kept


def _require(wanted: Any, field: str, *kinds: str) -> str:
    kind = kind_of(wanted)
    if kind not in kinds:
        raise InvalidField(
            f"the value is a {' or a '.join(kinds)} here, and not a {kind}", field=field
        )
    return kind


COMPARISONS: dict[str, Callable[[Any, str], Test]] = {
    "equals": _equals,
    "not_equals": _not_equals,
    "greater": _ordered(lambda seen, wanted: seen > wanted),
    "greater_or_equal": _ordered(lambda seen, wanted: seen >= wanted),
    "less": _ordered(lambda seen, wanted: seen < wanted),
    "less_or_equal": _ordered(lambda seen, wanted: seen <= wanted),
    "contains": _contains,
    "not_contains": _not_contains,
    "starts_with": _textual(str.startswith),
    "ends_with": _textual(str.endswith),
    "matches": _matches,
    "in": _in,
    "not_in": _not_in,
}
"""By name: makes the test of a comparison from its value and that value's position."""
FLAGS = ("exists", "changed")
"""Operators whose value is true (the default) or false."""
OPERATORS = (*COMPARISONS, *FLAGS)
