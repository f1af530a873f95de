"""Alarms: one timer for all lanes that wait for a moment (a retry, a token, the end of a delay).

A lane has at most one alarm that counts, ``lane.wake_at``; setting a nearer one makes the former
stale. Not a task and not a timer per delivery: a heap, and one timer of the loop.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable

from hookferry.clock import Clock
from hookferry.engine.lane import NEVER, Lane

_SHORTEST_SECONDS = 0.001
"""Loops round their timers to milliseconds, down as well: never ask for less than one."""
_STALE_FACTOR, _STALE_SLACK = 4, 64
"""Alarms kept for each that counts, and beside them, before the stale ones are thrown out."""


class Alarms:
    """Wakes lanes.

    Args:
        clock: whose monotonic time alarms are set in.
        wake: called with each lane whose time has come.
    """

    def __init__(self, clock: Clock, wake: Callable[[Lane], None]) -> None:
        self._clock = clock
        self._wake = wake
        self._loop = asyncio.get_running_loop()
        self._heap: list[tuple[float, int, Lane]] = []
        self._number = 0
        self._live = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = NEVER

    def __len__(self) -> int:
        """Return how many alarms are kept, stale ones included."""
        return len(self._heap)

    def set(self, lane: Lane, at: float) -> None:
        """Wake a lane at a monotonic time, unless it is woken earlier anyway."""
        if at >= lane.wake_at:
            return
        if lane.wake_at == NEVER:
            self._live += 1
        lane.wake_at = at
        if len(self._heap) > _STALE_FACTOR * self._live + _STALE_SLACK:
            self._throw_out_stale()
        self._number += 1
        heapq.heappush(self._heap, (at, self._number, lane))
        if at < self._timer_at:
            self._start(at)

    def stop(self) -> None:
        """Wake nobody any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._heap.clear()

    def forget(self, lane: Lane) -> None:
        """Make the alarm of a lane that is gone stale."""
        if lane.wake_at != NEVER:
            lane.wake_at = NEVER
            self._live -= 1

    def _throw_out_stale(self) -> None:
        # Far ones would pile up until their time comes, a day away at times.
        self._heap = [alarm for alarm in self._heap if alarm[2].wake_at == alarm[0]]
        heapq.heapify(self._heap)

    def _start(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        delay = max(_SHORTEST_SECONDS, at - self._clock.monotonic())
        self._timer = self._loop.call_later(delay, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._timer_at = NEVER
        now = self._clock.monotonic()
        woken = []
        while self._heap and self._heap[0][0] <= now:
            at, _, lane = heapq.heappop(self._heap)
            if lane.wake_at == at:
                lane.wake_at = NEVER
                self._live -= 1
                woken.append(lane)
        # After the loop, since waking may set alarms for this very moment.
        for lane in woken:
            self._wake(lane)
        if self._heap and self._heap[0][0] < self._timer_at:
            self._start(self._heap[0][0])
