from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookferry.errors import ScriptError
from hookferry.kata.dates import format_date, read_date

NOW = datetime(2026, 1, 31, 15, 30, tzinfo=UTC).timestamp()
"""A Saturday, the last day of a month."""
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"])
MOMENTS = st.integers(157_766_400, 4_102_444_800).map(lambda at: datetime.fromtimestamp(at, UTC))
"""Of the years 1975 to 2099."""


def read(text: str, zone: str | None = None) -> str:
    """Return a date text's moment in UTC."""
    return format_date(read_date(text, NOW, zone), "D Y-m-d H:i:s")


@given(MOMENTS, ZONES)
def test_what_is_printed_whole_is_read_back(moment: datetime, zone: str) -> None:
    seconds = moment.timestamp()
    for form in ("c", "r", "U", "@U", "Y-m-d H:i:s P", "j F Y g:i:s a O", "D, d M Y H:i:s O"):
        assert read_date(format_date(seconds, form, zone), NOW) == seconds


@given(MOMENTS, ZONES)
def test_letters_print_what_the_calendar_says(moment: datetime, zone: str) -> None:
    local = moment.astimezone(ZoneInfo(zone))
    expected = local.strftime("%d %a %A %u %w %m %b %B %Y %y %H %I %M %S %p %G %V %z")
    printed = format_date(moment.timestamp(), "d D l N w m M F Y y H h i s A o W O", zone)
    assert printed == expected
    days = local.timetuple().tm_yday - 1
    assert format_date(moment.timestamp(), "z j n G T e", zone) == (
        f"{days} {local.day} {local.month} {local.hour} {local.tzname()} {zone}"
    )


@given(MOMENTS, st.integers(-14 * 60, 14 * 60))
def test_dates_of_mail_are_read(moment: datetime, offset: int) -> None:
    local = moment.astimezone(timezone(timedelta(minutes=offset)))
    assert read_date(format_datetime(local), NOW) == local.timestamp()
    assert read_date(local.isoformat(), NOW) == local.timestamp()


@pytest.mark.parametrize(
    ("format", "text"),
    [
        ("t L", "31 0"),
        ("jS", "31st"),
        ("B", "687"),
        ("v u", "250 250000"),
        ("I Z P p", "0 3600 +01:00 +01:00"),
        (r"\Y\e\s Y \\", "Yes 2026 \\"),
        ("c", "2026-01-31T16:30:00+01:00"),
        ("r", "Sat, 31 Jan 2026 16:30:00 +0100"),
        ("?-ä", "?-ä"),
    ],
)
def test_other_letters(format: str, text: str) -> None:
    assert format_date(NOW + 0.25, format, "Europe/Berlin") == text


@pytest.mark.parametrize(
    ("day", "suffix"),
    [(1, "st"), (2, "nd"), (3, "rd"), (4, "th"), (11, "th"), (13, "th"), (22, "nd")],
)
def test_days_have_their_english_suffix(day: int, suffix: str) -> None:
    assert format_date(datetime(2026, 1, day, tzinfo=UTC).timestamp(), "S") == suffix


def test_summer_time_is_told() -> None:
    summer = datetime(2026, 7, 1, tzinfo=UTC).timestamp()
    assert format_date(summer, "I T P", "Europe/Berlin") == "1 CEST +02:00"
    assert format_date(summer, "T e p", "+05:30") == "+05:30 +05:30 +05:30"
    assert format_date(summer, "T p", "utc") == "UTC Z"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("now", "Sat 2026-01-31 15:30:00"),
        ("today", "Sat 2026-01-31 00:00:00"),
        ("noon", "Sat 2026-01-31 12:00:00"),
        ("yesterday noon", "Fri 2026-01-30 12:00:00"),
        ("tomorrow", "Sun 2026-02-01 00:00:00"),
        ("tomorrow 5pm", "Sun 2026-02-01 17:00:00"),
        ("5:30 PM", "Sat 2026-01-31 17:30:00"),
        ("12am", "Sat 2026-01-31 00:00:00"),
        ("+2 days", "Mon 2026-02-02 15:30:00"),
        ("-1 week", "Sat 2026-01-24 15:30:00"),
        ("+2 weeks 08:00", "Sat 2026-02-14 08:00:00"),
        ("-90 minutes", "Sat 2026-01-31 14:00:00"),
        ("2 days 3 hours ago", "Thu 2026-01-29 12:30:00"),
        ("next year", "Sun 2027-01-31 15:30:00"),
        ("last month", "Wed 2025-12-31 15:30:00"),
        ("monday", "Mon 2026-02-02 00:00:00"),
        ("saturday", "Sat 2026-01-31 00:00:00"),
        ("next saturday", "Sat 2026-02-07 00:00:00"),
        ("last saturday", "Sat 2026-01-24 00:00:00"),
        ("last friday 5pm", "Fri 2026-01-30 17:00:00"),
        ("monday next week", "Mon 2026-02-02 00:00:00"),
        ("sunday this week", "Sun 2026-02-01 00:00:00"),
        ("first day of next month", "Sun 2026-02-01 15:30:00"),
        ("last day of next month midnight", "Sat 2026-02-28 00:00:00"),
        ("last day of february", "Sat 2026-02-28 00:00:00"),
        ("first monday of january 2025", "Mon 2025-01-06 00:00:00"),
        ("last friday of next month", "Fri 2026-02-27 00:00:00"),
        ("third tuesday of march", "Tue 2026-03-17 00:00:00"),
        ("2024-05-01", "Wed 2024-05-01 00:00:00"),
        ("2024/5/1 7:05", "Wed 2024-05-01 07:05:00"),
        ("5/1/2024", "Wed 2024-05-01 00:00:00"),
        ("1.5.2024", "Wed 2024-05-01 00:00:00"),
        ("1-Jan-2018 10:00am", "Mon 2018-01-01 10:00:00"),
        ("Jan 9 2002 10am", "Wed 2002-01-09 10:00:00"),
        ("March 3rd, 2026", "Tue 2026-03-03 00:00:00"),
        ("1 March 2026 5pm +2 days", "Tue 2026-03-03 17:00:00"),
        ("March 2027", "Mon 2027-03-01 00:00:00"),
        ("2024-W18-3", "Wed 2024-05-01 00:00:00"),
        ("20240501T101500Z", "Wed 2024-05-01 10:15:00"),
        ("Sunday, 06-Nov-94 08:49:37 GMT", "Sun 1994-11-06 08:49:37"),
        ("Sun Nov  6 08:49:37 1994", "Sun 1994-11-06 08:49:37"),
        ("Wed, 21 Feb 2024 03:32:56 +0000 (UTC)", "Wed 2024-02-21 03:32:56"),
        ("21 Feb 2024 17:00 PST", "Thu 2024-02-22 01:00:00"),
        ("21 Feb 2024 17:00 Europe/Berlin", "Wed 2024-02-21 16:00:00"),
        ("2024-02-21 17:00 GMT-3", "Wed 2024-02-21 20:00:00"),
        ("@86400", "Fri 1970-01-02 00:00:00"),
        ("@0 +1 day", "Fri 1970-01-02 00:00:00"),
        ("1708486376", "Wed 2024-02-21 03:32:56"),
        ("-86400", "Wed 1969-12-31 00:00:00"),
    ],
)
def test_date_texts_are_read_as_php_reads_them(text: str, moment: str) -> None:
    assert read(text) == moment


def test_months_overflow() -> None:
    assert read("+1 month") == "Tue 2026-03-03 15:30:00"
    assert read("2024-03-31 -1 month") == "Sat 2024-03-02 00:00:00"


def test_a_time_of_day_is_that_of_the_zone() -> None:
    assert read("2026-07-01 10:00", "Europe/Berlin") == "Wed 2026-07-01 08:00:00"
    assert read("tomorrow", "Pacific/Auckland") == "Sun 2026-02-01 11:00:00"
    assert read("2026-07-01 10:00 UTC", "Europe/Berlin") == "Wed 2026-07-01 10:00:00"


def test_hours_go_on_through_the_change_of_the_clocks_and_days_keep_the_time() -> None:
    assert read("2026-03-29 01:30 +1 hour", "Europe/Berlin") == "Sun 2026-03-29 01:30:00"
    assert read("2026-03-28 12:00 +1 day", "Europe/Berlin") == "Sun 2026-03-29 10:00:00"


def test_the_zone_of_a_number_does_not_matter() -> None:
    assert read_date(1_700_000_000, NOW, "Asia/Tokyo") == 1_700_000_000
    assert read_date(0.5, NOW) == 0.5


@pytest.mark.parametrize(
    "text",
    [
        *("", "   ", "someday", "2024-02-30", "2024-13-01", "25:00", "13pm", "10:60", "xyz"),
        *("2024-01-01 2024-01-02", "10:00 CET UTC", "tomorrow tomorrow!", "1 jan 99999"),
        *("now " * 40, "é", "12/25", "1e5", "\x00"),
    ],
)
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(ScriptError):
        read_date(text, NOW)


@pytest.mark.parametrize("value", [None, True, [], {}])
def test_a_value_of_another_kind_is_refused_with_what_a_date_is(value: object) -> None:
    with pytest.raises(ScriptError, match=r"a date is a text such as"):
        read_date(value, NOW)


@pytest.mark.parametrize(
    "value", [1e300, float("nan"), float("inf"), "@999999999999", "+9999 years", "-999999999 days"]
)
def test_times_beyond_the_calendar_are_refused(value: object) -> None:
    with pytest.raises(ScriptError, match="years 1 to 9999"):
        read_date(value, NOW)


@pytest.mark.parametrize(
    "zone", ["Europe", "../UTC", "/etc/localtime", "Europe/Paris2", "+25:00", "x" * 500, "\x00"]
)
def test_an_unknown_zone_is_refused(zone: str) -> None:
    with pytest.raises(ScriptError, match="there is no time zone"):
        format_date(NOW, "c", zone)


@given(
    st.text(st.sampled_from("0123456789 :-+/.,apmonthdyewkTZ@"), max_size=40) | st.text(max_size=40)
)
def test_any_text_is_a_date_or_refused(text: str) -> None:
    try:
        seconds = read_date(text, NOW)
    except ScriptError:
        return
    assert format_date(seconds, "c")


def test_a_format_is_bounded() -> None:
    with pytest.raises(ScriptError, match="at most 128"):
        format_date(NOW, "Y" * 129)
