"""Whatever is called with whatever: it returns a value or says what it wants."""

from __future__ import annotations

import inspect
from typing import Any

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
PLAIN: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 70),
    st.sampled_from([2**63 - 1, -(2**63), 1e308, -1e308, 1e-300, float("inf"), float("nan")]),
    st.floats(),
    st.sampled_from(["", "0", "-1", "a", "a.[]", "/a/", "//*", "<a b='c'/>", "[[1]]", "%s%5d%c"]),
    st.sampled_from(
        ["now", "%", "a=b&c", "\udc80", "\ud800", "é😀", "a: b", "sha256", "\x00", "*"]
    ),
    st.text(max_size=8),
)
VALUES = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["a", "@b", "#name", "#text", "", "é"]), inner, max_size=3
        )
    ),
    max_leaves=5,
) | st.sampled_from([lambda *values: values[0] if values else None, lambda *values: "x"])


def is_value(value: Any) -> bool:
    """Tell whether something is what scripts have."""
    if isinstance(value, list):
        return all(map(is_value, value))
    if isinstance(value, dict):
        return all(type(key) is str and is_value(item) for key, item in value.items())
    return type(value) in (str, int, float, bool, type(None)) or callable(value)


@pytest.mark.parametrize("callee", CALLEES, ids=lambda callee: f"{callee.kind}-{callee.name}")
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_values_come_to_a_value_or_to_what_is_wanted(callee: Callee, data: Any) -> None:
    parameters = list(callee.signature.parameters.values())[1:]
    arguments: list[Any] = []
    for parameter in parameters:
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            arguments += data.draw(st.lists(VALUES, max_size=3))
        elif parameter.default is inspect.Parameter.empty or data.draw(st.booleans()):
            arguments.append(data.draw(VALUES))
        else:
            break
    try:
        value = callee.call(a_run(), *arguments)
    except ScriptError:
        return
    assert is_value(value)
