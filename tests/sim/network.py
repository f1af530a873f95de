"""The simulated network: receivers with habits, and the transport that reaches them."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from hookferry.transport.port import ErrorKind, Outcome, Request


@dataclass
class Receipt:
    """One request as a receiver saw it."""

    at: float
    event: str
    status: int | None
    """What it answered; None when the answer was lost or never given."""
    number: int
    """Its place among all requests of this receiver."""


@dataclass
class Receiver:
    """One receiver. ``habit`` says how it behaves until the world is healed."""

    name: str
    habit: str
    rng: random.Random
    receipts: list[Receipt] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    healed: bool = False
    dead_until: float = 0.0

    def answer(self, now: float, event: str) -> tuple[float, Outcome]:
        """Decide what happens to one request: seconds until the outcome, and the outcome."""
        rng = self.rng
        quick = rng.uniform(0.001, 0.02)
        ok = Outcome(status=200, head=b"HTTP/1.1 200 OK\r\n\r\n")
        habit = "good" if self.healed else self.habit
        if habit == "flaky" and rng.random() < 0.3:
            return quick, Outcome(status=500, head=b"HTTP/1.1 500 Oops\r\n\r\n")
        if habit == "slow":
            return rng.uniform(0.5, 5.0), ok
        if habit == "hangs" and rng.random() < 0.5:
            return 15.0, Outcome(error=ErrorKind.TIMEOUT, detail="no answer in 15 s")
        if habit == "busy" and rng.random() < 0.4:
            after = rng.choice([b"", b"retry-after: 2\r\n"])
            return quick, Outcome(status=503, head=b"HTTP/1.1 503 Busy\r\n" + after + b"\r\n")
        if habit == "dies":
            if now < self.dead_until:
                return quick, Outcome(error=ErrorKind.CONNECT_REFUSED, detail="refused")
            if rng.random() < 0.05:
                self.dead_until = now + rng.uniform(1, 40)
        if habit == "loses_answers" and rng.random() < 0.2:
            # It takes the request in and the connection breaks before the answer arrives.
            self.note(now, event, 200)
            return quick, Outcome(error=ErrorKind.CLOSED, detail="closed before the answer")
        return quick, ok

    def note(self, now: float, event: str, status: int | None) -> None:
        self.receipts.append(Receipt(now, event, status, len(self.receipts)))


class SimTransport:
    """The transport of one incarnation of the engine."""

    def __init__(self, receivers: dict[str, Receiver]) -> None:
        self._receivers = receivers
        self._loop = asyncio.get_running_loop()
        self.cut = False
        """The incarnation crashed: what it has in the air still arrives, nobody is told."""
        self.calls: dict[str, int] = defaultdict(int)

    def send(self, request: Request, done: Callable[[Outcome], None]) -> None:
        if self.cut:
            return
        receiver = self._receivers[request.target.host]
        event = _header(request.head, b"webhook-id")
        receiver.in_flight += 1
        receiver.most_in_flight = max(receiver.most_in_flight, receiver.in_flight)
        self.calls[receiver.name] += 1
        delay, outcome = receiver.answer(self._loop.time(), event)
        outcome.duration = delay
        self._loop.call_later(delay, self._arrive, receiver, event, outcome, done)

    def _arrive(
        self, receiver: Receiver, event: str, outcome: Outcome, done: Callable[[Outcome], None]
    ) -> None:
        receiver.in_flight -= 1
        if outcome.status is not None:
            receiver.note(self._loop.time(), event, outcome.status)
        if not self.cut:
            done(outcome)

    async def aclose(self) -> None:
        self.cut = True


def _header(head: bytes, name: bytes) -> str:
    for line in head.split(b"\r\n"):
        if line.lower().startswith(name + b":"):
            return line.split(b":", 1)[1].strip().decode()
    raise AssertionError(f"no header {name!r} in {head!r}")
