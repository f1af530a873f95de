"""How values compare and compute: PHP 8's rules."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookferry.errors import ScriptError
from hookferry.kata.fuel import Fuel
from hookferry.kata.templates.operators import OPERATORS, compare

from .rendering import printed

BIG = 2**63 - 1


@pytest.mark.parametrize(
    ("left", "right", "order"),
    [
        (1, 1.0, 0),
        (1, "1", 0),
        (1, " 1", 0),
        (1, "1 ", 0),
        (1, "1.0", 0),
        (100, "1e2", 0),
        (0, "", 1),
        (0, "a", -1),
        (0, "foo", -1),
        (1, "1abc", -1),
        (42, "  42  x", 1),
        ("1", "01", 0),
        ("10", "1e1", 0),
        ("abc", "ABC", 1),
        ("a", "b", -1),
        ("9", "10", -1),
        ("9a", "10a", 1),
        ("", "0", -1),
        ("1234567890123456789012", "1234567890123456789013", -1),
        (None, "", 0),
        (None, "a", -1),
        ("a", None, 1),
        (None, False, 0),
        (None, 0, 0),
        (None, [], 0),
        (None, [1], -1),
        (True, "a", 0),
        (True, 5, 0),
        (False, "0", 0),
        (False, [], 0),
        ([], 5, 1),
        ("x", [], -1),
        ([1, 2], [1, 3], -1),
        ([1, 2], [1], 1),
        ([1, "2"], ["1", 2.0], 0),
        ({"a": 1}, {"a": 2}, -1),
        ({"a": 1}, {"b": 1}, 1),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, 0),
        ([5], {"0": 5}, 0),
        ([[1]], [[2]], -1),
    ],
)
def test_the_order_of_two_values(left: Any, right: Any, order: int) -> None:
    assert compare(Fuel(), left, right) == order


def test_what_is_no_number_equals_nothing() -> None:
    assert compare(Fuel(), math.nan, math.nan) == 1
    assert OPERATORS["<"](Fuel(), math.nan, 1) is False
    assert OPERATORS[">="](Fuel(), math.nan, 1) is False


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()


@given(scalars, scalars)
def test_equality_and_order_agree_both_ways(left: Any, right: Any) -> None:
    fuel = Fuel()
    assert compare(fuel, left, right) == -compare(fuel, right, left)
    assert compare(fuel, left, left) == 0


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("7 + 0.5", "7.5"),
        ("'7' + '0.5'", "7.5"),
        ("'5 apples' + 1", "6"),
        ("null + 1", "1"),
        ("true + true", "2"),
        ("0.1 + 0.2", "0.3"),
        ("10 / 4", "2.5"),
        ("10 / 5", "2"),
        ("10 / 3", "3.3333333333333"),
        ("7 // 2", "3"),
        ("-7 // 2", "-4"),
        ("7.5 // 2", "3"),
        ("7 % 3", "1"),
        ("-7 % 3", "-1"),
        ("7 % -3", "1"),
        ("7.9 % 3", "1"),
        ("2 ** 10", "1024"),
        ("2 ** -1", "0.5"),
        ("2 ** 0.5", "1.4142135623731"),
        ("2 ** 63", "9.2233720368548E+18"),
        ("(-8) ** 0.5", "NAN"),
        ("0 ** 0", "1"),
        ("(-1) ** 1000001", "-1"),
        ("(-10) ** 401", "-INF"),
        ("0 ** -1", "INF"),
        ("1e308 * 10", "INF"),
        ("0.00001", "1.0E-5"),
        ("123456789012345678.5", "1.2345678901235E+17"),
        ("1e15", "1.0E+15"),
        ("0.0001", "0.0001"),
        ("1.5e300", "1.5E+300"),
        ("2 <=> 1", "1"),
        ("1 <=> 2", "-1"),
    ],
)
def test_arithmetic(expression: str, text: str) -> None:
    assert printed(expression) == text


@pytest.mark.parametrize(
    "expression", ["max_int + 1", "max_int * max_int", "0 - max_int - 2", "9 ** 9 ** 9"]
)
def test_a_whole_number_of_more_than_64_bits_is_a_decimal(expression: str) -> None:
    assert "E+" in printed(expression, max_int=BIG) or "INF" in printed(expression, max_int=BIG)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("1 / 0", "divided by zero"),
        ("1 // 0", "divided by zero"),
        ("1 % 0", "divided by zero"),
        ("1 % 0.5", "divided by zero"),
        ("'abc' + 1", "the text 'abc' is none"),
        ("'' + 1", "the text '' is none"),
        ("[1] + [2]", "a list is none"),
        ("-{a: 1}", "a dictionary is none"),
        ("1e300 % 2", "whole numbers of 64 bits"),
        ("{([]): 1}", "can't be a key"),
        ("'a' matches '/(/'", "not a regular expression"),
        ("'a' matches '/(?=a)/'", "no look-around"),
        ("'a' matches null", "wants a regular expression"),
    ],
)
def test_what_can_not_be_done_says_so(expression: str, message: str) -> None:
    with pytest.raises(ScriptError, match=message.replace("(", r"\(")):
        printed(expression)


numbers = st.integers(-(2**63), BIG) | st.floats()


@given(st.sampled_from(["+", "-", "*", "/", "//", "%", "**"]), numbers, numbers)
def test_numbers_come_to_numbers_of_64_bits(operator: str, left: Any, right: Any) -> None:
    try:
        found = OPERATORS[operator](Fuel(), left, right)
    except ScriptError:
        return
    assert isinstance(found, float) or -(2**63) <= found <= BIG
