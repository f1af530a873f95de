"""Streams read the ledger, so that nothing is missed or held, however slow their readers are."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import msgspec
import pytest

from hookferry.catch.stream import READ, READ_BYTES, Streams
from hookferry.domain.request import CaughtRequest, Verdict
from hookferry.domain.source import Source
from hookferry.errors import Overloaded


class Log:
    """A ledger of one tenant, in memory; remembers what was asked of it."""

    def __init__(self) -> None:
        self.requests: list[CaughtRequest] = []
        self.asked: list[tuple[int, int]] = []
        self.during: Any = None
        """Called once, in the middle of a read."""

    def add(self, number: int, source_id: int = 1, body: bytes = b"") -> CaughtRequest:
        made = CaughtRequest(
            id=number,
            tenant_id=1,
            source_id=source_id,
            received_at_ms=0,
            verdict=Verdict.ACCEPTED,
            method="POST",
            path=b"/",
            query=b"",
            headers=(),
            body=body,
            client="",
        )
        self.requests.append(made)
        return made

    async def requests_above(
        self, tenant_id: int, source_id: int, above_id: int, *, limit: int, max_bytes: int
    ) -> list[CaughtRequest]:
        self.asked.append((limit, max_bytes))
        found = [r for r in self.requests if r.source_id == source_id and r.id > above_id]
        during, self.during = self.during, None
        if during is not None:
            during()
        await asyncio.sleep(0)
        return found[:limit]

    async def newest_request(self, tenant_id: int, source_id: int) -> int:
        return max((r.id for r in self.requests if r.source_id == source_id), default=0)


async def told(requests: Any, count: int) -> list[int]:
    """Return the ids of the next requests; signs of life are passed over."""
    found: list[int] = []
    async with asyncio.timeout(10):
        while len(found) < count:
            request = await anext(requests)
            if request is not None:
                found.append(request.id)
    return found


@pytest.fixture
def log() -> Log:
    return Log()


async def test_a_stream_begins_with_now_and_goes_on_with_what_comes(log: Log) -> None:
    log.add(1)
    streams = Streams(log)
    async with aclosing(aiter(streams.watch(1, 1, None))) as requests:
        assert await anext(requests) is None
        log.add(2)
        log.add(3, source_id=2)
        log.add(4)
        streams.caught(1)
        assert await told(requests, 2) == [2, 4]
    assert streams.count == 0


async def test_what_is_committed_while_a_stream_reads_is_not_missed(log: Log) -> None:
    streams = Streams(log)

    def commit() -> None:
        log.add(1)
        streams.caught(1)

    log.during = commit  # after the read has seen nothing, before it is back
    async with aclosing(aiter(streams.watch(1, 1, 0))) as requests:
        assert await told(requests, 1) == [1]


async def test_a_reader_that_does_not_read_holds_one_read_at_most(log: Log) -> None:
    streams = Streams(log)
    async with aclosing(aiter(streams.watch(1, 1, 0))) as requests:
        assert await anext(requests) is None
        for number in range(1, 3 * READ + 1):
            log.add(number)
            streams.caught(1)
        assert await told(requests, 1) == [1]
        await asyncio.sleep(0)
        assert log.asked == [(READ, READ_BYTES)]
        assert await told(requests, 3 * READ - 1) == list(range(2, 3 * READ + 1))
        assert set(log.asked) == {(READ, READ_BYTES)}


async def test_a_stream_that_has_nothing_to_tell_says_that_it_is_alive(log: Log) -> None:
    streams = Streams(log, keep_alive=0.001)
    async with aclosing(aiter(streams.watch(1, 1, None))) as requests, asyncio.timeout(10):
        for _ in range(3):
            assert await anext(requests) is None
        log.add(1)
        assert await told(requests, 1) == [1]


async def test_closing_ends_every_stream_and_lets_none_begin(log: Log) -> None:
    for number in range(1, 11):
        log.add(number)
    streams = Streams(log)
    reading, waiting = aiter(streams.watch(1, 1, 0)), aiter(streams.watch(1, 2, 0))
    made_before = aiter(streams.watch(1, 1, 0))
    assert await told(reading, 3) == [1, 2, 3]
    assert await anext(waiting) is None
    waits = asyncio.ensure_future(anext(waiting, "the end"))
    await asyncio.sleep(0)
    streams.close()
    async with asyncio.timeout(10):
        assert await anext(reading, "the end") == "the end"
        assert await waits == "the end"
    assert streams.count == 0
    with pytest.raises(Overloaded):
        streams.watch(1, 1, None)
    with pytest.raises(Overloaded):
        await anext(made_before)


async def test_deleting_a_source_ends_its_streams_and_those_that_begin_at_that_moment(
    log: Log,
) -> None:
    streams = Streams(log)
    running, other = aiter(streams.watch(1, 1, None)), aiter(streams.watch(1, 2, None))
    about_to_begin = streams.watch(1, 1, None)
    assert (await anext(running), await anext(other)) == (None, None)
    waits = asyncio.ensure_future(anext(running, "the end"))
    await asyncio.sleep(0)
    source = Source(id=1, tenant_id=1, name="any", guid="", created_at_ms=0, updated_at_ms=0)
    streams.changed(source)  # saved, and still there
    await asyncio.sleep(0)
    assert not waits.done()
    streams.changed(msgspec.structs.replace(source, deleted=True))
    async with asyncio.timeout(10):
        assert await waits == "the end"
        assert [request async for request in about_to_begin] == [None]
    log.add(1, source_id=2)
    streams.caught(2)
    assert await told(other, 1) == [1]
    await other.aclose()


async def test_a_stream_whose_reader_has_left_ends_by_itself(log: Log) -> None:
    streams = Streams(log)
    watcher = streams.watch(1, 1, None)
    requests = aiter(watcher)
    assert await anext(requests) is None
    waits = asyncio.ensure_future(anext(requests, "the end"))
    await asyncio.sleep(0)
    watcher.end()
    async with asyncio.timeout(10):
        assert await waits == "the end"
    assert streams.count == 0


async def test_the_number_of_streams_is_bounded_per_source_and_in_all(log: Log) -> None:
    streams = Streams(log, most=3, of_source=2)
    open_ones = [aiter(streams.watch(1, source, None)) for source in (1, 1, 2)]
    for requests in open_ones[:2]:
        await anext(requests)
    with pytest.raises(Overloaded, match="2 streams"):
        streams.watch(1, 1, None)
    await anext(open_ones[2])
    with pytest.raises(Overloaded, match="too many streams"):
        streams.watch(1, 3, None)
    for requests in open_ones:
        await requests.aclose()
    assert streams.count == 0
    async with aclosing(aiter(streams.watch(1, 1, None))) as requests:
        await anext(requests)
        assert streams.count == 1
