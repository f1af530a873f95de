"""One request on its way: what it asks, where it stands, how long each part took.

An exchange ends exactly once, through its owner. How bytes become an answer is ``http1``'s
subject, how a connection comes to be is ``dial``'s.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from hookferry.transport.port import ErrorKind, Outcome, Request

if TYPE_CHECKING:
    from hookferry.transport.http1 import Connection


class Phase(enum.Enum):
    """What a dialing exchange is busy with, and what it is called when time runs out there."""

    DNS = (ErrorKind.DNS_TIMEOUT, "the deadline passed while looking up the name")
    CONNECT = (ErrorKind.CONNECT_TIMEOUT, "the deadline passed while connecting")
    PROXY = (ErrorKind.PROXY, "the deadline passed while waiting for the proxy")
    TLS = (ErrorKind.TIMEOUT, "the deadline passed during the TLS handshake")


class Owner(Protocol):
    """Who ends exchanges."""

    def finish(self, exchange: Exchange, outcome: Outcome) -> None:
        """Report the outcome; called exactly once for an exchange."""
        ...

    def cut(self, exchange: Exchange) -> None:
        """End an exchange whose deadline passed while it had no connection yet."""
        ...


class Progress:
    """How far a connection has come, which address it goes to, and what each part took.

    Times are seconds; verdict and address are those used, or the ones refused.
    """

    __slots__ = ("address", "connect", "dns", "phase", "tls", "verdict")

    def __init__(self) -> None:
        self.phase = Phase.DNS
        self.verdict: str | None = None
        self.address: str | None = None
        self.dns = self.connect = self.tls = 0.0


_NOT_DIALED = Progress()
"""Of every exchange on a pooled connection, for which nothing was looked up or judged."""


class Exchange:
    """A request and its whereabouts.

    Args:
        owner: who ends it.
        request: what to send.
        done: who waits for the outcome.
        started: monotonic seconds at ``send``.
    """

    __slots__ = (
        "connection",
        "dialing",
        "done",
        "first_byte",
        "owner",
        "progress",
        "request",
        "slot",
        "started",
    )

    def __init__(
        self, owner: Owner, request: Request, done: Callable[[Outcome], None], started: float
    ) -> None:
        self.owner = owner
        self.request = request
        self.done = done
        self.started = started
        self.slot: set[Exchange] | None = None
        """The deadline wheel's."""
        self.connection: Connection | None = None
        self.dialing: asyncio.Task[None] | None = None
        self.progress = _NOT_DIALED
        """Of the connection that is made for it."""
        self.first_byte = 0.0

    def expire(self) -> None:
        """End it: the deadline passed."""
        if self.connection is not None:
            self.connection.expire()
        else:
            self.owner.cut(self)

    def fail(self, kind: ErrorKind, detail: str, now: float, *, reused: bool = False) -> None:
        """End it without a status."""
        progress = self.progress
        self.owner.finish(
            self,
            Outcome(
                error=kind,
                detail=detail,
                verdict=progress.verdict,
                address=progress.address,
                reused=reused,
                duration=now - self.started,
                dns=progress.dns,
                connect=progress.connect,
                tls=progress.tls,
                first_byte=self.first_byte,
            ),
        )
