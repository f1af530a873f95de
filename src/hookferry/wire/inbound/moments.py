"""The time that a request says it was signed at, as providers write it."""

from __future__ import annotations

import re
from datetime import datetime

from hookferry.wire.verification import Reason, VerificationFailed

# As many digits as a date can show: up to the year 5138.
_SECONDS = re.compile(rb"[0-9]{1,11}")
_MILLISECONDS = re.compile(rb"[0-9]{1,14}")
_ISO = re.compile(
    rb"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:?[0-9]{2})"
)

UNITS = {
    "s": "a number of Unix seconds",
    "ms": "a number of Unix milliseconds",
    "iso": "a time such as 2026-01-31T09:30:00Z (RFC 3339)",
}


def parse_moment(text: bytes, unit: str) -> float:
    """Return Unix seconds.

    Args:
        text: what the request has.
        unit: one of ``UNITS``.

    Raises:
        VerificationFailed: it is no time in this unit.
    """
    if unit == "s":
        if _SECONDS.fullmatch(text):
            return int(text)
    elif unit == "ms":
        if _MILLISECONDS.fullmatch(text):
            return int(text) / 1000
    else:
        found = _ISO.fullmatch(text)
        if found is not None:
            # datetime reads six digits at most; nothing depends on the rest.
            written = text.decode()
            if found[1] and len(found[1]) > 7:
                written = written.replace(found[1].decode(), found[1].decode()[:7])
            try:
                moment = datetime.fromisoformat(written).timestamp()
            except (ValueError, OverflowError):
                moment = -1
            if moment >= 0:
                return moment
    raise VerificationFailed(
        Reason.BAD_ENCODING, f"the time that the request was signed at is not {UNITS[unit]}"
    )
