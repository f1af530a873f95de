"""From the stream to the local program, each request once: what is forwarded when, and again.

A request that the local program can't be reached for waits, and those behind it wait with it. One
whose connection broke before an answer came is sent again, marked, since the program may have had
it. An answer, whatever it says, settles a request; so does the lack of one within the time limit:
the program had it then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import aclosing
from typing import Any, Final, Protocol

import msgspec

from hookferry.cli.listening.feed import Feed, pause
from hookferry.cli.listening.forwarding import Forwarded, Forwarder
from hookferry.cli.listening.journal import Journal
from hookferry.client import ApiError, AsyncClient, Unreachable
from hookferry.client.listening import StreamedRequest
from hookferry.transport.port import ErrorKind

MAX_CUTS: Final = 5
"""Connections without an answer after which a request is given up: it may be what kills the
program."""
GRACE_SECONDS: Final = 5.0
"""How long requests in the air are waited for when the listener ends."""
ACCEPTED: Final = "accepted"
"""The verdict of requests whose callers may wait."""
USUAL: Final = frozenset((ACCEPTED, "inspected", "sample"))
"""Verdicts of requests that are forwarded unless all are."""


class Entry(msgspec.Struct, kw_only=True):
    """A request on its way, as it is shown."""

    request: StreamedRequest
    again: bool = False
    """It is marked as a repetition."""
    forwarded: Forwarded | None = None
    """None while it is on its way."""
    only_shown: bool = False
    """It is forwarded to nobody."""
    answered: bool | None = None
    """Whether the caller got the local program's answer; None where it was not to."""
    waiting: str | None = None
    """Why it has to wait."""


class Shows(Protocol):
    """Shows what happens (``view``)."""

    def began(self, entry: Entry) -> None:
        """A request is on its way."""
        ...

    def changed(self, entry: Entry) -> None:
        """Something is known of it that was not."""
        ...

    def ended(self, entry: Entry) -> None:
        """It is forwarded, or will not be."""
        ...

    def note(self, text: str) -> None:
        """Say something that is about no request."""
        ...


class Counts(msgspec.Struct):
    """What a listener did."""

    forwarded: int = 0
    """Requests that were answered, or sent as often as they may be."""
    repeated: int = 0
    """Of these, those that were marked."""
    failed: int = 0
    """Of these, those without an answer."""
    replayed: int = 0
    """Requests that a person sent once more."""
    skipped: int = 0
    """Requests of other verdicts."""
    shown: int = 0
    """Requests that were shown, and forwarded to nobody."""


class Relay:
    """Forwards a source's requests.

    Args:
        client: asks the server.
        feed: the source's requests.
        forwarder: reaches the local program.
        journal: what was forwarded before.
        view: shows what happens.
        answer: callers get the local program's answers.
        verdicts: the requests that are forwarded; None for all.
        concurrency: requests in the air at a time. With one, they arrive in their order.
    """

    def __init__(
        self,
        client: AsyncClient,
        feed: Feed,
        forwarder: Forwarder,
        journal: Journal,
        view: Shows,
        *,
        answer: bool,
        verdicts: Collection[str] | None = USUAL,
        concurrency: int = 1,
    ) -> None:
        self._client = client
        self._feed = feed
        self._forwarder = forwarder
        self._journal = journal
        self._view = view
        self._answer = answer
        self._verdicts = verdicts
        self._slots = asyncio.Semaphore(concurrency)
        self._stopping = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.counts = Counts()

    async def run(self) -> None:
        """Forward until ``stop`` is called, then end what is in the air.

        Raises:
            ApiError: the server refuses the stream.
            CommandError: the journal can't be written.
        """
        reading = asyncio.create_task(self._read())
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            over: set[asyncio.Future[Any]] = {reading, stopping, self._failure}
            await asyncio.wait(over, return_when=asyncio.FIRST_COMPLETED)
            for ended in (reading, self._failure):
                if ended.done():
                    ended.result()
            reading.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=GRACE_SECONDS)
            if self._failure.done():
                self._failure.result()
        finally:
            left = {reading, stopping, *self._tasks}
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    def stop(self) -> None:
        """Take no more; called once more, leave what is in the air behind as well."""
        if self._stopping.is_set():
            for task in self._tasks:
                task.cancel()
        elif self._tasks:
            self._view.note("ending; a request is in the air, once more ends at once")
        self._stopping.set()

    async def replay(self, request: StreamedRequest) -> None:
        """Send a request that was forwarded once more, marked, beside the stream."""
        entry = Entry(request=request, again=True)
        self._view.began(entry)
        entry.forwarded = await self._forwarder.send(request, again=True)
        self.counts.replayed += 1
        self._view.ended(entry)

    async def _read(self) -> None:
        journal = self._journal
        async with aclosing(self._feed.requests(journal.position)) as requests:
            async for request in requests:
                if journal.settled(request.id):
                    continue
                journal.take_up(request.id)
                if self._verdicts is not None and request.verdict not in self._verdicts:
                    self.counts.skipped += 1
                    journal.done(request.id)
                    continue
                # The stream is not read further meanwhile: that bounds what is in memory.
                await self._slots.acquire()
                task = asyncio.create_task(self._forward(request))
                self._tasks.add(task)
                task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._slots.release()
        if not task.cancelled() and task.exception() is not None and not self._failure.done():
            self._failure.set_exception(task.exception() or AssertionError)

    async def _forward(self, request: StreamedRequest) -> None:
        entry = Entry(request=request)
        self._view.began(entry)
        forwarded = await self._until_settled(entry)
        if forwarded is None:
            entry.waiting = "next time"
            return
        self._journal.done(request.id)
        entry.forwarded, entry.waiting = forwarded, None
        self.counts.forwarded += 1
        self.counts.repeated += entry.again
        self.counts.failed += forwarded.status is None
        if self._answer and request.verdict == ACCEPTED:
            await self._tell(entry, forwarded)
        self._view.ended(entry)

    async def _until_settled(self, entry: Entry) -> Forwarded | None:
        """Send a request as often as need be; None where the listener ends before."""
        journal, request = self._journal, entry.request
        cuts = failures = 0
        while not self._stopping.is_set():
            entry.again = journal.repeats(request.id)
            journal.begin(request.id)
            forwarded = await self._forwarder.send(request, again=entry.again)
            if forwarded.unreached:
                journal.retract(request.id)
            elif forwarded.cut and cuts + 1 < MAX_CUTS:
                journal.doubt(request.id)
                cuts += 1
            else:
                return forwarded
            entry.waiting = forwarded.error
            self._view.changed(entry)
            try:
                async with asyncio.timeout(pause(failures)):
                    await self._stopping.wait()
            except TimeoutError:
                failures += 1
        return None

    async def _tell(self, entry: Entry, forwarded: Forwarded) -> None:
        """Give the caller the local program's answer."""
        answer = (forwarded.status, forwarded.headers, forwarded.body)
        if forwarded.status is None or forwarded.truncated:
            answer = (504 if forwarded.error == ErrorKind.TIMEOUT else 502, (), b"")
        status, headers, body = answer
        assert status is not None
        try:
            told = await self._client.listening.answer(
                entry.request.id, status, headers=headers, body=body
            )
        except (ApiError, Unreachable) as error:
            self._view.note(f"the answer to {entry.request.id} was not taken: {error.detail}")
        else:
            entry.answered = told.taken


class Watch:
    """Shows a source's requests, and forwards none.

    Args:
        feed: the requests.
        view: shows them.
        after: the id of the request after which to begin.
    """

    def __init__(self, feed: Feed, view: Shows, after: str) -> None:
        self._feed = feed
        self._view = view
        self._after = after
        self._stopping = asyncio.Event()
        self.counts = Counts()

    async def run(self) -> None:
        """Show requests until ``stop`` is called; raises ApiError: the server refuses."""
        reading = asyncio.create_task(self._read())
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            over: set[asyncio.Future[Any]] = {reading, stopping}
            await asyncio.wait(over, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                reading.result()
        finally:
            for task in (reading, stopping):
                task.cancel()
            await asyncio.gather(reading, stopping, return_exceptions=True)

    def stop(self) -> None:
        """Show no more."""
        self._stopping.set()

    async def _read(self) -> None:
        async with aclosing(self._feed.requests(self._after)) as requests:
            async for request in requests:
                entry = Entry(request=request, only_shown=True)
                self.counts.shown += 1
                self._view.began(entry)
                self._view.ended(entry)
