from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookferry.errors import ScriptError
from hookferry.kata.annotations import apply
from hookferry.kata.fuel import Fuel
from hookferry.kata.templates import Run
from hookferry.kata.templates.library.kata_texts import kata_encode
from kata.library.rendering import a_run
from kata.templates.rendering import NOW
from kata.templates.rendering import rendered as render

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
KEYS = st.sampled_from(["a", "b", "c/1", "d_e", "é"])
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | TEXTS
    | st.sampled_from(["two\nlines", " x", "x ", "- #", "\n", "a: b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | TEXTS, inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_kata_that_is_written_is_read_as_the_same_values(value: dict[str, Any]) -> None:
    run = Run(Fuel(), now=NOW, rng=random.Random(1))
    assert apply(["kata"], kata_encode(a_run(), value), {}, run) == value


def test_a_key_that_kata_has_not_is_refused() -> None:
    with pytest.raises(ScriptError, match="can't write the key 'a b'"):
        render("{{ {'a b': 1}|kata_encode }}")
    assert render("{{ {a: {'b c': 1}}|kata_encode }}") == 'a@json: {"b c":1}'


def test_what_is_no_dictionary_is_refused() -> None:
    with pytest.raises(ScriptError, match="wants a dictionary, not a list"):
        render("{{ [1]|kata_encode }}")


def test_kata_with_problems_is_refused_with_the_first() -> None:
    with pytest.raises(ScriptError, match="kata_parse wants KATA: line 2"):
        render("{{ kata_parse('a: 1\nb') }}")


def test_kata_is_read_as_texts_with_its_labels() -> None:
    assert render("{{ kata_parse('a/1@int: 5\nb:\n  c:')|json_encode }}") == (
        '{"a\\/1@int":"5","b":{"c":""}}'
    )
