"""Watching a source live: what it catches, as it is caught.

A stream has no queue. Each one reads the ledger from the last request that it told, so nothing is
missed, whoever was slow or away, and nothing overflows; being told of a commit is only a reason to
look. Requests of one source are committed in the order of their ids.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterator
from typing import Final, Protocol
from weakref import WeakSet

from hookferry.domain.request import CaughtRequest
from hookferry.domain.source import Source
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
        self.keep_alive = keep_alive
        self._watching: dict[int, set[Watcher]] = {}
        self._made: WeakSet[Watcher] = WeakSet()
        """Those that run, and those that may still begin."""
        self._count = 0
        self._closed = False

    @property
    def count(self) -> int:
        """How many streams there are."""
        return self._count

    def caught(self, source_id: int) -> None:
        """Hear that a request of this source is durable. Costs a look-up where nobody watches."""
        for watcher in self._watching.get(source_id, ()):
            watcher.wake()

    def changed(self, source: Source) -> None:
        """Hear that a source was saved. Streams of one that was deleted end: nothing comes any
        more, and whoever listens is told so when it asks again."""
        if source.deleted:
            for watcher in self._made:
                if watcher.source_id == source.id:
                    watcher.end()

    def close(self) -> None:
        """End every stream, and begin no more: the server is shutting down."""
        self._closed = True
        for watchers in self._watching.values():
            for watcher in watchers:
                watcher.end()

    def watch(self, tenant_id: int, source_id: int, after_id: int | None) -> Watcher:
        """Return a stream of a source, to be iterated over.

        Args:
            tenant_id: whose source it is.
            source_id: which.
            after_id: begin with what came after this request; None begins with what comes now.

        Raises:
            Overloaded: there are too many.
        """
        self._check_room(source_id)
        watcher = Watcher(self, tenant_id, source_id, after_id)
        self._made.add(watcher)
        return watcher

    def _check_room(self, source_id: int) -> None:
        if self._closed or self._count >= self._most:
            raise Overloaded("too many streams are open; close one, or ask again in a moment")
        if len(self._watching.get(source_id, ())) >= self._of_source:
            raise Overloaded(
                f"this source is watched by {self._of_source} streams, which is the limit; close "
                "one first"
            )

    @contextlib.contextmanager
    def admitted(self, watcher: Watcher) -> Iterator[StreamLog]:
        """Count a stream while it runs, and tell it of commits; raises as ``watch``."""
        source_id = watcher.source_id
        self._check_room(source_id)  # it may have become full since it was made
        self._watching.setdefault(source_id, set()).add(watcher)
        self._count += 1
        try:
            yield self._store
        finally:
            self._count -= 1
            watching = self._watching[source_id]
            watching.discard(watcher)
            if not watching:
                del self._watching[source_id]


class Watcher:
    """One stream, iterated over once: requests, oldest first, and None as a sign of life.

    Args:
        streams: where it is counted while it runs.
        tenant_id: whose source it is.
        source_id: which.
        after_id: it begins with what came after this request; None with what comes now.
    """

    def __init__(
        self, streams: Streams, tenant_id: int, source_id: int, after_id: int | None
    ) -> None:
        self.source_id = source_id
        self._streams = streams
        self._tenant_id = tenant_id
        self._after_id = after_id
        self._news = asyncio.Event()
        self._over = asyncio.Event()

    def wake(self) -> None:
        """Look for requests."""
        self._news.set()

    def end(self) -> None:
        """Tell nothing any more: whoever listened has left, the source was deleted, or the server
        is shutting down."""
        self._over.set()
        self._news.set()

    async def __aiter__(self) -> AsyncGenerator[CaughtRequest | None, None]:
        """Yield requests as they come, until ``end``."""
        tenant_id, source_id = self._tenant_id, self.source_id
        with self._streams.admitted(self) as store:
            after_id = self._after_id
            if after_id is None:
                after_id = await store.newest_request(tenant_id, source_id)
            yield None
            while not self._over.is_set():
                self._news.clear()  # before reading: what is committed meanwhile sets it again
                found = await store.requests_above(
                    tenant_id, source_id, after_id, limit=READ, max_bytes=READ_BYTES
                )
                for request in found:
                    if self._over.is_set():
                        return
                    yield request
                    after_id = request.id
                if not found and not await self._hears():
                    yield None

    async def _hears(self) -> bool:
        """Wait for news; tell whether they came before it is time for a sign of life."""
        try:
            async with asyncio.timeout(self._streams.keep_alive):
                await self._news.wait()
        except TimeoutError:
            return False
        return True
