"""Whoever drives a run is asked for a pause also in the middle of what takes long.

Pauses are counted, not timed: a test on a busy machine measures the machine.
"""

from __future__ import annotations

import random
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookferry.kata.fuel import PORTION, Fuel
from hookferry.kata.memory import Memory
from hookferry.kata.templates import Run, compile_template
from hookferry.kata.templates.library import lists, texts
from hookferry.kata.templates.library.escaping import nl2br
from kata.library.rendering import a_run
from kata.templates.rendering import NOW

MANY = 60_000
NUMBERS = random.Random(1).sample(range(MANY), MANY)


class Pauses:
    """Counts how often a fuel asks for a pause."""

    def __init__(self) -> None:
        self.count = 0
        self.fuel = Fuel(pause=self._pause)

    def _pause(self) -> None:
        self.count += 1


@pytest.mark.parametrize(
    "expression",
    [
        "list|sort",
        "list|join",
        "list|batch(2)",
        "list|reverse",
        "list|merge({a: 1})",
        "ordered|sort((a, b) => 0)",
        "array_sum(list)",
        "blanks|trim",
        "blanks|trim(side='right')",
        "lines|nl2br",
        "accents|upper",
        "accents|lower",
    ],
)
def test_a_long_call_pauses_on_its_way(expression: str) -> None:
    pauses = Pauses()
    scope = {
        "list": NUMBERS,
        "ordered": list(range(30_000)),
        "blanks": " " * 4_000_000,
        "accents": "é" * 4_000_000,
        "lines": "a\r\n" * 20_000,
    }
    template = compile_template("{% set result = " + expression + " %}")
    template.render(scope, Run(pauses.fuel, now=NOW, rng=random.Random(1)))
    assert pauses.count >= 12


@pytest.mark.parametrize("value", [NUMBERS, {str(key): key for key in range(MANY)}])
def test_a_large_value_is_put_into_memory_with_pauses(value: Any) -> None:
    pauses = Pauses()
    Memory(pauses.fuel).assign("x", value)
    assert pauses.count >= MANY // PORTION


def test_a_long_list_of_numbers_is_sorted_as_a_short_one() -> None:
    run = a_run(steps=1_000_000)
    assert lists.sort(run, NUMBERS) == sorted(NUMBERS)
    pairs = {str(place): place % 7 for place in range(3 * PORTION + 1)}
    said = lists.sort(run, pairs)
    assert list(said.items()) == sorted(pairs.items(), key=lambda pair: pair[1])


@given(st.text(alphabet=" ab", max_size=30), st.sampled_from([" ", " a", "b"]))
def test_a_long_text_is_trimmed_as_a_short_one(middle: str, mask: str) -> None:
    long = mask * 40_000
    said = f"{long}{middle}{long}"
    assert texts.trim(a_run(), said, mask) == said.strip(mask)
    assert texts.trim(a_run(), said, mask, "left") == said.lstrip(mask)
    assert texts.trim(a_run(), said, mask, "right") == said.rstrip(mask)
    assert texts.append(a_run(), said, "", "", mask) == said.rstrip(mask)


@given(st.text(alphabet="aßéΣÅ ", max_size=9))
def test_a_long_text_changes_its_case_as_a_short_one(unit: str) -> None:
    said = unit * 5_000
    assert texts.upper(a_run(), said) == said.upper()
    assert texts.lower(a_run(), said) == said.lower()


@given(st.text(alphabet="a\r\n", max_size=12))
def test_every_line_end_has_one_break(said: str) -> None:
    expected = re.sub(r"\r\n|\n\r|\n|\r", lambda found: "<br />" + found[0], said)
    assert nl2br(a_run(), said) == expected
