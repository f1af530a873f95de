from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookferry.errors import ScriptError
from hookferry.kata.templates.library.paths import dict_set, dict_unset
from kata.library.rendering import a_run
from kata.templates.rendering import rendered as render

KEYS = st.text("abc", min_size=1, max_size=2)
OBJECTS: st.SearchStrategy[Any] = st.recursive(
    st.integers(0, 9),
    lambda inner: st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
).filter(lambda value: isinstance(value, dict))
PATHS = st.lists(KEYS, min_size=1, max_size=3)


def at(value: Any, path: list[str]) -> Any:
    """Return what is at a path."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


@given(OBJECTS, PATHS)
def test_what_was_set_is_there_and_nothing_given_is_changed(given_: Any, path: list[str]) -> None:
    before = copy.deepcopy(given_)
    try:
        changed = dict_set(a_run(), given_, ".".join(path), "new")
    except ScriptError:
        return  # a number is in the way
    assert at(changed, path) == "new"
    assert given_ == before


@given(OBJECTS, PATHS)
def test_what_was_unset_is_gone_and_all_else_stays(given_: Any, path: list[str]) -> None:
    before = copy.deepcopy(given_)
    changed = dict_unset(a_run(), given_, ".".join(path))
    assert at(changed, path) is None
    assert given_ == before
    there = at(given_, path[:-1])
    if not isinstance(there, dict) or path[-1] not in there:
        assert changed == given_
    else:
        assert at(changed, path[:-1]) == {k: v for k, v in there.items() if k != path[-1]}


@given(OBJECTS, KEYS)
def test_setting_a_new_key_and_unsetting_it_changes_nothing(given_: Any, key: str) -> None:
    added = dict_set(a_run(), given_, f"x{key}.y", 1)
    assert dict_unset(a_run(), added, f"x{key}") == given_


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("dict_set([1, 2, [3, [5]]], '2.1.[]', 7)", "[1,2,[3,[5,7]]]"),
        ("dict_set([1, [2]], '1.1', 9)", "[1,[2,9]]"),
        ("dict_set([1], 'a', 2)", '{"0":1,"a":2}'),
        ("dict_set([1], '5', 2)", '{"0":1,"5":2}'),
        ("dict_set(missing, 'a.[].b', 1)", '{"a":[{"b":1}]}'),
        ("dict_set({}, 'a||b.c', 1, '||')", '{"a":{"b.c":1}}'),
        ("dict_set({a: ''}, 'a.b', 1)", '{"a":{"b":1}}'),
        ("dict_unset([1, 2, 3], '1')", "[1,3]"),
        ("dict_unset({a: [{b: 1, c: 2}]}, 'a.0.b')", '{"a":[{"c":2}]}'),
        ("dict_unset({a: 1}, ['x.y', 'a'])", "{}"),
        ("jsonpath_set({a: {b: []}}, 'a.b[]', 1)", '{"a":{"b":[1]}}'),
        ("jsonpath_set({a: 1}, 'b.c', 2)", '{"a":1,"b":{"c":2}}'),
    ],
)
def test_paths_lead_through_lists_and_dictionaries(call: str, text: str) -> None:
    assert json.loads(render("{{ " + call + "|json_encode }}")) == json.loads(text)


def test_a_path_through_a_number_is_refused() -> None:
    with pytest.raises(ScriptError, match="dict_set can't set 'b' in a number"):
        render("{{ dict_set({a: 1}, 'a.b', 2)|json_encode }}")


def test_paths_are_bounded() -> None:
    with pytest.raises(ScriptError, match="at most 64 keys"):
        render("{{ dict_set({}, 'a.'|repeat(64) ~ 'a', 2)|json_encode }}")
