"""One run of a listener: its parts put together, signals and keys, and how it ends."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, AsyncExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console

from hookferry.cli.listening.feed import Feed
from hookferry.cli.listening.forwarding import Forwarder
from hookferry.cli.listening.journal import Journal, Key, default_path
from hookferry.cli.listening.keys import DOWN, UP, Keyboard, on_terminal
from hookferry.cli.listening.relay import USUAL, Entry, Relay, Watch
from hookferry.cli.listening.view import JsonLines, Lines, Screen
from hookferry.cli.terminal import Exit, err, out
from hookferry.client import AsyncClient
from hookferry.client.requests import BEGINNING

STDIN: Final = 0
REPLAYS: Final = 8
"""Requests that are being replayed by key at a time; further presses are passed over."""


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asks for."""

    server: str
    key: str
    tenant: str | None
    source: str
    """The source's id."""
    title: str
    forward: str | None
    """None only shows what comes."""
    begin: str | None
    """The id of the request after which to begin; None goes on where the last run stopped."""
    answer: bool = False
    everything: bool = False
    """Requests of all verdicts."""
    with_path: bool = True
    ca: str | None = None
    """PEM certificates to trust instead of the system's."""
    state: Path | None = None
    timeout: float = 30.0
    concurrency: int = 1
    json: bool = False


def run(wish: Wish) -> Exit:
    """Listen until somebody ends it; return the exit code.

    Raises:
        ApiError: the server refuses.
        CommandError: another listener does the same, or the state can't be kept.
    """
    return asyncio.run(_Session(wish).run())


class _Session:
    def __init__(self, wish: Wish) -> None:
        self._wish = wish
        self._code = Exit.OK
        self._away: bool | None = None
        """Whether hookferry is; None before the first connection."""
        self._replaying: set[asyncio.Task[None]] = set()
        self._view = _view_for(wish)
        self._work: Relay | Watch

    async def run(self) -> Exit:
        wish, view = self._wish, self._view
        async with AsyncExitStack() as stack:
            journal = None
            if wish.forward is not None:
                key = Key(wish.server, wish.source, wish.forward)
                journal = Journal.open(wish.state or default_path(key), key)
                stack.callback(journal.close)
            client = AsyncClient(wish.server, api_key=wish.key, tenant=wish.tenant)
            await stack.enter_async_context(client)
            begin = wish.begin
            if begin is None and (journal is None or not journal.position):
                newest = (await client.requests.list(source=wish.source, limit=1).page()).items
                begin = newest[0].id if newest else BEGINNING
            feed = Feed(client, wish.source, answer=wish.answer, connected=self._connected)
            if journal is None or wish.forward is None:
                self._work = Watch(feed, view, begin or BEGINNING)
            else:
                if begin is not None:
                    journal.start(begin)
                forwarder = Forwarder(
                    wish.forward, with_path=wish.with_path, ca=wish.ca, timeout=wish.timeout
                )
                stack.push_async_callback(forwarder.aclose)
                self._work = Relay(
                    client,
                    feed,
                    forwarder,
                    journal,
                    view,
                    answer=wish.answer,
                    verdicts=None if wish.everything else USUAL,
                    concurrency=wish.concurrency,
                )
            with self._signals(), self._keyboard(), view:
                if journal is not None and journal.doubtful:
                    view.note(f"{journal.doubtful} that may have been forwarded go again, marked")
                await self._work.run()
                for task in self._replaying:
                    task.cancel()
                await asyncio.gather(*self._replaying, return_exceptions=True)
        self._sum_up()
        return self._code

    def _end(self, code: Exit) -> None:
        self._code = code
        self._work.stop()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        ends = {
            signal.SIGINT: Exit.INTERRUPTED,
            signal.SIGTERM: Exit.OK,
            signal.SIGHUP: Exit.OK,  # the terminal was closed
        }
        # What is ignored stays so: that is how nohup and "&" say that a program goes on.
        taken = [number for number in ends if signal.getsignal(number) is not signal.SIG_IGN]
        for number in taken:
            loop.add_signal_handler(number, self._end, ends[number])
        try:
            yield
        finally:
            for number in taken:
                loop.remove_signal_handler(number)

    # ------------------------------------------------------------------ keys

    def _keyboard(self) -> AbstractContextManager[object]:
        if isinstance(self._view, Screen) and on_terminal(STDIN):
            return Keyboard(STDIN, self._pressed, self._view.suspend)
        return nullcontext()

    def _pressed(self, key: str) -> None:
        view = self._view
        assert isinstance(view, Screen)
        if key in (UP, "k"):
            view.move(-1)
        elif key in (DOWN, "j"):
            view.move(1)
        elif key == "d":
            view.show_details()
        elif key == "r":
            self._replay(view.selected)
        elif key == "q":
            self._end(Exit.OK)

    def _replay(self, entry: Entry | None) -> None:
        if isinstance(self._work, Watch):
            self._view.note("nothing is forwarded here: replay needs --forward")
        elif entry is not None and len(self._replaying) < REPLAYS:
            task = asyncio.create_task(self._work.replay(entry.request))
            self._replaying.add(task)
            task.add_done_callback(self._replaying.discard)

    # ------------------------------------------------------------------ what is said

    def _connected(self, reason: str | None) -> None:
        if reason is None and self._away is not False:
            self._view.listening(again=self._away is True)
        elif reason is not None and not self._away:
            self._view.note(f"hookferry does not answer; waiting for it ({reason})")
        self._away = reason is not None

    def _sum_up(self) -> None:
        counts = self._work.counts
        parts = [f"{counts.forwarded} forwarded"]
        if counts.repeated:
            parts.append(f"{counts.repeated} of them again, marked")
        if counts.failed:
            parts.append(f"{counts.failed} without an answer")
        if counts.replayed:
            parts.append(f"{counts.replayed} replayed")
        if counts.skipped:
            parts.append(f"{counts.skipped} of other verdicts left out")
        if isinstance(self._work, Watch):
            parts = [f"{counts.shown} shown"]
        err.print(", ".join(parts), markup=False)


def _view_for(wish: Wish) -> Lines | Screen:
    if wish.json:
        return JsonLines(out, wish.title)
    if out.is_terminal:
        return Screen(Console(highlight=False), wish.title)
    return Lines(out, wish.title)
