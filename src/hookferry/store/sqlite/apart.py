"""A ledger's writer in a process of its own, asked over a socket.

With the writer on a thread, the event loop and it take turns at the interpreter; in a process of
its own it writes one batch while the loop takes and verifies what the next one holds. The process
is this one's child: it ends when this one does (``apart_main``), and this one can't go on without
it, because what became of the commits that were under way is not known.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, cast

from hookferry.errors import StorageDown
from hookferry.store.sqlite.child import Child
from hookferry.store.sqlite.frames import (
    HEAD,
    Kind,
    decode_committed,
    encode_batch,
    head,
    pickled,
    unpickled,
)
from hookferry.store.sqlite.writer import Writer

P = ParamSpec("P")
T = TypeVar("T")


class ApartWriter(asyncio.Protocol):
    """Has calls done by a ``Writer`` in a child process. Made by ``open``.

    Args:
        process: the child.
        limit: calls that may wait; one more is refused with StorageDown.
        lost: called when the child ended unasked.
    """

    def __init__(
        self, process: subprocess.Popen[bytes], limit: int, lost: Callable[[], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._process = process
        self._limit = limit
        self._lost = lost
        self._closed = False
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._ended = self._loop.create_future()
        self._ready: asyncio.Future[Any] = self._loop.create_future()
        self._asked: deque[asyncio.Future[Any]] = deque([self._ready])

    @classmethod
    async def open(
        cls,
        folder: Path,
        lock: int,
        *,
        limit: int,
        lost: Callable[[], None],
        child: Child | None = None,
    ) -> Self:
        """Have the process open a ledger, and wait until it has.

        Args:
            folder: the data folder; its ledger has this build's schema.
            lock: the descriptor of the folder's lock, which the child holds too.
            limit: calls that may wait.
            lost: called when the child ended unasked.
            child: the process, if it has been started.

        Raises:
            sqlite3.Error: it can't open the ledger.
            StorageDown: it ended at once.
        """
        loop = asyncio.get_running_loop()
        if child is None:
            child = await loop.run_in_executor(None, Child)
        child.give(folder, lock)
        self = cls(child.process, limit, lost)
        await loop.create_connection(lambda: self, sock=child.channel)
        try:
            await self._ready
        except BaseException:
            await self.aclose()
            raise
        return self

    def run(
        self, call: Callable[Concatenate[Writer, P], T], *args: P.args, **_: P.kwargs
    ) -> asyncio.Future[T]:
        """Have ``call(writer, *args)`` done after everything asked before; return its future.

        Args:
            call: ``Writer.commit``, or what can be pickled (a function of a module).
            *args: what can be pickled.

        Raises:
            StorageDown: too many calls wait, or the process has ended.
            Exception: the arguments can't be stored, or can't travel.
        """
        if self._closed or self._transport is None:
            raise StorageDown("the ledger is closed")
        if len(self._asked) >= self._limit:
            raise StorageDown(f"{self._limit} calls wait for the ledger already: try again later")
        if call is Writer.commit:
            kind, body = Kind.COMMIT, encode_batch(args[0])
        else:
            kind, body = Kind.CALL, pickled((call, args))
        future: asyncio.Future[T] = self._loop.create_future()
        self._asked.append(future)
        self._transport.writelines((head(kind, body), body))
        return future

    async def aclose(self) -> None:
        """Have finished what was asked for, and wait until the process has ended."""
        if not self._closed:
            self._closed = True
            if self._transport is not None:
                self._transport.write_eof()
        await asyncio.shield(self._ended)
        await self._loop.run_in_executor(None, self._process.wait)

    # ------------------------------------------------------------------ what the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Give back what has been answered."""
        received = self._received
        received += data
        start = 0
        while len(received) - start >= HEAD.size:
            length, kind = HEAD.unpack_from(received, start)
            end = start + HEAD.size + length
            if end > len(received):
                break
            self._answered(kind, bytes(received[start + HEAD.size : end]))
            start = end
        del received[:start]

    def _answered(self, kind: int, body: bytes) -> None:
        future = self._asked.popleft()
        if future.cancelled():
            return
        try:
            value: Any = decode_committed(body) if kind == Kind.COMMIT else unpickled(body)
        except Exception as error:  # an error whose class is not made from its arguments
            future.set_exception(error)
            return
        if kind == Kind.RAISED:
            future.set_exception(value)
        else:
            future.set_result(value)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what still waits: nobody knows what became of it."""
        self._transport = None
        unasked, self._closed = not self._closed, True
        for future in self._asked:
            if not future.done():
                future.set_exception(StorageDown("the process that writes the ledger has ended"))
        self._asked.clear()
        self._ended.set_result(None)
        if unasked and self._ready.done() and not self._ready.exception():
            self._lost()
