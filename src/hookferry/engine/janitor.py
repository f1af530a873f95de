"""Housekeeping: retention in chunks, always on; expired bins and idempotency keys; the ledger's
clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from hookferry.clock import Clock, Timeline
from hookferry.domain.source import Source
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


def _no_sources() -> Sequence[Source]:
    return ()


async def _leave(source: Source) -> None:
    """Leave an expired source as it is."""


class Janitor:
    """Forgets what is past retention; one chunk is one short transaction.

    Args:
        retention_days: days after which an event that owes nothing goes, with its deliveries and
            attempts.
        request_retention_days: days after which a caught request goes, unless its source says
            otherwise. None is kept longer than events, which hold the bodies.
        sources: the live sources of every tenant.
        expire: deletes a source whose time is over (a bin); what it caught goes by itself.
    """

    def __init__(
        self,
        upkeep: Upkeep,
        *,
        clock: Clock,
        timeline: Timeline,
        metrics: Metrics,
        retention_days: float,
        request_retention_days: float = 7,
        sources: Callable[[], Sequence[Source]] = _no_sources,
        expire: Callable[[Source], Awaitable[None]] = _leave,
    ) -> None:
        self._upkeep = upkeep
        self._clock = clock
        self._timeline = timeline
        self._metrics = metrics
        self._days = retention_days
        self._request_days = request_retention_days
        self._sources = sources
        self._expire = expire
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
        now_ms = self._clock.wall_ms()
        await self._end_bins(now_ms)
        # By the same clock and before the events, which hold the bodies of those that became one.
        requests = await self._forget_requests(now_ms)
        total = 0
        before = self._before(now_ms, self._days)
        while True:
            gone = await self._upkeep.forget(before, CHUNK)
            total += gone
            self._metrics.retention_deleted(gone)
            if gone < CHUNK:
                break
            await asyncio.sleep(PAUSE_SECONDS)
        while await self._upkeep.forget_keys(self._clock.wall_ms(), CHUNK) == CHUNK:  # noqa: ASYNC110 (a pause, not a poll)
            await asyncio.sleep(PAUSE_SECONDS)
        if total or requests:
            log.info("retention", events=total, requests=requests)
        return total

    def _before(self, now_ms: int, days: float) -> int:
        return now_ms - int(min(days, self._days) * _DAY_MS)

    async def _end_bins(self, now_ms: int) -> None:
        for source in self._sources():
            if source.expires_at_ms is None or source.expires_at_ms > now_ms:
                continue
            try:
                await self._expire(source)
            except Unavailable:
                raise
            except Exception:
                # It does not keep the others, and is tried again in the next round.
                log.exception("bin_not_ended", source=source.id)

    async def _forget_requests(self, now_ms: int) -> int:
        """Forget caught requests by their sources' own retention, then the others."""
        total = 0
        own = {s.id: s.retention_days for s in self._sources() if s.retention_days is not None}
        for source_id, days in own.items():
            total += await self._forget_caught(self._before(now_ms, days), source_id)
        others = self._before(now_ms, self._request_days)
        return total + await self._forget_caught(others, None, frozenset(own))

    async def _forget_caught(
        self, before_ms: int, source_id: int | None, spare: frozenset[int] = frozenset()
    ) -> int:
        total = 0
        while True:
            gone = await self._upkeep.forget_requests(
                before_ms, CHUNK, source_id=source_id, spare=spare
            )
            total += gone
            if gone < CHUNK:
                return total
            await asyncio.sleep(PAUSE_SECONDS)

    async def _clean(self) -> None:
        while True:
            try:
                await self.sweep()
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
