"""Whatever is called with whatever: it returns a value or says what it wants."""

from __future__ import annotations

import inspect
import random
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookferry.errors import ScriptError
from hookferry.kata.templates.registry import FILTERS, FUNCTIONS, TESTS, Callee
from kata.library.rendering import a_run

CALLEES = [
    callee
    for registry in (FILTERS, FUNCTIONS, TESTS)
    for name, callee in registry.items()
    if name == callee.name
]
NUMBERS: Final = [0, 1, -1, 3, 70, 0.5, -2.5, 2**63 - 1, -(2**63), 1e308, -1e308, 1e-300]
NUMBERS_THAT_ARE_NONE: Final = [float("inf"), float("nan"), "1e400", "9" * 500]
TEXTS: Final = [
    *("", "0", "-1", "a", "é😀", "\x00", "\udc80", "\ud800", "x" * 3000, ".", "a.[]", "a[]", "*"),
    *("/a/", "/(a)|b/i", "//*", "//a[b]", "<a b='c'/>", "<a><b>x</b></a>", "[[1]]", '{"a": 1}'),
    *("%s%5d%c", "%1$s %x %e", "now", "%e9", "a=b&c", "a@json: 1", "sha256", "json", "html"),
    *("right", "floor", "Europe/Berlin", "Y-m-d", "http://a:b@c:1/", "a,b\n", "+9999 years"),
]
FUNCTIONS_OF_SCRIPTS: Final = [
    lambda *values: values[0] if values else None,
    lambda *values: "x",
    lambda *values: len(values),
]
PLAIN: Final = [None, True, False, *NUMBERS, *NUMBERS_THAT_ARE_NONE, *TEXTS, *FUNCTIONS_OF_SCRIPTS]
KEYS: Final = ["a", "0", "@b", "#name", "#text", "", "é", "b c", "xml"]


def any_value(chance: random.Random, depth: int = 0) -> Any:
    """Return some value, three levels deep at most."""
    kind = chance.random()
    count = chance.randint(0, 3)
    if depth < 3 and kind < 0.15:
        return [any_value(chance, depth + 1) for _ in range(count)]
    if depth < 3 and kind < 0.3:
        return {chance.choice(KEYS): any_value(chance, depth + 1) for _ in range(count)}
    return chance.choice(PLAIN)


def any_arguments(chance: random.Random, callee: Callee) -> list[Any]:
    """Return some arguments, as many as may be given."""
    arguments: list[Any] = []
    for parameter in list(callee.signature.parameters.values())[1:]:
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            arguments += [any_value(chance) for _ in range(chance.randint(0, 3))]
        elif parameter.default is inspect.Parameter.empty or chance.random() < 0.6:
            arguments.append(any_value(chance))
        else:
            break
    return arguments


def is_value(value: Any) -> bool:
    """Tell whether something is what scripts have."""
    if isinstance(value, list):
        return all(map(is_value, value))
    if isinstance(value, dict):
        return all(type(key) is str and is_value(item) for key, item in value.items())
    return type(value) in (str, int, float, bool, type(None)) or callable(value)


@pytest.mark.parametrize("callee", CALLEES, ids=lambda callee: f"{callee.kind}-{callee.name}")
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_any_values_come_to_a_value_or_to_what_is_wanted(callee: Callee, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(20):
        arguments = any_arguments(chance, callee)
        try:
            value = callee.call(a_run(), *arguments)
        except ScriptError:
            continue
        assert is_value(value), (arguments, value)
