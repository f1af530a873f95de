"""A full disk: publishers and senders are told, nothing acknowledged is lost, and it goes on by
itself.

The ledger's file is kept from growing by SQLite itself (``max_page_count``), which fails a
statement exactly as a full disk does (SQLITE_FULL). The server is the whole program in this
process, with its writer beside it or in it, on real sockets.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx
import pytest

import hookferry.app
from crash.kit import API_KEY
from hookferry.app import App
from hookferry.settings import Settings
from hookferry.store.sqlite.store import SqliteStore
from hookferry.testing import Receiver
from store.code import Code

from .kit import Calls, api

NO_LIMIT = 1 << 30
FILLING = "x" * 20_000


class Server:
    """A running server whose disk has as many pages as a test says."""

    def __init__(self, calls: Calls, store: SqliteStore) -> None:
        self.calls = calls
        self._store = store

    async def give_pages(self, more: int) -> None:
        """Let the file grow by so many pages from now on; less than it has is what it has."""
        [pages] = await self._pragma("page_count")
        await self._pragma(f"max_page_count={pages + more}")

    async def _pragma(self, text: str) -> list[int]:
        found: list[int] = await self._store._write(
            Code(f"lambda c: list(c.execute('PRAGMA {text}').fetchone())")
        )
        return found


@pytest.fixture(params=[True, False], ids=["process", "thread"])
async def server(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Server]:
    opened: list[SqliteStore] = []

    class Kept(SqliteStore):
        @classmethod
        async def open(cls, folder: Path, **options: Any) -> SqliteStore:
            opened.append(await SqliteStore.open(folder, **options))
            return opened[0]

    monkeypatch.setattr(hookferry.app, "SqliteStore", Kept)
    app = App(
        Settings(
            data=tmp_path / "data",
            port=0,
            api_key=API_KEY,
            allow_http=True,
            allow_targets=(ip_network("127.0.0.0/8"),),
            writer_process=request.param,
        )
    )
    ready = asyncio.Event()
    task = asyncio.create_task(app.serve(lambda _: ready.set()))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    async with api(app.url) as client:
        yield Server(Calls(client), opened[0])
    app.stop()
    await task


async def fill(server: Server) -> list[str]:
    """Publish until the disk is full; return what was acknowledged."""
    acknowledged = []
    for number in range(1000):
        answer = await server.calls.client.post(
            "/api/v1/events", json={"type": "to.crm", "data": {"n": number, "filling": FILLING}}
        )
        if answer.status_code != 202:
            problem = answer.json()
            assert (answer.status_code, problem["code"]) == (503, "storage_full")
            assert int(answer.headers["Retry-After"]) >= 1
            assert "free some space" in problem["detail"]
            return acknowledged
        acknowledged.append(answer.json()["id"])
    pytest.fail("the disk was never full")


async def test_a_full_disk_is_told_to_publishers_and_nothing_acknowledged_is_lost(
    server: Server,
) -> None:
    async with Receiver() as receiver:
        await server.calls.subscribe("crm", receiver.url)
        receiver.hang_next(8)
        await server.give_pages(200)
        acknowledged = await fill(server)
        assert acknowledged
        receiver.release()  # what comes of these can't be settled now
        assert (await server.calls.client.get("/healthz")).status_code == 200
        acknowledged += await fill(server)
        await server.give_pages(NO_LIMIT)
        async with asyncio.timeout(20):
            while True:
                answer = await server.calls.client.post(
                    "/api/v1/events", json={"type": "to.crm", "data": {"filling": FILLING}}
                )
                if answer.status_code == 202:
                    break
                await asyncio.sleep(0.05)
        for event in acknowledged:
            delivery, _ = await server.calls.settled(event)
            assert delivery["state"] == "delivered"
        received = [r.header("webhook-id") for r in receiver.requests]
    assert set(acknowledged) <= set(received)
    assert len(received) == len(set(received)), "nothing was sent twice"


async def test_a_full_disk_is_told_to_senders_and_what_they_repeat_is_caught_once(
    server: Server,
) -> None:
    calls = server.calls
    url = await calls.source("shop", deduplicate={"header": "X-Id"})

    async def send(number: int) -> httpx.Response:
        headers = {"X-Id": str(number), "Content-Type": "text/plain"}
        return await calls.client.post(url, content=FILLING, headers=headers)

    async def caught() -> list[dict[str, Any]]:
        page = await calls.client.get("/api/v1/events", params={"limit": 250})
        items: list[dict[str, Any]] = page.json()["items"]
        return items

    assert (await send(0)).status_code == 204
    await server.give_pages(100)
    sent = 1
    while (answer := await send(sent)).status_code == 204:
        sent += 1
        assert sent < 100, "the disk was never full"
    assert (answer.status_code, answer.content) == (503, b"")
    assert int(answer.headers["Retry-After"]) >= 1
    assert len(await caught()) == sent, "what was acknowledged, and nothing else"
    await server.give_pages(NO_LIMIT)
    async with asyncio.timeout(20):
        while (answer := await send(sent)).status_code != 204:
            assert answer.status_code == 503
            await asyncio.sleep(0.05)
    assert len(await caught()) == sent + 1, "the key was not taken by what was refused"
    assert (await send(sent)).status_code == 204
    assert len(await caught()) == sent + 1, "and is taken now"
