"""When a call is tried again, and after how long. Pure; the waiting itself is in ``sessions``."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
import msgspec

RETRIED_STATUSES = frozenset({429, 502, 503, 504})
"""Answers that say "later": hookferry's own 503, and what proxies in front of it say."""


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How often and how patiently calls are repeated.

    Every call may be: the client gives each POST an ``Idempotency-Key``, and the other methods are
    idempotent by themselves.
    """

    attempts: int = 4
    """In all, the first included."""
    first_wait: float = 0.25
    """Seconds at most before the second attempt; doubled for each further one."""
    longest_wait: float = 8.0
    """Seconds at most before any attempt."""
    longest_retry_after: float = 60.0
    """A ``Retry-After`` of more seconds than that is not waited for: the call fails at once."""

    def wait_before(
        self, attempt: int, answer: httpx.Response | None, *, luck: float | None = None
    ) -> float | None:
        """Return the seconds to wait before another attempt, or None to give up.

        Args:
            attempt: how many attempts were made.
            answer: what the last one was answered; None when the connection failed.
            luck: 0 to 1, where in the range the wait falls; random when left out, so that many
                clients do not come back at the same moment.
        """
        if attempt >= self.attempts or (answer is not None and not _may_be_repeated(answer)):
            return None
        asked = None if answer is None else _retry_after(answer)
        if asked is not None and asked > self.longest_retry_after:
            return None
        if luck is None:
            luck = random.random()  # noqa: S311  spreads load, guards nothing
        backoff: float = min(self.longest_wait, self.first_wait * 2 ** (attempt - 1))
        return (asked or 0.0) + backoff * luck


def still_running(answer: httpx.Response) -> bool:
    """Tell whether an earlier attempt, whose connection broke, still runs on the server."""
    return answer.status_code == 409 and b'"idempotency_in_progress"' in answer.content


def _may_be_repeated(answer: httpx.Response) -> bool:
    return answer.status_code in RETRIED_STATUSES or still_running(answer)


def _retry_after(answer: httpx.Response) -> float | None:
    """Read Retry-After: seconds or a date (RFC 9110 section 10.2.3)."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())
