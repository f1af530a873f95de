"""What a listener forwards when, what it sends again and marks, and what it hears over breaks."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from hookferry import ids
from hookferry.cli.listening import feed as feeds
from hookferry.cli.listening import relay as relays
from hookferry.cli.listening.feed import Feed
from hookferry.cli.listening.forwarding import Forwarded
from hookferry.cli.listening.journal import Journal, Key
from hookferry.cli.listening.relay import MAX_CUTS, USUAL, Entry, Relay
from hookferry.cli.terminal import CommandError
from hookferry.client import ApiError, AsyncClient
from hookferry.client.listening import StreamedRequest
from hookferry.client.requests import BEGINNING

OK = Forwarded(status=200, body=b"yes")
REFUSED = Forwarded(error="connection_refused")
CUT = Forwarded(error="connection_closed")
LATE = Forwarded(error="timeout")


def req(number: int) -> str:
    return ids.encode("req", number)


def request(number: int, verdict: str = "accepted") -> StreamedRequest:
    return StreamedRequest(
        id=req(number), verdict=verdict, method="POST", path="", headers=[], body=b"%d" % number
    )


class Stream:
    """A feed that has these requests, and no more."""

    def __init__(self, *requests: StreamedRequest) -> None:
        self._requests = requests

    async def requests(self, after: str) -> AsyncGenerator[StreamedRequest]:
        for one in self._requests:
            if one.id > after:
                yield one
        await asyncio.Event().wait()


class Local:
    """A local program that does what its script says, and answers 200 after it."""

    def __init__(self, *script: Forwarded) -> None:
        self._script = list(script)
        self.sent: list[tuple[str, bool]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def send(self, request: StreamedRequest, *, again: bool) -> Forwarded:
        self.sent.append((request.id, again))
        await self.gate.wait()
        return self._script.pop(0) if self._script else OK


class Told:
    """The server, where answers are told to."""

    def __init__(self) -> None:
        self.listening = self
        self.answers: list[tuple[str, int, bytes]] = []

    async def answer(self, request: str, status: int, *, headers: Any, body: bytes) -> Any:
        self.answers.append((request, status, body))
        return type("Answered", (), {"taken": True})


class View:
    def __init__(self) -> None:
        self.over: list[Entry] = []
        self.changes: list[str | None] = []
        self.notes: list[str] = []
        self._news = asyncio.Event()

    def began(self, entry: Entry) -> None: ...

    def changed(self, entry: Entry) -> None:
        self.changes.append(entry.waiting)
        self._news.set()

    def ended(self, entry: Entry) -> None:
        self.over.append(entry)
        self._news.set()

    def note(self, text: str) -> None:
        self.notes.append(text)

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not holds():
                self._news.clear()
                await self._news.wait()


class Bench:
    """A relay on its parts."""

    def __init__(self, journal: Journal, local: Local, stream: Stream, **more: Any) -> None:
        self.view, self.told, self.journal, self.local = View(), Told(), journal, local
        wanted: dict[str, Any] = {"answer": False} | more
        self.relay = Relay(self.told, stream, local, journal, self.view, **wanted)  # type: ignore[arg-type]
        self.running = asyncio.create_task(self.relay.run())

    async def ended(self, count: int) -> None:
        await self.view.until(lambda: len(self.view.over) >= count)

    async def stop(self) -> None:
        self.relay.stop()
        await self.running


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal.open(tmp_path / "journal", Key("http://a", "src_1", "http://b"))
    journal.start(BEGINNING)
    yield journal
    journal.close()


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "LONGEST_PAUSE", 0.001)


async def test_what_reached_nobody_is_sent_until_it_does_and_is_never_marked(
    journal: Journal,
) -> None:
    bench = Bench(journal, Local(*[REFUSED] * 10), Stream(request(1), request(2)))
    await bench.ended(2)
    await bench.stop()
    assert bench.local.sent == [(req(1), False)] * 11 + [(req(2), False)]
    assert bench.view.changes == ["connection_refused"] * 10


async def test_what_waits_when_the_listener_ends_is_left_for_the_next_time(
    journal: Journal,
) -> None:
    bench = Bench(journal, Local(*[REFUSED] * 1000), Stream(request(1)))
    await bench.view.until(lambda: bool(bench.view.changes))
    await bench.stop()
    assert not bench.view.over
    assert not journal.settled(req(1))
    assert not journal.repeats(req(1))


async def test_a_request_that_always_breaks_its_connection_is_given_up(journal: Journal) -> None:
    bench = Bench(journal, Local(*[CUT] * MAX_CUTS), Stream(request(1), request(2)))
    await bench.ended(2)
    await bench.stop()
    marks = [again for identity, again in bench.local.sent if identity == req(1)]
    assert marks == [False] + [True] * (MAX_CUTS - 1)
    assert bench.local.sent[-1] == (req(2), False)
    assert (bench.relay.counts.forwarded, bench.relay.counts.failed) == (2, 1)


async def test_a_request_that_broke_its_connection_stays_marked_while_nobody_is_there(
    journal: Journal,
) -> None:
    bench = Bench(journal, Local(CUT, REFUSED, REFUSED), Stream(request(1)))
    await bench.ended(1)
    await bench.stop()
    assert [again for _, again in bench.local.sent] == [False, True, True, True]


async def test_what_is_not_answered_in_time_is_not_sent_again(journal: Journal) -> None:
    bench = Bench(journal, Local(LATE), Stream(request(1), request(2)), answer=True)
    await bench.ended(2)
    await bench.stop()
    assert bench.local.sent == [(req(1), False), (req(2), False)]
    assert bench.told.answers == [(req(1), 504, b""), (req(2), 200, b"yes")]


async def test_an_answer_that_cannot_be_given_whole_is_a_bad_gateway(journal: Journal) -> None:
    cut_off = Forwarded(status=200, body=b"beginning", truncated=True)
    bench = Bench(journal, Local(cut_off), Stream(request(1)), answer=True)
    await bench.ended(1)
    await bench.stop()
    assert bench.told.answers == [(req(1), 502, b"")]


async def test_other_verdicts_are_left_out_and_not_met_again(journal: Journal) -> None:
    others = ("duplicate", "quarantined", "rejected", "handshake", "filtered", "released")
    requests = [request(n, verdict) for n, verdict in enumerate((*others, *sorted(USUAL)), 1)]
    bench = Bench(journal, Local(), Stream(*requests), answer=True)
    await bench.ended(len(USUAL))
    await bench.stop()
    assert bench.relay.counts.skipped == len(others)
    assert journal.position == requests[-1].id
    assert [identity for identity, _, _ in bench.told.answers] == [
        req(7)
    ]  # only accepted ones wait
    every = Bench(journal, Local(), Stream(request(20, "quarantined")), verdicts=None)
    await every.ended(1)
    await every.stop()


async def test_no_more_than_so_many_are_in_the_air(journal: Journal) -> None:
    local = Local()
    local.gate.clear()
    bench = Bench(journal, local, Stream(*map(request, range(1, 20))), concurrency=3)
    async with asyncio.timeout(10):
        while len(local.sent) < 3:  # noqa: ASYNC110 - nothing else tells
            await asyncio.sleep(0)
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(local.sent) == 3
    local.gate.set()
    await bench.ended(19)
    await bench.stop()


async def test_ending_waits_for_what_is_in_the_air_and_a_second_time_does_not(
    journal: Journal,
) -> None:
    bench = Bench(journal, local := Local(), Stream(request(1), request(2)))
    local.gate.clear()
    async with asyncio.timeout(10):
        while not local.sent:  # noqa: ASYNC110
            await asyncio.sleep(0)
    bench.relay.stop()
    assert bench.view.notes == ["ending; a request is in the air, once more ends at once"]
    local.gate.set()
    await bench.running
    assert journal.settled(req(1))
    assert len(local.sent) == 1

    local.gate.clear()
    bench = Bench(journal, local, Stream(request(2)))
    async with asyncio.timeout(10):
        while len(local.sent) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0)
    bench.relay.stop()
    bench.relay.stop()
    await bench.running
    assert not journal.settled(req(2))


async def test_what_hangs_is_left_behind_after_a_while(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relays, "GRACE_SECONDS", 0.01)
    bench = Bench(journal, local := Local(), Stream(request(1)))
    local.gate.clear()
    async with asyncio.timeout(10):
        while not local.sent:  # noqa: ASYNC110
            await asyncio.sleep(0)
    await bench.stop()
    assert not journal.settled(req(1))


async def test_a_journal_that_cannot_be_written_ends_it(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(request: str) -> None:
        raise CommandError("disk full")

    monkeypatch.setattr(journal, "begin", full)
    bench = Bench(journal, Local(), Stream(request(1)))
    with pytest.raises(CommandError, match="disk full"):
        await bench.running
    assert not bench.local.sent


# ------------------------------------------------------------------ hearing


def event(number: int) -> bytes:
    document = {
        "id": req(number),
        "verdict": "accepted",
        "method": "POST",
        "path": "/",
        "query": "",
        "headers": [],
        "body": base64.b64encode(b"%d" % number).decode(),
    }
    return b"data: " + json.dumps(document).encode() + b"\n\n"


class Wire:
    """A server whose connections do what the script says, one after the other."""

    def __init__(self, *script: list[bytes] | int | None) -> None:
        self._script = list(script)
        self.after: list[str] = []
        self.said: list[str | None] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.after.append(request.url.params["after"])
        now = self._script.pop(0)
        if now is None:
            raise httpx.ConnectError("no route")
        if isinstance(now, int):
            return httpx.Response(now, json={})

        async def pieces() -> AsyncIterator[bytes]:
            for piece in now:
                yield piece
            raise httpx.ReadError("broken")

        return httpx.Response(200, content=pieces())

    async def heard(self, count: int) -> list[str]:
        found: list[str] = []
        async with AsyncClient(
            "http://a", api_key="k", transport=httpx.MockTransport(self)
        ) as client:
            feed = Feed(client, "src_1", answer=False, connected=self.said.append)
            following = feed.requests(req(0))
            async with asyncio.timeout(10):
                while len(found) < count:
                    found.append((await anext(following)).id)
            await following.aclose()
        return found


async def test_a_broken_stream_goes_on_after_the_last_request_heard() -> None:
    wire = Wire(
        [event(1), event(2), event(3)[:30]], None, 503, [b": alive\n\n"], [event(2), event(3)]
    )
    assert await wire.heard(3) == [req(1), req(2), req(3)]
    assert wire.after == [req(0)] + [req(2)] * 4
    assert wire.said[0] is None
    assert "broken" in (wire.said[1] or "")
    assert wire.said[-1] is None


async def test_a_refusal_that_would_come_again_ends_it() -> None:
    with pytest.raises(ApiError) as refused:
        await Wire([event(1)], 404).heard(2)
    assert refused.value.status == 404
