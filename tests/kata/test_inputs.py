"""Inputs are checked, brought into the form of their types, and named when they are wrong."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookferry.errors import OutOfFuel, ScriptError
from hookferry.kata.fuel import Fuel
from hookferry.kata.input_types import KINDS, TYPES
from hookferry.kata.inputs import Inputs, read_inputs
from hookferry.kata.parser import parse
from hookferry.kata.problems import Problem
from hookferry.kata.templates.registry import Run

from .trees import script

NOW = 1_772_359_200.0  # 2026-03-01 10:00 UTC


def section(text: str) -> tuple[Inputs, list[Problem]]:
    problems: list[Problem] = []
    inputs = read_inputs(parse(script(text)).child("inputs"), problems)
    return inputs, problems


def checked(text: str, /, **given: Any) -> dict[str, Any]:
    inputs, problems = section(text)
    assert problems == []
    return inputs.check(given, Run(Fuel(), now=NOW, rng=random.Random(1)))


def read(type: str, value: Any) -> Any:
    """What a text input of a type becomes."""
    return checked(f"inputs:\n  text/x:\n    type: {type}\n    required@bool: yes\n", x=value)["x"]


def test_a_script_without_the_section_takes_any_input() -> None:
    assert checked("start:", a=1) == {"a": 1}


@pytest.mark.parametrize(
    ("type", "value", "becomes"),
    [
        ("freeform", " a ", " a "),
        ("freeform", 5, "5"),
        ("bool", "off", False),
        ("bool", 1, True),
        ("date", "2026-03-01 12:00", 1_772_366_400),
        ("date", "+2 hours", 1_772_366_400),
        ("decimal", "12.50", 12.5),
        ("decimal", 3, 3.0),
        ("email", " kina@cerb.example ", "kina@cerb.example"),
        ("geopoint", "34.05, -118.24", {"latitude": 34.05, "longitude": -118.24}),
        ("geopoint", {"latitude": 1, "longitude": "2"}, {"latitude": 1.0, "longitude": 2.0}),
        ("ip", "192.0.2.1", "192.0.2.1"),
        ("ip", "2001:db8::1", "2001:db8::1"),
        ("ipv4", "192.0.2.1", "192.0.2.1"),
        ("ipv6", "2001:db8::1", "2001:db8::1"),
        ("record_type", "automation", "automation"),
        ("number", "-12", -12),
        ("number", 12.0, 12),
        ("timestamp", "1772359200", 1_772_359_200),
        ("uri", "cerb:automation:example.name", "cerb:automation:example.name"),
        ("url", "https://cerb.example:8443/a?b#c", "https://cerb.example:8443/a?b#c"),
    ],
)
def test_a_value_is_brought_into_the_form_of_its_type(type: str, value: Any, becomes: Any) -> None:
    found = read(type, value)
    assert found == becomes
    assert isinstance(found, becomes.__class__)


@pytest.mark.parametrize(
    ("type", "value", "told"),
    [
        ("freeform", ["a"], "a text, not a list"),
        ("date", "never", "a date"),
        ("date", True, "a date"),
        ("decimal", "12,50", "a number"),
        ("decimal", "1e999", "a number"),
        ("decimal", [], "a number"),
        ("email", "kina", "an email address"),
        ("email", True, "an email address, not a boolean"),
        ("geopoint", "34.05", "latitude, longitude"),
        ("geopoint", "91, 0", "latitude, longitude"),
        ("geopoint", "0, 181", "latitude, longitude"),
        ("geopoint", "1,2,3", "latitude, longitude"),
        ("geopoint", {}, "latitude, longitude"),
        ("ip", "192.0.2", "an IP address"),
        ("ipv4", "2001:db8::1", "an IP address such as 192.0.2.1"),
        ("ipv6", "192.0.2.1", "an IP address such as 2001:db8::1"),
        ("ipv6", "fe80::1%eth0", "an IP address"),
        ("record_type", "An Automation", "a type of records"),
        ("number", "12.5", "a whole number"),
        ("number", "twelve", "a whole number"),
        ("number", False, "a whole number"),
        ("timestamp", "-1", "Unix seconds"),
        ("timestamp", "now", "Unix seconds"),
        ("uri", "a b", "a URI"),
        ("url", "cerb.example", "a URL"),
        ("url", "ftp://cerb.example", "a URL"),
        ("url", "https://", "a URL"),
        ("url", "https://cerb.example/a b", "a URL"),
        ("url", "https://[", "a URL"),
        ("url", "https://cerb.example/" + "a" * 2_048, "of at most 2,048 characters"),
        ("url", "https://cerb.example:99999/", "a URL"),
    ],
)
def test_a_value_of_another_type_is_refused(type: str, value: Any, told: str) -> None:
    with pytest.raises(ScriptError, match=r"^inputs:x has to be ") as refused:
        read(type, value)
    assert told in refused.value.detail


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(sorted(TYPES)), ANYTHING)
def test_any_value_is_taken_or_refused(type: str, value: Any) -> None:
    try:
        read(type, value)
    except ScriptError as refused:
        told = refused.detail
    else:
        return
    assert told.startswith("inputs:x ")


def test_each_kind_has_its_form() -> None:
    text = "inputs:\n  array/a:\n  array/b:\n  record/c:\n  records/d:\n  records/e:\n  text/f:"
    given: dict[str, Any] = {"a": [1], "b": {"k": 1}, "c": 5, "d": "1, 2,", "e": [3, "x"], "f": 7}
    assert checked(text, **given) == {
        "a": [1],
        "b": {"k": 1},
        "c": "5",
        "d": ["1", "2"],
        "e": ["3", "x"],
        "f": "7",
    }
    assert checked(text, d=9) == {"d": ["9"]}


@pytest.mark.parametrize(
    ("kind", "value"),
    [("array", "a"), ("record", [1]), ("record", 1.5), ("records", [[1]]), ("record", "x" * 300)],
)
def test_a_value_of_another_kind_is_refused(kind: str, value: Any) -> None:
    with pytest.raises(ScriptError, match=r"^inputs:x has to be "):
        checked(f"inputs:\n  {kind}/x:", x=value)


OPTIONS = """
inputs:
  text/plain:
  text/must:
    required@bool: yes
  text/need_not:
    required: no
  text/has:
    default: d
    required@bool: yes
  text/counted:
    type: number
    default: {{2 + 3}}
  array/listed:
    default@csv: a, b
"""


def test_defaults_stand_in_for_what_is_missing_or_empty() -> None:
    wanted = {"must": "x", "has": "d", "counted": 5, "listed": ["a", "b"]}
    assert checked(OPTIONS, must="x") == wanted
    assert checked(OPTIONS, must="x", has="", counted=None, plain="") == wanted
    assert checked(OPTIONS, must="x", counted="7")["counted"] == 7


def test_every_wrong_input_is_named() -> None:
    with pytest.raises(ScriptError) as refused:
        checked(OPTIONS, counted="many", listed="a", plain=[])
    assert refused.value.detail == (
        "inputs:plain has to be a text, not a list; inputs:must is required; "
        "inputs:counted has to be a whole number such as 12; "
        "inputs:listed has to be a list or a dictionary, not a text"
    )


def test_a_run_pays_for_its_inputs() -> None:
    inputs, _ = section("inputs:\n  records/x:")
    with pytest.raises(OutOfFuel):
        inputs.check({"x": "a," * 300_000}, Run(Fuel(), now=NOW, rng=random.Random(1)))


@pytest.mark.parametrize(
    ("text", "place", "told"),
    [
        ("txt/a:", (2, 3), "there are no inputs txt/; did you mean text?"),
        ("text:", (2, 3), "an input has a name: text/customer_id:"),
        ("text/a:\n  array/a:", (3, 3), "there is an input a already"),
        ("text/a: x", (2, 3), "text/a: has keys under it"),
        ("text/a@bool:", (2, 3), "text/a@bool: has keys under it"),
        ("text/a:\n    requird@bool: yes", (3, 5), "no requird:; did you mean required?"),
        ("text/a:\n    type: numbr", (3, 5), "there is no type 'numbr'; did you mean number?"),
        ("text/a:\n    type:", (3, 5), "there is no type ''"),
        ("text/a:\n    type: {{x}}", (3, 5), "there is no type"),
        ("array/a:\n    type: number", (3, 5), "no type:; known are"),
        ("text/a:\n    default: {{ x", (3, 14), "end it with }}"),
    ],
)
def test_the_section_itself_is_checked(text: str, place: tuple[int, int], told: str) -> None:
    _, problems = section(f"inputs:\n  {text}\n")
    assert len(problems) == 1
    assert problems[0][:2] == place
    assert told in problems[0].message


def test_a_section_with_a_text_is_none() -> None:
    assert "has keys under it" in section("inputs: a")[1][0].message


def test_every_type_and_kind_is_documented() -> None:
    assert all(each.doc for each in (*TYPES.values(), *KINDS.values()))
    assert set(KINDS) == {"text", "array", "record", "records"}


def test_what_an_editor_proposes_has_no_effect() -> None:
    assert checked("inputs:\n  text/a:\n    snippet: a: x\n    default: b\n") == {"a": "b"}
