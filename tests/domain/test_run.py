"""What is kept of a run, whatever its script did."""

from __future__ import annotations

import math
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from hookferry.domain.run import CUT, LogLine, Step, kept, kept_log, kept_steps

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 63) - 1) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(values)
def test_what_is_small_is_kept_as_it_is(value: Any) -> None:
    assert kept(value) == value


@given(values, st.integers(0, 200))
def test_what_is_kept_is_about_as_large_as_is_allowed(value: Any, most: int) -> None:
    size = len(msgspec.msgpack.encode(kept(value, most)))
    # One last item or member with its name may go beyond.
    assert size <= most * 2 + 64


def test_values_that_share_what_they_hold_are_not_spelled_out() -> None:
    value: Any = "x" * 100
    for _ in range(30):
        value = [value, value]
    assert len(msgspec.msgpack.encode(kept(value))) < 100_000


def test_a_value_of_any_depth_is_kept() -> None:
    value: Any = "deep"
    for _ in range(5_000):
        value = {"in": [value]}
    copy = kept(value)
    assert CUT in str(copy)
    assert "deep" not in str(copy)


def test_a_cut_is_marked_where_it_is() -> None:
    assert kept(["a" * 10, "b" * 100, "c"], 30) == ["a" * 10, "b" * 16 + CUT, CUT]
    assert kept({"a": "x" * 20, "b": 1}, 15) == {"a": "x" * 8 + CUT, CUT: CUT}


def test_what_the_ledger_can_not_say_is_said_otherwise() -> None:
    value = [math.nan, math.inf, 1 << 63, "\ud800", object(), b"bytes"]
    assert kept(value) == ["nan", "inf", CUT, "?", CUT, CUT]


def test_a_log_keeps_its_first_lines_and_its_last() -> None:
    lines = [LogLine("debug", "start:log", "x" * 50, n) for n in range(100)]
    log = kept_log(lines, 1_000)
    assert log == (*lines[: len(log) - 1], lines[-1])
    assert 5 < len(log) < 20
    assert kept_log(lines) == tuple(lines)
    assert kept_log([]) == ()


def test_a_long_message_is_cut() -> None:
    [line] = kept_log([LogLine("error", "start", "é" * 2_000, 1.0)])
    assert line.message == "é" * 1_024


def test_the_first_steps_are_kept() -> None:
    steps = [Step("start:set", "set", n) for n in range(5_000)]
    kept = kept_steps(steps)
    assert kept == tuple(steps[: len(kept)])
    assert 1_000 < len(kept) < 3_000
