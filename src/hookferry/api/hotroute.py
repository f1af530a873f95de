"""Hot routes: handlers that are answered below the web framework.

What a hot route is, what its handler gets and how it answers live here, and the wrapper that
serves the same handlers through bare ASGI. Who calls them without ASGI is
``hookferry.api.protocol``. Nothing here knows what any route does.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from typing import Any, Protocol

import msgspec

from hookferry.api.problems import (
    CONTENT_TYPE,
    InternalError,
    encode_problem,
    headers_of,
    status_of,
)
from hookferry.errors import HookferryError, Overloaded, PayloadTooLarge
from hookferry.wire.headers import Headers, lowered

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger("hookferry.api")

SECURITY_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
)
"""On every answer; a page that needs more brings its own content-security-policy."""


def header_block(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return headers as lines, each ended by CRLF."""
    return b"".join(b"%b: %b\r\n" % pair for pair in headers)


def length_line(status: int, length: int) -> bytes:
    """Return the header that frames an answer's body; none for an answer that never has one.

    A client that believed a Content-Length beside a 204 would wait for a body that never comes
    (RFC 9110 section 8.6).

    Args:
        status: the answer's.
        length: bytes of its body.
    """
    return b"" if status == _NO_CONTENT else b"content-length: %d\r\n" % length


_NO_CONTENT = 204
_PROBLEM_HEAD = header_block(
    ((b"content-type", CONTENT_TYPE.encode()), *SECURITY_HEADERS),
)


HALF_CLOSED = "hookferry.half_closed"
"""Key of an ASGI scope: an ``asyncio.Event``, set once the client has closed its half of the
connection. ASGI knows a client only as there or gone, and one half closed may still be reading."""
RAW_HEADERS = "hookferry.raw_headers"
"""Key of an ASGI scope: the headers as they came; ASGI has their names in lower case only."""


class HotRequest(msgspec.Struct, eq=False):
    """A request as a hot handler sees it: bytes as they came."""

    method: bytes
    path: bytes
    query: bytes
    raw: Sequence[tuple[bytes, bytes]]
    """The headers as they came."""
    headers: Headers
    """The headers, names in lower case."""
    client: str
    """The address at the other end of the connection; empty where it has none."""
    caller: str | None = None
    """The address behind proxies, once somebody found it."""
    body: bytes = b""
    gone: Callable[[], None] | None = None
    """Set by a handler that wants to know when the client leaves before its answer."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"  # what it holds has no place in a log

    def header(self, name: bytes) -> bytes | None:
        """Return the first value of a header, by its name in lower case."""
        return self.headers.first.get(name)


Respond = Callable[[int, bytes, bytes], None]
"""Answers: status, header lines (``header_block``; framing headers are added), body. Once."""


class HotHandler(Protocol):
    """Answers one request, now or later on the event loop, by calling ``respond`` once."""

    max_body: int
    """Bytes of body taken; enforced while reading."""

    def admit(self, request: HotRequest) -> HookferryError | None:
        """Return why a request is refused by its headers alone, before any of its body is held."""
        ...

    def refused(self, request: HotRequest, error: HookferryError) -> None:
        """Hear that the server refused a request while it was read, by ``admit`` or a bound."""
        ...

    def __call__(self, request: HotRequest, respond: Respond) -> None:
        """Handle the request; an exception becomes a 500."""
        ...


class HotRoute(Protocol):
    """A set of addresses."""

    prefix: bytes
    """What the paths of all of them begin with: for no other is the route asked."""

    def match(self, method: bytes, path: bytes) -> HotHandler | None:
        """Return the handler of a method and raw path, or None when they are not this route's."""
        ...


class BodyBudget:
    """Bounds the bytes of requests that all connections of a server hold while they arrive.

    Counted are bodies for hot routes, and heads, in so far as they take more than one read.

    Args:
        most: bytes.

    Attributes:
        held: bytes at present.
    """

    __slots__ = ("_most", "held")

    def __init__(self, most: int) -> None:
        self._most = most
        self.held = 0

    def take(self, count: int) -> HookferryError | None:
        """Count bytes as held; return the error to answer when there is no room for them."""
        self.held += count
        if self.held <= self._most:
            return None
        return Overloaded("too much is being sent here at once; repeat it in a moment")

    def give_back(self, count: int) -> None:
        """Count bytes as no longer held, those that ``take`` found no room for included."""
        self.held -= count


def find(routes: Sequence[HotRoute], method: bytes, path: bytes) -> HotHandler | None:
    """Return the handler of the first route that takes a request."""
    for route in routes:
        if path.startswith(route.prefix):
            handler = route.match(method, path)
            if handler is not None:
                return handler
    return None


def respond_problem(respond: Respond, error: HookferryError) -> None:
    """Answer with a problem document."""
    extra = headers_of(error)
    head = _PROBLEM_HEAD
    if extra:
        head += header_block((name.encode(), value.encode("latin-1")) for name, value in extra)
    respond(status_of(error), head, encode_problem(error))


def body_too_large(limit: int) -> PayloadTooLarge:
    """Build the error for a body over its limit."""
    return PayloadTooLarge(f"the request's body is larger than {limit:,} bytes; send less at once")


def refuse(
    handler: HotHandler | None, request: HotRequest, error: HookferryError, respond: Respond
) -> None:
    """Answer a request that was refused while it was read, and let its handler know."""
    if handler is not None:
        try:
            handler.refused(request, error)
        except Exception:
            log.exception("a hot handler failed")
    respond_problem(respond, error)


def run_handler(handler: HotHandler, request: HotRequest, respond: Respond) -> None:
    """Call a handler; should it raise, answer for it and log the fault (never the request)."""
    try:
        handler(request, respond)
    except HookferryError as error:
        respond_problem(respond, error)
    except Exception:
        log.exception("a hot handler failed")
        respond_problem(respond, InternalError("something broke here; it was logged"))


class HotAsgi:
    """Serves hot routes as bare ASGI and hands everything else on.

    Args:
        app: the application behind.
        routes: asked in order.
        bodies: what is held of bodies.
    """

    def __init__(self, app: AsgiApp, routes: Sequence[HotRoute], bodies: BodyBudget) -> None:
        self._app = app
        self._routes = routes
        self._bodies = bodies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection (ASGI 3.0)."""
        if scope["type"] == "http":
            path = scope["raw_path"]
            handler = find(self._routes, scope["method"].encode(), path)
            if handler is not None:
                await self._serve(handler, path, scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _serve(
        self,
        handler: HotHandler,
        path: bytes,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        answer: asyncio.Future[tuple[int, bytes, bytes]]
        answer = asyncio.get_running_loop().create_future()

        def respond(status: int, headers: bytes, body: bytes) -> None:
            if not answer.done():
                answer.set_result((status, headers, body))

        client = scope.get("client")
        raw = scope[RAW_HEADERS]
        request = HotRequest(
            scope["method"].encode(),
            path,
            scope["query_string"],
            raw,
            lowered(raw),
            client[0] if client else "",
        )
        body = handler.admit(request) or await _read(
            request, handler.max_body, receive, self._bodies
        )
        if body is None:
            return  # the client is gone
        if isinstance(body, HookferryError):
            refuse(handler, request, body, respond)
        else:
            request.body = body
            run_handler(handler, request, respond)
        status, head, content = await _answer_or_gone(
            answer, request, receive, scope.get(HALF_CLOSED)
        )
        framing = length_line(status, len(content))
        headers = [
            (name, value)
            for name, _, value in (line.partition(b": ") for line in (head + framing).splitlines())
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content if framing else b""})


async def _answer_or_gone(
    answer: asyncio.Future[tuple[int, bytes, bytes]],
    request: HotRequest,
    receive: Receive,
    half_closed: asyncio.Event | None,
) -> tuple[int, bytes, bytes]:
    """Wait for the answer; tell the handler should the client leave before it."""
    if answer.done() or request.gone is None:
        return await answer
    # After the whole body, all that can still be received is a disconnect.
    watches: list[asyncio.Future[Any]] = [asyncio.ensure_future(receive())]
    if half_closed is not None:
        watches.append(asyncio.ensure_future(half_closed.wait()))
    try:
        await asyncio.wait((answer, *watches), return_when=asyncio.FIRST_COMPLETED)
        if not answer.done() and request.gone is not None:
            request.gone()
        return await answer
    finally:
        for watch in watches:
            watch.cancel()


async def _read(
    request: HotRequest, limit: int, receive: Receive, bodies: BodyBudget
) -> bytes | HookferryError | None:
    """Read a body; answer None when the client left and an error once it is too large."""
    announced = request.header(b"content-length")
    if announced is not None and int(announced) > limit:
        return body_too_large(limit)
    parts = bytearray()
    try:
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            piece = message.get("body", b"")
            parts += piece
            refused = bodies.take(len(piece))
            if len(parts) > limit:
                return body_too_large(limit)
            if not message.get("more_body", False):
                return bytes(parts)
            if refused is not None:
                return refused
    finally:
        bodies.give_back(len(parts))
