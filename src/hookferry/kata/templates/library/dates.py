"""Filters and functions on dates: ``hookferry.kata.dates``."""

from __future__ import annotations

from hookferry.kata.dates import STEPS, format_date, read_date
from hookferry.kata.templates.library.coercion import text
from hookferry.kata.templates.registry import Run, register
from hookferry.kata.values import Value


def _read(run: Run, value: Value, timezone: Value, name: str) -> float:
    zone = None if timezone is None else text(run, timezone, name)
    run.fuel.spend(STEPS)
    return read_date("now" if value is None or value == "" else value, run.now, zone)


@register(
    "filter",
    "date",
    examples=(
        ("{{ 'Wed, 21 Feb 2024 03:32:56 +0000'|date('U') }}", "1708486376"),
        ("{{ 1708486376|date('D, d M Y H:i T', 'Europe/Berlin') }}", "Wed, 21 Feb 2024 04:32 CET"),
        ("{{ '2024-01-31 +1 month'|date('Y-m-d') }}", "2024-03-02"),
        ("{{ '0'|date }}", "January 1, 1970 00:00"),
    ),
)
def date(run: Run, value: Value, format: Value = None, timezone: Value = None) -> str:
    """Print a date in PHP's format letters. Null and an empty text are now, as in Twig.

    The date is Unix seconds, ISO 8601, RFC 2822 or words such as ``-1 month``; the zone is UTC
    unless one is named.
    """
    seconds = _read(run, value, timezone, "|date")
    form = None if format is None else text(run, format, "|date")
    zone = None if timezone is None else text(run, timezone, "|date")
    run.fuel.spend(STEPS + 4 * len(form or ""))
    return format_date(seconds, form, zone)


@register(
    "filter",
    "date_modify",
    examples=(("{{ '2018-01-01 10:00'|date_modify('+2 hours')|date('g:ia') }}", "12:00pm"),),
)
def date_modify(run: Run, value: Value, modifier: Value) -> Value:
    """Return the Unix seconds of a date after a change such as ``+2 days``."""
    from_when = _read(run, value, None, "|date_modify")
    run.fuel.spend(STEPS)
    return _plain(read_date(text(run, modifier, "|date_modify"), from_when))


@register(
    "function",
    "date",
    examples=(
        ("{{ date('2024-05-01') < date('2024-05-02') ? 'earlier' }}", "earlier"),
        ("{{ date('2024-05-01 10:00', 'Europe/Berlin') }}", "1714550400"),
    ),
)
def date_function(run: Run, date: Value = None, timezone: Value = None) -> Value:
    """Return the Unix seconds of a date, now by default: to compare, to count with or to print."""
    return _plain(_read(run, date, timezone, "date"))


def _plain(seconds: float) -> int | float:
    return int(seconds) if seconds.is_integer() else seconds
