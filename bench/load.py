"""The load generator: a process of its own, with its own HTTP/1.1, so that it costs little.

It publishes events, or calls a source as GitHub does. Two kinds of load. ``closed``: N connections,
each sends its next request when the last one was answered. ``paced``: requests at a fixed rate
whatever the answers do; a request's clock starts when it was due, not when a connection was free,
so a stall is charged to all who waited for it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import uvloop

from bench.control import percentile, serve
from bench.github import Calls

_HOST = "127.0.0.1"
BODY_BYTES = 1024
STAMP_DIGITS = 19
"""Digits of the monotonic nanosecond an event carries, so that the receiver can tell its age."""


def body_of(event_type: str) -> tuple[bytes, bytes]:
    """Return what stands before and after the time stamp in a body of exactly 1 KB."""
    before = b'{"type":"' + event_type.encode() + b'","data":{"t":"'
    after = b'","customer":{"id":4711,"tier":"b"},"lines":["'
    filling = BODY_BYTES - len(before) - STAMP_DIGITS - len(after) - 4
    return before, after + b"x" * filling + b'"]}}'


class Publishes:
    """Makes one publish after the other; the events take turns over the types.

    Args:
        host: where to.
        port: where to.
        path: where to.
        key: the API key.
        types: event types.
    """

    def __init__(self, host: str, port: int, path: str, key: str, types: list[str]) -> None:
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {BODY_BYTES}\r\n\r\n"
        ).encode()
        self._parts = [(head + before, after) for before, after in map(body_of, types)]
        self._turn = 0

    def __call__(self, due_ns: int) -> bytes:
        """Return the next request."""
        before, after = self._parts[self._turn]
        self._turn = (self._turn + 1) % len(self._parts)
        return b"%b%019d%b" % (before, due_ns, after)


class Load:
    """What all connections share: what to send and what came of it.

    Args:
        host: where to.
        port: where to.
        make: makes the next request, given the nanosecond that it was due.
        taken: the status of those that were taken.
    """

    def __init__(self, host: str, port: int, make: Callable[[int], bytes], taken: str) -> None:
        self.address = (host, port)
        self._make = make
        self._taken = taken.encode()
        self.wanted = 0
        """Connections that should be open."""
        self.open = 0
        self.free: deque[Connection] = deque()
        self.due: deque[int] = deque()
        self.limit = 0
        self.sent = 0
        self.acked = 0
        self.refused: dict[str, int] = {}
        self.latencies: list[float] = []
        self.paced = False
        self.done = asyncio.Event()

    async def connect(self) -> None:
        """Open the connections that are missing: a server closes those that idle between rows."""
        loop = asyncio.get_running_loop()
        while self.open < self.wanted:
            await loop.create_connection(lambda: Connection(self), *self.address)

    def begin(self, count: int, paced: bool) -> None:
        """Start counting anew, for ``count`` events."""
        self.limit, self.sent, self.acked, self.paced = count, 0, 0, paced
        self.refused, self.latencies = {}, []
        self.due.clear()
        self.done.clear()

    def request(self, due_ns: int) -> bytes:
        """Return the next request."""
        self.sent += 1
        return self._make(due_ns)

    def answered(self, connection: Connection, status: bytes, due_ns: int) -> None:
        """Count an answer and give the connection its next event, if there is one."""
        self.latencies.append((time.monotonic_ns() - due_ns) / 1e6)
        if status == self._taken:
            self.acked += 1
        else:
            self.refused[status.decode()] = self.refused.get(status.decode(), 0) + 1
        if self.due:
            connection.send(self.due.popleft())
        elif not self.paced and self.sent < self.limit:
            connection.send(time.monotonic_ns())
        else:
            self.free.append(connection)
        if len(self.latencies) == self.limit:
            self.done.set()


class Connection(asyncio.Protocol):
    """One keep-alive connection, one request at a time."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.transport: Any = None
        self.due_ns = 0
        self.waiting = False
        self.buffer = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.load.open += 1
        self.load.free.append(self)

    def send(self, due_ns: int) -> None:
        """Send one event."""
        self.due_ns = due_ns
        self.waiting = True
        self.transport.write(self.load.request(due_ns))

    def data_received(self, data: bytes) -> None:
        self.buffer = data = self.buffer + data if self.buffer else data
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return
        lowered = data[:end].lower()
        at = lowered.find(b"content-length:")
        length = int(lowered[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(data) < end + 4 + length:
            return
        self.buffer = b""
        self.waiting = False
        self.load.answered(self, data[9:12], self.due_ns)

    def connection_lost(self, exc: Exception | None) -> None:
        self.load.open -= 1
        if self in self.load.free:
            self.load.free.remove(self)
        if self.waiting:
            self.waiting = False
            self.load.latencies.append((time.monotonic_ns() - self.due_ns) / 1e6)
            self.load.refused["lost"] = self.load.refused.get("lost", 0) + 1
            if len(self.load.latencies) == self.load.limit:
                self.load.done.set()


class Generator:
    """Answers the benchmark's commands."""

    def __init__(self) -> None:
        self._loads: dict[str, Load] = {}

    async def __call__(self, command: dict[str, Any]) -> dict[str, Any]:
        """Run one command: ``connect``, ``closed`` or ``paced``."""
        match command.pop("do"):
            case "connect":
                return await self._connect(**command)
            case "closed":
                return await self._run(**command, rate=None)
            case "paced":
                return await self._run(**command)
        raise ValueError("unknown command")

    async def _connect(
        self,
        name: str,
        port: int,
        path: str,
        n: int,
        taken: str,
        publishes: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        where = (_HOST, port, path)
        make = Calls(*where) if publishes is None else Publishes(*where, **publishes)
        load = self._loads[name] = Load(_HOST, port, make, taken)
        load.wanted = n
        await load.connect()
        return {"connections": n}

    async def _run(self, name: str, count: int, rate: float | None) -> dict[str, Any]:
        load = self._loads[name]
        await load.connect()
        load.begin(count, paced=rate is not None)
        began = time.monotonic()
        if rate is None:
            for connection in list(load.free)[:count]:
                load.free.remove(connection)
                connection.send(time.monotonic_ns())
        else:
            await self._pace(load, count, rate)
        await load.done.wait()
        ordered = sorted(load.latencies)
        return {
            "acked": load.acked,
            "refused": load.refused,
            "seconds": time.monotonic() - began,
            "p50": percentile(ordered, 0.50),
            "p99": percentile(ordered, 0.99),
            "max": ordered[-1],
        }

    @staticmethod
    async def _pace(load: Load, count: int, rate: float) -> None:
        start = time.monotonic_ns()
        step = 1e9 / rate
        made = 0
        while made < count:
            now = time.monotonic_ns()
            while made < count and (due := start + int(made * step)) <= now:
                made += 1
                if load.free:
                    load.free.popleft().send(due)
                else:
                    load.due.append(due)
            await asyncio.sleep(0.001)


if __name__ == "__main__":
    uvloop.run(serve(Generator()))
