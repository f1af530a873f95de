"""Plain code that gives way: scripts run in turns with everything else on the event loop.

A script is synchronous code in a greenlet. Where its fuel asks for a pause, and where a command has
to wait for something, control goes back to the loop. A script that computes gets a slice at a time,
one script's after another's, with as much time between slices as a slice takes: however many are
hungry, half of the loop's time is everybody else's.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any, Final, TypeVar

from greenlet import getcurrent, greenlet

from hookferry.errors import OutOfFuel

SLICE_SECONDS: Final = 0.002
"""How long a script computes before others get their turn."""
CROWDED_SECONDS: Final = 0.0005
"""The same, before it has queued, while others compute for long already: many may begin at once."""
LONGEST_REST: Final = 0.01
T = TypeVar("T")
_PAUSE: Final = object()
"""What a script hands over where it waits for nothing but its next turn."""


class Turns:
    """Gives scripts their turns, one at a time, each after a rest as long as the last one's slice.

    Args:
        now: seconds, monotonic.
    """

    def __init__(self, now: Callable[[], float] = perf_counter) -> None:
        self.now = now
        self._queue: deque[asyncio.Future[None]] = deque()
        self._taken = False
        self._rest_until = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def next(self) -> None:
        """Wait for a turn; whoever gets one says so when it is over (``ended``)."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        self._plan()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it came, and nobody was there any more
                self._taken = False
                self._plan()
            raise

    @property
    def wanted(self) -> bool:
        """Somebody computes for long already: whoever comes now queues soon."""
        return self._taken or bool(self._queue)

    def ended(self, used: float) -> None:
        """Take note that a turn is over, which was ``used`` seconds."""
        self._rest_until = self.now() + used
        self._taken = False
        self._plan()

    def _plan(self) -> None:
        """See that the next one gets its turn once the rest is over."""
        if self._queue and not self._taken and self._timer is None:
            rest = min(max(0.0, self._rest_until - self.now()), LONGEST_REST)
            self._timer = asyncio.get_running_loop().call_later(rest, self._give)

    def _give(self) -> None:
        self._timer = None
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():  # whoever waited may have been cancelled
                self._taken = True
                turn.set_result(None)
                return


class Guest:
    """One script's place on the loop.

    Args:
        turns: where it queues.
        seconds: how long it may take in all, waiting included.
    """

    def __init__(self, turns: Turns, seconds: float) -> None:
        self._turns = turns
        self._begun = turns.now()
        self.limit(seconds)
        self._slice_from = 0.0
        self._slice = SLICE_SECONDS

    def limit(self, seconds: float) -> None:
        """Set how long the script may take, counted from its beginning."""
        self._seconds = seconds
        self._deadline = self._begun + seconds

    async def run(self, work: Callable[[], T]) -> T:
        """Run plain code to its end.

        Raises:
            Whatever ``work`` raises; OutOfFuel is raised inside it once its time is over.
        """
        script = greenlet(work)
        got: Any = self._go(script.switch)
        try:
            while not script.dead:
                if got is _PAUSE:
                    await self._turns.next()
                    got = self._go(script.switch, turn=True)
                else:
                    got = await self._fetched(script, got)
        except BaseException:
            if not script.dead:  # whoever waits for the script has gone: it is unwound
                script.throw()
            raise
        result: T = got
        return result

    def _go(self, resume: Callable[..., Any], *values: Any, turn: bool = False) -> Any:
        """Let the script compute until it pauses, waits or ends."""
        turns = self._turns
        self._slice = SLICE_SECONDS if turn or not turns.wanted else CROWDED_SECONDS
        begun = self._slice_from = turns.now()
        try:
            return resume(*values)
        finally:
            if turn:
                turns.ended(turns.now() - begun)

    async def _fetched(self, script: greenlet, wanted: Awaitable[Any]) -> Any:
        """Wait for what a script asked for, and give it to it."""
        try:
            left = self._deadline - self._turns.now()
            found = await asyncio.wait_for(wanted, max(0.0, left))
        except TimeoutError:
            return self._go(script.throw, self._over())
        except Exception as error:  # it is the script's command that failed, there
            return self._go(script.throw, error)
        return self._go(script.switch, found)

    def pause(self) -> None:
        """Give way where the slice is used up; for ``Fuel``.

        Raises:
            OutOfFuel: the script's time is over.
        """
        now = self._turns.now()
        if now > self._deadline:
            raise self._over()
        if now - self._slice_from >= self._slice:
            _loop_side().switch(_PAUSE)

    def wait(self, wanted: Awaitable[T]) -> T:
        """Wait for something from within the script.

        Raises:
            OutOfFuel: the script's time is over first.
            Whatever ``wanted`` raises.
        """
        found: T = _loop_side().switch(wanted)
        return found

    def _over(self) -> OutOfFuel:
        return OutOfFuel(f"the script takes longer than {self._seconds:g} s")


def _loop_side() -> greenlet:
    """Return who drives the script that asks."""
    parent = getcurrent().parent
    if parent is None:
        raise RuntimeError("only a script that Guest.run runs can give way")
    return parent
