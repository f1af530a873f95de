"""Killed at the worst moments of a caught request: nothing acknowledged is lost, nothing run twice.

The server dies by its own hand (``dying``), since no signal from outside hits a moment so short.
"""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from crash import dying
from crash.caught import VERIFY, Delivery, book_of, deliveries
from crash.kit import Receivers, Server
from shared import Payload


async def answer_to(url: str, delivery: Delivery, port: int) -> bytes:
    """Send a delivery once; return the first line of the answer, or nothing where none came."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(delivery.message(url))
        async with asyncio.timeout(20):
            return (await reader.readline()).strip()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("moment", "told", "repeats"),
    [("before-commit", b"", 0), ("after-commit", b"", 1), ("after-answer", b"204", 1)],
)
async def test_a_delivery_is_one_event_whenever_the_server_dies_over_it(
    tmp_path: Path, real_payloads: list[Payload], moment: str, told: bytes, repeats: int
) -> None:
    [delivery] = deliveries(real_payloads, 1)
    server = Server(tmp_path / "data")
    async with Receivers(0.0, keep=True) as receivers:
        await server.start(dying.__file__, moment)
        await server.subscribe("mirror", receivers.url + "/in", profile="raw")
        url = await server.source("github", verify=VERIFY)
        answer = await answer_to(url, delivery, server.port)
        assert answer.split(b" ")[1:2] == ([told] if told else [])
        await server.gone()
        assert server.process is not None
        assert server.process.returncode == -signal.SIGKILL
        assert not receivers.received

        await server.start()
        if repeats:  # it runs by itself, before anybody repeats anything
            async with asyncio.timeout(20):
                await receivers.arrived.wait()
        assert await answer_to(url, delivery, server.port) == b"HTTP/1.1 204 No Content"
        async with asyncio.timeout(20):
            await receivers.arrived.wait()
        await server.stop()

    book = await book_of(server.data)
    assert book.check(delivery) == repeats
    [(event, _)] = receivers.received
    assert receivers.received[event, "/in"] == len(book.events) == 1
    assert [body for _, body in receivers.kept[event, "/in"]] == [delivery.body]


async def test_what_nobody_was_told_of_runs_when_its_caller_repeats_it(
    tmp_path: Path, real_payloads: list[Payload]
) -> None:
    """Its caller waited for a webhook's answer, and the server died before it was asked for."""
    [delivery] = deliveries(real_payloads, 1)
    server = Server(tmp_path / "data")
    async with Receivers(0.0, keep=True) as receivers:
        await server.start(dying.__file__, "after-commit")
        await server.subscribe("answers", receivers.url + "/in", profile="raw", mode="sync")
        url = await server.source("github", verify=VERIFY, respond={"webhook": "answers"})
        assert await answer_to(url, delivery, server.port) == b""
        await server.gone()
        assert not receivers.received

        await server.start()
        answer = await answer_to(url, delivery, server.port)
        assert answer == b"HTTP/1.1 202 Accepted"
        async with asyncio.timeout(20):
            await receivers.arrived.wait()
        await server.stop()

    book = await book_of(server.data)
    assert book.check(delivery) == 1
    assert list(receivers.received.values()) == [1]
