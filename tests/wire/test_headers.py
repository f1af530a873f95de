"""Headers that know where each name is first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hookferry.wire.headers import Headers, lowered, values_of

NAMES = st.sampled_from([b"a", b"A", b"X-b", b"x-B", b"x_b", b""])
RAW = st.lists(st.tuples(NAMES, st.binary(max_size=3)), max_size=8)


@given(RAW)
def test_lowered_keeps_order_repeats_and_values(raw: list[tuple[bytes, bytes]]) -> None:
    assert lowered(raw) == [(name.lower(), value) for name, value in raw]


@given(RAW)
def test_of_a_name_given_twice_the_first_is_found(raw: list[tuple[bytes, bytes]]) -> None:
    headers = lowered(raw)
    for name in {name for name, _ in headers}:
        assert headers.first[name] == next(value for known, value in headers if known == name)


@given(RAW, NAMES)
def test_all_values_are_the_same_with_and_without_an_index(
    raw: list[tuple[bytes, bytes]], name: bytes
) -> None:
    headers = lowered(raw)
    wanted = [value for known, value in headers if known == name]
    assert values_of(headers, name) == values_of(list(headers), name) == wanted


def test_a_request_may_have_no_headers() -> None:
    assert lowered(()) == Headers(()) == []
    assert values_of(Headers(()), b"a") == []
