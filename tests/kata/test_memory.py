"""The working memory: what is where, and what it counts for."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookferry.errors import OutOfFuel, ScriptError
from hookferry.kata.fuel import Fuel
from hookferry.kata.memory import Memory, read_path
from kata.runs import play

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=8,
)
PATHS = st.lists(st.sampled_from(["a", "b", "c", "0", "1", "2"]), min_size=1, max_size=4)
CHANGES = st.lists(
    st.tuples(st.sampled_from(["assign", "put", "push", "remove"]), PATHS, VALUES), max_size=12
)


def memory(fuel: Fuel | None = None, **values: Any) -> Memory:
    made = Memory(fuel or Fuel())
    for key, value in values.items():
        made.assign(key, value)
    return made


def test_a_value_is_put_at_a_path() -> None:
    changed = memory(person={"name": {"first": "Kina"}})
    changed.put(["person", "name", "last"], "Halpue")
    changed.put(["person", "phones", "home"], "1")
    changed.put(["new", "x"], 2)
    assert changed.values == {
        "person": {"name": {"first": "Kina", "last": "Halpue"}, "phones": {"home": "1"}},
        "new": {"x": 2},
    }


def test_a_list_is_changed_at_its_places_and_appended_to_at_its_end() -> None:
    changed = memory(items=[{"n": 1}, {"n": 2}])
    changed.put(["items", "1", "n"], 3)
    changed.put(["items", "2"], {"n": 4})
    assert changed.values == {"items": [{"n": 1}, {"n": 3}, {"n": 4}]}
    for place in ("4", "-1", "x"):
        with pytest.raises(ScriptError, match="is no place in a list of 3"):
            changed.put(["items", place], 0)


def test_a_value_without_keys_takes_none() -> None:
    with pytest.raises(ScriptError, match="a number, which has no keys"):
        memory(a=5).put(["a", "b"], 1)
    with pytest.raises(ScriptError, match="only lists can be pushed to"):
        memory(a={}).push(["a"], 1)


def test_what_was_an_empty_text_becomes_a_dictionary() -> None:
    changed = memory(a="")
    changed.put(["a", "b"], 1)
    assert changed.values == {"a": {"b": 1}}


def test_a_list_is_made_where_there_is_none() -> None:
    changed = memory()
    changed.push(["a"], 1)
    changed.push(["b", "c"], 2)
    changed.push(["b", "c"], 3)
    assert changed.values == {"a": [1], "b": {"c": [2, 3]}}


def test_removing_tells_whether_there_was_anything() -> None:
    changed = memory(a={"b": 1, "c": [1, 2]}, d=None)
    assert [changed.remove(path) for path in (["a", "b"], ["a", "c", "0"], ["d"])] == [True] * 3
    assert [changed.remove(path) for path in (["a", "b"], ["a", "c", "7"], ["d"], ["x", "y"])] == [
        False
    ] * 4
    assert changed.values == {"a": {"c": [2]}}


def test_a_copy_of_a_value_is_not_changed_with_it() -> None:
    changed = memory(a={"b": [1]})
    changed.assign("copy", changed.values["a"])
    changed.push(["a", "b"], 2)
    changed.put(["a", "x"], 1)
    changed.remove(["a", "b", "0"])
    assert changed.values["copy"] == {"b": [1]}


def test_a_value_that_is_replaced_gives_its_bytes_back() -> None:
    fuel = Fuel(memory=10_000)
    changed = memory(fuel)
    for _ in range(100):
        changed.assign("a", "x" * 4_000)
        changed.put(["b", "c"], "x" * 1_000)
    assert fuel.held < 6_000
    changed.remove(["a"])
    changed.remove(["b"])
    assert fuel.held == 0


def test_a_list_that_grows_costs_about_what_it_holds() -> None:
    fuel = Fuel()
    changed = memory(fuel)
    for number in range(2_000):
        changed.push(["list"], str(number))
    assert fuel.used < 2_000 * 40
    assert fuel.held < 2_000 * 80


def test_too_much_is_refused_before_it_is_kept() -> None:
    changed = memory(Fuel(memory=1_000))
    with pytest.raises(OutOfFuel):
        changed.assign("a", "x" * 2_000)
    with pytest.raises(OutOfFuel):
        changed.put(["a", "b"], "x" * 2_000)
    with pytest.raises(OutOfFuel):
        changed.push(["a"], "x" * 2_000)
    assert changed.values == {}


def test_no_value_becomes_deeper_than_can_be_walked() -> None:
    changed = memory(a=[])
    with pytest.raises(ScriptError, match="levels"):
        for _ in range(100):
            changed.assign("a", [changed.values["a"]])
    deep = changed.values["a"]
    for change in (changed.put, changed.push):
        with pytest.raises(ScriptError, match="levels"):
            change(["b", "c"], deep)


@pytest.mark.parametrize("path", ["", "a::b", ":a", "a:", "x" * 1_025, ":".join("a" * 65), 5, None])
def test_a_path_that_is_none_is_refused(path: Any) -> None:
    with pytest.raises(ScriptError, match="key path"):
        read_path(path)


@given(st.dictionaries(st.sampled_from("abc"), VALUES), CHANGES)
def test_changes_share_nothing_and_never_count_for_less_than_nothing(
    values: dict[str, Any], changes: list[tuple[str, list[str], Any]]
) -> None:
    fuel = Fuel()
    changed = memory(fuel, **values)
    before = copy.deepcopy(changed.values)
    kept = dict(changed.values)
    for kind, path, value in changes:
        try:
            if kind == "assign":
                changed.assign(path[0], value)
            elif kind == "put":
                changed.put(path, value)
                assert changed.find(path) == value
            elif kind == "push":
                assert changed.push(path, value)[-1] == value
            else:
                was_there = changed.remove(path)
                assert was_there or changed.find(path) is None
        except ScriptError:
            continue
    assert kept == before
    assert fuel.held >= 0
    for key in list(changed.values):
        changed.remove([key])
    assert fuel.held == 0


# The commands


def test_a_path_may_have_another_delimiter() -> None:
    script = """\
start:
  var.set:
    inputs:
      key: a.b:c
      delimiter: .
      value: 1
  return:
    a@key: a
"""
    assert play(script).returned == {"a": {"b:c": "1"}}
    assert play(script.replace("delimiter: .", "delimiter@json: 5")).exit == "error"


def test_several_paths_are_unset() -> None:
    script = """\
start:
  var.unset/text:
    output: found
    inputs:
      key: a, b:c
  var.unset/list:
    output: more
    inputs:
      key@json: ["b:d", "nothing"]
  return:
    b@key: b
    found@key: found
    more@key: more
"""
    scope = {"a": 1, "b": {"c": 1, "d": 2, "e": 3}}
    assert play(script, scope=scope).returned == {"b": {"e": 3}, "found": True, "more": False}


EXPAND = """\
start:
  var.expand:
    output: expanded
    inputs:
      {key}
      paths: owner_, customfields
    on_error:
      return:
        said@key: expanded:error
  return:
    expanded@key: expanded
    name@key: owner_name
"""


def test_records_are_expanded_one_or_many_or_all_placeholders() -> None:
    ticket = {"owner": {"name": "Kina", "id": 3}, "owner_id": 5}
    flat = {**ticket, "owner_name": "Kina"}
    for key, expanded in (("ticket", flat), ("tickets", [flat, flat])):
        result = play(
            EXPAND.format(key=f"key: {key}"), scope={"ticket": ticket, "tickets": [ticket, ticket]}
        )
        assert result.returned["expanded"] == expanded
    result = play(EXPAND.format(key="key@optional:"), scope={"owner": {"name": "Kina"}})
    assert result.returned["name"] == "Kina"
    assert "expanded" not in result.returned["expanded"]
    result = play(EXPAND.format(key="key: a"), scope={"a": [1]})
    assert result.returned == {
        "said": "a:0 is a number; only dictionaries and lists of them can be expanded"
    }
