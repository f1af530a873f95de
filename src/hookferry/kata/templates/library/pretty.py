"""Filters that print numbers and times for people."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from hookferry.kata.dates import STEPS, read_date
from hookferry.kata.templates.library.coercion import number, whole
from hookferry.kata.templates.library.numbers import number_format
from hookferry.kata.templates.registry import Run, register
from hookferry.kata.values import Value

_BYTES: Final = (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("KB", 10**3))
_THOUSANDS: Final = (("T", 10**12), ("B", 10**9), ("M", 10**6), ("K", 10**3))
_SPANS: Final = (
    ("year", 365 * 86400),
    ("week", 7 * 86400),
    ("day", 86400),
    ("hour", 3600),
    ("min", 60),
    ("sec", 1),
)


@register(
    "filter",
    "bytes_pretty",
    examples=(
        ("{{ 123456789|bytes_pretty(2) }}", "123.46 MB"),
        ("{{ 512|bytes_pretty }}", "512 bytes"),
    ),
)
def bytes_pretty(run: Run, value: Value, precision: Value = 0) -> str:
    """Print a number of bytes with a unit of a thousand, a million and so on."""
    size = number(value, "|bytes_pretty")
    for unit, each in _BYTES:
        if abs(size) >= each:
            return f"{number_format(run, size / each, precision)} {unit}"
    return f"{number_format(run, size)} bytes"


@register(
    "filter",
    "number_pretty",
    examples=(("{{ 12345678|number_pretty(1) }}", "12.3M"), ("{{ 32768|number_pretty }}", "32K")),
)
def number_pretty(run: Run, value: Value, precision: Value = 0) -> str:
    """Print a large number with K, M, B or T behind it; decimals are cut off, not rounded."""
    given = number(value, "|number_pretty")
    digits = max(0, min(whole(precision, "|number_pretty"), 9))
    for unit, each in _THOUSANDS:
        if abs(given) >= each:
            units = int(Decimal(str(abs(given))) * 10**digits / each)
            said = number_format(run, units / 10**digits, digits)
            return f"{'-' if given < 0 else ''}{said}{unit}"
    return number_format(run, given, 0 if isinstance(given, int) else digits)


@register(
    "filter",
    "secs_pretty",
    examples=(
        ("{{ 8520|secs_pretty }}", "2 hours, 22 mins"),
        ("{{ 8520|secs_pretty(1) }}", "2 hours"),
        ("{{ 604800|secs_pretty }}", "1 week"),
    ),
)
def secs_pretty(run: Run, value: Value, precision: Value = 0) -> str:
    """Print a number of seconds in years, weeks, days, hours, mins and secs; or the first few."""
    left = abs(whole(value, "|secs_pretty"))
    parts = []
    for unit, each in _SPANS:
        count, left = divmod(left, each)
        if count:
            parts.append(f"{count} {unit}{'s' if count > 1 else ''}")
    wanted = whole(precision, "|secs_pretty")
    return ", ".join(parts[:wanted] if wanted > 0 else parts) or "0 secs"


@register(
    "filter",
    "date_pretty",
    examples=(
        ("{{ '-2 hours'|date_pretty }}", "2 hours ago"),
        ("{{ '+3 days'|date_pretty }}", "in 3 days"),
    ),
)
def date_pretty(run: Run, value: Value) -> str:
    """Print how long ago a date was, or in what time it is going to be."""
    run.fuel.spend(STEPS)
    seconds = round(run.now - read_date(value, run.now))
    if not seconds:
        return "just now"
    span = secs_pretty(run, seconds, 1)
    return f"{span} ago" if seconds > 0 else f"in {span}"
