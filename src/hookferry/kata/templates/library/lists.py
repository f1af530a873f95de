"""Filters on lists, dictionaries and, where it makes sense, text."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any

from hookferry.errors import ScriptError
from hookferry.kata.templates.library.coercion import (
    built_dict,
    built_list,
    entries,
    items,
    key_of,
    number,
    text,
    whole,
)
from hookferry.kata.templates.library.ordering import sorted_as, sorted_by
from hookferry.kata.templates.registry import Run, register
from hookferry.kata.values import Value, kind_of, truthy

Arrow = Callable[..., Any]


@register(
    "filter",
    "length",
    examples=(("{{ 'hookferry'|length }}", "9"), ("{{ [1, 2, 3]|length }}", "3")),
)
def length(run: Run, value: Value) -> int:
    """Return how many characters a text has, or how many items a list or dictionary."""
    if isinstance(value, list | dict):
        return len(value)
    return len(text(run, value, "|length"))


@register("filter", "first", examples=(("{{ [1, 2, 3]|first }}", "1"), ("{{ 'abc'|first }}", "a")))
def first(run: Run, value: Value) -> Value:
    """Return the first item of a list or dictionary, or the first character of a text."""
    if isinstance(value, list | dict):
        return next(iter(value if isinstance(value, list) else value.values()), None)
    return text(run, value, "|first")[:1]


@register("filter", "last", examples=(("{{ [1, 2, 3]|last }}", "3"), ("{{ 'abc'|last }}", "c")))
def last(run: Run, value: Value) -> Value:
    """Return the last item of a list or dictionary, or the last character of a text."""
    if isinstance(value, list | dict):
        return next(iter(reversed(value if isinstance(value, list) else value.values())), None)
    return text(run, value, "|last")[-1:]


@register(
    "filter",
    "reverse",
    examples=(
        ("{{ [1, 2, 3]|reverse|join }}", "321"),
        ("{{ 'abc'|reverse }}", "cba"),
    ),
)
def reverse(run: Run, value: Value, preserve_keys: bool = False) -> Value:
    """Return a list, dictionary or text in the reverse order."""
    if isinstance(value, list | dict):
        return like(run, value, entries(run, value, "|reverse")[::-1])
    said = text(run, value, "|reverse")
    run.fuel.build(len(said))
    return said[::-1]


@register(
    "filter",
    "slice",
    examples=(
        ("{{ [1, 2, 3, 4, 5]|slice(2, 2)|json_encode }}", "[3,4]"),
        ("{{ 'This is text'|slice(0, 4) }}", "This"),
        ("{{ 'signature=abc'|slice(-3) }}", "abc"),
    ),
)
def slice_of(
    run: Run, value: Value, start: Value = 0, length: Value = None, preserve_keys: bool = False
) -> Value:
    """Return a part of a list, dictionary or text: from a start (negative: from the end), so long.

    A negative length leaves so many out at the end.
    """
    sized = value if isinstance(value, list | dict) else text(run, value, "|slice")
    size = len(sized)
    begin = whole(start, "|slice")
    begin = max(size + begin, 0) if begin < 0 else min(begin, size)
    count = size - begin if length is None else whole(length, "|slice")
    end = max(size + count, begin) if count < 0 else min(begin + count, size)
    if isinstance(sized, str):
        run.fuel.build(end - begin)
        return sized[begin:end]
    if isinstance(sized, dict):
        return like(run, sized, entries(run, sized, "|slice")[begin:end])
    built_list(run, end - begin)
    return sized[begin:end]


@register(
    "filter",
    "merge",
    examples=(
        ("{{ ['Tesla']|merge(['Toyota'])|join(', ') }}", "Tesla, Toyota"),
        ("{{ {a: 1, b: 2}|merge({b: 3})|json_encode }}", '{"a":1,"b":3}'),
    ),
)
def merge(run: Run, value: Value, *arrays: Value) -> Value:
    """Put lists behind each other, or a dictionary's keys over another's."""
    merged = [] if value is None else value
    for other in arrays:
        before, after = entries(run, merged, "|merge"), entries(run, other, "|merge")
        if isinstance(merged, list) and not isinstance(other, dict):
            built_list(run, len(before) + len(after))
            merged = [*merged, *(other or ())]
        else:
            built_dict(run, len(before) + len(after))
            merged = _keyed(run, before, after)
    return merged


def _keyed(run: Run, *arrays: list[tuple[Value, Value]]) -> dict[str, Value]:
    """Return a list and a dictionary as one, as PHP does: the items are numbered."""
    merged: dict[str, Value] = {}
    place = 0
    for portion in run.fuel.portions(chain.from_iterable(arrays), per_step=8):
        for key, item in portion:
            if isinstance(key, str):
                merged[key] = item
            else:
                merged[str(place)] = item
                place += 1
    return merged


@register(
    "filter",
    "keys",
    examples=(
        ("{{ {name: 'Kina', age: 35}|keys|join(',') }}", "name,age"),
        ("{{ ['a', 'b']|keys|join(',') }}", "0,1"),
    ),
)
def keys(run: Run, value: Value) -> list[Value]:
    """Return the keys of a dictionary, or the places of a list, from 0."""
    pairs = entries(run, value, "|keys")
    built_list(run, len(pairs))
    return [key for key, _ in pairs]


@register("filter", "values", examples=(("{{ {a: 1, b: 2}|values|json_encode }}", "[1,2]"),))
def values(run: Run, value: Value) -> list[Value]:
    """Return the values of a dictionary as a list."""
    found = items(run, value, "|values")
    built_list(run, len(found))
    return list(found)


@register(
    "filter",
    "column",
    examples=(("{{ [{name: 'Kina'}, {name: 'Milo'}]|column('name')|join(', ') }}", "Kina, Milo"),),
)
def column(run: Run, value: Value, name: Value) -> list[Value]:
    """Return what every dictionary of a list has under a key; those without it are passed over."""
    return column_of(run, value, name, "|column")


def column_of(run: Run, rows: Value, name: Value, caller: str) -> list[Value]:
    """Return the values under a key, or at a place, of every dictionary, or list, among rows."""
    among = items(run, rows, caller)
    run.fuel.spend(len(among) // 4)
    built_list(run, len(among))
    key = key_of(name, caller)
    found = []
    for row in among:
        if isinstance(row, dict) and key in row:
            found.append(row[key])
        elif isinstance(row, list) and key.isdecimal() and len(key) < 9 and int(key) < len(row):
            found.append(row[int(key)])
    return found


@register(
    "filter",
    "batch",
    examples=(("{{ ['a', 'b', 'c']|batch(2, '-')|json_encode }}", '[["a","b"],["c","-"]]'),),
)
def batch(
    run: Run, value: Value, size: Value, fill: Value = None, preserve_keys: bool = True
) -> list[Value]:
    """Break a list into lists of a size; what is given as fill makes up the last one."""
    among = items(run, value, "|batch")
    each = whole(size, "|batch")
    if each < 1:
        raise ScriptError("|batch wants a size of at least 1")
    count = -(-len(among) // each)
    missing = count * each - len(among) if fill is not None else 0
    built_list(run, len(among) + count + missing)
    rows: list[Value] = []
    for portion in run.fuel.portions(range(0, len(among), each), per_step=4):
        rows += [among[at : at + each] for at in portion]
    if missing:
        rows[-1] = rows[-1] + [fill] * missing
    return rows


# --------------------------------------------------------------------------- with arrow functions


@register(
    "filter",
    "filter",
    examples=(
        ("{{ [1, 2, 3, 4]|filter(v => v > 2)|join(',') }}", "3,4"),
        ("{{ {a: 1, b: 2}|filter((v, k) => k == 'b')|json_encode }}", '{"b":2}'),
    ),
)
def filter_items(run: Run, value: Value, arrow: Value = None) -> Value:
    """Keep what an arrow function, given value and key, says yes to; without one what is true."""
    keep = _arrow(arrow, "|filter") if arrow is not None else None
    kept = []
    for key, item in entries(run, value, "|filter"):
        run.fuel.spend()
        if truthy(item if keep is None else keep(item, key)):
            kept.append((key, item))
    return like(run, value, kept)


@register(
    "filter",
    "map",
    examples=(
        ("{{ [1, 2, 3]|map(v => v * 2)|join(',') }}", "2,4,6"),
        ("{{ {b: 2, a: 1}|map((v, k) => k ~ '=' ~ v)|join('&') }}", "b=2&a=1"),
    ),
)
def map_items(run: Run, value: Value, arrow: Value) -> Value:
    """Return what an arrow function makes of every value, given value and key; keys are kept."""
    change = _arrow(arrow, "|map")
    mapped = []
    for key, item in entries(run, value, "|map"):
        run.fuel.spend()
        mapped.append((key, change(item, key)))
    return like(run, value, mapped)


@register(
    "filter",
    "reduce",
    examples=(("{{ [1, 2, 3]|reduce((carry, v) => carry + v, 10) }}", "16"),),
)
def reduce_items(run: Run, value: Value, arrow: Value, initial: Value = None) -> Value:
    """Make one value of all: an arrow function is given the last result, a value and its key."""
    combine = _arrow(arrow, "|reduce")
    carry = initial
    for key, item in entries(run, value, "|reduce"):
        run.fuel.spend()
        carry = combine(carry, item, key)
    return carry


@register(
    "filter",
    "sort",
    examples=(
        ("{{ [10, 9, 1]|sort|join(',') }}", "1,9,10"),
        ("{{ ['b=2', 'a=1']|sort|join('&') }}", "a=1&b=2"),
        ("{{ [{n: 2}, {n: 1}]|sort((a, b) => a.n <=> b.n)|column('n')|join }}", "12"),
    ),
)
def sort(run: Run, value: Value, arrow: Value = None) -> Value:
    """Sort by value, keys kept; an arrow function of two values says less, equal or more than 0."""
    pairs = entries(run, value, "|sort")
    if arrow is None:
        return like(run, value, sorted_by(run, pairs, lambda pair: pair[1]))
    order = _arrow(arrow, "|sort")
    return like(
        run,
        value,
        sorted_as(run, pairs, lambda left, right: _order(run, order(left[1], right[1]))),
    )


def _order(run: Run, said: Value) -> int:
    run.fuel.spend()
    found = number(said, "|sort's arrow function")
    return (found > 0) - (found < 0)


def like(run: Run, value: Value, pairs: list[tuple[Value, Value]]) -> Value:
    """Return keys and values as what they came from: a dictionary, or else a list."""
    if isinstance(value, dict):
        built_dict(run, len(pairs))
        return dict(pairs)
    built_list(run, len(pairs))
    return [item for _, item in pairs]


def _arrow(arrow: Value, name: str) -> Arrow:
    if not callable(arrow):
        raise ScriptError(f"{name} wants an arrow function such as v => v.id, not {kind_of(arrow)}")
    call: Arrow = arrow
    return call


@register(
    "filter",
    "default",
    examples=(
        ("{{ ''|default('there') }}", "there"),
        ("{{ unknown|default('none') }}", "none"),
        ("{{ 0|default('none') }}", "0"),
    ),
)
def default(run: Run, value: Value, default: Value = "") -> Value:
    """Return another value where this one is null, false, or an empty text, list or dictionary."""
    return default if value is None or value is False or value in ("", [], {}) else value
