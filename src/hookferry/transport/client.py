"""The HTTP/1.1 transport: hands requests to pooled connections, dials new ones, keeps deadlines.

A request on a pooled connection costs no task, no future and no timer: two dictionary look-ups, a
write, and the parser's callbacks. A task exists only while a connection is being made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hookferry.clock import Clock
from hookferry.transport.deadlines import DeadlineWheel
from hookferry.transport.dial import Dialer, DialError
from hookferry.transport.dns import Resolver
from hookferry.transport.exchange import Exchange, Progress
from hookferry.transport.guard import Guard
from hookferry.transport.http1 import Connection
from hookferry.transport.limits import Limits
from hookferry.transport.pool import Pool
from hookferry.transport.port import ErrorKind, Outcome, Request

SWEEP_SECONDS = 5.0
"""How often idle connections are looked over."""


class HttpTransport:
    """The real ``hookferry.transport.port.Transport``. Made inside a running event loop.

    A reused connection that turns out to be closed before a byte of the answer came is replaced
    once by a new one, within the same deadline. The receiver may then see the request twice, as
    after any lost answer; it carries the same id.

    Args:
        guard: judges every address before a socket is opened.
        resolver: looks names up; whoever made it closes it.
        clock: the monotonic clock deadlines are measured on.
        limits: what an answer and a connection may cost.
    """

    def __init__(
        self, guard: Guard, resolver: Resolver, clock: Clock, limits: Limits | None = None
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._now = clock.monotonic
        self._limits = limits or Limits()
        self._pool = Pool(self._limits)
        self._wheel = DeadlineWheel(self._loop, self._now)
        self._dialer = Dialer(self._loop, guard, resolver, self._limits, self._now)
        self._dials: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def idle(self) -> int:
        """How many connections wait for a request."""
        return self._pool.size

    def send(self, request: Request, done: Callable[[Outcome], None]) -> None:
        """Send; call ``done`` exactly once, later, on the event loop. Never raises."""
        now = self._now()
        exchange = Exchange(self, request, done, now)
        if self._closed:
            self._loop.call_soon(exchange.fail, ErrorKind.CLOSED, "hookferry is shutting down", now)
            return
        self._wheel.add(exchange, now + request.timeout)
        connection = self._pool.take(request.target, now)
        if connection is not None:
            connection.start(exchange)
        else:
            self._dial(exchange)

    async def aclose(self) -> None:
        """Close every connection; requests in flight end as the port says."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for exchange in self._wheel.drain():
            if exchange.connection is not None:
                exchange.connection.shut()
            else:
                self._give_up(exchange, ErrorKind.CLOSED, "hookferry is shutting down")
        self._pool.close()
        await asyncio.gather(*self._dials, return_exceptions=True)

    # ------------------------------------------------------------------ exchange.Owner

    def finish(self, exchange: Exchange, outcome: Outcome) -> None:
        """Report the outcome to whoever waits."""
        self._wheel.discard(exchange)
        try:
            exchange.done(outcome)
        except Exception as error:
            # A caller's mistake must not take the connection and its other callers with it.
            self._loop.call_exception_handler(
                {"message": "an outcome's callback raised", "exception": error}
            )

    def cut(self, exchange: Exchange) -> None:
        """End an exchange whose deadline passed before it had a connection."""
        self._give_up(exchange, *exchange.progress.phase.value)

    # ------------------------------------------------------------------ http1.Keeper

    def release(self, connection: Connection) -> None:
        """Keep a connection for the next request."""
        if self._closed:
            connection.abort()
        elif self._pool.put(connection) and self._sweeper is None:
            self._sweeper = self._loop.call_later(SWEEP_SECONDS, self._sweep)

    def forget(self, connection: Connection) -> None:
        """Drop an idle connection that the peer closed."""
        self._pool.forget(connection)

    def redial(self, exchange: Exchange) -> None:
        """Send an exchange again; never a third time, since the new connection is not reused."""
        self._dial(exchange)

    # ------------------------------------------------------------------ dialing

    def _dial(self, exchange: Exchange) -> None:
        exchange.progress = Progress()
        task = self._loop.create_task(self._connect(exchange))
        exchange.dialing = task
        self._dials.add(task)
        task.add_done_callback(self._dials.discard)

    async def _connect(self, exchange: Exchange) -> None:
        progress = exchange.progress
        connection = Connection(self, exchange.request.target, self._limits, self._now)
        failure: tuple[ErrorKind, str] | None = None
        try:
            await self._dialer.dial(exchange.request.target, connection, progress)
        except DialError as error:
            failure = error.kind, error.detail
        except Exception as error:
            failure = ErrorKind.INTERNAL, f"{type(error).__name__} while connecting"
            self._loop.call_exception_handler(
                {"message": "connecting failed unexpectedly", "exception": error}
            )
        if exchange.dialing is None:
            # Given up, but the cancellation got lost on its way or came a moment too late.
            connection.abort()
            return
        exchange.dialing = None
        if failure is not None:
            exchange.fail(*failure, self._now())
        elif not connection.usable:
            # Lost between the end of the handshake and now.
            exchange.fail(ErrorKind.CLOSED, "the peer closed the new connection", self._now())
        else:
            connection.address, connection.verdict = progress.address, progress.verdict
            connection.start(exchange)

    def _give_up(self, exchange: Exchange, kind: ErrorKind, detail: str) -> None:
        if exchange.dialing is not None:
            exchange.dialing.cancel()
            exchange.dialing = None
        exchange.fail(kind, detail, self._now())

    def _sweep(self) -> None:
        self._pool.sweep(self._now())
        self._sweeper = None
        if not self._pool.empty:
            self._sweeper = self._loop.call_later(SWEEP_SECONDS, self._sweep)
