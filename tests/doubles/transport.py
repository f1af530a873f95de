"""A transport that answers by script, after a delay on the event loop's own time.

On a simulated loop the delay is simulated too. It passes the same conformance tests as the real
one (``tests/transport/test_conformance.py``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hookferry.transport.port import ErrorKind, Outcome, Request

Behaviour = Callable[[Request], tuple[float, Outcome]]
"""Says after how many seconds a request ends, and how."""


def always(status: int = 200, *, delay: float = 0.0) -> Behaviour:
    """Answer every request with ``status`` after ``delay`` seconds."""

    def behave(_: Request) -> tuple[float, Outcome]:
        return delay, Outcome(status=status, head=b"HTTP/1.1 %d Scripted\r\n\r\n" % status)

    return behave


class ScriptedTransport:
    """A ``hookferry.transport.port.Transport`` without sockets.

    Args:
        behaviour: asked once per request, inside ``send``.
        loop: whose time delays are measured on; the running one by default.

    Attributes:
        requests: every request ever sent, in order.
        in_flight: how many have not ended.
    """

    def __init__(
        self, behaviour: Behaviour | None = None, loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        self.behaviour = behaviour or always()
        self.requests: list[Request] = []
        self._loop = loop or asyncio.get_running_loop()
        self._open: dict[int, tuple[asyncio.TimerHandle, Callable[[Outcome], None], float]] = {}
        self._closed = False

    @property
    def in_flight(self) -> int:
        return len(self._open)

    def send(self, request: Request, done: Callable[[Outcome], None]) -> None:
        number = len(self.requests)
        self.requests.append(request)
        if self._closed:
            closed = Outcome(error=ErrorKind.CLOSED, detail="the transport was closed")
            self._loop.call_soon(done, closed)
            return
        delay, outcome = self.behaviour(request)
        if delay >= request.timeout:
            delay = request.timeout
            outcome = Outcome(error=ErrorKind.TIMEOUT, detail="the deadline passed")
        handle = self._loop.call_later(delay, self._end, number, outcome)
        self._open[number] = (handle, done, self._loop.time())

    async def aclose(self) -> None:
        self._closed = True
        for number, (handle, _, _) in list(self._open.items()):
            handle.cancel()
            self._end(number, Outcome(error=ErrorKind.CLOSED, detail="the transport was closed"))

    def _end(self, number: int, outcome: Outcome) -> None:
        _, done, started = self._open.pop(number)
        outcome.duration = self._loop.time() - started
        done(outcome)
