"""One timer for all deadlines: a wheel of slots instead of a loop timer per request.

A loop timer costs a heap push, a handle and a cancelled entry that lingers until it is due; the
wheel costs a set insertion and a set removal.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable

from hookferry.transport.exchange import Exchange

TICK = 0.05
"""Seconds between two looks at the clock: how late a deadline may be noticed."""


class DeadlineWheel:
    """Calls ``expire`` on each item once its deadline has passed, within one tick.

    Args:
        loop: runs the one timer, which only exists while something is on the wheel.
        now: a monotonic clock in seconds.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, now: Callable[[], float]) -> None:
        self._loop = loop
        self._now = now
        self._slots: dict[int, set[Exchange]] = {}
        self._ticks: list[int] = []
        """Those of the slots, as a heap."""
        self._timer: asyncio.TimerHandle | None = None

    def add(self, item: Exchange, deadline: float) -> None:
        """Watch ``item`` until it is discarded or ``deadline`` (on ``now``'s scale) passes."""
        tick = int(deadline / TICK) + 1
        slot = self._slots.get(tick)
        if slot is None:
            slot = self._slots[tick] = set()
            heapq.heappush(self._ticks, tick)
            if self._timer is None:
                self._timer = self._loop.call_later(TICK, self._turn)
        slot.add(item)
        item.slot = slot

    def discard(self, item: Exchange) -> None:
        """Stop watching ``item``."""
        slot = item.slot
        if slot is not None:
            slot.discard(item)
            item.slot = None

    def drain(self) -> list[Exchange]:
        """Take everything off the wheel and return it."""
        items = [item for slot in self._slots.values() for item in slot]
        for item in items:
            item.slot = None
        self._slots.clear()
        self._ticks.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return items

    def _turn(self) -> None:
        self._timer = None
        now = int(self._now() / TICK)
        try:
            while self._ticks and self._ticks[0] <= now:
                slot = self._slots.pop(heapq.heappop(self._ticks))
                while slot:
                    item = slot.pop()
                    item.slot = None
                    item.expire()
        finally:
            if self._slots and self._timer is None:
                self._timer = self._loop.call_later(TICK, self._turn)
