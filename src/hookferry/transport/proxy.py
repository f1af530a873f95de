"""A tunnel through an HTTP proxy: CONNECT (RFC 9110 section 9.3.6) with Basic authentication.

Credentials never appear in an error. The proxy's address is judged by ``dial`` like any other.
"""

from __future__ import annotations

import asyncio
import base64
import re
from urllib.parse import unquote, urlsplit

import msgspec

_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: [^\r\n]*)?\r\n")


class Proxy(msgspec.Struct, frozen=True):
    """Where the proxy is and what to show it."""

    host: str
    port: int
    authorization: bytes
    """A whole header line, or nothing."""


class ProxyError(Exception):
    """The proxy did not open the tunnel."""


def parse(url: str) -> Proxy:
    """Read ``http://[user:password@]host[:port]``; the port defaults to 80.

    Raises:
        ValueError: it is something else; the text does not repeat it.
    """
    wrong = "proxy must be http://[user:password@]host[:port]"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(wrong) from None
    if (
        parts.scheme != "http"
        or not parts.hostname
        or parts.path not in ("", "/")
        or parts.query
        or parts.fragment
        or port == 0
        or not url.isascii()
        or not url.isprintable()
        or " " in url
    ):
        raise ValueError(wrong)
    authorization = b""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        authorization = b"Proxy-Authorization: Basic " + base64.b64encode(pair) + b"\r\n"
    return Proxy(parts.hostname, port or 80, authorization)


class Tunnel(asyncio.Protocol):
    """Speaks with the proxy until the tunnel stands; then another protocol takes over.

    Args:
        loop: makes the future.
        limit: bytes of the proxy's answer at most.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, limit: int) -> None:
        self._limit = limit
        self._answer: asyncio.Future[bytes] = loop.create_future()
        self._raw = bytearray()
        self._transport: asyncio.Transport | None = None

    async def open(self, authority: str, authorization: bytes) -> None:
        """Ask for a tunnel to ``ip:port``.

        Raises:
            ProxyError: the proxy said no, or nothing that makes sense.
        """
        assert self._transport is not None
        place = authority.encode("ascii")
        self._transport.write(
            b"CONNECT " + place + b" HTTP/1.1\r\nHost: " + place + b"\r\n" + authorization + b"\r\n"
        )
        head = await self._answer
        match = _STATUS.match(head)
        if match is None:
            raise ProxyError("the proxy did not answer in HTTP/1.1")
        status = int(match[1])
        if status == 407:
            raise ProxyError("the proxy wants other credentials (407)")
        if not 200 <= status < 300:
            raise ProxyError(f"the proxy refused the tunnel with status {status}")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Collect the answer's head."""
        if self._answer.done():
            return
        self._raw += data
        end = self._raw.find(b"\r\n\r\n") + 4
        if end < 4:
            if len(self._raw) > self._limit:
                self._refuse("the proxy's answer is too large")
        elif end < len(self._raw):
            # In HTTP the client speaks first inside the tunnel.
            self._refuse("the proxy sent more than its answer")
        else:
            self._answer.set_result(bytes(self._raw))

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the waiter."""
        if not self._answer.done():
            self._refuse("the proxy closed the connection")

    def _refuse(self, why: str) -> None:
        self._answer.set_exception(ProxyError(why))
        self._answer.exception()  # nobody may be waiting any more
