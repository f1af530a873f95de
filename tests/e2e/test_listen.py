"""``hookferry listen`` over restarts of everything: nothing missed, nothing twice unmarked."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from cli.listening import PATIENCE, Program, listener, program
from crash.kit import API_KEY
from e2e.kit import Calls, Process, serving


class House:
    """A server with one source."""

    def __init__(self, process: Process, calls: Calls, url: str) -> None:
        self.process = process
        self.url = url
        self.client = calls.client

    @property
    def environ(self) -> dict[str, str]:
        return {"HOOKFERRY_URL": self.process.url, "HOOKFERRY_API_KEY": API_KEY}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with serving(tmp_path / "data") as (process, calls):
        made = await calls.client.post("/api/v1/sources", json={"name": "shop"})
        yield House(process, calls, made.json()["url"])


async def test_nothing_is_missed_and_nothing_comes_twice_unmarked_whatever_is_killed(
    house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    acknowledged: set[bytes] = set()
    stop = asyncio.Event()

    async def callers() -> None:
        number = 0
        async with httpx.AsyncClient(timeout=PATIENCE) as client:
            while not stop.is_set():
                number += 1
                try:
                    answer = await client.post(house.url, content=b"%d" % number)
                except httpx.TransportError:
                    await asyncio.sleep(0.02)  # hookferry is not there: another caller comes later
                    continue
                if answer.status_code == 204:
                    acknowledged.add(b"%d" % number)

    async def more(local: Program, count: int = 25) -> None:
        await local.count(len(local.seen) + count)

    async with (
        program() as local,
        listener(
            *("shop", "--forward", local.url), home=tmp_path, environ=house.environ
        ) as listening,
    ):
        calling = asyncio.create_task(callers())
        await more(local)
        await listening.kill()
        await listening.start()
        await more(local)
        house.process.kill()
        await house.process.ended()
        await house.process.start()
        await more(local)
        await local.stop()
        await listening.said("the local program can't be reached")
        await local.start()
        await more(local)
        await listening.kill()
        house.process.terminate()
        await house.process.ended()
        await house.process.start()
        await listening.start()
        await more(local)
        stop.set()
        await calling
        await local.bodies(acknowledged)
        await listening.end(signal.SIGINT)

    unmarked = Counter(seen.request for seen in local.seen if not seen.again)
    marked = sum(seen.again for seen in local.seen)
    with capsys.disabled():
        print(f"\n{len(acknowledged)} acknowledged, {len(local.seen)} forwarded, {marked} marked")
    assert acknowledged <= {seen.body for seen in local.seen}
    assert set(unmarked.values()) == {1}
    assert marked <= 4  # each kill leaves one in the air at most
    order = list(dict.fromkeys(seen.request for seen in local.seen))
    assert order == sorted(order)
