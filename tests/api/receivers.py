"""A receiver on a real socket whose answer is named by the path that is called."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

REFUSAL = "No: the ünit is closed"
ANSWERS: dict[str, bytes] = {
    "200": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "403": (
        b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain; charset=utf-8\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(REFUSAL.encode()), REFUSAL.encode())
    ),
    "500": b"HTTP/1.1 500 Oops\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\n<hr>",
    "302": b"HTTP/1.1 302 Found\r\nLocation: /200\r\nContent-Length: 0\r\n\r\n",
}
_CONSENT = b"HTTP/1.1 200 OK\r\nWebHook-Allowed-Origin: *\r\nContent-Length: 0\r\n\r\n"


class Receiver:
    """Answers ``/<name>...`` with that answer of ``ANSWERS``; ``/slow`` and ``/hang`` wait for
    ``release``, ``/close`` hangs up. A test event or handshake always gets what it wants.

    Attributes:
        got: request heads, in the order they came.
        bodies: what came with them.
        arrived: set with each request, for tests that wait.
        release: what ``/slow`` waits for before it answers 200; ``/hang`` never answers.
    """

    def __init__(self) -> None:
        self.got: list[str] = []
        self.bodies: list[bytes] = []
        self.arrived = asyncio.Event()
        self.release = asyncio.Event()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def at(self, path: str) -> list[str]:
        """The heads of the requests to a path."""
        return [head for head in self.got if head.split(" ")[1] == path]

    async def until(self, count: int) -> None:
        """Wait until that many requests came."""
        async with asyncio.timeout(10):
            while len(self.got) < count:
                self.arrived.clear()
                await self.arrived.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while await self._one(reader, writer):
                pass
        writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        length = next(
            (
                int(line.split(":")[1])
                for line in head.splitlines()
                if line.lower().startswith("content-length:")
            ),
            0,
        )
        body = await reader.readexactly(length)
        if head.startswith("OPTIONS"):
            writer.write(_CONSENT)
            return True
        if "\r\nX-Hook-Test: true" in head:
            writer.write(ANSWERS["200"])
            return True
        self.got.append(head)
        self.bodies.append(body)
        self.arrived.set()
        name = head.split(" ")[1].strip("/").split("/")[0].split("?")[0]
        if name == "close":
            return False
        if name == "hang":
            await asyncio.Event().wait()
        if name == "slow":
            await self.release.wait()
            name = "200"
        writer.write(ANSWERS[name])
        await writer.drain()
        return True


@contextlib.asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """Listen on a free port for as long as the context lasts."""
    receiver = Receiver()
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(receiver.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
