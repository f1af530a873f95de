"""The real program as a process, and receivers that misbehave on real sockets."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from crash.kit import API_KEY, free_port
from hookferry import ids
from hookferry.domain.delivery import Attempt, Delivery
from hookferry.store.ports import DeliveryFilter
from hookferry.store.sqlite.store import SqliteStore

ONCE = {"schedule": []}
PATIENCE = 60.0
"""Seconds after which something that should have happened long ago is taken for lost."""

SETTINGS = {
    "HOOKFERRY_API_KEY": API_KEY,
    "HOOKFERRY_ALLOW_HTTP": "true",
    "HOOKFERRY_ALLOW_TARGETS": "127.0.0.0/8",
}


def api(url: str) -> httpx.AsyncClient:
    """A client of a server's API."""
    return httpx.AsyncClient(
        base_url=url,
        headers={"Authorization": f"Bearer {API_KEY}"},
        trust_env=False,
        timeout=PATIENCE,
    )


class Calls:
    """The few calls of the API that these tests make."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def subscribe(self, name: str, target: str, **fields: Any) -> str:
        body = {"name": name, "target_url": target, "events": [f"to.{name}"], **fields}
        answer = await self.client.post("/api/v1/webhooks", json=body)
        assert answer.status_code == 201, answer.text
        made: str = answer.json()["id"]
        return made

    async def source(self, name: str, **fields: Any) -> str:
        """Make a source; return its URL."""
        answer = await self.client.post("/api/v1/sources", json={"name": name, **fields})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["url"])

    async def publish(self, name: str, data: object = 1) -> str:
        answer = await self.client.post("/api/v1/events", json={"type": f"to.{name}", "data": data})
        assert answer.status_code == 202, answer.text
        made: str = answer.json()["id"]
        return made

    async def settled(self, event: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Wait until the event's only delivery is settled; return it and its last attempt."""
        async with asyncio.timeout(PATIENCE):
            while True:
                page = await self.client.get(f"/api/v1/events/{event}/deliveries")
                [delivery] = page.json()["items"]
                if delivery["state"] not in ("pending", "retrying"):
                    break
                await asyncio.sleep(0.02)
        tries = await self.client.get(f"/api/v1/deliveries/{delivery['id']}/attempts")
        return delivery, tries.json()["items"][0]


class Process:
    """``hookferry serve`` on a data folder."""

    def __init__(self, data: Path, port: int | None = None, **settings: str) -> None:
        self.data = data
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.said = b""
        self._settings = settings
        self._process: asyncio.subprocess.Process
        self._reading: asyncio.Task[None]
        self._listens = asyncio.Event()

    async def launch(self) -> None:
        """Start it without waiting for anything."""
        environ = {k: v for k, v in os.environ.items() if not k.startswith("HOOKFERRY_")}
        environ |= SETTINGS | self._settings
        environ |= {"HOOKFERRY_PORT": str(self.port), "HOOKFERRY_DATA": str(self.data)}
        self._listens.clear()
        self.said = b""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "hookferry.cli", "serve", "--log-format", "console"),
            env=environ,
            cwd=self.data.parent,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,  # a group of its own, as a terminal or a service manager has it
        )
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            self.said += line
            if b"listening on" in line:
                self._listens.set()

    async def start(self) -> None:
        """Start it and wait until it listens."""
        await self.launch()
        waiting = asyncio.ensure_future(self._listens.wait())
        await asyncio.wait(
            {waiting, self._reading}, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED
        )
        waiting.cancel()
        assert self._listens.is_set(), f"the server did not start:\n{self.said.decode()}"

    async def until_it_takes_no_more(self) -> None:
        """Wait until it has closed its port."""
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except ConnectionRefusedError:
                    return
                writer.close()
                await asyncio.sleep(0.01)

    async def ended(self) -> int:
        """Wait for its end; return the exit code."""
        async with asyncio.timeout(PATIENCE):
            code = await self._process.wait()
            await self._reading
        return code

    @property
    def pid(self) -> int:
        return self._process.pid

    def memory_mb(self, *, peak: bool = False) -> float:
        """Its resident memory now, or the most that it ever was, its children's with it."""
        name = "VmHWM:" if peak else "VmRSS:"
        total = 0
        for pid in (self.pid, *self.children()):
            status = Path(f"/proc/{pid}/status").read_text()
            [line] = [line for line in status.splitlines() if line.startswith(name)]
            total += int(line.split()[1])
        return total / 1024

    def children(self) -> list[int]:
        """Its child processes."""
        task = Path(f"/proc/{self.pid}/task")
        return [int(n) for path in task.glob("*/children") for n in path.read_text().split()]

    def signal_all(self, number: int) -> None:
        """Send a signal to it and its children, as a terminal or a service manager does."""
        os.killpg(self.pid, number)

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()

    async def close(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._reading


@asynccontextmanager
async def serving(data: Path, **settings: str) -> AsyncIterator[tuple[Process, Calls]]:
    """A running server and a client of it."""
    process = Process(data, **settings)
    await process.start()
    try:
        async with api(process.url) as client:
            yield process, Calls(client)
    finally:
        await process.close()


@asynccontextmanager
async def launched(data: Path) -> AsyncIterator[Process]:
    """A process that is not expected to get as far as listening."""
    process = Process(data)
    await process.launch()
    try:
        yield process
    finally:
        await process.close()


async def ledger_of(data: Path) -> list[tuple[Delivery, list[Attempt]]]:
    """Read a stopped server's deliveries and attempts, oldest first."""
    store = await SqliteStore.open(data)
    try:
        [tenant] = (await store.changes(0)).tenants
        found = await store.deliveries(DeliveryFilter(tenant_id=tenant.id), limit=10_000)
        return [(d, await store.attempts(tenant.id, d.id)) for d in reversed(found)]
    finally:
        await store.aclose()


def event_of(delivery: Delivery) -> str:
    return ids.encode("evt", delivery.event_id)


Conduct = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(conduct: Conduct) -> AsyncIterator[str]:
    """A server that reads one request per connection, then does what ``conduct`` says."""
    handlers: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        handlers.add(task)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line.split(b":")[1])
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length:")
            )
            json.loads(await reader.readexactly(length))
            await conduct(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the server has had enough, or the test has
        finally:
            handlers.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for handler in list(handlers):
            handler.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)
