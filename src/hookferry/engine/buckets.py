"""Token buckets: how often something may happen."""

from __future__ import annotations

from hookferry.domain.webhook import RateLimit


class Bucket:
    """A token bucket on the monotonic clock."""

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, limit: RateLimit, now: float) -> None:
        self._rate = limit.per_second
        self._burst = float(limit.burst)
        self._tokens = self._burst
        self._at = now

    def take(self, now: float) -> float:
        """Take a token; return 0, or the seconds until there is one."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens >= 1.0 - 1e-9:
            self._tokens -= 1.0
            return 0.0
        return (1.0 - self._tokens) / self._rate
