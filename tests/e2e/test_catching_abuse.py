"""Abuse of a real server: it stays small, goes on answering, and says what it refuses.

Everything comes from this machine and is bounded.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from hookferry.domain.request import CaughtRequest, Verdict
from hookferry.store.ports import RequestFilter
from hookferry.store.sqlite.store import SqliteStore
from hookferry.testing import Receiver

from .kit import PATIENCE, Process, serving

SECRET = "a secret that only GitHub and this test know"
VERIFY = {"preset": "github", "secret": SECRET}
CROWD = 10_000
MB = 1024 * 1024
BUDGET_MS = 25.0
"""The p99 of an answer (DESIGN section 7), on a machine that does nothing else."""


@pytest.fixture
def files() -> Iterator[tuple[int, int]]:
    """Start with the few open files that many systems give; return what may be had."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, before[1]), before[1]))
    yield before
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def message(url: str, body: bytes = b"{}", *headers: str, length: int | None = -1) -> bytes:
    """A request; with a ``length`` of None its framing is among the headers."""
    where = urlsplit(url)
    lines = [f"POST {where.path} HTTP/1.1", f"Host: {where.netloc}", *headers]
    if length is not None:
        lines.append(f"Content-Length: {len(body) if length < 0 else length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def signed(body: bytes, delivery: str, secret: str = SECRET) -> list[str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return [
        "X-GitHub-Event: push",
        f"X-GitHub-Delivery: {delivery}",
        f"X-Hub-Signature-256: sha256={digest}",
    ]


class Guest(asyncio.Protocol):
    """A client that keeps its connection open: counts the answers, and hears of its end."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.heard = b""
        self.answered = asyncio.Event()
        self.gone = asyncio.Event()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.heard += data
        if b"\r\n\r\n" in self.heard:
            self.answered.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set()

    @classmethod
    async def enter(cls, port: int, first: bytes = b"") -> Guest:
        guest = cls()
        await guest.connect(port)
        guest.transport.write(first)
        return guest

    async def connect(self, port: int) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: self, "127.0.0.1", port)

    async def ask(self, request: bytes) -> int:
        """Send a request; return the status of its answer."""
        self.heard = b""
        self.answered.clear()
        self.transport.write(request)
        async with asyncio.timeout(PATIENCE):
            await self.answered.wait()
        return int(self.heard.split(b" ")[1])


async def p99_ms(port: int, request: bytes, count: int = 200) -> float:
    """The 99th percentile of how long a new client waits for each of its answers.

    Of up to ten windows the first within the budget, else the best: other programs share this
    machine, and what the server itself is slow at shows in every window.
    """
    found = []
    while len(found) < 10 and min(found, default=BUDGET_MS + 1) > BUDGET_MS:
        guest = await Guest.enter(port)
        took = []
        for _ in range(count):
            began = time.perf_counter()
            assert await guest.ask(request) == 204
            took.append(time.perf_counter() - began)
        guest.transport.close()
        found.append(sorted(took)[int(count * 0.99) - 1] * 1000)
    return min(found)


async def drip(guest: Guest, data: bytes) -> None:
    """Send byte after byte, as slowly as can be, until the server has had enough."""
    for byte in data:
        if guest.transport.is_closing():
            break
        guest.transport.write(bytes([byte]))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(guest.gone.wait(), 0.1)
    await guest.gone.wait()


async def flood(guest: Guest, size: int) -> None:
    """Send chunks until so many bytes are sent or the server has had enough."""
    chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    for _ in range(size // 65_536):
        if guest.transport.is_closing():
            break
        guest.transport.write(chunk)
        await asyncio.sleep(0)


async def requests_of(data: Path) -> list[CaughtRequest]:
    """What the ledger of a stopped server holds, oldest first."""
    store = await SqliteStore.open(data)
    try:
        [tenant] = (await store.changes(0)).tenants
        found = await store.requests(RequestFilter(tenant_id=tenant.id), limit=100_000, bodies=True)
        return list(reversed(found))
    finally:
        await store.aclose()


async def ended(server: Process) -> None:
    server.terminate()
    assert await server.ended() == 0


async def test_slow_endless_and_ten_thousand_idle_clients_leave_it_small_and_quick(
    tmp_path: Path, files: tuple[int, int], capsys: pytest.CaptureFixture[str]
) -> None:
    slow = {"HOOKFERRY_HEAD_TIMEOUT": "2", "HOOKFERRY_BODY_TIMEOUT": "2"}
    async with serving(tmp_path / "data", **slow) as (server, calls):
        resource.setrlimit(resource.RLIMIT_NOFILE, (files[1], files[1]))
        crowd = min(CROWD, files[1] - 500)
        url = await calls.source("open")
        request = message(url)
        alone = await p99_ms(server.port, request)

        # A slowloris: heads and bodies that never end.
        heads = [await Guest.enter(server.port, request[:10]) for _ in range(150)]
        bodies = [
            await Guest.enter(server.port, message(url, b"x" * 10, length=1000)) for _ in range(150)
        ]
        endless = await Guest.enter(
            server.port, message(url, b"", "Transfer-Encoding: chunked", length=None)
        )
        dripping = [drip(guest, b"X" * 500) for guest in (*heads, *bodies)]
        async with asyncio.timeout(PATIENCE):
            meanwhile, *_ = await asyncio.gather(
                p99_ms(server.port, request), flood(endless, 200 * MB), *dripping
            )
        assert {guest.heard.split(b" ")[1] for guest in heads} == {b"408"}
        assert {guest.heard.split(b" ")[1] for guest in bodies} == {b"408"}
        assert endless.heard.startswith(b"HTTP/1.1 413 ")

        # A crowd that was answered and stays.
        body = b"x" * 2_000
        guests: list[Guest] = []

        async def arrive() -> None:
            while len(guests) < crowd:
                guest = Guest()
                guests.append(guest)
                await guest.connect(server.port)
                assert await guest.ask(message(url, body)) == 204

        async with asyncio.TaskGroup() as group:
            for _ in range(100):
                group.create_task(arrive())
        staying = sum(not guest.gone.is_set() for guest in guests)
        crowded = await p99_ms(server.port, request)
        memory, peak = server.memory_mb(), server.memory_mb(peak=True)
        for guest in guests:
            guest.transport.abort()
    with capsys.disabled():
        print(
            f"\n  {len(heads) + len(bodies)} dripping clients got 408, a 200 MB chunked post 413, "
            f"{staying:,} of {len(guests):,} answered connections stayed: {memory:.0f} MB resident "
            f"(peak {peak:.0f}); p99 of a new client {alone:.1f} ms alone, {meanwhile:.1f} ms "
            f"beside the slow ones, {crowded:.1f} ms beside the crowd"
        )
    assert staying >= crowd - 200
    assert peak < 300
    # Where the machine is too busy to keep the budget without them, it can't be kept beside them.
    assert crowded <= max(BUDGET_MS, 3 * alone)
    assert meanwhile <= max(BUDGET_MS, 3 * alone)


async def test_a_thousand_forged_requests_fill_a_bounded_quarantine_and_hold_nobody_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    async with serving(data, HOOKFERRY_QUARANTINE_RATE="1000") as (server, calls):
        url = await calls.source("github", verify=VERIFY)
        forged = [
            message(url, b"%d" % n, *signed(b"%d" % n, f"good-{n}", "a guess")) for n in range(1000)
        ]
        genuine = [message(url, b"%d" % n, *signed(b"%d" % n, f"good-{n}")) for n in range(100)]

        async def in_turn(requests: list[bytes]) -> list[int]:
            guest = await Guest.enter(server.port)
            told = [await guest.ask(request) for request in requests]
            guest.transport.close()
            return told

        began = time.perf_counter()
        told, *strangers = await asyncio.gather(
            in_turn(genuine), *(in_turn(forged[n::10]) for n in range(10))
        )
        took = time.perf_counter() - began
        assert told == [204] * 100
        assert strangers == [[401] * 100] * 10
        await ended(server)
    kept = await requests_of(data)
    quarantined = [r for r in kept if r.verdict is Verdict.QUARANTINED]
    assert len(quarantined) == 500
    assert [r.id for r in quarantined] == sorted(r.id for r in quarantined)
    assert sum(r.verdict is Verdict.ACCEPTED for r in kept) == 100
    with capsys.disabled():
        print(f"\n  1,000 forged and 100 genuine requests in {took:.1f} s; 500 kept, 100 events")


async def test_a_flood_of_headers_is_431(tmp_path: Path) -> None:
    async with serving(tmp_path / "data") as (server, calls):
        url = await calls.source("open")
        many = await Guest.enter(server.port)
        assert await many.ask(message(url, b"", *(f"X-{n}: 1" for n in range(200)))) == 431
        large = await Guest.enter(server.port, message(url, b"")[:-2] + b"X-Endless: ")
        for _ in range(2_000):
            if large.answered.is_set():
                break
            large.transport.write(b"x" * 10_000)
            await asyncio.sleep(0.001)
        assert large.heard.startswith(b"HTTP/1.1 431 ")
        for guest in (many, large):
            async with asyncio.timeout(PATIENCE):
                await guest.gone.wait()
        assert await (await Guest.enter(server.port)).ask(message(url)) == 204


async def test_a_caller_who_waits_while_the_server_stops_is_answered(tmp_path: Path) -> None:
    async with Receiver() as receiver, serving(tmp_path / "data") as (server, calls):
        await calls.subscribe("answers", receiver.url, mode="sync", events=["*"])
        url = await calls.source("open", respond={"webhook": "answers"})
        receiver.answer(200, [("Content-Type", "text/plain")], b"done")
        receiver.hang_next(1)
        guest = await Guest.enter(server.port, message(url))
        await receiver.wait_for_async(1, PATIENCE)
        server.terminate()
        await server.until_it_takes_no_more()
        receiver.release()
        async with asyncio.timeout(PATIENCE):
            await guest.gone.wait()
        assert guest.heard.startswith(b"HTTP/1.1 200 ")
        assert guest.heard.endswith(b"\r\n\r\ndone")
        assert await server.ended() == 0
