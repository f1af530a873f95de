"""Whatever a template says, it ends: within its steps, its memory and half a second."""

from __future__ import annotations

import contextlib
import gc
import random
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookferry.errors import OutOfFuel, ScriptError, ScriptRefused
from hookferry.kata.fuel import CELL, MEMORY, STEP_BYTES, STEPS, Fuel
from hookferry.kata.templates import Run, compile_template, template
from hookferry.kata.templates.registry import FILTERS, FUNCTIONS, TESTS

from .rendering import NOW, printed, rendered

LONGEST = 0.5
"""Seconds of the processor's time."""
LARGEST_STEP = 30_000
"""Steps that may be paid for at once, and so be lacking."""


@contextmanager
def soon_over() -> Iterator[None]:
    gc.disable()  # what earlier tests left is not this one's to clear away
    try:
        begin = time.thread_time()
        yield
        assert time.thread_time() - begin < LONGEST
    finally:
        gc.enable()


HOSTILE = {
    "nested loops": "{% for i in 1..9999 %}{% for j in 1..9999 %}{% endfor %}{% endfor %}",
    "nested loops that print": (
        "{% for i in 1..999 %}{% for j in 1..999 %}x{% endfor %}{% endfor %}"
    ),
    "loops over a filter": "{% for i in 1..9999 %}{{ (1..999)|map(v => v + i)|join }}{% endfor %}",
    "a text doubled": "{% set a = 'aaaaaaaa' %}{% for i in 1..99 %}{% set a = a ~ a %}{% endfor %}",
    "a text doubled by capturing": (
        "{% set a = 'aaaaaaaa' %}{% for i in 1..99 %}{% set a %}{{ a }}{{ a }}{% endset %}"
        "{% endfor %}"
    ),
    "a text doubled by a filter": (
        "{% set a = 'ab' %}{% for i in 1..99 %}{% set a = a|replace({a: a, b: a}) %}{% endfor %}"
    ),
    "a list doubled": (
        "{% set a = [1, 2] %}{% for i in 1..99 %}{% set a = a|merge(a) %}{% endfor %}"
    ),
    "a list of itself printed": (
        "{% set a = [1, 2] %}{% for i in 1..60 %}{% set a = [a, a] %}{% endfor %}"
        "{{ a|json_encode }}"
    ),
    "a list of itself compared": (
        "{% set a, b = [1], [1] %}{% for i in 1..60 %}{% set a, b = [a, a], [b, b] %}{% endfor %}"
        "{{ a == b }}"
    ),
    "a dictionary of itself": (
        "{% set a = {} %}{% for i in 1..60 %}{% set a = {x: a, y: a} %}{% endfor %}"
        "{{ a|json_encode }}"
    ),
    "a very deep value": (
        "{% set a, b = [], [] %}{% for i in 1..5000 %}{% set a, b = [a], [b] %}{% endfor %}"
        "{{ a == b }}"
    ),
    "a huge range": "{{ (1..999999999)|length }}",
    "a huge range of decimals": "{{ range(1, 2, 0.000000001)|length }}",
    "towers of powers": "{% for i in 1..9999 %}{{ 9 ** 9 ** 9 ** 9 ** 9 }}{% endfor %}x{{ 1 / 0 }}",
    "a number multiplied": (
        "{% set a = 7 %}{% for i in 1..30000 %}{% set a = a * a %}{% endfor %}{{ 1 / 0 }}"
    ),
    "a number of many digits": (
        "{% set a = '9' %}{% for i in 1..20 %}{% set a = a ~ a %}{% endfor %}"
        "{% for i in 1..9999 %}{% set b = a + 1 %}{% endfor %}{{ 1 / 0 }}"
    ),
    "an expression for backtracking": (
        "{% set a = 'a' %}{% for i in 1..15 %}{% set a = a ~ a %}{% endfor %}"
        "{% for i in 1..9999 %}{{ a matches '/^(a+)+$|(a|aa)+b/' }}{% endfor %}"
    ),
    "a large regular expression": (
        "{% set a = 'x' %}{% for i in 1..11 %}{% set a = a ~ a %}{% endfor %}"
        "{% for i in 1..9999 %}{{ a matches '/(x?){250}x{250}y|é/' }}{% endfor %}"
    ),
    "regular expressions compiled": (
        "{% for i in 1..9999 %}{{ 'x' matches '/(.{0,100}){' ~ (i % 4) ~ '}' ~ i ~ '/' }}"
        "{% endfor %}"
    ),
    "texts searched": (
        "{% set a = 'ab' %}{% for i in 1..20 %}{% set a = a ~ a %}{% endfor %}"
        "{% for i in 1..9999 %}{{ 'ba' ~ a in a }}{% endfor %}"
    ),
    "texts compared": (
        "{% set a = 'ab' %}{% for i in 1..20 %}{% set a = a ~ a %}{% endfor %}{% set b = a ~ 'c' %}"
        "{% set a = a ~ 'd' %}{% for i in 1..99999 %}{% if a == b %}{% endif %}{% endfor %}"
    ),
    "texts begun with": (
        "{% set a = 'ab' %}{% for i in 1..21 %}{% set a = a ~ a %}{% endfor %}{% set b = a ~ '' %}"
        "{% for i in 1..99999 %}{% if a starts with b and a ends with b %}{% endif %}{% endfor %}"
    ),
    "long keys looked up": (
        "{% set a = 'ab' %}{% for i in 1..21 %}{% set a = a ~ a %}{% endfor %}{% set b = a ~ '' %}"
        "{% set c = {(a): 1} %}"
        "{% for i in 1..99999 %}{% if c[b] and c[b] is defined %}{% endif %}{% endfor %}"
    ),
    "long keys compared": (
        "{% set a = 'ab' %}{% for i in 1..21 %}{% set a = a ~ a %}{% endfor %}{% set b = a ~ '' %}"
        "{% for i in 1..99999 %}{% if {(a): 1, (b): 2} %}{% endif %}{% endfor %}"
    ),
    "an arrow of an arrow": (
        "{{ (1..999)|map(a => (1..999)|map(b => (1..999)|map(c => a * b * c)|join)|join)|join }}"
    ),
    "an order without an end": "{{ (1..9999)|sort((a, b) => (1..99)|length)|join }}",
    "many variables copied": (
        "".join(f"{{% set v{i} = 1 %}}" for i in range(3_000))
        + "{% for i in 1..99999 %}{% with %}{% endwith %}{% endfor %}"
    ),
    "a chain of thousands": "{{ " + "a ~ " * 9_000 + "'' }}{{ 1 / 0 }}",
    "a sum of thousands": "{{ " + "1 + " * 9_000 + "1 }}{{ 1 / 0 }}",
    "a path of thousands": "{{ a" + ".b" * 9_000 + " }}{{ 1 / 0 }}",
    "filters of thousands": "{{ 'a'" + "|upper" * 9_000 + " }}{{ 1 / 0 }}",
    "tests of thousands": "{{ a" + " is not even" * 6_000 + " }}{{ 1 / 0 }}",
    "ranges of thousands": "{{ 1" + "..1" * 9_000 + " }}{{ 1 / 0 }}",
    "branches of thousands": "{% if 0 %}" + "{% elseif 0 %}" * 6_000 + "{% endif %}{{ 1 / 0 }}",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_template_ends(name: str) -> None:
    compiled = compile_template(HOSTILE[name])
    fuel = Fuel()
    run = Run(fuel, now=NOW, rng=random.Random(1))
    with soon_over(), pytest.raises(ScriptError):
        compiled.render({}, run)
    assert fuel.used <= STEPS + LARGEST_STEP
    assert fuel.held == 0


@pytest.mark.parametrize("name", ["a text doubled", "a list doubled", "a text doubled by a filter"])
def test_memory_is_bounded_whatever_is_built(name: str) -> None:
    compiled = compile_template(HOSTILE[name])
    tracemalloc.start()
    try:
        with pytest.raises(OutOfFuel):
            compiled.render({}, Run(Fuel(), now=NOW, rng=random.Random(1)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * MEMORY


def test_a_number_of_any_length_prints() -> None:
    assert printed("a", a=10**5_000) == "INF"


def test_every_turn_of_a_loop_is_paid_for() -> None:
    fuel = Fuel(steps=1_000)
    with pytest.raises(OutOfFuel):
        rendered("{% for i in items %}{% endfor %}", fuel, items=[0] * 1_001)


def test_every_call_of_an_arrow_is_paid_for() -> None:
    few, many = Fuel(), Fuel()
    printed("items|reduce((c, v) => 0)", few, items=[0] * 1_000)
    printed("items|reduce((c, v) => 0 + 0 + 0 + 0)", many, items=[0] * 1_000)
    assert many.used >= few.used + 3_000


def test_what_is_not_reached_costs_nothing() -> None:
    fuel = Fuel(steps=100)
    rendered(
        "{% if 0 %}" + "{{ 1 }}" * 1_000 + "{% endif %}{{ 0 ? " + "1 + " * 1_000 + "1 }}", fuel
    )
    assert fuel.used < 20


def test_a_text_is_paid_for_before_it_is_built() -> None:
    fuel = Fuel(memory=1_500)
    assert len(printed("a ~ ''", fuel, a="x" * 700)) == 700
    with pytest.raises(OutOfFuel):
        printed("(a ~ a)|length", fuel, a="x" * 1_000)


@pytest.mark.parametrize(
    "expression",
    ["a == b", "a < b", "b in a", "a starts with b", "a ends with b", "c[b]", "c[b] is defined"],
)
def test_going_through_a_long_text_costs_its_length(expression: str) -> None:
    fuel, long = Fuel(), "x" * 200_000
    rendered(f"{{% do {expression} %}}", fuel, a=long, b=long + "", c={long: 1})
    assert fuel.used > 200_000 // STEP_BYTES


def test_a_list_and_a_dictionary_are_paid_for() -> None:
    printed("[1, 2]|length", Fuel(memory=2 * CELL))
    with pytest.raises(OutOfFuel):
        printed("[1, 2, 3]|length", Fuel(memory=2 * CELL))
    with pytest.raises(OutOfFuel):
        printed("{a: 1, b: 2, c: 3}|length", Fuel(memory=2 * CELL))


def test_what_a_print_was_made_of_is_given_back_after_it() -> None:
    fuel = Fuel(memory=10_000)
    rendered("{% for i in 1..50 %}{{ (a ~ a)|length }}{% endfor %}", fuel, a="x" * 500)


def test_what_was_built_is_given_back_at_the_end() -> None:
    fuel = Fuel()
    rendered("{% set a = 'x' ~ 'y' %}{{ a }}", fuel)
    with pytest.raises(ScriptError):
        rendered("{% set a = 'x' ~ 'y' %}{{ 1 / 0 }}", fuel)
    assert fuel.held == 0


def test_others_get_their_turn_while_a_template_is_rendered() -> None:
    turns: list[int] = []
    fuel = Fuel(pause=lambda: turns.append(1))
    rendered("{% for i in 1..5000 %}{{ i }}{% endfor %}", fuel)
    assert len(turns) > 20


def test_the_deepest_template_renders_with_a_full_stack_below() -> None:
    deepest = (
        "{% if 1 %}" * 20
        + ("{{ " + "[1]|map(v => " * 20 + "1" + ")|join" * 20 + " }}")
        + "{% endif %}" * 20
    )

    def below(frames: int) -> str:
        return rendered(deepest) if frames == 0 else below(frames - 1)

    assert below(300) == "1"


def test_templates_are_kept_up_to_a_number_and_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = template._Cache()
    monkeypatch.setattr(template, "_cache", kept)
    monkeypatch.setattr(template, "MAX_CACHED", 3)
    monkeypatch.setattr(template, "MAX_CACHED_SIZE", 5_000)
    first = compile_template("{{ 1 }}")
    for number in range(2, 4):
        compile_template(f"{{{{ {number} }}}}")
    assert compile_template("{{ 1 }}") is first
    compile_template("{{ 4 }}")
    assert compile_template("{{ 1 }}") is first  # used last, so another one went
    compile_template("x" * 2_400)
    assert compile_template("{{ 1 }}") is not first


names = st.sampled_from(["a", "b", "items", "user", "missing", "loop"])
literals = st.sampled_from(
    ["1", "0", "2.5", "''", "'abc'", "'5'", "true", "null", "9999", "'a,b'", "'/a+/'", "[]", "{}"]
)
WORDS = "+ - * / // % ** ~ == != < > <= >= <=> and or xor ?? in .. ?: b-and matches"
OPERATORS = [*WORDS.split(), "not in", "starts with", "ends with"]


def _calls(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    arguments = st.lists(inner, max_size=3).map(", ".join)
    return st.one_of(
        st.tuples(inner, st.sampled_from(OPERATORS), inner).map(
            lambda x: f"({x[0]} {x[1]} {x[2]})"
        ),
        st.tuples(inner, st.sampled_from(sorted(FILTERS)), arguments).map(
            lambda x: f"{x[0]}|{x[1]}({x[2]})"
        ),
        st.tuples(inner, st.sampled_from(sorted(FILTERS))).map(lambda x: f"{x[0]}|{x[1]}"),
        st.tuples(st.sampled_from(sorted(FUNCTIONS)), arguments).map(lambda x: f"{x[0]}({x[1]})"),
        st.tuples(inner, st.sampled_from(sorted(TESTS)), arguments).map(
            lambda x: f"({x[0]} is {x[1]}({x[2]}))"
        ),
        st.tuples(inner, inner, inner).map(lambda x: f"({x[0]} ? {x[1]} : {x[2]})"),
        st.tuples(inner, st.sampled_from(["map", "filter", "sort", "reduce"]), inner).map(
            lambda x: f"{x[0]}|{x[1]}((a, b) => {x[2]})"
        ),
        st.lists(inner, max_size=3).map(lambda x: f"[{', '.join(x)}]"),
        st.lists(inner, max_size=3).map(lambda x: f"{{{', '.join(f'({e}): {e}' for e in x)}}}"),
        st.tuples(inner, inner).map(lambda x: f"({x[0]})[{x[1]}]"),
        inner.map(lambda x: f"-({x})"),
    )


expressions = st.recursive(names | literals, _calls, max_leaves=12)


def _blocks(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(names, expressions, inner).map(
            lambda x: f"{{% for {x[0]} in {x[1]} %}}{x[2]}{{% endfor %}}"
        ),
        st.tuples(expressions, inner).map(lambda x: f"{{% if {x[0]} %}}{x[1]}{{% endif %}}"),
        st.tuples(names, inner).map(lambda x: f"{{% set {x[0]} %}}{x[1]}{{% endset %}}"),
        inner.map(lambda x: f"{{% with {{a: 1}} %}}{x}{{% endwith %}}"),
        inner.map(lambda x: f"{{% for i in 1..99 %}}{x}{{% endfor %}}"),
    )


templates = st.recursive(
    expressions.map(lambda x: f"{{{{ {x} }}}}")
    | st.tuples(names, expressions).map(lambda x: f"{{% set {x[0]} = {x[1]} %}}"),
    _blocks,
    max_leaves=6,
)
SCOPE: dict[str, Any] = {
    "a": 3,
    "b": "text",
    "items": [1, "two", {"three": [3.5]}],
    "user": {"name": "Joe", "age": "37"},
}


@given(templates)
@settings(deadline=None)
def test_any_template_ends_within_its_budget(text: str) -> None:
    fuel = Fuel(steps=5_000)
    with soon_over(), contextlib.suppress(ScriptError, ScriptRefused):
        compile_template(text).render(SCOPE, Run(fuel, now=NOW, rng=random.Random(1)))
    assert fuel.used <= 5_000 + LARGEST_STEP
    assert fuel.held == 0
