"""Filters and functions on numbers."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal
from typing import Any, Final

from hookferry.errors import ScriptError
from hookferry.kata.templates.library.coercion import (
    built_list,
    items,
    number,
    numeric,
    text,
    whole,
)
from hookferry.kata.templates.operators import compare
from hookferry.kata.templates.registry import Run, register
from hookferry.kata.values import Value, bounded

_MAX_DECIMALS: Final = 30
_MANY: Final = 1e9
"""More than any run can hold."""
_ROOM: Final = Context(prec=400)
_METHODS: Final = {"common": ROUND_HALF_UP, "ceil": ROUND_CEILING, "floor": ROUND_FLOOR}


@register("filter", "abs", examples=(("{{ (-5)|abs }}", "5"),))
def absolute(run: Run, value: Value) -> int | float:
    """Return a number without its sign."""
    return bounded(abs(number(value, "|abs")))


@register(
    "filter",
    "round",
    examples=(
        ("{{ 2.5|round }}", "3"),
        ("{{ 3.14159|round(2) }}", "3.14"),
        ("{{ 3.14159|round(4, 'floor') }}", "3.1415"),
    ),
)
def round_number(
    run: Run, value: Value, precision: Value = 0, method: str = "common"
) -> int | float:
    """Round a number to so many decimals; method: common (halves away from 0), ceil or floor."""
    digits = _decimals(precision, "|round", least=-_MAX_DECIMALS)
    if not isinstance(method, str) or method not in _METHODS:
        raise ScriptError("|round takes 'common', 'ceil' or 'floor' as its method")
    rounded = _rounded(number(value, "|round"), digits, _METHODS[method])
    return bounded(int(rounded)) if digits <= 0 else float(rounded)


@register(
    "filter",
    "number_format",
    examples=(
        ("{{ 16858|number_format(2) }}", "16,858.00"),
        ("{{ 9800.333|number_format(2, ',', '.') }}", "9.800,33"),
    ),
)
def number_format(
    run: Run,
    value: Value,
    decimal: Value = 0,
    decimal_point: Value = ".",
    thousand_sep: Value = ",",
) -> str:
    """Print a number with so many decimals, a decimal point and a mark between thousands."""
    digits = _decimals(decimal, "|number_format", least=0)
    point = text(run, decimal_point, "|number_format")
    mark = text(run, thousand_sep, "|number_format")
    rounded = _rounded(number(value, "|number_format"), digits, ROUND_HALF_UP)
    before, _, behind = f"{abs(rounded):,f}".partition(".")
    run.fuel.build(len(before) * (1 + len(mark)) + len(point) + digits)
    sign = "-" if rounded < 0 else ""
    return sign + before.replace(",", mark) + (point + behind if digits else "")


def _rounded(value: int | float, digits: int, rounding: str) -> Decimal:
    # From the shortest text that reads back, as PHP rounds: 1.005 is 1.01.
    return Decimal(str(value)).quantize(Decimal(1).scaleb(-digits), rounding, _ROOM)


def _decimals(value: Value, name: str, *, least: int) -> int:
    digits = whole(value, name)
    if not least <= digits <= _MAX_DECIMALS:
        raise ScriptError(f"{name} takes {least} to {_MAX_DECIMALS} decimals")
    return digits


# --------------------------------------------------------------------------- functions


@register(
    "function",
    "range",
    examples=(
        ("{{ range(1, 5)|join(',') }}", "1,2,3,4,5"),
        ("{{ range(10, 0, 5)|join(',') }}", "10,5,0"),
        ("{{ range('a', 'c')|join }}", "abc"),
    ),
)
def number_range(run: Run, low: Value, high: Value, step: Value = 1) -> list[Value]:
    """Return the numbers or letters from one to another, both of them in it."""
    if isinstance(low, str) and isinstance(high, str) and low and high and numeric(low) is None:
        return [
            chr(point) for point in _steps(run, ord(low[0]), ord(high[0]), whole(step, "range"))
        ]
    return _steps(run, number(low, "range"), number(high, "range"), number(step, "range"))


def _steps(run: Run, low: float, high: float, step: float) -> list[Any]:
    if not step:
        raise ScriptError("range wants a step other than 0")
    count = int(min(abs(high - low) / abs(step), _MANY)) + 1
    built_list(run, count)
    run.fuel.spend(count // 8)
    signed = -abs(step) if high < low else abs(step)
    return [low + signed * place for place in range(count)]


def _extreme(run: Run, name: str, values: tuple[Value, ...], wanted: int) -> Value:
    among = items(run, values[0], name) if len(values) == 1 else list(values)
    if not among:
        raise ScriptError(f"{name} wants at least one value")
    found = among[0]
    for value in among[1:]:
        run.fuel.spend()
        if compare(run.fuel, value, found) == wanted:
            found = value
    return found


@register(
    "function",
    "min",
    examples=(("{{ min([1, 9, 8]) }}", "1"), ("{{ min(3, 2) }}", "2")),
)
def smallest(run: Run, *values: Value) -> Value:
    """Return the smallest of some values, or of a list's."""
    return _extreme(run, "min", values, -1)


@register(
    "function",
    "max",
    examples=(("{{ max([1, 9, 8]) }}", "9"), ("{{ max(3, 2) }}", "3")),
)
def largest(run: Run, *values: Value) -> Value:
    """Return the largest of some values, or of a list's."""
    return _extreme(run, "max", values, 1)


@register("function", "clamp_int", examples=(("{{ clamp_int(110, -90, 90) }}", "90"),))
def clamp_int(run: Run, value: Value, low: Value, high: Value) -> int:
    """Return a whole number within bounds."""
    most = min(whole(value, "clamp_int"), whole(high, "clamp_int"))
    return max(most, whole(low, "clamp_int"))


@register("function", "clamp_float", examples=(("{{ clamp_float(-105.19, 0, 100) }}", "0"),))
def clamp_float(run: Run, value: Value, low: Value, high: Value) -> int | float:
    """Return a number within bounds."""
    most = min(number(value, "clamp_float"), number(high, "clamp_float"))
    return max(most, number(low, "clamp_float"))


@register(
    "function",
    "array_sum",
    examples=(("{{ array_sum([1, 2, 3.5]) }}", "6.5"),),
)
def array_sum(run: Run, array: Value) -> int | float:
    """Return the sum of a list's numbers; what is none counts for nothing."""
    total: int | float = 0
    for portion in run.fuel.portions(items(run, array, "array_sum"), per_step=2):
        for value in portion:
            found = int(value) if isinstance(value, bool) else numeric(value)
            total = bounded(total + (0 if found is None else found))
    return total


@register(
    "function",
    "cycle",
    examples=(
        ("{% for n in 1..3 %}{{ cycle(['odd', 'even'], n - 1) }} {% endfor %}", "odd even odd "),
    ),
)
def cycle(run: Run, values: Value, position: Value) -> Value:
    """Return a list's value at a position, counted round and round."""
    among = items(run, values, "cycle")
    if not among:
        raise ScriptError("cycle wants a list that is not empty")
    return among[whole(position, "cycle") % len(among)]


@register(
    "function",
    "validate_number",
    examples=(
        ("{{ validate_number('123.45')|json_encode }}", "true"),
        ("{{ validate_number('20.f')|json_encode }}", "false"),
    ),
)
def validate_number(run: Run, value: Value) -> bool:
    """Tell whether a value is a number, or a text that says one."""
    return numeric(value) is not None
