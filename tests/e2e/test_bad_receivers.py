"""Whatever a receiver does on the wire, the attempt log says precisely what it was, and nobody
else waits for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from hookferry.testing import Receiver

from .kit import ONCE, PATIENCE, Calls, Conduct, listening, serving


def says(data: bytes) -> Conduct:
    """Send some bytes and close."""

    async def conduct(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()

    return conduct


async def hangs(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def stalls_in_the_headers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    await reader.read()


async def streams_for_ever(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"400\r\n" + b"x" * 1024 + b"\r\n")
        await writer.drain()


async def drips_for_ever(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"x")
        await asyncio.sleep(0.05)


async def sends_ten_megabytes(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10485760\r\n\r\n")
    for _ in range(160):
        writer.write(b"x" * 65_536)
        await writer.drain()


async def sends_headers_for_ever(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-More: " + b"y" * 1000 + b"\r\n")
        await writer.drain()


@pytest.fixture
async def calls(tmp_path: Path) -> AsyncIterator[Calls]:
    async with serving(tmp_path / "data") as (_, running):
        yield running


TRUNCATED_SUCCESSES: dict[str, Conduct] = {
    "streams": streams_for_ever,
    "drips": drips_for_ever,
    "ten-megabytes": sends_ten_megabytes,
    "half-a-body": says(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"),
}
ERRORS: dict[str, tuple[Conduct, str]] = {
    "hangs": (hangs, "timeout"),
    "stalls": (stalls_in_the_headers, "timeout"),
    "closes": (says(b""), "connection_closed"),
    "closes-in-the-headers": (says(b"HTTP/1.1 200 OK\r\nX-"), "connection_closed"),
    "garbage": (says(b"\x00\xff\x13garbage\r\n\r\n" * 20), "protocol_error"),
    "another-protocol": (says(b"220 mail.example ESMTP\r\n"), "protocol_error"),
    "endless-headers": (sends_headers_for_ever, "response_headers_too_large"),
}


async def test_every_way_to_answer_badly_is_logged_for_what_it_is(calls: Calls) -> None:
    async with AsyncExitStack() as stack:
        for name, conduct in TRUNCATED_SUCCESSES.items():
            url = await stack.enter_async_context(listening(conduct))
            await calls.subscribe(name, url, retry=ONCE, timeout=2)
        for name, (conduct, _) in ERRORS.items():
            url = await stack.enter_async_context(listening(conduct))
            await calls.subscribe(name, url, retry=ONCE, timeout=2)
        await calls.subscribe("nobody", "http://127.0.0.1:1/", retry=ONCE)
        wanted = {name: ("failed", None, kind) for name, (_, kind) in ERRORS.items()}
        wanted |= dict.fromkeys(TRUNCATED_SUCCESSES, ("delivered", 200, None))
        wanted["nobody"] = ("failed", None, "connection_refused")
        events = {name: await calls.publish(name) for name in wanted}
        found = {name: await calls.settled(event) for name, event in events.items()}
    assert {
        name: (delivery["state"], attempt["status"], attempt["error"])
        for name, (delivery, attempt) in found.items()
    } == wanted
    for name, (_, attempt) in found.items():
        assert attempt["response_truncated"] == (name in TRUNCATED_SUCCESSES), name
        assert attempt["duration_ms"] < 5000


async def test_a_healthy_receiver_is_served_while_five_others_hang(calls: Calls) -> None:
    async with AsyncExitStack() as stack:
        good = await stack.enter_async_context(Receiver())
        for number in range(5):
            url = await stack.enter_async_context(listening(hangs))
            await calls.subscribe(f"bad{number}", url, events=["to.*"], timeout=15)
        await calls.subscribe("good", good.url, events=["to.*"])
        delays = []
        for number in range(100):
            began = time.monotonic()
            await calls.publish("all")
            await good.wait_for_async(number + 1, PATIENCE)
            delays.append(time.monotonic() - began)
    # A hanging attempt ends after 15 s; whoever waited for one would see that.
    assert max(delays) < 10
