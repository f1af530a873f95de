"""Sending requests in tests, with and without waiting for them."""

from __future__ import annotations

import asyncio
from ipaddress import ip_network

from hookferry.clock import Clock, SystemClock
from hookferry.transport.client import HttpTransport
from hookferry.transport.dns import Resolver
from hookferry.transport.guard import Guard
from hookferry.transport.limits import Limits
from hookferry.transport.port import Outcome, Request, Target

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
BODY = b'{"data":{}}'


def request_to(
    target: Target, *, path: str = "/", body: bytes = BODY, timeout: float = 5.0
) -> Request:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {target.host}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return Request(target, head.encode(), body, timeout)


class Waiter:
    """Takes an outcome; complains about a second one."""

    def __init__(self) -> None:
        self.outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.calls = 0

    def __call__(self, outcome: Outcome) -> None:
        self.calls += 1
        if not self.outcome.done():
            self.outcome.set_result(outcome)


class Sender:
    """An ``HttpTransport`` and everything it was asked."""

    def __init__(
        self,
        resolver: Resolver,
        *,
        guard: Guard | None = None,
        limits: Limits | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.guard = guard or Guard(LOOPBACK, allow_http=True)
        self.transport = HttpTransport(self.guard, resolver, clock or SystemClock(), limits)
        self.waiters: list[Waiter] = []

    def start(self, request: Request) -> Waiter:
        waiter = Waiter()
        self.waiters.append(waiter)
        self.transport.send(request, waiter)
        assert waiter.calls == 0, "done was called inside send"
        return waiter

    async def send(self, request: Request) -> Outcome:
        return await asyncio.wait_for(self.start(request).outcome, 20)

    async def post(self, target: Target, *, timeout: float = 5.0) -> Outcome:
        return await self.send(request_to(target, timeout=timeout))

    async def aclose(self) -> None:
        await self.transport.aclose()
        assert [w.calls for w in self.waiters] == [1] * len(self.waiters)
