"""Functions on lists and dictionaries, named as PHP names them."""

from __future__ import annotations

from hookferry.errors import ScriptError
from hookferry.kata.fuel import CELL
from hookferry.kata.templates.library.checks import wildcard
from hookferry.kata.templates.library.coercion import (
    built_dict,
    built_list,
    entries,
    items,
    key_of,
    text,
)
from hookferry.kata.templates.library.lists import column_of, like
from hookferry.kata.templates.library.ordering import sorted_by
from hookferry.kata.templates.registry import Run, register
from hookferry.kata.values import Value, text_of


def _printed(run: Run, value: Value, name: str) -> str:
    """Return an item as text, which is how PHP's array functions tell whether two are equal."""
    if isinstance(value, list | dict) or callable(value):
        raise ScriptError(f"{name} compares texts and numbers, not lists or dictionaries")
    said = text_of(value)
    run.fuel.read(len(said))
    return said


def _chosen(run: Run, array: Value, others: tuple[Value, ...], name: str, *, within: bool) -> Value:
    kept = entries(run, array, name)
    for other in others:
        known = {_printed(run, item, name) for item in items(run, other, name)}
        built_dict(run, len(known))
        kept = [pair for pair in kept if (_printed(run, pair[1], name) in known) is within]
    return like(run, array, kept)


@register(
    "function",
    "array_column",
    examples=(
        (
            "{{ array_column([{id: 1, n: 'Kina'}, {id: 2, n: 'Milo'}], 'n')|join(', ') }}",
            "Kina, Milo",
        ),
        ("{{ array_column([{id: 1, n: 'Kina'}], 'n', 'id')|json_encode }}", '{"1":"Kina"}'),
    ),
)
def array_column(run: Run, array: Value, column_key: Value, index_key: Value = None) -> Value:
    """Return what every dictionary of a list has under a key, by another key where one is named."""
    if index_key is None:
        return column_of(run, array, column_key, "array_column")
    wanted, index = key_of(column_key, "array_column"), key_of(index_key, "array_column")
    found = {}
    for row in items(run, array, "array_column"):
        run.fuel.spend()
        run.fuel.build(CELL)
        if isinstance(row, dict) and wanted in row and index in row:
            found[key_of(row[index], "array_column")] = row[wanted]
    return found


@register(
    "function",
    "array_combine",
    examples=(
        (
            "{{ array_combine(['name', 'age'], ['Janey', 30])|json_encode }}",
            '{"name":"Janey","age":30}',
        ),
    ),
)
def array_combine(run: Run, keys: Value, values: Value) -> dict[str, Value]:
    """Make a dictionary of a list of keys and a list of values."""
    names, among = items(run, keys, "array_combine"), items(run, values, "array_combine")
    if len(names) != len(among):
        raise ScriptError("array_combine wants as many keys as values")
    run.fuel.spend(len(names))
    built_dict(run, len(names))
    return {key_of(name, "array_combine"): value for name, value in zip(names, among, strict=True)}


@register(
    "function",
    "array_count_values",
    examples=(("{{ array_count_values([1, 3, 1])|json_encode }}", '{"1":2,"3":1}'),),
)
def array_count_values(run: Run, array: Value) -> dict[str, int]:
    """Count how often every value is in a list of texts and numbers."""
    counts: dict[str, int] = {}
    for item in items(run, array, "array_count_values"):
        said = _printed(run, item, "array_count_values")
        run.fuel.build(CELL)
        counts[said] = counts.get(said, 0) + 1
    return counts


@register(
    "function",
    "array_diff",
    examples=(("{{ array_diff(['Apple', 'Cerb'], ['Apple'])|join(', ') }}", "Cerb"),),
)
def array_diff(run: Run, array: Value, *arrays: Value) -> Value:
    """Return what is in the first list and in none of the others."""
    return _chosen(run, array, arrays, "array_diff", within=False)


@register(
    "function",
    "array_intersect",
    examples=(("{{ array_intersect(['Apple', 'Cerb'], ['Apple'])|join(', ') }}", "Apple"),),
)
def array_intersect(run: Run, array: Value, *arrays: Value) -> Value:
    """Return what is in the first list and in all of the others."""
    return _chosen(run, array, arrays, "array_intersect", within=True)


@register(
    "function",
    "array_unique",
    examples=(("{{ array_unique([1, 1, 2, '2', 3])|join(',') }}", "1,2,3"),),
)
def array_unique(run: Run, array: Value) -> Value:
    """Return a list without what was in it before; texts and numbers that print alike are equal."""
    seen: dict[str, tuple[Value, Value]] = {}
    for pair in entries(run, array, "array_unique"):
        run.fuel.build(CELL)
        seen.setdefault(_printed(run, pair[1], "array_unique"), pair)
    return like(run, array, list(seen.values()))


@register(
    "function",
    "array_values",
    examples=(('{{ array_values({z: "A", a: "B"})|json_encode }}', '["A","B"]'),),
)
def array_values(run: Run, array: Value) -> list[Value]:
    """Return the values of a dictionary as a list."""
    found = items(run, array, "array_values")
    built_list(run, len(found))
    return list(found)


@register(
    "function",
    "array_sort_keys",
    examples=(("{{ array_sort_keys({z: 1, a: 2, m: 3})|keys|join(',') }}", "a,m,z"),),
)
def array_sort_keys(run: Run, array: Value) -> Value:
    """Return a dictionary in the order of its keys."""
    pairs = entries(run, array, "array_sort_keys")
    if isinstance(array, dict):
        pairs = sorted_by(run, pairs, lambda pair: pair[0])
    return like(run, array, pairs)


@register(
    "function",
    "array_fill_keys",
    examples=(("{{ array_fill_keys(['a', 'b'], 0)|json_encode }}", '{"a":0,"b":0}'),),
)
def array_fill_keys(run: Run, keys: Value, value: Value) -> dict[str, Value]:
    """Return a dictionary with the given keys, each with the same value."""
    names = items(run, keys, "array_fill_keys")
    run.fuel.spend(len(names))
    built_dict(run, len(names))
    return {key_of(name, "array_fill_keys"): value for name in names}


@register(
    "function",
    "array_extract_keys",
    examples=(
        (
            "{{ array_extract_keys([{id: 1, n: 'Kina', x: 0}], ['n', 'id'])|json_encode }}",
            '[{"n":"Kina","id":1}]',
        ),
    ),
)
def array_extract_keys(run: Run, array: Value, keys: Value) -> list[dict[str, Value]]:
    """Return every dictionary of a list with the given keys only."""
    names = [key_of(name, "array_extract_keys") for name in items(run, keys, "array_extract_keys")]
    found = []
    for row in items(run, array, "array_extract_keys"):
        run.fuel.spend(1 + len(names))
        built_dict(run, 1 + len(names))
        found.append({name: row.get(name) for name in names} if isinstance(row, dict) else {})
    return found


@register(
    "function",
    "array_matches",
    examples=(
        (
            "{{ array_matches(['support@x.example', 'sales@x.example'], ['sales@*'])|join }}",
            "sales@x.example",
        ),
    ),
)
def array_matches(run: Run, values: Value, patterns: Value) -> list[Value]:
    """Return those texts of a list that one of some patterns fits; ``*`` stands for anything."""
    wanted = [patterns] if isinstance(patterns, str) else items(run, patterns, "array_matches")
    among = items(run, values, "array_matches")
    built_list(run, len(among))
    return [
        value
        for value in among
        if any(wildcard(run, text(run, value, "array_matches"), each) for each in wanted)
    ]
