"""When timers are due: cron expressions on the clocks of a time zone.

Five fields as Debian's cron reads them (minute, hour, day of month, month, day of week; names,
lists, ranges, steps, and ``L``, ``LW``, ``#``), by the library ``cronsim``, its rules for the days
on which clocks change included: what is due in an hour that is left out comes right after it, what
is due in one that is repeated comes once.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

from cronsim import CronSim, CronSimError

from hookferry.errors import InvalidField, ScriptError
from hookferry.kata.dates import zone_of

MAX_CRON: Final = 100
"""Characters of an expression."""
_FIELDS: Final = 5
_EXAMPLE: Final = "'*/15 8-18 * * MON-FRI' is every quarter of an hour of office hours"


def next_due(cron: str, timezone: str, after_ms: int) -> int | None:
    """Return the first due time after a moment, both in wall-clock Unix milliseconds.

    Args:
        cron: the expression.
        timezone: on whose clocks it is read.
        after_ms: the due time is greater.

    Returns:
        None where there is none within 50 years.

    Raises:
        InvalidField: the expression or the zone can't be read; the detail says why.
    """
    try:
        zone = zone_of(timezone or "(none)")
    except ScriptError as error:
        raise InvalidField(error.detail, field="timezone") from None
    if len(cron) > MAX_CRON or len(cron.split()) != _FIELDS:
        raise InvalidField(
            "cron has five fields, minute, hour, day of month, month and day of week, and at most "
            f"{MAX_CRON} characters; {_EXAMPLE}",
            field="cron",
        )
    after = dt.datetime.fromtimestamp(after_ms / 1000, zone)
    try:
        for due in CronSim(cron, after):
            due_ms = round(due.timestamp() * 1000)
            # In an hour that is repeated, the search begins in the first of both.
            if due_ms > after_ms:
                return due_ms
    except CronSimError as error:
        raise InvalidField(f"cron can't be read ({error}); {_EXAMPLE}", field="cron") from None
    return None
