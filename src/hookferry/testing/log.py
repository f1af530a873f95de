"""The requests a receiver has recorded, shared between its thread and the test's."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

from hookferry.testing.records import Received

Where = Callable[[Received], bool]


class _Waiter:
    """Somebody who waits for a number of requests."""

    __slots__ = ("left", "where", "woken")

    def __init__(self, left: int, where: Where | None) -> None:
        self.left = left
        self.where = where
        self.woken: Future[None] = Future()

    def see(self, request: Received) -> None:
        """Count a new request; a condition that raises, raises in the one who waits."""
        if self.woken.done():
            return
        try:
            self.left -= self.where is None or bool(self.where(request))
        except Exception as error:
            self.woken.set_exception(error)
        else:
            if self.left <= 0:
                self.woken.set_result(None)


class RequestLog:
    """What came, and who waits for more.

    Args:
        keep: requests kept; the oldest go first, and are counted on in ``total``.
    """

    def __init__(self, keep: int) -> None:
        # Reentrant: a waiter's condition may itself look at what came.
        self._lock = threading.RLock()
        self._requests: deque[Received] = deque(maxlen=keep)
        self._waiters: list[_Waiter] = []
        self._total = 0
        self._at_once = 0
        self._most_at_once = 0

    def record(self, request: Received) -> None:
        """Add a request that waits for its answer now."""
        with self._lock:
            self._requests.append(request)
            self._total += 1
            self._at_once += 1
            self._most_at_once = max(self._most_at_once, self._at_once)
            for waiter in self._waiters:
                waiter.see(request)

    def answered(self) -> None:
        """Note that one of the requests recorded waits no longer."""
        with self._lock:
            self._at_once -= 1

    def requests(self) -> list[Received]:
        """Return those kept, oldest first."""
        with self._lock:
            return list(self._requests)

    def total(self) -> int:
        """Return how many came in all."""
        with self._lock:
            return self._total

    def most_at_once(self) -> int:
        """Return how many waited for answers at once, at most."""
        with self._lock:
            return self._most_at_once

    def wait(self, count: int, timeout: float, where: Where | None) -> list[Received]:
        """Block until ``count`` requests are recorded; see ``Receiver.wait_for``."""
        waiter = self._enter(count, where)
        try:
            waiter.woken.result(timeout)
        except TimeoutError:
            raise self._too_few(waiter, count, timeout) from None
        finally:
            self._leave(waiter)
        return self._first(count, where)

    async def wait_async(self, count: int, timeout: float, where: Where | None) -> list[Received]:
        """Do what ``wait`` does without blocking the event loop."""
        waiter = self._enter(count, where)
        try:
            await asyncio.wait_for(asyncio.wrap_future(waiter.woken), timeout)
        except TimeoutError:
            raise self._too_few(waiter, count, timeout) from None
        finally:
            self._leave(waiter)
        return self._first(count, where)

    def _enter(self, count: int, where: Where | None) -> _Waiter:
        with self._lock:
            if where is None:
                waiter = _Waiter(count - self._total, None)
            else:
                waiter = _Waiter(count - sum(map(where, self._requests)), where)
            if waiter.left <= 0:
                waiter.woken.set_result(None)
            else:
                self._waiters.append(waiter)
            return waiter

    def _leave(self, waiter: _Waiter) -> None:
        with self._lock:
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    def _first(self, count: int, where: Where | None) -> list[Received]:
        return [r for r in self.requests() if where is None or where(r)][:count]

    def _too_few(self, waiter: _Waiter, count: int, timeout: float) -> TimeoutError:
        counted = "" if waiter.where is None else f" that count, of {self.total()}"
        return TimeoutError(
            f"waited {timeout:g} s for {count} requests; {count - waiter.left} came{counted}"
        )
