"""Times as text on the wire."""

from __future__ import annotations

from datetime import UTC, datetime

_last: tuple[int, bytes] = (0, b"1970-01-01T00:00:00")


def rfc3339_ms(unix_ms: int) -> bytes:
    """Return a time as RFC 3339 in UTC with milliseconds, such as ``2024-05-01T12:00:00.123Z``.

    Args:
        unix_ms: milliseconds since 1970, within the years 1 to 9999.
    """
    global _last  # one tuple, replaced whole: threads may race, but never see half of it
    seconds, ms = divmod(unix_ms, 1000)
    cached = _last
    if cached[0] != seconds:
        text = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()
        _last = cached = (seconds, text.encode())
    return b"%b.%03dZ" % (cached[1], ms)
