"""What the janitor forgets of caught requests, and how bins end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import msgspec
import pytest

from hookferry.clock import Timeline
from hookferry.domain.source import Source
from hookferry.engine import janitor
from hookferry.engine.janitor import Janitor
from hookferry.errors import StorageDown
from hookferry.store.ports import Batch
from hookferry.telemetry import Metrics
from sim.disk import Disk
from sim.loop import START_WALL_MS, SimClock, SimLoop
from sim.memory_store import MemoryStore
from store.conformance.books import Maker

DAY = 86_400.0
DAY_MS = 86_400_000
EVENTS, REQUESTS = 30, 7
"""Days of retention."""

replace = msgspec.structs.replace


class House:
    """A janitor, the sources that it is told of, and what it looks after."""

    def __init__(self) -> None:
        loop = cast(SimLoop, asyncio.get_running_loop())
        self.disk = Disk()
        self.store = MemoryStore(self.disk)
        self.make = Maker()
        self.clock = SimClock(loop)
        self.sources: dict[int, Source] = {}
        self.ended: list[str] = []
        self.broken = ""
        """The source whose end fails."""
        self.janitor = Janitor(
            self.store,
            clock=self.clock,
            timeline=Timeline(self.clock),
            metrics=Metrics(),
            retention_days=EVENTS,
            request_retention_days=REQUESTS,
            sources=lambda: list(self.sources.values()),
            expire=self.expire,
        )

    async def expire(self, source: Source) -> None:
        if source.name == self.broken:
            raise ValueError("it can't be ended")
        self.ended.append(source.name)
        del self.sources[source.id]
        await self.store.save(replace(source, deleted=True, version=source.version + 1))

    async def source(self, name: str, days: float | None = None, end: float | None = None) -> int:
        """Make a source with a retention of its own, or an end so many seconds from the start."""
        source = self.make.source(name, at=START_WALL_MS)
        ends = None if end is None else START_WALL_MS + int(end * 1000)
        made = replace(source, retention_days=days, expires_at_ms=ends)
        self.sources[made.id] = await self.store.save(made)
        return made.id

    async def catch(self, source: int, count: int = 1) -> None:
        """Have a source catch requests now, each of them an event."""
        made = [self.make.caught(source=source, at=self.clock.wall_ms()) for _ in range(count)]
        await self.store.commit(Batch(self.disk.config_version, accept=made))

    async def a_day_later(self) -> None:
        await asyncio.sleep(DAY)
        await self.janitor.sweep()

    def ages(self, source: int) -> list[int]:
        """How old a source's requests are, in days."""
        now = self.clock.wall_ms()
        mine = [r for r in self.disk.requests.values() if r.source_id == source]
        return sorted((now - r.received_at_ms) // DAY_MS for r in mine)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """A house whose janitor works when it is told to."""
    house = House()
    yield house
    await house.janitor.stop()


@pytest.fixture
async def busy(house: House) -> House:
    """A house whose janitor works all the time."""
    house.janitor.start()
    return house


async def test_requests_go_by_the_servers_retention_or_by_their_sources_own(
    house: House,
) -> None:
    usual, short, long = (
        await house.source("usual"),
        await house.source("short", days=2),
        await house.source("long", days=20),
    )
    for _ in range(25):
        for source in (usual, short, long):
            await house.catch(source)
        await house.a_day_later()
    assert house.ages(usual) == list(range(1, REQUESTS + 1))
    assert house.ages(short) == [1, 2]
    assert house.ages(long) == list(range(1, 21))
    assert len(house.disk.events) == 75


async def test_no_request_is_kept_longer_than_events(house: House) -> None:
    source = await house.source("hoarder", days=1_000)
    for _ in range(EVENTS + 5):
        await house.catch(source)
        await house.a_day_later()
    assert max(house.ages(source)) == EVENTS
    # Never without its event, which holds its body.
    assert {r.event_id for r in house.disk.requests.values()} <= set(house.disk.events)


async def test_a_bin_ends_with_everything_it_caught(busy: House) -> None:
    house = busy
    bin_, other = await house.source("bin", end=3_600), await house.source("other")
    await house.catch(bin_)
    await house.catch(other)
    await asyncio.sleep(3_590)
    assert house.ended == []
    await asyncio.sleep(janitor.ROUND_SECONDS + 15)
    assert house.ended == ["bin"]
    assert house.ages(bin_) == []
    assert house.ages(other) == [0]


async def test_a_bin_that_cannot_end_keeps_nothing_else_up(house: House) -> None:
    house.broken = "broken"
    await house.source("broken", end=1)
    await house.source("bin", end=1)
    usual = await house.source("usual", days=0.5)
    await house.catch(usual)
    await house.a_day_later()
    assert house.ended == ["bin"]
    assert house.ages(usual) == []
    house.broken = ""
    await house.a_day_later()
    assert house.ended == ["bin", "broken"]


async def test_requests_are_forgotten_in_chunks_that_let_others_pass(house: House) -> None:
    source = await house.source("busy", days=0.5)
    await house.catch(source, 3 * janitor.CHUNK)
    chunks: list[tuple[float, int]] = []
    forget = house.store.forget_requests

    async def watched(
        before_ms: int,
        limit: int,
        *,
        source_id: int | None = None,
        spare: frozenset[int] = frozenset(),
    ) -> int:
        gone = await forget(before_ms, limit, source_id=source_id, spare=spare)
        if gone:
            chunks.append((house.clock.monotonic(), gone))
        return gone

    house.store.forget_requests = watched  # type: ignore[method-assign]
    await house.a_day_later()
    assert [gone for _, gone in chunks] == [janitor.CHUNK] * 3
    assert chunks[-1][0] - chunks[0][0] >= 2 * janitor.PAUSE_SECONDS


async def test_a_ledger_that_is_away_does_not_end_the_forgetting(busy: House) -> None:
    house = busy
    source = await house.source("short", days=0.01)
    await house.catch(source)
    forget = house.store.forget_requests

    async def away(*_: object, **__: object) -> int:
        raise StorageDown("away")

    house.store.forget_requests = away  # type: ignore[method-assign]
    await asyncio.sleep(0.02 * DAY)
    assert house.ages(source) == [0]
    house.store.forget_requests = forget  # type: ignore[method-assign]
    await asyncio.sleep(2 * janitor.ROUND_SECONDS)
    assert house.ages(source) == []
