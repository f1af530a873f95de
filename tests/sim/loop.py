"""An asyncio event loop on simulated time: deterministic, no sockets, no threads.

Where a real loop would wait in ``select`` for the next timer, this one moves its clock there. Two
runs that schedule the same callbacks run them in the same order at the same simulated times.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

T = TypeVar("T")

START_WALL_MS = 1_800_000_000_000


class Deadlock(Exception):
    """Nothing is left to run and nobody set a timer."""


class _Selector(selectors.BaseSelector):
    """Takes the registration of the loop's own wake-up pipe; instead of waiting, moves time."""

    def __init__(self) -> None:
        self.now = 0.0
        self._keys: dict[Any, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = selectors.SelectorKey(fileobj, 0, events, data)
        self._keys[fileobj] = key
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys.pop(fileobj)

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise Deadlock("every task waits for something that nobody will do")
        if timeout > 0:
            self.now += timeout + 1e-9
        return []

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys[fileobj]


class SimLoop(asyncio.SelectorEventLoop):
    """The loop; ``time`` starts at zero."""

    def __init__(self) -> None:
        self._sim = _Selector()
        super().__init__(self._sim)

    def time(self) -> float:
        return self._sim.now


class SimClock:
    """The clock port on a simulated loop; its wall clock can be made to jump."""

    def __init__(self, loop: SimLoop) -> None:
        self._loop = loop
        self.jump_ms = 0

    def wall_ms(self) -> int:
        return START_WALL_MS + self.jump_ms + int(self._loop.time() * 1000)

    def monotonic(self) -> float:
        return self._loop.time()


def run(main: Coroutine[Any, Any, T], loop: SimLoop) -> T:
    """Run ``main`` to its end on a simulated loop; cancel what it leaves behind."""
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(main)
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        asyncio.set_event_loop(None)
        loop.close()
