"""Dates of scripts: PHP's date formats, and the date texts that PHP's ``strtotime`` reads.

Absolute texts are ISO 8601 (``2026-03-01T10:00:00Z``), RFC 2822 (``Sun, 1 Mar 2026 10:00:00
+0000``), Unix seconds (``1772359200``, ``@1772359200``) and what people write (``1 March 2026
5pm``, ``3/1/2026``, ``1.3.2026``). Relative ones count from now: ``-1 month``, ``+2 days``,
``tomorrow noon``, ``last monday``, ``first day of next month``. They may be combined. Months
overflow as in PHP: a month after January 31 is March 3.
"""

from __future__ import annotations

import calendar
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hookferry.errors import ScriptError
from hookferry.kata.date_texts import DAYS, MONTHS, DateText, NotADate

LONGEST: Final = 128
"""Characters of a date text, of a zone's name."""
LONGEST_FORMAT: Final = 128
STEPS: Final = 50
"""What reading or printing a date costs a script: its callers pay."""
_ZONE_NAME: Final = re.compile(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+)*")
_OFFSET: Final = re.compile(r"(?:(?:UTC|GMT)(?=[+-]))?([+-])(\d{1,2}):?(\d{2})?", re.IGNORECASE)
_ABBREVIATIONS: Final = {
    "ADT": -3, "AST": -4, "EDT": -4, "EST": -5, "CDT": -5, "CST": -6, "MDT": -6, "MST": -7,
    "PDT": -7, "PST": -8, "AKST": -9, "AKDT": -8, "HST": -10, "WET": 0, "WEST": 1, "BST": 1,
    "CET": 1, "CEST": 2, "EET": 2, "EEST": 3, "MSK": 3, "IST": 5.5, "JST": 9, "KST": 9,
    "AEST": 10, "AEDT": 11, "NZST": 12, "NZDT": 13,
}  # fmt: skip
"""Hours east of UTC, as PHP takes the abbreviations of texts."""
_DIGITS: Final = re.compile(r"@?([+-]?\d{1,12}(?:\.\d{1,9})?)")
_DEFAULT_FORMAT: Final = "F j, Y H:i"
"""Twig's."""


def read_date(text: object, now: float, zone: str | None = None) -> float:
    """Return the seconds since 1970 that a date text or number stands for.

    Args:
        text: as above; a number is Unix seconds.
        now: seconds since 1970 that relative texts count from.
        zone: where a text says no zone of its own; UTC by default.

    Raises:
        ScriptError: it is no date, or not within the years 1 to 9999.
    """
    if isinstance(text, int | float) and not isinstance(text, bool):
        return _in_range(float(text), text)
    if not isinstance(text, str):
        raise ScriptError(
            "a date is a text such as '2026-03-01 10:00' or '+2 days', or Unix seconds"
        )
    words = text.strip()
    if len(words) > LONGEST:
        raise ScriptError(f"a date text has at most {LONGEST} characters")
    digits = _DIGITS.fullmatch(words)
    if digits:
        return _in_range(float(digits[1]), words)
    default = zone_of(zone)
    try:
        moment = datetime.fromisoformat(words)
        return (moment if moment.tzinfo else moment.replace(tzinfo=default)).timestamp()
    except (ValueError, OverflowError):
        pass  # no ISO 8601: the grammar of date texts has it, or nothing does
    try:
        read = DateText(words)
        within = _said_zone(read.zone) if read.zone else default
        moment = read.resolve(datetime.fromtimestamp(now, within))
        return _in_range(moment.timestamp() + read.elapsed, words)
    except NotADate as error:
        raise ScriptError(
            f"{text[:60]!r} is no date: {error}; write it as '2026-03-01 10:00', 'tomorrow 5pm' or "
            "'-1 month'"
        ) from None
    except (ValueError, OverflowError):
        raise ScriptError(f"{text[:60]!r} is not within the years 1 to 9999") from None


def _said_zone(name: str) -> tzinfo:
    try:
        return zone_of(name)
    except ScriptError:
        raise NotADate(f"{name[:20]!r} is not understood") from None


def _in_range(seconds: float, text: object) -> float:
    try:
        datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise ScriptError(f"{str(text)[:60]!r} is not within the years 1 to 9999") from None
    return seconds


def zone_of(name: str | None) -> tzinfo:
    """Return the time zone of a name (``Europe/Berlin``), offset (``+02:00``) or abbreviation.

    Raises:
        ScriptError: there is none of that name.
    """
    if not name:
        return UTC
    if len(name) <= LONGEST:
        upper = name.upper()
        if upper in ("UTC", "Z", "GMT"):
            return UTC
        if upper in _ABBREVIATIONS:
            return timezone(timedelta(hours=_ABBREVIATIONS[upper]), upper)
        offset = _OFFSET.fullmatch(name)
        if offset:
            minutes = int(offset[2]) * 60 + int(offset[3] or 0)
            if minutes < 24 * 60:
                return timezone(timedelta(minutes=-minutes if offset[1] == "-" else minutes))
        elif _ZONE_NAME.fullmatch(name):
            try:
                return ZoneInfo(name)
            except (ZoneInfoNotFoundError, ValueError, OSError):
                pass  # said below, as for every other name that is none
    raise ScriptError(
        f"there is no time zone {name[:60]!r}; use a name such as 'Europe/Berlin' or an offset "
        "such as '+02:00'"
    )


def format_date(seconds: float, format: str | None = None, zone: str | None = None) -> str:
    r"""Return a time in PHP's date format.

    Args:
        seconds: since 1970.
        format: letters of PHP's ``date()``, ``\`` before what is to stand as it is; Twig's default
            is ``F j, Y H:i``.
        zone: whose time of day it is; UTC by default.

    Raises:
        ScriptError: there is no such zone, or the time is not within the years 1 to 9999.
    """
    format = _DEFAULT_FORMAT if format is None else format
    if len(format) > LONGEST_FORMAT:
        raise ScriptError(f"a date format has at most {LONGEST_FORMAT} characters")
    within = zone_of(zone)
    try:
        moment = datetime.fromtimestamp(seconds, within)
    except (ValueError, OverflowError, OSError):
        raise ScriptError(f"{seconds} is not within the years 1 to 9999") from None
    out: list[str] = []
    letters = iter(format)
    for letter in letters:
        if letter == "\\":
            out.append(next(letters, ""))
            continue
        write = _LETTERS.get(letter)
        out.append(letter if write is None else write(moment))
    return "".join(out)


def _offset_text(moment: datetime, colon: str) -> str:
    minutes = int((moment.utcoffset() or timedelta()).total_seconds()) // 60
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}{colon}{abs(minutes) % 60:02}"


def _suffix(day: int) -> str:
    return "th" if day in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")


def _zone_name(moment: datetime) -> str:
    within = moment.tzinfo
    if isinstance(within, ZoneInfo):
        return within.key
    return "UTC" if within is UTC else _abbreviation(moment)


def _abbreviation(moment: datetime) -> str:
    name = moment.tzname() or ""
    return _offset_text(moment, ":") if name.startswith(("UTC+", "UTC-")) else name


def _swatch(moment: datetime) -> str:
    """Return the beat of Swatch Internet Time: thousandths of a day in UTC+1."""
    seconds = (math.floor(moment.timestamp()) + 3600) % 86400
    return f"{seconds * 1000 // 86400:03}"


_LETTERS: Final[dict[str, Callable[[datetime], str]]] = {
    # day
    "d": lambda m: f"{m.day:02}",
    "j": lambda m: str(m.day),
    "D": lambda m: DAYS[m.weekday()][:3],
    "l": lambda m: DAYS[m.weekday()],
    "N": lambda m: str(m.isoweekday()),
    "w": lambda m: str(m.isoweekday() % 7),
    "S": lambda m: _suffix(m.day),
    "z": lambda m: str(m.timetuple().tm_yday - 1),
    # week, month, year
    "W": lambda m: f"{m.isocalendar().week:02}",
    "o": lambda m: str(m.isocalendar().year),
    "F": lambda m: MONTHS[m.month - 1],
    "M": lambda m: MONTHS[m.month - 1][:3],
    "m": lambda m: f"{m.month:02}",
    "n": lambda m: str(m.month),
    "t": lambda m: str(calendar.monthrange(m.year, m.month)[1]),
    "L": lambda m: str(int(calendar.isleap(m.year))),
    "Y": lambda m: f"{m.year:04}",
    "y": lambda m: f"{m.year % 100:02}",
    "X": lambda m: f"{m.year:04}",
    "x": lambda m: f"{m.year:04}",
    # time of day
    "a": lambda m: "am" if m.hour < 12 else "pm",
    "A": lambda m: "AM" if m.hour < 12 else "PM",
    "B": _swatch,
    "g": lambda m: str(m.hour % 12 or 12),
    "G": lambda m: str(m.hour),
    "h": lambda m: f"{m.hour % 12 or 12:02}",
    "H": lambda m: f"{m.hour:02}",
    "i": lambda m: f"{m.minute:02}",
    "s": lambda m: f"{m.second:02}",
    "u": lambda m: f"{m.microsecond:06}",
    "v": lambda m: f"{m.microsecond // 1000:03}",
    # zone
    "e": _zone_name,
    "I": lambda m: str(int(bool(m.dst()))),
    "O": lambda m: _offset_text(m, ""),
    "P": lambda m: _offset_text(m, ":"),
    "p": lambda m: "Z" if not m.utcoffset() else _offset_text(m, ":"),
    "T": _abbreviation,
    "Z": lambda m: str(int((m.utcoffset() or timedelta()).total_seconds())),
    # whole dates
    "c": lambda m: f"{m.year:04}-{m:%m-%dT%H:%M:%S}{_offset_text(m, ':')}",
    "r": lambda m: (
        f"{DAYS[m.weekday()][:3]}, {m:%d} {MONTHS[m.month - 1][:3]} {m.year:04} {m:%H:%M:%S} "
        f"{_offset_text(m, '')}"
    ),
    "U": lambda m: str(math.floor(m.timestamp())),
}
"""What each letter of a format prints (PHP's DateTimeInterface::format)."""
