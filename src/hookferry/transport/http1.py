"""One HTTP/1.1 connection: writes a rendered request, reads the answer, says what became of it.

The verdict rule (SEMANTICS section 3) lives here: once the headers are complete the status stands;
whatever happens to the body afterwards only marks it truncated. Framing is RFC 9112 as llhttp
reads it strictly. How a connection comes to be is ``dial``'s subject, who uses it next
is ``pool``'s.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable
from typing import Protocol

import httptools

from hookferry.transport.exchange import Exchange
from hookferry.transport.limits import Limits
from hookferry.transport.port import ErrorKind, Outcome, Target

_FRAMING = re.compile(rb"\r\n(content-length|transfer-encoding)[ \t]*:[ \t]*([^\r\n]*)", re.I)


class Keeper(Protocol):
    """Who keeps connections between exchanges."""

    def release(self, connection: Connection) -> None:
        """Take a connection that can serve another exchange."""
        ...

    def forget(self, connection: Connection) -> None:
        """Drop a connection that was lost."""
        ...

    def redial(self, exchange: Exchange) -> None:
        """Send an exchange again on a new connection: the reused one was closed already."""
        ...


class Connection(asyncio.Protocol):
    """A connection to one target, serving one exchange at a time.

    Args:
        keeper: who keeps it between exchanges.
        target: what it is connected to.
        limits: caps of the answer.
        now: a monotonic clock in seconds.
    """

    __slots__ = (
        "_at",
        "_body",
        "_broken",
        "_complete",
        "_exchange",
        "_head",
        "_informational",
        "_keep_alive",
        "_keeper",
        "_limits",
        "_now",
        "_parser",
        "_raw",
        "_received",
        "_size",
        "_status",
        "_surplus",
        "address",
        "born",
        "idle_since",
        "served",
        "target",
        "transport",
        "verdict",
    )

    def __init__(
        self, keeper: Keeper, target: Target, limits: Limits, now: Callable[[], float]
    ) -> None:
        self._keeper = keeper
        self._limits = limits
        self._now = now
        self.target = target
        self.transport: asyncio.Transport | None = None
        self.verdict: str | None = None
        self.address: str | None = None
        self.born = self.idle_since = now()
        self.served = 0
        self._exchange: Exchange | None = None
        self._parser = httptools.HttpResponseParser(self)
        # A user agent must accept folded header lines (RFC 9112 section 5.2). Framing stays strict.
        self._parser.set_dangerous_leniencies(lenient_headers=True)
        self._raw: bytes | bytearray = b""
        self._status = 0
        # A connection after whose answer these are set serves no other exchange.
        self._surplus = False
        self._broken: tuple[ErrorKind, str] | None = None
        self._reset()

    def _reset(self) -> None:
        """Be ready for the next answer. ``_raw`` is empty: the last head was cut out of it."""
        self._head: bytes | None = None
        self._body: bytes | bytearray = b""
        self._size = self._received = 0
        self._at = self._informational = 0  # _at: where the next head begins, or the body
        self._complete = self._keep_alive = False

    # ------------------------------------------------------------------ used by pool and client

    @property
    def usable(self) -> bool:
        """Whether the next exchange may be started on it."""
        return self.transport is not None and not self.transport.is_closing()

    def start(self, exchange: Exchange) -> None:
        """Send a request over a usable connection; the exchange ends through its owner, later."""
        transport = self.transport
        assert transport is not None
        self._exchange = exchange
        exchange.connection = self
        request = exchange.request
        if len(request.body) <= 65_536:
            transport.write(request.head + request.body)
        else:
            transport.writelines((request.head, request.body))

    def expire(self) -> None:
        """End the exchange: its deadline passed."""
        self._cut(ErrorKind.TIMEOUT, "the deadline passed before the response's headers came")

    def shut(self) -> None:
        """End the exchange, if there is one: hookferry closes its connections."""
        self._cut(ErrorKind.CLOSED, "hookferry closed the connection")

    def abort(self) -> None:
        """Close at once; what TLS or the peer would still like to say does not matter."""
        if self.transport is not None:
            self.transport.abort()

    # ------------------------------------------------------------------ asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Feed the parser, then act on what it found."""
        exchange = self._exchange
        if exchange is None:
            # Nobody asked: a second answer that came late, or noise. It must not be taken for
            # the answer to the next request.
            self.abort()
            return
        if self._head is None:
            if self._raw:
                if type(self._raw) is bytes:
                    self._raw = bytearray(self._raw)
                self._raw += data
            else:
                self._raw = data
                if not exchange.first_byte:
                    exchange.first_byte = self._now() - exchange.started
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            # After a complete answer this is surplus; inside a body it is a broken body.
            if self._head is None and self._broken is None:
                self._broken = (ErrorKind.PROTOCOL, f"not an HTTP/1.1 response: {error}")
            self._surplus = True
        if self._complete:
            self._settle(truncated=False)
        elif self._broken is not None:
            self._fail(*self._broken)
        elif self._head is None:
            if len(self._raw) > self._limits.head:
                self._fail(*self._too_large())
        elif self._surplus or self._received - self._at > self._limits.read:
            self._settle(truncated=True)

    def eof_received(self) -> None:
        """Let the transport close; ``connection_lost`` follows."""

    def connection_lost(self, exc: Exception | None) -> None:
        """End the exchange by what had come until then."""
        del self._parser  # it refers back to this object; the cycle would wait for the collector
        exchange = self._exchange
        if exchange is None:
            self._keeper.forget(self)
        elif self._head is not None:
            self._settle(truncated=exc is not None or not self._ended_by_close())
        elif self.served and not self._received:
            self._exchange = None
            exchange.connection = None
            self._keeper.redial(exchange)
        elif isinstance(exc, ssl.SSLError):
            self._fail(ErrorKind.TLS, f"TLS failed: {exc.reason or exc}")
        elif self._received:
            self._fail(ErrorKind.CLOSED, "the peer closed inside the response's headers")
        else:
            self._fail(ErrorKind.CLOSED, "the peer closed without an answer")

    # ------------------------------------------------------------------ httptools callbacks

    def on_message_begin(self) -> None:
        """Notice a second answer behind the one that was asked for."""
        if self._complete:
            self._surplus = True

    def on_headers_complete(self) -> None:
        """Cut the head out of the raw bytes; skip 1xx."""
        if self._complete or self._broken is not None:
            return
        raw = self._raw
        start = self._at
        while raw.startswith(b"\r\n", start):  # llhttp skips empty lines before a response
            start += 2
        end = raw.find(b"\r\n\r\n", start) + 4
        head = bytes(raw[start:end])
        lines = head.count(b"\r\n")
        status = self._parser.get_status_code()
        if end < 4:
            self._broken = (ErrorKind.PROTOCOL, "the headers do not end in CRLF CRLF")
        elif end > self._limits.head or lines - 2 > self._limits.headers:
            self._broken = self._too_large()
        elif head.count(b"\r") != lines or head.count(b"\n") != lines or b"\0" in head:
            self._broken = (ErrorKind.PROTOCOL, "a header holds NUL, CR or LF (RFC 9110 5.5)")
        elif status >= 200:
            self._head = head
            self._status = status
            self._raw = b""
            self._at = end
        elif status == 101:
            self._broken = (ErrorKind.PROTOCOL, "the peer switched protocols unasked (101)")
        elif self._informational == self._limits.informational:
            self._broken = (
                ErrorKind.PROTOCOL,
                f"more than {self._limits.informational} informational (1xx) responses",
            )
        else:
            self._informational += 1
            self._at = end

    def on_body(self, data: bytes) -> None:
        """Keep what fits."""
        if self._complete:
            return
        kept = self._size
        self._size = kept + len(data)
        if not kept:
            self._body = data
        elif kept < self._limits.keep:
            if type(self._body) is bytes:
                self._body = bytearray(self._body)
            self._body += data

    def on_message_complete(self) -> None:
        """Note the end of the final answer (1xx responses end here too)."""
        if self._head is not None and not self._complete:
            self._complete = True
            self._keep_alive = self._parser.should_keep_alive()

    # ------------------------------------------------------------------ ends

    def _too_large(self) -> tuple[ErrorKind, str]:
        return (
            ErrorKind.HEADERS_TOO_LARGE,
            f"the response's headers exceed {self._limits.head} bytes"
            f" or {self._limits.headers} lines",
        )

    def _ended_by_close(self) -> bool:
        """Whether the body is one that lasts until the peer closes (RFC 9112 section 6.3)."""
        framing = {
            name.lower(): value.lower() for name, value in _FRAMING.findall(self._head or b"")
        }
        coding = framing.get(b"transfer-encoding")
        if coding is not None:
            return not coding.rstrip().endswith(b"chunked")
        return b"content-length" not in framing

    def _cut(self, kind: ErrorKind, detail: str) -> None:
        if self._exchange is None:
            self.abort()
        elif self._head is not None:
            self._settle(truncated=True)
        else:
            self._fail(kind, detail)

    def _settle(self, *, truncated: bool) -> None:
        """End the exchange with the status that came."""
        exchange = self._exchange
        transport = self.transport
        assert exchange is not None
        assert transport is not None
        now = self._now()
        progress = exchange.progress
        keep = self._limits.keep
        body = self._body
        if self._size > keep:
            truncated = True
            body = body[:keep]
        outcome = Outcome(
            self._status,
            self._head or b"",
            bytes(body),
            truncated,
            None,
            None,
            self.verdict,
            self.address,
            self.served > 0,
            now - exchange.started,
            progress.dns,
            progress.connect,
            progress.tls,
            exchange.first_byte,
        )
        self._exchange = None
        exchange.connection = None
        if (
            self._keep_alive
            and not self._surplus
            and not transport.get_write_buffer_size()  # answered before the request was read
            and not transport.is_closing()
        ):
            self.served += 1
            self.idle_since = now
            self._reset()
            self._keeper.release(self)
        else:
            transport.abort()
        exchange.owner.finish(exchange, outcome)

    def _fail(self, kind: ErrorKind, detail: str) -> None:
        """End the exchange without a status."""
        exchange = self._exchange
        assert exchange is not None
        self._exchange = None
        exchange.connection = None
        self.abort()
        exchange.fail(kind, detail, self._now(), reused=self.served > 0)
