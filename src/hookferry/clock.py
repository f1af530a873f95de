"""Time as a port: everything that asks the time asks a Clock, so that tests own it."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Two clocks: one that people read, one that only moves forward."""

    def wall_ms(self) -> int:
        """Return Unix time in milliseconds; may jump both ways."""
        ...

    def monotonic(self) -> float:
        """Return seconds on a clock that never jumps; its zero means nothing."""
        ...


class SystemClock:
    """The machine's clocks."""

    def wall_ms(self) -> int:
        """Return Unix time in milliseconds."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Return the machine's monotonic clock in seconds."""
        return time.monotonic()


class Timeline:
    """The time scale of due times: wall-clock milliseconds that never jump.

    Anchored once to the wall clock and carried forward by the monotonic clock, so a wall clock
    that jumps by hours causes neither a burst of retries nor a stall (SEMANTICS section 8).

    Args:
        clock: where both times come from.
        not_before_ms: the last time the ledger has seen; a machine whose clock was set back
            while hookferry was down goes on from there.
    """

    def __init__(self, clock: Clock, not_before_ms: int = 0) -> None:
        self._clock = clock
        self._anchor = clock.monotonic()
        self._base = max(clock.wall_ms(), not_before_ms)

    def now_ms(self) -> int:
        """Return the present on this scale, in milliseconds."""
        return self._base + int((self._clock.monotonic() - self._anchor) * 1000)

    def to_wall_ms(self, due_ms: int) -> int:
        """Translate a due time to what the wall clock will show then."""
        return self._clock.wall_ms() + (due_ms - self.now_ms())
