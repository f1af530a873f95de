"""When cron expressions are due."""

from __future__ import annotations

import contextlib
import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookferry.automate.schedule import next_due
from hookferry.errors import InvalidField

BERLIN = "Europe/Berlin"


def ms(text: str, zone: str = "UTC", *, fold: int = 0) -> int:
    at = dt.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)
    return int(at.timestamp() * 1000)


def test_the_next_due_time_is_later_than_the_moment_itself() -> None:
    assert next_due("*/15 * * * *", "UTC", ms("2026-05-01T12:00")) == ms("2026-05-01T12:15")
    assert next_due("*/15 * * * *", "UTC", ms("2026-05-01T12:00") - 1) == ms("2026-05-01T12:00")
    assert next_due("*/15 * * * *", "UTC", ms("2026-05-01T12:00") + 1) == ms("2026-05-01T12:15")


def test_fields_are_read_on_the_clocks_of_the_zone() -> None:
    summer, winter = ms("2026-07-01T00:00"), ms("2026-12-01T00:00")
    assert next_due("0 9 * * *", BERLIN, summer) == ms("2026-07-01T07:00")
    assert next_due("0 9 * * *", BERLIN, winter) == ms("2026-12-01T08:00")
    assert next_due("0 9 * * *", "+02:00", winter) == ms("2026-12-01T07:00")


def test_names_lists_steps_and_last_days_are_known() -> None:
    assert next_due("0 8 * * MON-FRI", "UTC", ms("2026-05-01T12:00")) == ms("2026-05-04T08:00")
    assert next_due("0 0 1,15 JUN *", "UTC", ms("2026-06-02T00:00")) == ms("2026-06-15T00:00")
    assert next_due("0 0 L * *", "UTC", ms("2026-02-10T00:00")) == ms("2026-02-28T00:00")


def test_what_is_due_in_an_hour_that_is_left_out_comes_right_after_it() -> None:
    # On 29 March 2026 the clocks of Berlin go from 2:00 to 3:00.
    due = next_due("30 2 * * *", BERLIN, ms("2026-03-29T00:00", BERLIN))
    assert due == ms("2026-03-29T03:00", BERLIN)


def test_what_is_due_in_an_hour_that_is_repeated_comes_once() -> None:
    # On 25 October 2026 they go from 3:00 back to 2:00.
    first = next_due("30 2 * * *", BERLIN, ms("2026-10-25T00:00", BERLIN))
    assert first == ms("2026-10-25T02:30", BERLIN)
    tomorrow = ms("2026-10-26T02:30", BERLIN)
    assert next_due("30 2 * * *", BERLIN, first) == tomorrow
    between = ms("2026-10-25T02:10", BERLIN, fold=1)
    assert next_due("30 2 * * *", BERLIN, between) == tomorrow


def test_what_is_due_every_few_minutes_comes_in_both_hours() -> None:
    at = ms("2026-10-25T02:50", BERLIN)
    again = next_due("*/30 * * * *", BERLIN, at)
    assert again == ms("2026-10-25T02:00", BERLIN, fold=1)


def test_a_time_that_never_comes_is_none() -> None:
    assert next_due("0 0 29 2 */8", "UTC", ms("2026-05-01T12:00")) is not None
    with pytest.raises(InvalidField):
        next_due("0 0 31 2 *", "UTC", ms("2026-05-01T12:00"))


@pytest.mark.parametrize(
    "cron", ["", "* * * *", "* * * * * *", "60 * * * *", "@daily", "a b c d e", "*" + " *" * 60]
)
def test_what_is_no_expression_is_refused_with_an_example(cron: str) -> None:
    with pytest.raises(InvalidField) as refused:
        next_due(cron, "UTC", 0)
    assert refused.value.field == "cron"
    assert "MON-FRI" in refused.value.detail


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", "", "Europe"])
def test_an_unknown_zone_is_refused(zone: str) -> None:
    with pytest.raises(InvalidField) as refused:
        next_due("* * * * *", zone, 0)
    assert refused.value.field == "timezone"


field = st.text("0123456789*/,-L#WMONJAN ", max_size=8)


@given(
    st.tuples(field, field, field, field, field).map(" ".join),
    st.sampled_from(["UTC", BERLIN, "America/New_York", "-03:30"]),
    st.integers(0, 4_000_000_000_000),
)
def test_any_expression_is_due_later_or_refused(cron: str, zone: str, after: int) -> None:
    # A refusal is the only way out; anything else fails this test.
    with contextlib.suppress(InvalidField):
        due = next_due(cron, zone, after)
        assert due is None or due > after
