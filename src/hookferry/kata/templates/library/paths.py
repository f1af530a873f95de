"""Functions that set or take away what is deep within a list or dictionary, by a path of keys."""

from __future__ import annotations

from hookferry.errors import ScriptError
from hookferry.kata.templates.library.coercion import built_dict, built_list, text
from hookferry.kata.templates.registry import Run, register
from hookferry.kata.values import MAX_DEPTH, Value, kind_of

_APPEND = "[]"


def _steps(run: Run, path: Value, delimiter: Value, name: str) -> list[str]:
    said = text(run, path, name)
    mark = text(run, delimiter, name)
    if not mark:
        raise ScriptError(f"{name} wants a delimiter that is not empty")
    if said.count(mark) >= MAX_DEPTH:
        raise ScriptError(f"{name} takes paths of at most {MAX_DEPTH} keys")
    return said.split(mark)


def _set(run: Run, into: Value, steps: list[str], value: Value, name: str) -> Value:
    """Return a copy of a list or dictionary in which the path leads to the value."""
    step, rest = steps[0], steps[1:]
    if into is None or into == "" or into == {}:
        into = [] if step == _APPEND else {}
    if not isinstance(into, list | dict):
        raise ScriptError(f"{name} can't set {step[:60]!r} in {kind_of(into)}")
    run.fuel.spend(1 + len(into) // 8)
    if isinstance(into, list):
        built_list(run, len(into) + 1)
        place = len(into) if step == _APPEND else _place(step)
        if place is not None and place <= len(into):
            copy = list(into)
            before = into[place] if place < len(into) else None
            copy[place : place + 1] = [_set(run, before, rest, value, name) if rest else value]
            return copy
        into = {str(at): item for at, item in enumerate(into)}  # as PHP: a list with other keys
    built_dict(run, len(into) + 1)
    key = str(len(into)) if step == _APPEND else step
    return into | {key: _set(run, into.get(key), rest, value, name) if rest else value}


def _place(step: str) -> int | None:
    return int(step) if step.isdecimal() and len(step) < 10 else None


def _unset(run: Run, of: Value, steps: list[str]) -> Value:
    """Return a copy of a list or dictionary without what the path leads to."""
    step, rest = steps[0], steps[1:]
    if not isinstance(of, list | dict):
        return of
    key: Value = step
    if isinstance(of, list):
        key = _place(step)
        if key is None or key >= len(of):
            return of
    elif step not in of:
        return of
    (built_list if isinstance(of, list) else built_dict)(run, len(of))
    run.fuel.spend(1 + len(of) // 8)
    copy = of.copy()
    if rest:
        copy[key] = _unset(run, of[key], rest)
    else:
        del copy[key]
    return copy


@register(
    "function",
    "dict_set",
    examples=(
        (
            "{{ dict_set({status: 'open'}, 'owner.name', 'Kina')|json_encode }}",
            '{"status":"open","owner":{"name":"Kina"}}',
        ),
        ("{{ dict_set({tags: ['a']}, 'tags.[]', 'b')|json_encode }}", '{"tags":["a","b"]}'),
    ),
)
def dict_set(run: Run, object: Value, path: Value, value: Value, delimiter: Value = ".") -> Value:
    """Return a dictionary or list with a value at a path of keys; ``.[]`` appends to a list."""
    return _set(run, object, _steps(run, path, delimiter, "dict_set"), value, "dict_set")


@register(
    "function",
    "jsonpath_set",
    examples=(
        (
            "{{ jsonpath_set(json_decode('{\"tags\":[]}'), 'tags[]', 'b')|json_encode }}",
            '{"tags":["b"]}',
        ),
    ),
)
def jsonpath_set(run: Run, object: Value, path: Value, value: Value) -> Value:
    """Return a dictionary or list with a value at a path of keys; ``[]`` behind a key appends."""
    said = text(run, path, "jsonpath_set")
    run.fuel.build(2 * len(said))
    dotted = said.replace(_APPEND, f".{_APPEND}").replace("..", ".").removeprefix("$.")
    return _set(run, object, _steps(run, dotted, ".", "jsonpath_set"), value, "jsonpath_set")


@register(
    "function",
    "dict_unset",
    examples=(
        (
            "{{ dict_unset({name: {first: 'Jane', last: 'Doe'}, age: 28}, ['name.last', 'age'])"
            "|json_encode }}",
            '{"name":{"first":"Jane"}}',
        ),
    ),
)
def dict_unset(run: Run, object: Value, paths: Value, delimiter: Value = ".") -> Value:
    """Return a dictionary or list without what is at a path of keys, or at each of some paths."""
    for path in paths if isinstance(paths, list) else [paths]:
        run.fuel.spend()
        object = _unset(run, object, _steps(run, path, delimiter, "dict_unset"))
    return object
