"""Housekeeping: retention in chunks, always on; expired idempotency keys; the ledger's clock."""

from __future__ import annotations

import asyncio

import structlog

from hookferry.clock import Clock, Timeline
from hookferry.errors import Unavailable
from hookferry.store.ports import Upkeep
from hookferry.telemetry import Metrics

log = structlog.get_logger(__name__)

CHUNK = 200
PAUSE_SECONDS = 0.05
"""Between chunks, so that commits get their turn."""
ROUND_SECONDS = 60.0
TIME_SECONDS = 10.0
_DAY_MS = 86_400_000


class Janitor:
    """Forgets what is past retention; one chunk is one short transaction.

    Args:
        retention_days: days after which an event that owes nothing goes, with its deliveries and
            attempts.
    """

    def __init__(
        self,
        upkeep: Upkeep,
        *,
        clock: Clock,
        timeline: Timeline,
        metrics: Metrics,
        retention_days: float,
    ) -> None:
        self._upkeep = upkeep
        self._clock = clock
        self._timeline = timeline
        self._metrics = metrics
        self._retention_ms = int(retention_days * _DAY_MS)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin."""
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self._clean(), name="janitor"),
            loop.create_task(self._tell_time(), name="ledger-clock"),
        ]

    async def stop(self) -> None:
        """End."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def sweep(self) -> int:
        """Forget everything that is past retention now; return how many events went."""
        total = 0
        before = self._clock.wall_ms() - self._retention_ms
        while True:
            gone = await self._upkeep.forget(before, CHUNK)
            total += gone
            self._metrics.retention_deleted(gone)
            if gone < CHUNK:
                break
            await asyncio.sleep(PAUSE_SECONDS)
        while await self._upkeep.forget_keys(self._clock.wall_ms(), CHUNK) == CHUNK:  # noqa: ASYNC110 (a pause, not a poll)
            await asyncio.sleep(PAUSE_SECONDS)
        return total

    async def _clean(self) -> None:
        while True:
            try:
                gone = await self.sweep()
                if gone:
                    log.info("retention", events=gone)
            except Unavailable as error:
                log.warning("retention_postponed", code=error.code, error=error.detail)
            except Exception:
                log.exception("retention_failed")
            await asyncio.sleep(ROUND_SECONDS)

    async def _tell_time(self) -> None:
        while True:
            await asyncio.sleep(TIME_SECONDS)
            try:
                await self._upkeep.remember_time(self._timeline.now_ms())
            except Unavailable as error:
                log.warning("ledger_clock_postponed", code=error.code, error=error.detail)
