"""What an attempt's outcome means: pure decisions, no clock and no I/O of their own.

The rules are SEMANTICS section 3. A *slow-down* (429, 502, 503, 504 under a profile with a
breaker) delays the lane and spends no attempt; every other failure spends one and the schedule
says when the next is due.
"""

from __future__ import annotations

import random
import re
from email.utils import parsedate_to_datetime

import msgspec

from hookferry.domain.delivery import DeliveryState
from hookferry.domain.webhook import Health, Retry

SLOW_DOWN = frozenset({429, 502, 503, 504})
GONE = 410
MAX_RETRY_AFTER_SECONDS = 3600.0
SLOW_DOWN_BASE_SECONDS = 1.0
SLOW_DOWN_MAX_SECONDS = 300.0
BREAKER_FAILURES = 10
"""Failures in a row after which a lane only probes: one delivery at a time, spaced out."""
BREAKER_BASE_SECONDS = 1.0
BREAKER_MAX_SECONDS = 30.0

_RETRY_AFTER = re.compile(rb"\r\nretry-after:[ \t]*([^\r\n]*)", re.IGNORECASE)


class Policy(msgspec.Struct, frozen=True):
    """A webhook's rules for failures, its profile's defaults filled in."""

    retry: Retry
    failure_limit: int | None
    failure_window_ms: int | None
    gone_disables: bool
    breaker: bool


class Decision(msgspec.Struct, frozen=True):
    """What follows from an attempt."""

    state: DeliveryState
    attempts: int
    """Attempts spent so far, this one included if it was spent."""
    wait_s: float
    """Seconds until the next attempt; meaningful while retrying."""
    lane_wait_s: float
    """Seconds during which the whole lane sends nothing; 0 for none."""


def decide(
    policy: Policy,
    *,
    success: bool,
    status: int | None,
    head: bytes,
    spent: int,
    slow_downs: int,
    now_s: float,
    rng: random.Random,
) -> Decision:
    """Say what becomes of a delivery.

    Args:
        policy: the webhook's rules.
        success: the profile's verdict on the status.
        status: HTTP status, or None when no answer came.
        head: the response head, for Retry-After.
        spent: attempts spent before this one.
        slow_downs: slow-downs of the lane in a row before this one.
        now_s: Unix seconds, for a Retry-After that is a date.
        rng: where jitter comes from.
    """
    if success:
        return Decision(DeliveryState.DELIVERED, spent + 1, 0.0, 0.0)
    if policy.breaker and status in SLOW_DOWN:
        wait = retry_after(head, now_s)
        if wait is None:
            wait = min(SLOW_DOWN_MAX_SECONDS, SLOW_DOWN_BASE_SECONDS * 2.0 ** min(slow_downs, 20))
        return Decision(DeliveryState.RETRYING, spent, wait, wait)
    schedule = policy.retry.schedule
    if spent < len(schedule):
        wait = schedule[spent]
        jitter = policy.retry.jitter
        if jitter:
            wait *= 1.0 + rng.uniform(-jitter, jitter)
        return Decision(DeliveryState.RETRYING, spent + 1, wait, 0.0)
    return Decision(DeliveryState.FAILED, spent + 1, 0.0, 0.0)


def retry_after(head: bytes, now_s: float) -> float | None:
    """Read Retry-After (RFC 9110 section 10.2.3), seconds or a date; between 1 s and 1 h.

    Never less than a second: a receiver that always answers "at once" would be called in a loop.
    """
    found = _RETRY_AFTER.search(head)
    if found is None:
        return None
    value = found.group(1).strip()
    if value.isdigit():
        seconds = float(value[:10])
    else:
        try:
            seconds = parsedate_to_datetime(value.decode("ascii")).timestamp() - now_s
        except (ValueError, UnicodeDecodeError):
            return None
    return min(max(seconds, SLOW_DOWN_BASE_SECONDS), MAX_RETRY_AFTER_SECONDS)


def health_after(
    health: Health, *, success: bool, reason: str | None, now_ms: int, counts: bool = True
) -> Health:
    """Return a webhook's health after one more attempt.

    Args:
        health: before it.
        success: whether it succeeded.
        reason: what a failure was, for ``last_error``.
        now_ms: when it was settled.
        counts: False for an attempt that was in flight when the webhook was disabled, and for a
            receiver that answered its synchronous caller with a refusal.
    """
    if success:
        return Health(
            0, None, now_ms, health.last_failure_ms, health.last_error,
            health.total_calls + 1, health.total_errors,
        )  # fmt: skip
    return Health(
        health.consecutive_failures + (1 if counts else 0),
        now_ms if counts and health.failing_since_ms is None else health.failing_since_ms,
        health.last_success_ms,
        now_ms,
        reason,
        health.total_calls + 1,
        health.total_errors + 1,
    )


def must_disable(policy: Policy, health: Health, status: int | None, now_ms: int) -> bool:
    """Tell whether a failure disables its webhook."""
    if policy.gone_disables and status == GONE:
        return True
    limit = policy.failure_limit
    if limit is not None and health.consecutive_failures >= limit:
        return True
    window = policy.failure_window_ms
    since = health.failing_since_ms
    return window is not None and since is not None and now_ms - since >= window


def probe_wait(failures: int) -> float:
    """Return the seconds a lane waits before its next probe after so many failures in a row."""
    return min(
        BREAKER_MAX_SECONDS,
        BREAKER_BASE_SECONDS * 2.0 ** min(max(0, failures - BREAKER_FAILURES), 20),
    )
