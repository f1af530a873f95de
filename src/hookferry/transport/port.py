"""The transport as the engine sees it: hand over a request, be called back with an outcome.

Callbacks, not coroutines, because a task per request costs a third of the whole send.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Protocol

import msgspec

from hookferry.domain.run import Run


class ErrorKind(enum.StrEnum):
    """Why no usable answer came; stable names, stored with attempts and used as metric labels."""

    DENIED = "target_denied"
    """The guard refused the address; the outcome's verdict says which rule."""
    DNS = "dns_failed"
    DNS_TIMEOUT = "dns_timeout"
    CONNECT_REFUSED = "connection_refused"
    CONNECT_FAILED = "connect_failed"
    CONNECT_TIMEOUT = "connect_timeout"
    TLS_CERTIFICATE = "tls_certificate"
    """The peer's certificate is expired, self-signed, for another name, or of an unknown CA."""
    TLS = "tls_failed"
    PROXY = "proxy_failed"
    TIMEOUT = "timeout"
    """The attempt's deadline passed before the response's headers were complete."""
    CLOSED = "connection_closed"
    """The peer closed before the response's headers were complete."""
    PROTOCOL = "protocol_error"
    """What came is not an HTTP/1.1 response."""
    HEADERS_TOO_LARGE = "response_headers_too_large"
    SCRIPT = "script_failed"
    """The automation's run ended in an error; the outcome's detail and its run say which."""
    INTERNAL = "internal_error"


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where requests go; equal targets share connections."""

    scheme: str
    """``http`` or ``https``."""
    host: str
    """Name or address as in the URL, IDNA-encoded, without brackets."""
    port: int
    ca: str | None = None
    """PEM certificates to trust instead of the system's."""
    client_certificate: bytes | None = None
    """PEM chain and private key, unsealed; never logged."""
    proxy: str | None = None
    """``http://[user:password@]host:port`` of a CONNECT proxy."""

    def __repr__(self) -> str:
        """Leave out what must not reach a log: key and proxy credentials."""
        return f"Target({self.scheme}://{self.host}:{self.port})"


class Request(msgspec.Struct, frozen=True, gc=False):
    """One request, rendered."""

    target: Target
    head: bytes
    """Request line and headers up to and including the blank line."""
    body: bytes
    timeout: float
    """Seconds for the whole attempt: look-up, connect, TLS, answer, body."""


class Outcome(msgspec.Struct, gc=False):
    """What became of a request. Exactly one of ``status`` and ``error`` is set."""

    status: int | None = None
    head: bytes = b""
    """Status line and headers of the final response, as received, lines ended by CRLF."""
    body: bytes = b""
    """At most the ``keep`` limit of the transport."""
    truncated: bool = False
    """The body was cut: over the limit, late, or broken. Never turns a status into an error."""
    error: ErrorKind | None = None
    detail: str | None = None
    verdict: str | None = None
    """The guard's verdict on the address used, or the one that refused."""
    address: str | None = None
    """``ip:port`` called."""
    reused: bool = False
    """The connection had served a request before."""
    duration: float = 0.0
    """Seconds from ``send`` to the end of the outcome."""
    dns: float = 0.0
    connect: float = 0.0
    tls: float = 0.0
    first_byte: float = 0.0
    """Seconds from ``send`` to the first byte of the response."""
    whole: bytes | None = None
    """The body, where ``body`` is only what the log keeps of it."""
    run: Run | None = None
    """Where a script answered: its run."""


class Transport(Protocol):
    """Sends requests. ``hookferry.transport.client`` is the real one."""

    def send(self, request: Request, done: Callable[[Outcome], None]) -> None:
        """Send; call ``done`` exactly once, later, on the event loop. Never raises."""
        ...

    async def aclose(self) -> None:
        """Close every connection.

        Requests in flight end with ``CLOSED``, or with their status, truncated, where the
        response's headers had come.
        """
        ...
