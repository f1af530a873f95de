from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookferry.errors import OutOfFuel, ScriptError
from hookferry.kata.templates.library import numbers
from kata.library.rendering import a_run
from kata.templates.rendering import rendered as render


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ 1.005|round(2) }}", "1.01"),
        ("{{ (-2.5)|round }}", "-3"),
        ("{{ 1234|round(-2) }}", "1200"),
        ("{{ 1.21|round(1, 'ceil') }}", "1.3"),
        ("{{ '7.5'|round }}", "8"),
        ("{{ missing|round }}", "0"),
        ("{{ 1.005|number_format(2) }}", "1.01"),
        ("{{ 0.5|number_format }}", "1"),
        ("{{ (-1234.567)|number_format(2) }}", "-1,234.57"),
        ("{{ 1234567|number_format(0, '', ' ') }}", "1 234 567"),
        ("{{ 1e20|number_format }}", "100,000,000,000,000,000,000"),
        ("{{ (-0.4)|number_format }}", "0"),
    ],
)
def test_numbers_are_rounded_half_away_from_zero_as_they_are_written(
    template: str, text: str
) -> None:
    assert render(template).replace("-0", "0") == text


def test_a_word_is_no_number() -> None:
    with pytest.raises(ScriptError, match="wants a number, not 'twelve'"):
        render("{{ 'twelve'|round }}")


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_a_number_rounded_to_its_decimals_differs_by_half_of_the_last_at_most(
    given_number: float,
) -> None:
    rounded = numbers.round_number(a_run(), given_number, 2)
    assert math.isclose(rounded, given_number, abs_tol=0.0051, rel_tol=1e-12)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ range(0, 1, 0.25)|join(',') }}", "0,0.25,0.5,0.75,1"),
        ("{{ range(3, 1)|join(',') }}", "3,2,1"),
        ("{{ range(1, 4, 2)|join(',') }}", "1,3"),
        ("{{ range('c', 'a')|join }}", "cba"),
        ("{{ max('apple', 'banana') }}", "banana"),
        ("{{ min({a: 3, b: 2}) }}", "2"),
        ("{{ max('10', 9) }}", "10"),
        ("{{ array_sum(['1', 2.5, true, 'x', null]) }}", "4.5"),
    ],
)
def test_functions_on_numbers(template: str, text: str) -> None:
    assert render(template) == text


@pytest.mark.parametrize(
    "template", ["{{ range(1, 1e18) }}", "{{ range(-1e308, 1e308) }}", "{{ range(0, 1, 1e-300) }}"]
)
def test_a_range_beyond_the_budget_is_not_built(template: str) -> None:
    with pytest.raises(OutOfFuel):
        render(template)


def test_a_range_is_paid_for_by_its_length() -> None:
    with pytest.raises(OutOfFuel, match="bytes"):
        numbers.number_range(a_run(steps=10**9), 1, 2_000_000)


def test_a_range_of_no_step_is_refused() -> None:
    with pytest.raises(ScriptError, match="other than 0"):
        render("{{ range(1, 2, 0) }}")
