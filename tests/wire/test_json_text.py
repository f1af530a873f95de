"""Leaving out nulls: the same for shallow documents and for deep ones, which go another way."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookferry.wire import json_text
from hookferry.wire.json_text import without_nulls

LEAVES = st.none() | st.booleans() | st.integers() | st.text()
CONTAINERS = st.lists(LEAVES, max_size=4) | st.dictionaries(st.text(), LEAVES, max_size=6)
VALUES = LEAVES | st.recursive(
    CONTAINERS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), VALUES, max_size=6), st.sampled_from([None, 1]))
def test_an_object_loses_its_null_members_on_either_way(
    value: dict[str, object], indent: int | None
) -> None:
    text = json.dumps(value, indent=indent)
    wanted = {key: member for key, member in value.items() if member is not None}
    assert json.loads(without_nulls(text.encode())) == wanted
    if value:  # an object without members is not deep
        assert json.loads(json_text._without_nulls(text)) == wanted


@given(st.lists(VALUES, min_size=1, max_size=4))
def test_an_array_becomes_the_value_of_an_object_on_either_way(value: list[object]) -> None:
    text = json.dumps(value)
    wanted = {"value": value}
    assert json.loads(without_nulls(text.encode())) == wanted
    assert json.loads(json_text._without_nulls(text)) == wanted


@pytest.mark.parametrize("payload", [b' {"a" : 1.50e+3 , "b":null}', b'{"a": 1.50e+3}'])
def test_values_keep_their_bytes(payload: bytes) -> None:
    assert b"1.50e+3" in without_nulls(payload)
