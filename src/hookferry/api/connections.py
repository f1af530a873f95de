"""What all connections of a server have in common: their bounds, who makes room for whom, a coarse
clock, the Date line.

One connection is ``hookferry.api.protocol``.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterable
from email.utils import formatdate
from typing import Any

import msgspec


class WireLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of a connection. Times are in seconds, checked every ``SWEEP_SECONDS``."""

    header_deadline: float = 10.0
    """From the first byte of a request to the end of its headers."""
    body_deadline: float = 30.0
    """From there to the end of its body."""
    keep_alive: float = 75.0
    """How long a connection may be idle."""
    write_deadline: float = 30.0
    """How long a client may leave its answers unread."""
    linger: float = 2.0
    """How long a refused client may go on sending before it is cut off."""
    linger_bytes: int = 32 * 1024 * 1024
    """And how much: a client that sends twice the largest body taken still learns why not."""
    head_bytes: int = 64 * 1024
    """Request line and headers; at most one read from the socket (256 KB) is held beyond it."""
    headers: int = 100
    pipelined: int = 256
    """Requests of one connection that wait for their turn."""
    connections: int = 10_000
    """At once; one more takes the place of one that is idle (``make_room``)."""
    body_bytes: int = 64 * 1024 * 1024
    """Heads, and bodies for hot routes, that are arriving, on all connections together."""


SWEEP_SECONDS = 0.1


class Watch:
    """What the connections of one server share: a coarse clock and the prepared Date line."""

    __slots__ = ("date_line", "now")

    def __init__(self) -> None:
        self.now = 0.0
        self.date_line = b""

    def sweep(self, now: float, connections: Iterable[Any]) -> None:
        """Move the clock on and tell every connection whose deadline has passed.

        Args:
            now: the loop's time in seconds.
            connections: the server's connections.
        """
        self.now = now
        for connection in list(connections):
            if connection.deadline <= now:
                connection.on_deadline()

    def tell_date(self) -> None:
        """Prepare the Date line (RFC 9110 section 6.6.1); called once a second."""
        self.date_line = b"date: %b\r\n" % formatdate(time.time(), usegmt=True).encode()


def make_room(connections: set[Any], newcomer: object, most: int) -> bool:
    """Close the connections that have been idle for longest; tell whether there were any.

    Clients expect an idle connection to be closed at any time (RFC 9112 section 9.5). Where none is
    idle, those go that are at a request's head for longest: an honest client takes a moment. One in
    a hundred at a time, so that not every newcomer has to look through all of them.

    Args:
        connections: the server's; those that are closed leave it.
        newcomer: the connection that room is made for.
        most: how many there may be.
    """
    others = [connection for connection in connections if connection is not newcomer]
    idle = [other for other in others if other.is_idle]
    leaving = heapq.nsmallest(
        max(1, most // 100),
        idle or [other for other in others if other.is_at_head],
        key=lambda other: other.deadline,
    )
    for other in leaving:
        connections.discard(other)  # now: the next newcomer may come before it is gone
        other.transport.close()
    return bool(leaving)
