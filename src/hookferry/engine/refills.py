"""Refills: what a lane is owed and has not in memory is read from the ledger when it runs low.

A few lanes at a time, in the order they asked, so that a thousand thirsty lanes neither flood the
ledger nor overtake each other.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

import structlog

from hookferry.clock import Clock, Timeline
from hookferry.engine.dispatch import Carrier
from hookferry.engine.lane import Job, Lane
from hookferry.errors import Unavailable
from hookferry.ids import encode
from hookferry.store.ports import DueBatch, Ledger

log = structlog.get_logger(__name__)

AT_ONCE = 4
_RETRY_MS = 1_000


class Refills:
    """Fills lanes.

    Args:
        ledger: what is read.
        allowance: payload bytes one lane may hold now.
        filled: told of each lane when its refill is over, with the payload bytes it took in.
    """

    def __init__(
        self,
        ledger: Ledger,
        clock: Clock,
        timeline: Timeline,
        *,
        allowance: Callable[[], int],
        filled: Callable[[Lane, int], None],
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._timeline = timeline
        self._allowance = allowance
        self._filled = filled
        self._loop = asyncio.get_running_loop()
        self._thirsty: deque[Lane] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped = False

    def ask(self, lane: Lane) -> None:
        """Refill a lane as soon as it is its turn; ``lane.refilling`` until it is over."""
        lane.refilling = True
        lane.missed = False
        self._thirsty.append(lane)
        self._begin()

    async def stop(self) -> None:
        """Refill nothing more."""
        self._stopped = True
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self) -> None:
        while self._thirsty and len(self._tasks) < AT_ONCE:
            task = self._loop.create_task(self._refill(self._thirsty.popleft()))
            self._tasks.add(task)
            task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not self._stopped:
            self._begin()

    async def _refill(self, lane: Lane) -> None:
        lane.backlog = False
        lane.next_due_ms = None
        try:
            batch = await self._read(lane)
        except Unavailable as error:
            log.warning("refill_postponed", code=error.code, error=error.detail)
            batch = DueBatch((), False, self._timeline.now_ms() + _RETRY_MS)
        except Exception:
            log.exception("refill_failed", webhook=encode("wh", lane.webhook.id))
            batch = DueBatch((), False, self._timeline.now_ms() + _RETRY_MS)
        finally:
            lane.refilling = False
        if batch.next_due_ms is not None:
            lane.note_due(batch.next_due_ms)
        lane.backlog = lane.backlog or batch.more or lane.missed
        if not lane.sending:  # it was paused meanwhile, and looks again when it is resumed
            lane.backlog = True
            return
        taken = 0
        for due in batch.rows:
            row = due.delivery
            if row.id not in lane.held:
                job = Job(row.id, row.attempts, Carrier(due.event), lane)
                lane.push(job)
                taken += job.size
        self._filled(lane, taken)

    async def _read(self, lane: Lane) -> DueBatch:
        held = frozenset(lane.held)
        if lane.webhook.ordered:
            first = await self._ledger.retrying(lane.webhook.id, held)
            if first is not None:
                row = first.delivery
                job = Job(row.id, row.attempts, Carrier(first.event), lane)
                wait = max(0, row.due_ms - self._timeline.now_ms()) / 1000
                lane.block(job, self._clock.monotonic() + wait)
                # What is behind it is read once it is through: another may be retrying there.
                return DueBatch((), True, None)
            held = frozenset(lane.held)
        return await self._ledger.read_due(
            lane.webhook.id,
            self._timeline.now_ms(),
            lane.memory - len(lane.queue),
            max(0, self._allowance() - lane.bytes),
            held,
        )
