"""Every example of the reference is what it says it is."""

from __future__ import annotations

import random

import pytest

from hookferry.kata.fuel import Fuel
from hookferry.kata.templates import Run, compile_template
from hookferry.kata.templates.registry import FILTERS, FUNCTIONS, TESTS, Callee

CALLEES = [callee for registry in (FILTERS, FUNCTIONS, TESTS) for callee in registry.values()]


@pytest.mark.parametrize("callee", CALLEES, ids=lambda callee: f"{callee.kind}-{callee.name}")
def test_an_example_renders_to_the_text_beside_it(callee: Callee) -> None:
    for example in callee.examples:
        run = Run(Fuel(), now=1_772_359_200, rng=random.Random(1))
        assert compile_template(example.template).render({}, run) == example.text
