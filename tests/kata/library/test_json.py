from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookferry.errors import OutOfFuel, ScriptError
from hookferry.kata.templates.library import json_texts
from kata.library.rendering import a_run
from kata.templates.rendering import rendered as render

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXTS | st.floats(-1e9, 1e9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)


@given(VALUES, st.sampled_from([0, 64, 128, 256, 448]))
def test_what_is_written_is_read_back(value: Any, options: int) -> None:
    written = json_texts.json_encode(a_run(), value, options)
    assert json.loads(written) == value
    assert json_texts.json_decode(a_run(), written) == value


@given(VALUES)
def test_by_default_it_is_ascii_with_slashes_escaped(value: Any) -> None:
    written = json_texts.json_encode(a_run(), value)
    assert written.isascii()
    assert written.replace("\\/", "").count("/") == 0


@given(st.lists(VALUES, max_size=3) | st.dictionaries(TEXTS, VALUES, max_size=3))
def test_pretty_json_has_its_keys_in_order_and_two_blanks_a_level(value: Any) -> None:
    written = json_texts.json_encode(a_run(), value)
    pretty = json_texts.json_pretty(a_run(), written)
    assert list(json.loads(pretty)) == list(value)
    assert json.loads(pretty) == value
    if value:
        assert pretty.split("\n")[1].startswith("  ")


def test_a_decimal_without_decimals_is_written_as_php_does() -> None:
    assert render("{{ [a, '1.0', 'x:2.0,']|json_encode }}", a=3.0) == '[3,"1.0","x:2.0,"]'
    assert render("{{ [a, b]|json_encode }}", a=10.05, b=-2.0) == "[10.05,-2]"


def test_an_empty_dictionary_stays_one() -> None:
    assert render("{{ {a: {}, b: []}|json_encode }}") == '{"a":{},"b":[]}'


@pytest.mark.parametrize("said", ["", "{", "nul", "[1,]", "{'a': 1}", "NaN", "\udc80", '"\udcff"'])
def test_what_is_no_json_is_null(said: str) -> None:
    assert json_texts.json_decode(a_run(), said) is None


def test_pretty_printing_what_is_no_json_is_refused() -> None:
    with pytest.raises(ScriptError, match=r"json_encode\|json_pretty"):
        render("{{ 'a: 1'|json_pretty }}")
    assert render("{{ 'null'|json_pretty }}") == "null"


@pytest.mark.parametrize("depth", [65, 900, 100_000])
def test_json_that_is_too_deep_is_refused(depth: int) -> None:
    with pytest.raises(ScriptError, match="at most 64 levels"):
        json_texts.json_decode(a_run(), "[" * depth + "]" * depth)


def test_json_of_64_levels_is_read_and_written() -> None:
    said = "[" * 64 + "]" * 64
    assert json_texts.json_encode(a_run(), json_texts.json_decode(a_run(), said)) == said


def test_values_that_json_can_not_hold_are_refused() -> None:
    with pytest.raises(ScriptError, match="function"):
        render("{{ [v => v]|json_encode }}")
    with pytest.raises(ScriptError, match="not finite"):
        render("{{ (10 ** 400)|json_encode }}")
    with pytest.raises(ScriptError, match="base64_encode"):
        render("{{ 'a'|sha1|hash('sha256', true)|json_encode }}")


def test_a_value_that_doubles_is_not_written_out() -> None:
    with pytest.raises(OutOfFuel):
        render(
            "{% set a = [1] %}{% for i in 1..60 %}{% set a = [a, a] %}{% endfor %}"
            "{{ a|json_encode }}"
        )


def test_many_small_values_are_paid_for_before_they_are_built() -> None:
    said = "[" + "[]," * 200_000 + "[]]"
    with pytest.raises(OutOfFuel, match="bytes"):
        json_texts.json_decode(a_run(steps=10**9), said)
