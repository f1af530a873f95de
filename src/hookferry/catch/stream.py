"""Watching a source live: what it catches, as it is caught.

A stream has no queue. Each one reads the ledger from the last request that it told, so nothing is
missed, whoever was slow or away, and nothing overflows; being told of a commit is only a reason to
look. Requests of one source are committed in the order of their ids.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final, Protocol

from hookferry.domain.request import CaughtRequest
from hookferry.errors import Overloaded

STREAMS: Final = 100
"""Streams of a server."""
STREAMS_OF_SOURCE: Final = 20
"""Streams of one source."""
KEEP_ALIVE_SECONDS: Final = 15.0
"""A stream that has nothing to tell for so long says that it is alive."""
READ: Final = 100
"""Requests that a stream has in memory at most."""
READ_BYTES: Final = 256 * 1024
"""And bytes of their bodies, beside the one that goes beyond."""


class StreamLog(Protocol):
    """What is read of the ledger."""

    async def requests_above(
        self, tenant_id: int, source_id: int, above_id: int, *, limit: int, max_bytes: int
    ) -> list[CaughtRequest]:
        """Return a source's next requests after an id, oldest first, with their bodies."""
        ...

    async def newest_request(self, tenant_id: int, source_id: int) -> int:
        """Return the id of a source's newest request."""
        ...


class Streams:
    """Everybody who watches.

    Args:
        store: the ledger.
        most: streams of the server.
        of_source: streams of one source.
        keep_alive: seconds of silence after which a stream says that it is alive.
    """

    def __init__(
        self,
        store: StreamLog,
        *,
        most: int = STREAMS,
        of_source: int = STREAMS_OF_SOURCE,
        keep_alive: float = KEEP_ALIVE_SECONDS,
    ) -> None:
        self._store = store
        self._most = most
        self._of_source = of_source
        self._keep_alive = keep_alive
        self._watching: dict[int, set[asyncio.Event]] = {}
        self._count = 0
        self._closed = False

    @property
    def count(self) -> int:
        """How many streams there are."""
        return self._count

    def caught(self, source_id: int) -> None:
        """Hear that a request of this source is durable. Costs a look-up where nobody watches."""
        for event in self._watching.get(source_id, ()):
            event.set()

    def close(self) -> None:
        """End every stream, and begin no more: the server is shutting down."""
        self._closed = True
        for events in self._watching.values():
            for event in events:
                event.set()

    def check_room(self, source_id: int) -> None:
        """Raise Overloaded unless one more stream of a source may begin."""
        if self._closed or self._count >= self._most:
            raise Overloaded("too many streams are open; close one, or ask again in a moment")
        if len(self._watching.get(source_id, ())) >= self._of_source:
            raise Overloaded(
                f"this source is watched by {self._of_source} streams, which is the limit; close "
                "one first"
            )

    async def follow(
        self, tenant_id: int, source_id: int, after_id: int | None
    ) -> AsyncIterator[CaughtRequest | None]:
        """Yield a source's requests as they come, oldest first; None says that it is alive.

        Ends when the server shuts down. Close it (``aclose``) to end it before.

        Args:
            tenant_id: whose source it is.
            source_id: which.
            after_id: begin with what came after this request; None begins with what comes now.

        Raises:
            Overloaded: there are too many streams.
        """
        self.check_room(source_id)
        news = asyncio.Event()
        self._watching.setdefault(source_id, set()).add(news)
        self._count += 1
        try:
            if after_id is None:
                after_id = await self._store.newest_request(tenant_id, source_id)
                yield None
            while not self._closed:
                news.clear()  # before reading: what is committed meanwhile sets it again
                found = await self._store.requests_above(
                    tenant_id, source_id, after_id, limit=READ, max_bytes=READ_BYTES
                )
                for request in found:
                    yield request
                    after_id = request.id
                if not found:
                    try:
                        async with asyncio.timeout(self._keep_alive):
                            await news.wait()
                    except TimeoutError:
                        yield None
        finally:
            self._count -= 1
            watching = self._watching[source_id]
            watching.discard(news)
            if not watching:
                del self._watching[source_id]
