"""The transport's limits in one place. Every one is decided here, documented and tested."""

from __future__ import annotations

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one outgoing connection, answer or look-up may cost. Times are seconds, sizes bytes."""

    connect: float = 5.0
    """For the TCP connection, all addresses of a name together."""
    head: int = 32 * 1024
    """Of a response's status line and headers (and of the 1xx responses before it)."""
    headers: int = 100
    """Header lines in a response."""
    informational: int = 8
    """1xx responses before the final one."""
    read: int = 64 * 1024
    """Of a response's body as it comes over the wire, chunk framing included."""
    keep: int = 16 * 1024
    """Of a response's body that the outcome keeps."""
    proxy_head: int = 8 * 1024
    """Of a proxy's answer to CONNECT."""
    idle: int = 2_000
    """Idle connections, all targets together."""
    idle_seconds: float = 30.0
    """How long a connection may wait for its next request."""
    age_seconds: float = 120.0
    """A connection older than this serves no further request, so that a changed DNS record or
    load balancer is noticed."""
    addresses: int = 4
    """Addresses of a name that are tried."""
