"""The grammar of date texts, as PHP's ``strtotime`` reads them: ``hookferry.kata.dates``.

A text is a row of pieces (a date, a time, a weekday, ``+2 days``), in any order. Each sets what it
says; then the whole is counted from now, in this order: the date that is said, years and months,
``first day of``, days, the weekday, the time of day, and last hours, minutes and seconds.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
_ORDINALS: Final = {
    "last": -1, "previous": -1, "this": 0, "next": 1, "first": 1, "second": 2, "third": 3,
    "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9, "tenth": 10,
    "eleventh": 11, "twelfth": 12,
}  # fmt: skip
_SECONDS: Final = {"sec": 1, "second": 1, "min": 60, "minute": 60, "hour": 3600}
_WHOLE_DAYS: Final = {"day": 1, "week": 7, "fortnight": 14}
_MONTHS_OF: Final = {"month": 1, "year": 12}

_DAY = "(?:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?"
_MONTH = (
    "(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|"
    "sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_UNIT = "(?P<unit>sec(?:ond)?|min(?:ute)?|hour|day|week|fortnight|month|year)s?"
_MERIDIEM = r"(?:\s*(?P<half>[ap])\.?m\b\.?)"
_YEAR = r"(?P<year>\d{4}|(?<=-)\d{2})(?![\d:])"  # two digits as RFC 850 has them: 06-Nov-94
_Read = Callable[["DateText", "re.Match[str]"], None]
_PIECES: Final[list[tuple[re.Pattern[str], _Read]]] = []


class NotADate(Exception):
    """A text can't be read; the message says what of it."""


def _piece(pattern: str) -> Callable[[_Read], _Read]:
    """Let a method read what the pattern matches; of several that match, the one added first."""

    def add(read: _Read) -> _Read:
        _PIECES.append((re.compile(pattern, re.IGNORECASE), read))
        return read

    return add


class DateText:
    """A date text that was read.

    Args:
        text: a short one; the caller bounds it.

    Attributes:
        zone: the name of the zone that it says, if it does.
        elapsed: seconds to count on from what ``resolve`` returns.

    Raises:
        NotADate: it is none.
    """

    def __init__(self, text: str) -> None:
        self.zone: str | None = None
        self.elapsed = 0
        self._at: float | None = None
        self._year: int | None = None
        self._month: int | None = None
        self._day: int | None = None
        self._time: time | None = None
        self._months = 0
        self._days = 0
        self._edge: int | None = None
        self._weekday: tuple[int, int] | None = None  # weekday, which one (0: today or the next)
        self._of_month = False
        self._within_week = False
        position = _blank(text, 0)
        if position == len(text):
            raise NotADate("it is empty")
        while position < len(text):
            for pattern, read in _PIECES:
                found = pattern.match(text, position)
                if found:
                    read(self, found)
                    position = _blank(text, found.end())
                    break
            else:
                raise NotADate(f"{text[position : position + 20]!r} is not understood")

    # ----------------------------------------------------------------- pieces, in order of trial

    @_piece(r"@(-?\d{1,12}(?:\.\d{1,9})?)")
    def _unix(self, found: re.Match[str]) -> None:
        self._at = float(found[1])

    @_piece(r"(?P<year>\d{4})([-/])(?P<month>\d{1,2})\2(?P<day>\d{1,2})(?!\d)")
    @_piece(r"(?P<month>\d{1,2})/(?P<day>\d{1,2})/(?P<year>\d{4})(?!\d)")
    @_piece(r"(?P<day>\d{1,2})([.-])(?P<month>\d{1,2})\2(?P<year>\d{4})(?!\d)")
    @_piece(
        rf"(?P<day>\d{{1,2}})(?:st|nd|rd|th)?[ \t.-]*(?P<month>{_MONTH})\b(?:[ \t,.-]*{_YEAR})?"
    )
    @_piece(
        rf"(?P<month>{_MONTH})\b[ \t.-]*(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?![\d:]|\s*[ap]\.?m\b)"
        rf"(?:[ \t,.-]+{_YEAR})?"
    )
    def _date(self, found: re.Match[str]) -> None:
        self._set_month(found)
        self._day = int(found["day"])

    @_piece(rf"(?P<month>{_MONTH})\b(?:[ \t,.-]*{_YEAR})?")
    def _month_only(self, found: re.Match[str]) -> None:
        self._set_month(found)
        self._day = 1 if found["year"] else None

    def _set_month(self, found: re.Match[str]) -> None:
        if self._month is not None:
            raise NotADate("it has two dates")
        said = found["month"]
        self._month = int(said) if said.isdigit() else _index(MONTHS, said) + 1
        if found["year"]:
            year = int(found["year"])
            self._year = year + (1900 if year >= 70 else 2000) if len(found["year"]) == 2 else year

    @_piece(
        r"t?(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?"
        rf"(?!\d){_MERIDIEM}?"
    )
    @_piece(rf"(?P<hour>\d{{1,2}})(?P<minute>)(?P<second>)(?P<fraction>){_MERIDIEM}")
    def _clock(self, found: re.Match[str]) -> None:
        hour = int(found["hour"])
        if found["half"]:
            if not 1 <= hour <= 12:
                raise NotADate(f"{found[0]!r} is no time of day")
            hour = hour % 12 + (12 if found["half"].lower() == "p" else 0)
        micro = int((found["fraction"] or "0")[:6].ljust(6, "0"))
        try:
            self._time = time(hour, int(found["minute"] or 0), int(found["second"] or 0), micro)
        except ValueError:
            raise NotADate(f"{found[0]!r} is no time of day") from None

    @_piece(r"(now|today|midnight|noon|tomorrow|yesterday)\b")
    def _word(self, found: re.Match[str]) -> None:
        word = found[0].lower()
        if word == "now":
            return
        self._days += {"tomorrow": 1, "yesterday": -1}.get(word, 0)
        if word == "noon":
            self._time = time(12)
        elif self._time is None:
            self._time = time(0)

    @_piece(r"(first|last)\s+day\s+of\b")
    def _edge_of(self, found: re.Match[str]) -> None:
        self._edge = _ORDINALS[found[1].lower()]

    @_piece(rf"(first|second|third|fourth|fifth|last)\s+({_DAY})\s+of\b")
    def _weekday_of(self, found: re.Match[str]) -> None:
        self._weekday = (_index(DAYS, found[2]), _ORDINALS[found[1].lower()])
        self._of_month = True

    @_piece(rf"(?P<count>[+-]?\s*\d{{1,9}})\s*{_UNIT}\b")
    @_piece(rf"(?P<count>{'|'.join(_ORDINALS)})\s+{_UNIT}\b")
    def _relative(self, found: re.Match[str]) -> None:
        said, unit = found["count"].lower(), found["unit"].lower()
        count = _ORDINALS[said] if said in _ORDINALS else int("".join(said.split()))
        if unit in _SECONDS:
            self.elapsed += count * _SECONDS[unit]
        elif unit in _WHOLE_DAYS:
            self._days += count * _WHOLE_DAYS[unit]
            self._within_week |= unit == "week" and said in _ORDINALS
        else:
            self._months += count * _MONTHS_OF[unit]

    @_piece(r"ago\b")
    def _ago(self, _: re.Match[str]) -> None:
        self.elapsed, self._days, self._months = -self.elapsed, -self._days, -self._months

    @_piece(rf"(?:(last|previous|this|next)\s+)?({_DAY})\b")
    def _named_day(self, found: re.Match[str]) -> None:
        self._weekday = (_index(DAYS, found[2]), _ORDINALS[(found[1] or "this").lower()])

    @_piece(r"\d{4}(?![\d:])")  # where C's asctime has it: behind the time of day
    def _year_only(self, found: re.Match[str]) -> None:
        if self._month is None or self._year is not None:
            raise NotADate(f"{found[0]!r} is not understood")
        self._year = int(found[0])

    @_piece(r"\([^()]*\)")  # a comment, as RFC 2822 has them behind a zone
    def _comment(self, _: re.Match[str]) -> None:
        pass

    @_piece(
        r"((?:utc|gmt)?[+-]\d{1,2}:?(?:\d{2})?(?![\d:])|[a-z]+(?:/[a-z_+-]+)+(?:\d{1,2})?|z\b|[a-z]{3,4}\b)"
    )
    def _zone(self, found: re.Match[str]) -> None:
        if self.zone is not None:
            raise NotADate("it has two time zones")
        self.zone = found[1]

    # ----------------------------------------------------------------- counting

    def resolve(self, now: datetime) -> datetime:
        """Return the moment that the text says, but for ``elapsed``.

        Args:
            now: what relative pieces count from; its zone is the zone of the time of day.

        Raises:
            NotADate: it says a day that there is not.
            OverflowError: it is not within the years 1 to 9999.
            ValueError: the same.
        """
        if self._at is not None:
            now = datetime.fromtimestamp(self._at, UTC)
        year = now.year if self._year is None else self._year
        month = now.month if self._month is None else self._month
        day = now.day if self._day is None else self._day
        if (
            not 1 <= month <= 12
            or not 1 <= day <= 31
            or (self._day and day > _days_in(year, month))
        ):
            raise NotADate(f"there is no day {day} of month {month}")
        years, month = divmod(month - 1 + self._months, 12)
        year, month = year + years, month + 1
        if self._of_month:
            day = 1
        elif self._edge is not None:
            day = 1 if self._edge == 1 else _days_in(year, month)
        at = date(year, month, 1) + timedelta(days=day - 1 + self._days)
        clock = self._time
        if self._weekday is not None and (self._day is None or self._of_month):
            at = self._to_weekday(at, *self._weekday)
            clock = clock or time(0)
        if clock is None:
            clock = time(0) if self._month is not None else now.time()
        return datetime.combine(at, clock, now.tzinfo)

    def _to_weekday(self, at: date, weekday: int, which: int) -> date:
        if self._of_month:
            if which < 0:
                at = at.replace(day=_days_in(at.year, at.month))
                return at - timedelta(days=(at.weekday() - weekday) % 7)
            at = at.replace(day=1)
            return at + timedelta(days=(weekday - at.weekday()) % 7 + 7 * (which - 1))
        if self._within_week:
            return at + timedelta(days=weekday - at.weekday())
        if which < 0:
            return at - timedelta(days=(at.weekday() - weekday - 1) % 7 + 1)
        if which > 0:
            return at + timedelta(days=(weekday - at.weekday() - 1) % 7 + 1)
        return at + timedelta(days=(weekday - at.weekday()) % 7)


def _blank(text: str, position: int) -> int:
    """Return where the next piece begins."""
    while position < len(text) and text[position] in " \t\r\n,":
        position += 1
    return position


def _index(names: tuple[str, ...], said: str) -> int:
    return next(i for i, name in enumerate(names) if name[:3].lower() == said[:3].lower())


def _days_in(year: int, month: int) -> int:
    return calendar.monthrange(year, month)[1]
