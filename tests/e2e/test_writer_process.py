"""The process that writes the ledger, beside the server that it belongs to: one service."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from hookferry.domain.delivery import DeliveryState
from hookferry.testing import Receiver

from .kit import PATIENCE, Process, event_of, ledger_of, serving


def lives(pid: int) -> bool:
    """Say whether a process lives; one that nobody has collected yet does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


async def test_the_loss_of_the_writer_ends_the_server_and_loses_nothing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with Receiver() as receiver:
        receiver.hang_next(2)
        async with serving(data) as (server, calls):
            await calls.subscribe("crm", receiver.url, max_in_flight=2)
            events = [await calls.publish("crm", n) for n in range(20)]
            await receiver.wait_for_async(2, PATIENCE)
            [writer] = server.children()
            os.kill(writer, signal.SIGKILL)
            assert await server.ended() == 1
            assert b"ledger_writer_lost" in server.said
            assert b"Traceback" not in server.said
        receiver.release()
        async with serving(data) as (_, calls):
            received = await receiver.wait_for_async(22, PATIENCE)
            for event in events:
                delivery, _ = await calls.settled(event)
                assert delivery["state"] == "delivered"
    assert {request.header("webhook-id") for request in received} == set(events)


async def drained(data: Path, number: signal.Signals) -> None:
    """Have a signal sent to server and writer while a delivery is in flight."""
    async with Receiver() as receiver, serving(data) as (server, calls):
        [writer] = server.children()
        await calls.subscribe("slow", receiver.url)
        receiver.hang_next(1)
        event = await calls.publish("slow")
        await receiver.wait_for_async(1, PATIENCE)
        server.signal_all(number)
        await server.until_it_takes_no_more()
        assert lives(writer), "what is drained has still to be stored"
        receiver.release()
        assert await server.ended() == 0
        assert b"ledger_writer_lost" not in server.said
        assert not lives(writer)
    [(delivery, attempts)] = await ledger_of(data)
    assert event_of(delivery) == event
    assert delivery.state is DeliveryState.DELIVERED
    assert [attempt.status for attempt in attempts] == [204]


async def test_ctrl_c_reaches_both_processes_and_drains(tmp_path: Path) -> None:
    await drained(tmp_path / "data", signal.SIGINT)


async def test_a_service_managers_sigterm_reaches_both_processes_and_drains(
    tmp_path: Path,
) -> None:
    await drained(tmp_path / "data", signal.SIGTERM)


async def test_without_a_process_of_its_own_the_writer_is_in_the_servers(tmp_path: Path) -> None:
    data = tmp_path / "data"
    settings = {"HOOKFERRY_WRITER_PROCESS": "false"}
    async with Receiver() as receiver, serving(data, **settings) as (server, calls):
        assert server.children() == []
        await calls.subscribe("crm", receiver.url)
        event = await calls.publish("crm")
        await calls.settled(event)
        server.terminate()
        assert await server.ended() == 0
    [(delivery, _)] = await ledger_of(data)
    assert event_of(delivery) == event
    assert delivery.state is DeliveryState.DELIVERED


async def test_a_server_that_is_killed_can_be_started_again_at_once(tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = Process(data)
    left: list[int] = []
    try:
        for _ in range(4):
            await server.start()  # fails with what it said, should the folder be owned still
            left += server.children()
            server.kill()
            assert await server.ended() == -signal.SIGKILL
        await server.start()
        assert not any(lives(pid) for pid in left)
        assert len(set(left)) == 4
    finally:
        await server.close()
