"""``hookferry listen`` as a process, and a local program that comes and goes."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from cli.conftest import environment
from crash.kit import free_port

PATIENCE = 30.0
"""Seconds after which something that should have happened long ago is taken for lost."""


class Seen(NamedTuple):
    """What the local program got, in its order."""

    request: str
    """The id of the caught request."""
    again: bool
    """It was marked as a repetition."""
    body: bytes
    path: str
    answered: bool


class Program:
    """A local program at one port, that can be stopped and started again.

    Args:
        answer: what it answers, whole.
    """

    def __init__(self, answer: bytes = b"HTTP/1.1 204 No Content\r\n\r\n") -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.seen: list[Seen] = []
        self.hang = False
        """Take requests, and do not answer."""
        self.most_at_once = 0
        self._answer = answer
        self._server: asyncio.Server | None = None
        self._handlers: set[asyncio.Task[None]] = set()
        self._news = asyncio.Condition()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)

    async def stop(self) -> None:
        """End as by SIGKILL: whatever is open breaks."""
        assert self._server is not None
        self._server.close()
        for handler in list(self._handlers):
            handler.cancel()
        await asyncio.gather(*self._handlers, return_exceptions=True)

    async def bodies(self, wanted: set[bytes]) -> None:
        """Wait until every one of these was here."""
        async with asyncio.timeout(PATIENCE), self._news:
            await self._news.wait_for(lambda: wanted <= {seen.body for seen in self.seen})

    async def count(self, wanted: int) -> None:
        """Wait until so many were here."""
        async with asyncio.timeout(PATIENCE), self._news:
            await self._news.wait_for(lambda: len(self.seen) >= wanted)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._handlers.add(task)
        self.most_at_once = max(self.most_at_once, len(self._handlers))
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            line, *rest = head.split("\r\n")
            headers = {n.lower(): v.strip() for n, _, v in (one.partition(":") for one in rest)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            again = headers.get("hookferry-redelivery") == "true"
            path = line.split(" ")[1]
            hang = self.hang
            async with self._news:
                self.seen.append(Seen(headers["hookferry-request"], again, body, path, not hang))
                self._news.notify_all()
            if hang:
                await reader.read()  # until the listener is gone, or this program
                return
            writer.write(self._answer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the listener was killed, or this program is
        finally:
            self._handlers.discard(task)
            writer.transport.abort() if task.cancelling() else writer.close()


class Listener:
    """``hookferry listen``, to be started as often as need be.

    Args:
        arguments: of the command.
        home: a folder for its state.
        environ: where the server is, and the key to it.
        ignoring: signals that it was told to ignore when it was started.
    """

    def __init__(
        self,
        *arguments: str,
        home: Path,
        environ: dict[str, str],
        ignoring: Sequence[signal.Signals] = (),
    ) -> None:
        self._arguments = arguments
        self._ignoring = ignoring
        self._environ = environment(**environ, XDG_STATE_HOME=str(home)) | {"COLUMNS": "200"}
        self._process: asyncio.subprocess.Process
        self._reading: list[asyncio.Task[None]] = []
        self._news = asyncio.Condition()
        self.out = ""
        self.err = ""

    def _set_signals(self) -> None:
        """Tests may themselves run where SIGINT is ignored, in the background of a shell."""
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        for one in self._ignoring:
            signal.signal(one, signal.SIG_IGN)

    async def start(self) -> None:
        """Start it, and wait until it listens."""
        self.out = self.err = ""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "hookferry.cli", "listen", *self._arguments),
            env=self._environ,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            preexec_fn=self._set_signals,
        )
        self._reading = [
            asyncio.create_task(self._read("out")),
            asyncio.create_task(self._read("err")),
        ]
        await self.said("listening to")

    async def said(self, text: str) -> None:
        """Wait until it has said something."""
        try:
            async with asyncio.timeout(PATIENCE), self._news:
                await self._news.wait_for(lambda: text in self.err + self.out)
        except TimeoutError:
            raise AssertionError(f"it never said {text!r}:\n{self.out}\n{self.err}") from None

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    async def kill(self) -> None:
        """SIGKILL it."""
        self._process.kill()
        await self._ended()

    async def end(self, number: int) -> int:
        """Send it a signal; return the exit code."""
        self.signal(number)
        return await self._ended()

    async def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._ended()

    async def _ended(self) -> int:
        async with asyncio.timeout(PATIENCE):
            code = await self._process.wait()
            await asyncio.gather(*self._reading)
        return code

    async def _read(self, name: str) -> None:
        stream = getattr(self._process, f"std{name}")
        async for line in stream:
            async with self._news:
                setattr(self, name, getattr(self, name) + line.decode())
                self._news.notify_all()


@asynccontextmanager
async def program(answer: bytes = b"HTTP/1.1 204 No Content\r\n\r\n") -> AsyncIterator[Program]:
    """A local program that runs."""
    made = Program(answer)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


@asynccontextmanager
async def listener(
    *arguments: str,
    home: Path,
    environ: dict[str, str],
    ignoring: Sequence[signal.Signals] = (),
) -> AsyncIterator[Listener]:
    """A listener that runs."""
    made = Listener(*arguments, home=home, environ=environ, ignoring=ignoring)
    await made.start()
    try:
        yield made
    finally:
        await made.close()
