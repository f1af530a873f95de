"""What tests of the clients share: a client of either kind, and a network that loses things."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import AsyncIterator
from typing import Any

from hookferry.client import AsyncClient, Client

KEY = "hf_a_key_for_tests_0123456789abcdef"


class Either:
    """A client of either kind, used the same way."""

    def __init__(self, client: Client | AsyncClient) -> None:
        self.client: Any = client

    async def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method by its dotted name."""
        method = self.client
        for part in name.split("."):
            method = getattr(method, part)
        if isinstance(self.client, Client):
            return await asyncio.to_thread(method, *args, **kwargs)
        result = method(*args, **kwargs)
        return await result if inspect.isawaitable(result) else result

    async def items(self, name: str, *args: Any, **kwargs: Any) -> list[Any]:
        """Call a method that lists, and fetch everything."""
        listing = await self.call(name, *args, **kwargs)
        if isinstance(self.client, Client):
            return await asyncio.to_thread(list, listing)
        return [item async for item in listing]


class Relay:
    """Carries bytes between a client and a server, and breaks connections on demand.

    Attributes:
        cut: set it, and the connections that are open then break.
        lose_answers: how many of the next answers are lost: their connection breaks instead.
        connections: how many came.
    """

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._open: set[asyncio.StreamWriter] = set()
        self.lose_answers = 0
        self.connections = 0
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Break every connection that is open."""
        for writer in self._open:
            writer.transport.abort()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until either side ends it."""
        self.connections += 1
        answers, requests = await asyncio.open_connection("127.0.0.1", self._server_port)
        self._open |= {writer, requests}

        async def there() -> None:
            while data := await reader.read(65536):
                requests.write(data)
            requests.transport.abort()

        async def back() -> None:
            while data := await answers.read(65536):
                if self.lose_answers:
                    self.lose_answers -= 1
                    break
                writer.write(data)
            writer.transport.abort()
            requests.transport.abort()

        with contextlib.suppress(ConnectionError):
            await asyncio.gather(there(), back())
        self._open -= {writer, requests}


@contextlib.asynccontextmanager
async def relaying(server_url: str) -> AsyncIterator[Relay]:
    """Listen on a free port, and carry what comes there to a server."""
    relay = Relay(int(server_url.rsplit(":", 1)[1]))
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(relay.carry(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listener = await asyncio.start_server(accept, "127.0.0.1", 0)
    relay.port = listener.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        listener.close()
        relay.cut()
        await asyncio.gather(*tasks, return_exceptions=True)
