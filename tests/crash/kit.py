"""What the crash tests have in common: the real program as a process, receivers, publishers.

Receivers and publishers are plain asyncio protocols in the test's own process, so that what they
saw outlives every server.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import socket
import sqlite3
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from hookferry import ids
from hookferry.domain.delivery import OWING
from hookferry.store.sqlite.connection import FILE_NAME

API_KEY = "hf_a_key_for_crash_tests_0123456789"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """``hookferry serve`` on a data folder, at a fixed port, started as often as need be."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: asyncio.subprocess.Process | None = None

    async def start(self, *program: str) -> None:
        """Start it and wait until it listens.

        Args:
            program: what Python runs instead of the real program.
        """
        environ = {k: v for k, v in os.environ.items() if not k.startswith("HOOKFERRY_")}
        environ |= {
            "HOOKFERRY_PORT": str(self.port),
            "HOOKFERRY_DATA": str(self.data),
            "HOOKFERRY_API_KEY": API_KEY,
            "HOOKFERRY_ALLOW_HTTP": "true",
            "HOOKFERRY_ALLOW_TARGETS": "127.0.0.0/8",
            "HOOKFERRY_LANE_IN_FLIGHT": "200",
            "HOOKFERRY_DRAIN_TIMEOUT": "2",
        }
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            *(program or ("-m", "hookferry.cli")),
            *("serve", "--log-format", "console"),
            env=environ,
            cwd=self.data.parent,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        reader = self.process.stderr
        assert reader is not None
        said = b""
        async with asyncio.timeout(30):
            while b"listening on" not in said:
                line = await reader.readline()
                said += line
                assert line, f"the server did not start:\n{said.decode()}"
        self._rest = asyncio.create_task(_drain(reader))

    def kill(self) -> None:
        """SIGKILL: no chance to say goodbye."""
        assert self.process is not None
        self.process.kill()

    async def gone(self) -> None:
        assert self.process is not None
        await self.process.wait()
        await self._rest

    async def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        await self.gone()
        assert self.process.returncode == 0

    async def subscribe(self, name: str, target: str, **fields: Any) -> str:
        """Make a webhook for everything; return its id."""
        made = await self._make("webhooks", name, target_url=target, events=["*"], **fields)
        return str(made["id"])

    async def source(self, name: str, **fields: Any) -> str:
        """Make a source; return its URL."""
        return str((await self._make("sources", name, **fields))["url"])

    async def _make(self, kind: str, name: str, **fields: Any) -> dict[str, Any]:
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.post(
                f"{self.url}/api/v1/{kind}",
                headers={"Authorization": f"Bearer {API_KEY}"},
                json={"name": name, **fields},
            )
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def owed(self) -> set[tuple[str, str]]:
        """Return (event, webhook) of what the ledger of a dead server still owes.

        Looks at a copy: opening the ledger itself would do the recovery that the next server has
        to do.
        """
        with tempfile.TemporaryDirectory() as folder:
            for suffix in ("", "-wal"):
                source = self.data / (FILE_NAME + suffix)
                if source.exists():
                    shutil.copy(source, Path(folder) / (FILE_NAME + suffix))
            connection = sqlite3.connect(Path(folder) / FILE_NAME)
            rows = connection.execute(
                "SELECT event_id, webhook_id FROM deliveries WHERE state IN (?, ?)", OWING
            ).fetchall()
            connection.close()
        return {(ids.encode("evt", event), ids.encode("wh", webhook)) for event, webhook in rows}


async def _drain(reader: asyncio.StreamReader) -> None:
    while await reader.read(65_536):
        pass


class Receivers:
    """One listener for all webhooks, told apart by path; answers each request after a while."""

    def __init__(self, delay: float, *, keep: bool = False) -> None:
        self.delay = delay
        self.keep = keep
        """Whether what arrives is kept too, and not only counted."""
        self.kept: dict[tuple[str, str], list[tuple[bytes, bytes]]] = {}
        """Head and body of each request that arrived, by (event, path)."""
        self.received: Counter[tuple[str, str]] = Counter()
        """How often (event, path) arrived whole."""
        self.open: Counter[tuple[str, str]] = Counter()
        """What arrived and was not answered yet."""
        self.arrived = asyncio.Event()
        self.quiet = asyncio.Event()
        """Nobody is connected."""
        self.connected = 0
        self._server: asyncio.Server | None = None
        self.url = ""

    @property
    def in_flight(self) -> int:
        """Deliveries that arrived and were not answered yet."""
        return sum(count > 0 for count in self.open.values())

    async def __aenter__(self) -> Receivers:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Receiving(self), "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()


class _Receiving(asyncio.Protocol):
    def __init__(self, owner: Receivers) -> None:
        self._owner = owner
        self._transport: Any = None
        self._buffer = b""
        self._lost = False

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._owner.connected += 1
        self._owner.quiet.clear()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._owner.connected -= 1
        if not self._owner.connected:
            self._owner.quiet.set()

    def data_received(self, data: bytes) -> None:
        self._buffer = data = self._buffer + data
        while (end := data.find(b"\r\n\r\n")) >= 0:
            head = data[:end].lower()
            length = int(re.search(rb"content-length: *(\d+)", head)[1])  # type: ignore[index]
            if len(data) < end + 4 + length:
                break
            event = re.search(rb"webhook-id: *(\S+)", head)[1].decode()  # type: ignore[index]
            path = data.split(b" ", 2)[1].decode()
            whole = data[: end + 4 + length]
            data = data[len(whole) :]
            if self._owner.keep:
                kept = self._owner.kept.setdefault((event, path), [])
                kept.append((whole[: end + 4], whole[end + 4 :]))
            self._take((event, path))
        self._buffer = data

    def _take(self, what: tuple[str, str]) -> None:
        owner = self._owner
        owner.received[what] += 1
        owner.open[what] += 1
        owner.arrived.set()
        asyncio.get_running_loop().call_later(owner.delay, self._answer, what)

    def _answer(self, what: tuple[str, str]) -> None:
        self._owner.open[what] -= 1
        if not self._lost:
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


class Publishers:
    """Publishes at a fixed rate over a few connections, and records what was acknowledged."""

    def __init__(self, port: int, rate: float, connections: int = 32) -> None:
        self._port = port
        self._rate = rate
        self._connections = connections
        self.acked: list[str] = []
        """Ids of events whose 202 arrived whole."""
        self.sent = 0
        self.busy_seconds = 0.0
        """How long load was offered in all."""
        body = json.dumps({"type": "load.test", "data": {"filling": "x" * 900}}).encode()
        self.request = (
            f"POST /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            f"Authorization: Bearer {API_KEY}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body

    async def run(self, kill_after: float, kill: Any) -> None:
        """Publish until ``kill_after`` seconds from the first request, then call ``kill()``.

        The load goes on at the moment of the kill and until every connection has noticed it.
        """
        loop = asyncio.get_running_loop()
        made = [
            await loop.create_connection(lambda: _Publishing(self), "127.0.0.1", self._port)
            for _ in range(self._connections)
        ]
        protocols = [protocol for _, protocol in made]
        began = loop.time()
        killed = asyncio.Event()

        def strike() -> None:
            kill()
            killed.set()

        loop.call_later(kill_after, strike)
        offered = 0
        while not killed.is_set():
            due = int((loop.time() - began) * self._rate)
            for protocol in protocols:
                if offered >= due:
                    break
                if protocol.idle:
                    protocol.send()
                    offered += 1
            # What no connection was free for is not offered later: the rate is what it is.
            offered = max(offered, due)
            await asyncio.wait([asyncio.ensure_future(killed.wait())], timeout=0.002)
        self.busy_seconds += loop.time() - began
        await asyncio.gather(*(protocol.gone.wait() for protocol in protocols))


class _Publishing(asyncio.Protocol):
    def __init__(self, owner: Publishers) -> None:
        self._owner = owner
        self._buffer = b""
        self._transport: Any = None
        self.idle = True
        self.gone = asyncio.Event()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.idle = False
        self.gone.set()

    def send(self) -> None:
        self.idle = False
        self._owner.sent += 1
        self._transport.write(self._owner.request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        length = int(
            re.search(rb"content-length: *(\d+)", self._buffer[:end].lower())[1]  # type: ignore[index]
        )
        if len(self._buffer) < end + 4 + length:
            return
        body = self._buffer[end + 4 :]
        assert self._buffer.startswith(b"HTTP/1.1 202"), self._buffer[:300]
        self._owner.acked.append(json.loads(body)["id"])
        self._buffer = b""
        self.idle = True
