"""The server as a process: how it ends, what it refuses to start on, how it starts again."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hookferry.domain.delivery import DeliveryState
from hookferry.store.sqlite.connection import FILE_NAME
from hookferry.testing import Receiver

from .kit import ONCE, PATIENCE, event_of, launched, ledger_of, serving


async def test_sigterm_lets_what_is_in_flight_finish_and_exits_with_zero(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with Receiver() as receiver, serving(data) as (server, calls):
        await calls.subscribe("slow", receiver.url)
        receiver.hang_next(1)
        event = await calls.publish("slow")
        await receiver.wait_for_async(1, PATIENCE)
        server.terminate()
        await server.until_it_takes_no_more()
        receiver.release()
        assert await server.ended() == 0
    [(delivery, attempts)] = await ledger_of(data)
    assert event_of(delivery) == event
    assert delivery.state is DeliveryState.DELIVERED
    assert [a.status for a in attempts] == [204]


async def test_what_hangs_longer_than_the_drain_is_delivered_after_the_next_start(
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    async with Receiver() as receiver:
        receiver.hang_next(1)
        async with serving(data, HOOKFERRY_DRAIN_TIMEOUT="0.2") as (server, calls):
            await calls.subscribe("slow", receiver.url)
            event = await calls.publish("slow")
            await receiver.wait_for_async(1, PATIENCE)
            server.terminate()
            assert await server.ended() == 0
        async with serving(data) as (_, calls):
            first, second = await receiver.wait_for_async(2, PATIENCE)
            assert first.header("webhook-id") == second.header("webhook-id") == event
            delivery, _ = await calls.settled(event)
            assert delivery["state"] == "delivered"


def overwrite(content: bytes) -> bytes:
    return b"\x5a" * 2048 + content[2048:]


def cut_short(content: bytes) -> bytes:
    return content[: len(content) // 2]


@pytest.mark.parametrize("damage", [overwrite, cut_short])
async def test_a_damaged_ledger_is_refused_with_what_to_do_and_left_as_it_is(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    data = tmp_path / "data"
    async with serving(data) as (server, calls):
        await calls.publish("nobody")
        server.terminate()
        assert await server.ended() == 0
    file = data / FILE_NAME
    damaged = damage(file.read_bytes())
    file.write_bytes(damaged)
    async with launched(data) as again:
        assert await again.ended() > 0
    assert b"damaged" in again.said
    assert b".recover" in again.said
    assert b"Traceback" not in again.said
    assert file.read_bytes() == damaged


async def test_a_second_server_on_the_same_folder_refuses_and_the_first_goes_on(
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    async with Receiver() as receiver, serving(data) as (_, calls):
        async with launched(data) as second:
            assert await second.ended() > 0
        assert b"owns the data folder" in b" ".join(second.said.split())
        assert b"Traceback" not in second.said
        await calls.subscribe("crm", receiver.url)
        await calls.publish("crm")
        await receiver.wait_for_async(1, PATIENCE)


async def test_after_a_kill_the_next_server_takes_over_at_once(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with Receiver() as receiver:
        async with serving(data) as (server, calls):
            await calls.subscribe("crm", receiver.url, max_in_flight=4, retry=ONCE)
            receiver.hang_next(4)
            events = [await calls.publish("crm", n) for n in range(50)]
            await receiver.wait_for_async(4, PATIENCE)
            server.kill()
            assert await server.ended() == -signal.SIGKILL
        async with serving(data) as (_, calls):
            began = time.monotonic()
            received = await receiver.wait_for_async(54, PATIENCE)
            # Not after a lease, a look every so often or a retry's wait: those are seconds.
            assert time.monotonic() - began < 8
            await calls.settled(events[-1])
    assert {r.header("webhook-id") for r in received} == set(events)
