"""One caught request to the local program, as it came, and what that answered.

The sender is the server's own (``hookferry.transport``), so bytes go out as they came in, answers
are bounded and redirects are not followed. Its guard lets everything through: the developer at
this machine names the address. Every request has a connection of its own, so that the sender never
repeats one by itself; what is repeated, and how it is marked, is ``relay``'s business.
"""

from __future__ import annotations

import asyncio
import re
from ipaddress import ip_network
from typing import Final

import msgspec

from hookferry.cli.terminal import CommandError, Exit, safe
from hookferry.client.listening import StreamedRequest
from hookferry.clock import SystemClock
from hookferry.engine.dispatch import authority
from hookferry.errors import InvalidField
from hookferry.transport.client import HttpTransport
from hookferry.transport.dns import Resolver
from hookferry.transport.guard import Guard
from hookferry.transport.limits import Limits
from hookferry.transport.port import ErrorKind, Outcome, Request
from hookferry.transport.target import extended, parse_target
from hookferry.transport.tls import CertificateInputError, Contexts
from hookferry.wire.copying.captured import captured

REQUEST_HEADER: Final = "Hookferry-Request"
"""Names the caught request."""
REDELIVERY_HEADER: Final = "Hookferry-Redelivery"
"""``true`` on a request that the local program may have had before."""
KEPT: Final = 64 * 1024
"""Bytes of an answer's body that are kept: all that a caller can be given."""
READ: Final = 1024 * 1024
"""Bytes of an answer's body that are read."""
_OWN = frozenset((REQUEST_HEADER.lower().encode(), REDELIVERY_HEADER.lower().encode()))
_EVERYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))
_PORT = re.compile(r"[0-9]{1,5}(?:[/?].*)?")
"""A port of this machine, and perhaps a path behind it."""
_NUMBER_HOST = re.compile(r"[A-Za-z]+://([0-9]+)(?![^:/?#])")
_UNREACHED = frozenset(
    (
        ErrorKind.DNS,
        ErrorKind.DNS_TIMEOUT,
        ErrorKind.CONNECT_REFUSED,
        ErrorKind.CONNECT_FAILED,
        ErrorKind.CONNECT_TIMEOUT,
        ErrorKind.TLS_CERTIFICATE,
        ErrorKind.TLS,
    )
)
"""Nothing of the request had been sent yet."""


class Forwarded(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a request."""

    status: int | None = None
    """What the local program answered; None where ``error`` says why it did not."""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    truncated: bool = False
    error: str | None = None
    """An error kind such as ``timeout``."""
    detail: str | None = None
    seconds: float = 0.0

    @property
    def unreached(self) -> bool:
        """For certain the local program got nothing of it."""
        return self.error in _UNREACHED

    @property
    def cut(self) -> bool:
        """The local program was there, and its end of the connection went away: it may have died
        before, during or after its work."""
        return self.error == ErrorKind.CLOSED


class Forwarder:
    """Sends to one URL. Made inside a running event loop; ``aclose`` ends it.

    Args:
        url: an absolute http or https URL.
        with_path: what follows the source's own address follows the URL's path.
        ca: PEM certificates to trust instead of the system's.
        timeout: seconds for one request, from look-up to the end of the answer.

    Raises:
        CommandError: the certificates are none.
        InvalidField: the URL is none that can be called.
    """

    def __init__(
        self, url: str, *, with_path: bool = True, ca: str | None = None, timeout: float
    ) -> None:
        self._target, self._base = parse_target(url, ca=ca)
        try:
            Contexts().get(ca, None)
        except CertificateInputError as error:
            raise CommandError(f"--{error}", Exit.USAGE) from None
        self._with_path = with_path
        self._timeout = timeout
        clock = SystemClock()
        self._resolver = Resolver(clock.monotonic)
        limits = Limits(connect=min(timeout, 5.0), read=READ, keep=KEPT, idle=0)
        guard = Guard(_EVERYWHERE, allow_http=True)
        self._transport = HttpTransport(guard, self._resolver, clock, limits)

    async def send(self, request: StreamedRequest, *, again: bool) -> Forwarded:
        """Send a request once.

        Args:
            request: as it was caught.
            again: the local program may have had it before; it is marked.
        """
        try:
            rendered = self._rendered(request, again)
        except ValueError as error:
            return Forwarded(error="not_sendable", detail=str(error))
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def done(outcome: Outcome) -> None:
            if not future.done():  # the waiter may have been cancelled meanwhile
                future.set_result(outcome)

        self._transport.send(rendered, done)
        outcome = await future
        return Forwarded(
            status=outcome.status,
            headers=_headers(outcome.head),
            body=outcome.body,
            truncated=outcome.truncated,
            error=outcome.error,
            detail=outcome.detail,
            seconds=outcome.duration,
        )

    async def aclose(self) -> None:
        """Close every connection."""
        await self._transport.aclose()
        await self._resolver.aclose()

    def _rendered(self, request: StreamedRequest, again: bool) -> Request:
        path = request.path.encode("latin-1") if self._with_path else b""
        headers = [(n.encode("latin-1"), v.encode("latin-1")) for n, v in request.headers]
        message = captured(
            request.method,
            "",
            extended(self._base, path, request.query.encode("latin-1")),
            [pair for pair in headers if pair[0].lower() not in _OWN],
            request.body,
        )
        lines = [
            b"%b %b HTTP/1.1" % (message.method.encode(), message.target),
            b"Host: " + authority(self._target).encode(),
            *(name + b": " + value for name, value in message.headers),
            f"{REQUEST_HEADER}: {request.id}".encode(),
        ]
        if again:
            lines.append(f"{REDELIVERY_HEADER}: true".encode())
        if message.body or message.wants_length:
            lines.append(b"Content-Length: %d" % len(message.body))
        lines.append(b"Connection: close")
        head = b"\r\n".join(lines) + b"\r\n\r\n"
        return Request(self._target, head, message.body, self._timeout)


def _headers(head: bytes) -> tuple[tuple[str, str], ...]:
    """Return the headers of an answer's head, as received."""
    pairs = (line.partition(b":") for line in head.split(b"\r\n")[1:] if line)
    return tuple((n.decode("latin-1"), v.strip(b" \t").decode("latin-1")) for n, _, v in pairs)


def forward_url(text: str) -> str:
    """Return the URL that a developer means: ``3000``, ``3000/hooks`` and ``localhost:3000/hooks``
    are some, too.

    Raises:
        CommandError: it is none.
    """
    if _PORT.fullmatch(text):
        url = f"http://localhost:{text}"
    elif "://" not in text:
        url = f"http://{text}"
    else:
        url = text
        scheme = text.partition("://")[0]
        if scheme.lower() not in ("http", "https"):
            raise _not_a_url(f" must start with http:// or https:// (not {safe(scheme, 20)}://)")
    number = _NUMBER_HOST.match(url)
    if number:  # a URL's host may be an address in one number; here, it is a port gone astray
        raise _not_a_url(
            f" has the number {number[1][:20]} for a host; write a port of this machine as 3000 "
            "or 3000/path, an address as 127.0.0.1:3000"
        )
    try:
        parse_target(url)
    except InvalidField as error:
        raise _not_a_url(error.detail.removeprefix("target_url")) from None
    return url


def _not_a_url(what: str) -> CommandError:
    return CommandError(f"--forward{what}", Exit.USAGE)
