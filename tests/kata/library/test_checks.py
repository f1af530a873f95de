from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookferry.errors import OutOfFuel, ScriptError
from hookferry.kata.templates.library.checks import wildcard
from kata.library.rendering import a_run
from kata.templates.rendering import rendered as render


@pytest.mark.parametrize(
    "condition",
    [
        "[] is empty and {} is empty and '' is empty and false is empty and missing is empty",
        "0 is not empty and '0' is not empty and [0] is not empty",
        "-1 is odd and '3' is odd and 0 is even",
        "'1e3' is numeric and ' 1' is numeric and '1x' is not numeric and true is not numeric",
        "9 is divisible by(3) and 9 is not divisible by(2)",
        "{a: [1]} is same as({a: [1]}) and {a: [1]} is not same as({a: ['1']})",
        "1 is not same as(1.0) and null is same as(missing)",
        "'SALES@x.example' is pattern('sales@*')",
        "['a', 'b'] is pattern('c', 'b*')",
        "'a' is not pattern()",
        "'abc' is prefixed('x', 'ab') and 'abc' is not prefixed('AB')",
        "'abc' is suffixed(['x', 'bc']) and missing is not suffixed('x')",
        "[] is iterable and [] is sequence and {a: 1} is iterable and 'x' is not iterable",
        "missing is not defined and missing is null and 0 is defined",
    ],
)
def test_what_holds(condition: str) -> None:
    assert render("{{ (" + condition + ") ? 'yes' : 'no' }}") == "yes"


@given(st.text("ab", max_size=8), st.text("ab*", max_size=6))
def test_a_star_stands_for_anything(said: str, pattern: str) -> None:
    assert wildcard(a_run(), said, pattern) is fnmatchcase(said, pattern)


def test_a_pattern_of_many_stars_is_quick_to_refuse() -> None:
    run = a_run(steps=2_000)
    assert not wildcard(run, "a" * 10_000, "*a" * 200 + "*b")


def test_long_texts_are_compared_at_a_price() -> None:
    with pytest.raises(OutOfFuel):
        render(
            "{% set a = 'a'|repeat(2000000) %}"
            "{{ range(1, 1000)|map(v => a) is same as(range(1, 1000)|map(v => a)) }}"
        )


def test_nothing_is_divisible_by_0() -> None:
    with pytest.raises(ScriptError, match="other than 0"):
        render("{{ 1 is divisible by(0) }}")
