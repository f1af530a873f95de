"""Tests: what ``is`` and ``is not`` ask."""

from __future__ import annotations

from collections.abc import Callable

from hookferry.errors import ScriptError
from hookferry.kata.templates.library.coercion import number, numeric, text, whole
from hookferry.kata.templates.registry import Run, register
from hookferry.kata.values import MAX_DEPTH, Value


@register(
    "test",
    "defined",
    examples=(("{{ unknown is defined ? 'yes' : 'no' }}", "no"),),
)
def defined(run: Run, value: Value) -> bool:
    """Whether a name or a key is there, be it null; of what is computed: whether it is not null."""
    return value is not None


@register(
    "test",
    "null",
    "none",
    examples=(("{{ unknown is null ? 'yes' : 'no' }}", "yes"),),
)
def null(run: Run, value: Value) -> bool:
    """Whether a value is null, as that of an unknown name is."""
    return value is None


@register(
    "test",
    "empty",
    examples=(("{{ '' is empty and [] is empty and 0 is not empty ? 'yes' }}", "yes"),),
)
def empty(run: Run, value: Value) -> bool:
    """Whether a value is null, false, or an empty text, list or dictionary."""
    return value is None or value is False or (isinstance(value, str | list | dict) and not value)


@register("test", "even", examples=(("{{ 2 is even ? 'even' : 'odd' }}", "even"),))
def even(run: Run, value: Value) -> bool:
    """Whether a number is even."""
    return whole(value, "is even") % 2 == 0


@register("test", "odd", examples=(("{{ 1 is odd ? 'odd' : 'even' }}", "odd"),))
def odd(run: Run, value: Value) -> bool:
    """Whether a number is odd."""
    return whole(value, "is odd") % 2 == 1


@register("test", "divisible by", examples=(("{{ 9 is divisible by(3) ? 'yes' }}", "yes"),))
def divisible_by(run: Run, value: Value, num: Value) -> bool:
    """Whether a number can be divided by another without a rest."""
    divisor = number(num, "is divisible by")
    if not divisor:
        raise ScriptError("is divisible by wants a number other than 0")
    return number(value, "is divisible by") % divisor == 0


@register(
    "test",
    "iterable",
    examples=(("{{ [1, 2] is iterable and 'ab' is not iterable ? 'yes' }}", "yes"),),
)
def iterable(run: Run, value: Value) -> bool:
    """Whether a value is a list or a dictionary."""
    return isinstance(value, list | dict)


@register(
    "test",
    "sequence",
    examples=(("{{ [1, 2] is sequence and {a: 1} is not sequence ? 'yes' }}", "yes"),),
)
def sequence(run: Run, value: Value) -> bool:
    """Whether a value is a list."""
    return isinstance(value, list)


@register(
    "test",
    "mapping",
    examples=(("{{ {a: 1} is mapping and [1, 2] is not mapping ? 'yes' }}", "yes"),),
)
def mapping(run: Run, value: Value) -> bool:
    """Whether a value is a dictionary."""
    return isinstance(value, dict)


@register(
    "test",
    "numeric",
    examples=(("{{ '12.5' is numeric and 'abc' is not numeric ? 'yes' }}", "yes"),),
)
def is_numeric(run: Run, value: Value) -> bool:
    """Whether a value is a number, or a text that says one."""
    return numeric(value) is not None


@register(
    "test",
    "same as",
    examples=(("{{ 1 is same as(1) and 1 is not same as('1') ? 'yes' }}", "yes"),),
)
def same_as(run: Run, value: Value, other: Value) -> bool:
    """Whether two values are equal and of the same type."""
    return _same(run, value, other, 0)


def _same(run: Run, left: Value, right: Value, depth: int) -> bool:
    if depth >= MAX_DEPTH:
        raise ScriptError(f"a value has at most {MAX_DEPTH} levels")
    run.fuel.spend()
    if type(left) is not type(right):
        return False
    if isinstance(left, list):
        return len(left) == len(right) and all(
            _same(run, one, other, depth + 1) for one, other in zip(left, right, strict=True)
        )
    if isinstance(left, dict):
        return list(left) == list(right) and all(
            _same(run, left[key], right[key], depth + 1) for key in left
        )
    if isinstance(left, str):
        run.fuel.read(min(len(left), len(right)))
    return bool(left == right)


# --------------------------------------------------------------------------- against patterns


def wildcard(run: Run, value: str, pattern: Value) -> bool:
    """Tell whether a pattern in which ``*`` stands for anything fits a text, in any case."""
    wanted = text(run, pattern, "a pattern").lower()
    run.fuel.build(len(value) + len(wanted))
    said = value.lower()
    first, *rest = wanted.split("*")
    if not rest:
        return said == wanted
    if len(said) < len(wanted) - len(rest) or not said.startswith(first):
        return False
    *middle, last = rest
    position, end = len(first), len(said) - len(last)
    for part in middle:
        run.fuel.read(len(said) + len(part))
        found = said.find(part, position, end)
        if found < 0:
            return False
        position = found + len(part)
    return said.endswith(last)


def _any_fits(
    run: Run, value: Value, patterns: tuple[Value, ...], fits: Callable[[Run, str, Value], bool]
) -> bool:
    wanted = [
        each for given in patterns for each in (given if isinstance(given, list) else [given])
    ]
    values = value if isinstance(value, list) else [value]
    for item in values:
        said = text(run, item, "a pattern")
        for each in wanted:
            run.fuel.spend()
            if fits(run, said, each):
                return True
    return False


@register(
    "test",
    "pattern",
    examples=(("{{ 'support@x.example' is pattern('support@*', '*@y.example') ? 'yes' }}", "yes"),),
)
def pattern(run: Run, value: Value, *patterns: Value) -> bool:
    """Whether one of some patterns fits a text, or one of a list's; ``*`` stands for anything."""
    return _any_fits(run, value, patterns, wildcard)


@register(
    "test",
    "prefixed",
    examples=(("{{ '[Bugs] New issue' is prefixed('[Bugs]', '[Ideas]') ? 'yes' }}", "yes"),),
)
def prefixed(run: Run, value: Value, *prefixes: Value) -> bool:
    """Whether a text begins with one of some others."""
    return _any_fits(
        run, value, prefixes, lambda run, said, each: said.startswith(text(run, each, "a prefix"))
    )


@register(
    "test",
    "suffixed",
    examples=(("{{ 'x.example' is suffixed('.example', '.test') ? 'yes' }}", "yes"),),
)
def suffixed(run: Run, value: Value, *suffixes: Value) -> bool:
    """Whether a text ends with one of some others."""
    return _any_fits(
        run, value, suffixes, lambda run, said, each: said.endswith(text(run, each, "a suffix"))
    )
