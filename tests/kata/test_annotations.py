"""Annotations do what Cerb's reference says, and a run pays for them."""

from __future__ import annotations

import base64
import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookferry.errors import OutOfFuel, ScriptError
from hookferry.kata.annotations import (
    ANNOTATIONS,
    EXAMPLE_NOW,
    EXAMPLE_SCOPE,
    REMOVED,
    Example,
    apply,
    look_up,
    register,
)
from hookferry.kata.fuel import Fuel
from hookferry.kata.parser import parse
from hookferry.kata.references import resolve
from hookferry.kata.templates.library.coercion import octets
from hookferry.kata.templates.registry import Run
from hookferry.kata.tree import ANNOTATIONS as NAMES


def new_run(**fuel: int) -> Run:
    return Run(Fuel(**fuel), now=EXAMPLE_NOW, rng=random.Random(1))


def of(kata: str, run: Run | None = None) -> Any:
    """The value of the first key of a text, as the examples see it."""
    tree, problems = resolve(parse(kata))
    assert problems == []
    node = tree.children[0]
    return apply(node.annotations, node.text, EXAMPLE_SCOPE, run or new_run())


def made(value: Any, *annotations: str, **fuel: int) -> Any:
    return apply(annotations, value, EXAMPLE_SCOPE, new_run(**fuel))


EXAMPLES = [
    pytest.param(example, id=f"{name}-{number}")
    for name, annotation in ANNOTATIONS.items()
    for number, example in enumerate(annotation.examples)
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_of_the_reference_holds(example: Example) -> None:
    value = of(example.kata)
    assert value == example.value
    assert type(value) is type(example.value)


def test_every_annotation_that_the_parser_knows_is_there() -> None:
    assert set(ANNOTATIONS) == NAMES


def test_an_annotation_is_documented() -> None:
    with pytest.raises(TypeError, match="@trim needs"):
        register("trim")(lambda value, scope, run: value)


@pytest.mark.parametrize(
    ("kata", "value"),
    [
        ("a@trim,optional:\n  \n  \n", REMOVED),
        ("a@optional,trim:\n   \n  \n", ""),
        ("a@optional,int:", REMOVED),
        ("a@int,optional:", 0),
        ("a@bool,optional: no", False),
        ("a@csv,optional: ,", REMOVED),
        ("b@key,int: response:status", 200),
        ("b@text,int: 7 days", 7),
        ("b@base64,json: WzFd", [1]),
    ],
)
def test_annotations_are_applied_from_left_to_right(kata: str, value: Any) -> None:
    assert of(kata) == value


@pytest.mark.parametrize("word", ["No", "FALSE", " off ", "0", "n", "", "\t"])
def test_words_for_no_are_false_in_any_case(word: str) -> None:
    assert made(word, "bool") is False
    assert made(word, "bit") == 0


@pytest.mark.parametrize(
    ("value", "yes"),
    [(None, False), (0, False), (0.0, False), ([], False), ({}, False), ([0], True), (2, True)],
)
def test_values_that_are_no_texts_are_true_unless_empty(value: Any, yes: bool) -> None:
    assert made(value, "bool") is yes


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (" 12abc", 12),
        ("-.5", 0),
        ("1e1000", 2**63 - 1),
        ("-1e1000", -(2**63)),
        ("9" * 5_000, 2**63 - 1),
        ("0x1A", 0),
        ("+7", 7),
        (2.9, 2),
        (-2.9, -2),
        (float("inf"), 0),
        (float("nan"), 0),
        (1e300, 2**63 - 1),
        (10**30, 2**63 - 1),
        (True, 1),
        (None, 0),
        ([], 0),
        ([1], 1),
    ],
)
def test_whole_numbers_are_cast_as_php_does(value: Any, number: int) -> None:
    assert made(value, "int") == number
    assert isinstance(made(value, "int"), int)


@pytest.mark.parametrize(
    ("value", "number"),
    [(".5", 0.5), ("-2.7", -2.7), ("1.5e3", 1500.0), ("1,500", 1.0), ("banana", 0.0), (3, 3.0)],
)
def test_decimals_are_cast_as_php_does(value: Any, number: float) -> None:
    assert made(value, "float") == number
    assert isinstance(made(value, "float"), float)


def test_a_number_too_large_for_a_decimal_is_infinite() -> None:
    assert made(10**400, "float") == float("inf")


@given(st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.booleans()))
def test_casts_never_fail(value: Any) -> None:
    assert -(2**63) <= made(value, "int") < 2**63
    assert isinstance(made(value, "float"), float)


@given(st.recursive(st.none() | st.integers(-9, 9) | st.text(), st.lists, max_leaves=5))
def test_json_is_read(value: Any) -> None:
    assert made(json.dumps(value), "json") == value


@pytest.mark.parametrize("text", ["{", "nope", "[1,]", "NaN", "{'a': 1}"])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ScriptError, match="@json wants JSON, and this is none"):
        made(text, "json")


@pytest.mark.parametrize("value", [{"a": 1}, [1], 5, None])
def test_what_was_read_before_stays_as_it_is(value: Any) -> None:
    assert made(value, "json") == value


@given(st.binary())
def test_base64_gives_the_bytes_back(raw: bytes) -> None:
    assert octets(made(base64.b64encode(raw).decode(), "base64")) == raw
    assert octets(made(base64.urlsafe_b64encode(raw).decode().rstrip("="), "base64")) == raw


@pytest.mark.parametrize("text", ["c2VjcmV0!", "=a", "ключ", "a.b", " " * 1_000_000 + "!"])
def test_what_is_no_base64_is_refused(text: str) -> None:
    with pytest.raises(ScriptError, match="@base64 wants base64"):
        made(text, "base64")


@pytest.mark.parametrize("text", ["never", "2026-13-45"])
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(ScriptError, match="is no date"):
        made(text, "date")


@pytest.mark.parametrize("value", ["", " ", None])
def test_nothing_is_no_date(value: Any) -> None:
    with pytest.raises(ScriptError, match="write @optional,date"):
        made(value, "date")


def test_unix_seconds_are_a_date() -> None:
    assert made("1772359200", "date") == 1_772_359_200
    assert made(1_772_359_200.9, "date") == 1_772_359_200


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("a", {"b.c": [1, {"d": 2}], "x": 3}),
        ("a:b.c:1:d", 2),
        ("a.x", 3),
        ("a:x:y", None),
        ("a:b.c:9", None),
        ("a:b.c:x", None),
        ("dotted.name", 4),
        ("", None),
        ("none:at:all", None),
    ],
)
def test_a_key_is_looked_up_by_its_path(path: str, value: Any) -> None:
    scope = {"a": {"b.c": [1, {"d": 2}], "x": 3}, "dotted.name": 4}
    assert look_up(path, scope, Fuel()) == value


def test_a_path_has_a_limit() -> None:
    with pytest.raises(ScriptError, match="a path has at most"):
        made("a" * 2_000, "key")


def test_a_key_that_is_copied_is_not_built_again() -> None:
    run = new_run()
    of("a@key: response", run)
    assert run.fuel.held == 0


def test_entries_of_texts_are_trimmed_and_lists_stay() -> None:
    assert made("a\r\n\r\n b \n", "list") == ["a", "b"]
    assert made(" a ,, b,", "csv") == ["a", "b"]
    assert made(["x", " y"], "csv") == ["x", " y"]
    assert made(5, "csv") == ["5"]
    with pytest.raises(ScriptError, match="can't be printed as text"):
        made({"a": 1}, "list")


def test_kata_is_read_with_its_references() -> None:
    text = "a@ref: x\n&x:\n  b@csv: 1,2\n  c@optional:\n  d:"
    assert made(text, "kata") == {"a": {"b": ["1", "2"], "d": ""}}


def test_kata_that_was_rendered_copies_no_placeholders() -> None:
    assert made("a@key: response:body", "kata") == {"a": None}


@pytest.mark.parametrize("text", ["a", "a@ref: b", "a@kata: b@kata: c: 1"])
def test_what_is_no_kata_is_refused(text: str) -> None:
    with pytest.raises(ScriptError, match="@kata"):
        made(text, "kata")


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        ("," * 300_000, "json"),
        ("[" + "1," * 300_000 + "1]", "json"),
        ("a," * 300_000, "csv"),
        ("a\n" * 300_000, "list"),
        ("".join(f"a{n}: 1\n" for n in range(9_000)), "kata"),
        ("x" * 17_000_000, "trim"),
        ("QUFB" * 5_000_000, "base64"),
    ],
)
def test_a_run_pays_for_what_annotations_build(value: str, annotation: str) -> None:
    with pytest.raises(OutOfFuel):
        made(value, annotation, steps=50_000)


def test_a_run_pays_for_what_annotations_read() -> None:
    with pytest.raises(OutOfFuel):
        made(" " * 1_000_000, "bool", steps=100)
