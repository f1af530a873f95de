"""UUIDs that carry an event's id."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookferry.wire.uuids import event_in, uuid_of

IDS = st.integers(0, 2**64 - 1)
NUMBERS = st.integers(0, 2**58 - 1)


@given(IDS, NUMBERS)
def test_they_are_rfc_9562_version_8_and_carry_the_id(event_id: int, number: int) -> None:
    text = uuid_of(event_id, number)
    parsed = uuid.UUID(text)
    assert str(parsed) == text
    assert (parsed.version, parsed.variant) == (8, uuid.RFC_4122)
    assert event_in(text) == event_in(text.upper()) == event_id


@given(IDS, NUMBERS, IDS, NUMBERS)
def test_they_differ_where_ids_or_numbers_do_and_sort_as_they_do(
    a: int, m: int, b: int, n: int
) -> None:
    assert (uuid_of(a, m) < uuid_of(b, n)) == ((a, m) < (b, n))


@pytest.mark.parametrize(
    "text", ["", "x", str(uuid.UUID(int=0)), "88f91933-edce-4c1a-8ded-ade8e2f72434", "evt_1"]
)
def test_others_carry_none(text: str) -> None:
    assert event_in(text) is None
