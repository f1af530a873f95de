"""Threads that do what they are asked, in the order asked, with a bounded queue.

Nothing here knows SQL. Results travel back in groups: while one wake-up of the event loop is
under way, further results join it, because a wake-up costs more than most statements.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from hookferry.errors import StorageDown

C = TypeVar("C")
P = ParamSpec("P")
T = TypeVar("T")

_Task = tuple["asyncio.Future[Any]", Callable[..., Any], tuple[Any, ...]]
_Done = tuple["asyncio.Future[Any]", Any, BaseException | None]


class Worker(Generic[C]):
    """Runs calls on threads of its own; with one thread, strictly one after the other.

    Args:
        name: the threads' name.
        contexts: what calls work on (a connection each); there is one thread per context.
        limit: calls that may wait; one more is refused with StorageDown.
        recover: told of every error with the context it happened on; returns the error to raise.
        after: given the context after each call, once the result is on its way.
        close: given each context when the threads have ended.
    """

    def __init__(
        self,
        name: str,
        contexts: Sequence[C],
        *,
        limit: int,
        recover: Callable[[C, BaseException], BaseException],
        after: Callable[[C], None] | None = None,
        close: Callable[[C], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._done: deque[_Done] = deque()
        self._waking = False
        self._limit = limit
        self._waiting = 0
        self._closed = False
        self._recover = recover
        self._after = after
        self._close = close
        self._contexts = contexts
        self._threads = [
            threading.Thread(target=self._work, args=(context,), name=name, daemon=True)
            for context in contexts
        ]
        for thread in self._threads:
            thread.start()

    def run(
        self, call: Callable[Concatenate[C, P], T], *args: P.args, **_: P.kwargs
    ) -> asyncio.Future[T]:
        """Have ``call(context, *args)`` done after everything asked before; return its future.

        Raises:
            StorageDown: too many calls wait, or the worker is closed.
        """
        if self._closed:
            raise StorageDown("the ledger is closed")
        if self._waiting >= self._limit:
            raise StorageDown(f"{self._limit} calls wait for the ledger already: try again later")
        self._waiting += 1
        future: asyncio.Future[T] = self._loop.create_future()
        self._tasks.put((future, call, args))
        return future

    async def aclose(self) -> None:
        """Finish what was asked for, end the threads, close what they work on."""
        if self._closed:
            return
        self._closed = True
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            await self._loop.run_in_executor(None, thread.join)
        self._deliver()
        for context in self._contexts:
            await self._loop.run_in_executor(None, self._close, context)

    def _work(self, context: C) -> None:
        take = self._tasks.get
        done = self._done
        while (task := take()) is not None:
            future, call, args = task
            try:
                done.append((future, call(context, *args), None))
            except BaseException as error:
                done.append((future, None, self._recover(context, error)))
            # Read without a lock: the loop clears the flag before it empties the deque, so a
            # result appended after that sees it cleared, and one appended before is taken along.
            if not self._waking:
                self._waking = True
                try:
                    self._loop.call_soon_threadsafe(self._deliver)
                except RuntimeError:
                    # The loop was closed without closing this: nobody is left to tell.
                    return
            if self._after is not None:
                self._after(context)

    def _deliver(self) -> None:
        self._waking = False
        done = self._done
        while done:
            future, result, error = done.popleft()
            self._waiting -= 1
            if future.cancelled():
                continue
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)
