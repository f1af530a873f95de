"""uvicorn's httptools protocol with hot routes, deadlines and bounds of its own.

A request for a hot route is collected and answered here, without ASGI; every other request takes
uvicorn's way. Both share its pipeline, so answers keep the order of the requests. The seams of
uvicorn that this relies on are pinned by ``tests/api/test_seams.py``. What a route does is not
known here.

What it adds to uvicorn: header, body, idle and writing deadlines (checked by one sweep over all
connections instead of a timer a request), bounds on headers, pipelining and connections, body
caps enforced while reading, errors as problem documents, and a lingering close (RFC 9112
section 9.6), so that a client still sending does not lose the answer to a reset.
"""

from __future__ import annotations

import asyncio
import enum
import math
from collections.abc import Callable, Sequence
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from hookferry.api.connections import Watch, WireLimits, make_room
from hookferry.api.hotcycle import HotCycle
from hookferry.api.hotroute import (
    HALF_CLOSED,
    RAW_HEADERS,
    BodyBudget,
    HotRoute,
    body_too_large,
    find,
)
from hookferry.api.problems import BadRequest, HeadersTooLarge
from hookferry.errors import HookferryError, Overloaded, RequestTimeout
from hookferry.wire.headers import Headers, lowered, values_of


class Reading(enum.IntEnum):
    """What is expected from the client next."""

    IDLE = 0
    HEAD = 1
    BODY = 2
    NOTHING = 3
    """The last answer was, or will be, followed by a close: what comes is thrown away."""


_IDLE, _HEAD, _BODY, _NOTHING = Reading
_JUST_BEGUN = -1
_NEVER = math.inf


def _ignore(_: tuple[bytes, bytes]) -> None:
    """Keep nothing of a field."""


def _expects_continue(headers: Headers) -> bool:
    """Tell whether a client waits to be told to go on (RFC 9110 section 10.1.1)."""
    return any(value.lower() == b"100-continue" for value in values_of(headers, b"expect"))


class HookferryProtocol(HttpToolsProtocol):
    """One connection.

    Args:
        routes: the hot routes, asked in order.
        limits: its bounds.
        watch: the server's coarse clock.
        bodies: what the server's connections hold of requests that are arriving.
        config: uvicorn's, as all that follow.
        server_state: uvicorn's.
        app_state: uvicorn's.
        _loop: uvicorn's.
    """

    def __init__(
        self,
        routes: Sequence[HotRoute],
        limits: WireLimits,
        watch: Watch,
        bodies: BodyBudget,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._routes = routes
        self._address = ""
        """At the other end of the connection; empty where it has none."""
        self._limits = limits
        self.watch = watch
        self._bodies = bodies
        self._held = 0
        """Bytes of the present request, counted in ``_bodies`` when it takes more than one read."""
        self.reading = _IDLE
        """What is expected from the client next."""
        self._received = 0
        """Bytes of the present head beyond its first read, or thrown away while lingering;
        ``_JUST_BEGUN`` within the read that a head or a body begins in."""
        self.stalled = False
        """The client does not read its answers: nothing further is started."""
        self._advancing = False
        self._half_closed: asyncio.Event | None = None
        """Of the present ASGI request: the client has closed its half, and is probably gone."""
        self._keep_header: Callable[[tuple[bytes, bytes]], None] = _ignore
        self.answering: HotCycle | None = None
        """The request that a hot handler is, or was last, at work on."""
        self.deadline = watch.now + limits.keep_alive
        """When ``on_deadline`` is called, on the loop's clock; infinity while we are to answer."""

    # ------------------------------------------------------------------ connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection; when there are too many, others make room, or it is refused."""
        super().connection_made(transport)
        self._address = "" if self.client is None else self.client[0]
        most = self._limits.connections
        if len(self.connections) > most and not make_room(self.connections, self, most):
            transport.abort()

    @property
    def is_answering(self) -> bool:
        """A request is at work, or waits to be."""
        cycle: Any = self.cycle
        return cycle is not None and not cycle.response_complete

    @property
    def is_idle(self) -> bool:
        """No request is being read or answered, and no answer waits to be read."""
        return self.reading is _IDLE and not self.is_answering and not self.stalled

    @property
    def is_at_head(self) -> bool:
        """All it does is to wait for the rest of a request's head."""
        return self.reading is _HEAD and not self.is_answering and not self.stalled

    def data_received(self, data: bytes) -> None:
        """Parse what came; uvicorn's version answers faults in plain text and out of order."""
        if self.reading is _NOTHING:
            self._received += len(data)
            if self._received > self._limits.linger_bytes:
                self.transport.abort()
            return
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # an offer that RFC 9110 section 7.8 lets us ignore; the cycle ends with a close
        except httptools.HttpParserError:
            self._refuse(BadRequest("this is not a well-formed HTTP/1.1 request (RFC 9112)"))
            return
        if self.reading is _HEAD:
            if self._received == _JUST_BEGUN:
                self._received = 0
                self._expect(_HEAD)
            else:
                self._received += len(data)
            if self._received > self._limits.head_bytes:
                self._refuse(self._headers_too_large())
            else:
                self._hold(len(data))
        elif self.reading is _BODY:
            if self._received == _JUST_BEGUN:
                self._received = 0
                self._expect(_BODY)
            cycle: Any = self.cycle
            if type(cycle) is HotCycle:  # the framework's bodies are bounded where they are read
                self._hold(len(data))

    def _hold(self, count: int) -> None:
        """Count bytes of a request that does not come in one read; refuse it without room."""
        self._held += count
        refused = self._bodies.take(count)
        if refused is not None:
            self._refuse(refused)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of what the connection holds."""
        self._let_go()
        self._client_left()
        super().connection_lost(exc)

    def _client_left(self) -> None:
        """Tell the handler that is at work, if it wants to know."""
        cycle = self.answering
        if cycle is not None and cycle.gone is not None:
            gone, cycle.gone = cycle.gone, None
            gone()
        if self._half_closed is not None:
            self._half_closed.set()

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """Let a client that closed its half after a whole request have its answer."""
        cycle: Any = self.cycle
        if self.reading is not _IDLE or cycle is None or cycle.response_complete:
            return None
        # Few clients close one half and wait; most that do it are gone, and for those nothing
        # must go on. What is told here is answered, should somebody still listen.
        self._client_left()
        cycle.keep_alive = False
        return True

    def resume_writing(self) -> None:
        """Go on with a client that reads its answers again."""
        super().resume_writing()
        if self.stalled:
            self.stalled = False
            if self.reading is _HEAD or self.reading is _BODY:
                self._expect(self.reading)
            else:
                self.deadline = _NEVER
            self._next()

    def on_deadline(self) -> None:
        """Act on a deadline that has passed; called by ``Watch.sweep``."""
        self.deadline = _NEVER
        if self.stalled:
            self.transport.abort()
        elif self.reading is _HEAD or self.reading is _BODY:
            if self.flow.read_paused:  # it is we who do not listen
                self._expect(self.reading)
            elif self.reading is _BODY and self.cycle.response_complete:
                self.transport.abort()  # answered early, and the rest of the body never came
            else:
                what = "headers" if self.reading is _HEAD else "body"
                self._refuse(RequestTimeout(f"the request's {what} did not arrive in time"))
        elif self.reading is _NOTHING:
            self.transport.abort()
        else:
            self.transport.close()

    # ------------------------------------------------------------------ parser callbacks

    def on_message_begin(self) -> None:
        """Start a request; what only ASGI needs is built when it turns out to need it."""
        if self.reading is _NOTHING:
            return
        self.reading = _HEAD
        self._received = _JUST_BEGUN
        self.url = b""
        # As they came; uvicorn's, in lower case, are made where they are needed.
        headers: list[tuple[bytes, bytes]] = []
        self.headers = headers
        self._keep_header = headers.append

    def on_header(self, *field: bytes) -> None:
        """Take a header, or a trailer: what is kept of them is decided by the request's state.

        Args:
            field: its name and its value; called so often that packing them here counts.
        """
        self._keep_header(field)  # type: ignore[arg-type]  # always two

    def on_headers_complete(self) -> None:
        """Decide which way the request takes."""
        self._keep_header = _ignore  # a trailer is no header (RFC 9110 section 6.5.1)
        if self.reading is _NOTHING:
            return
        raw = self.headers
        limits = self._limits
        if len(raw) > limits.headers:
            self._refuse(self._headers_too_large())
            return
        if len(self.pipeline) >= limits.pipelined:
            self._refuse(Overloaded("too many requests sent ahead of their answers"))
            return
        parser = self.parser
        method = parser.get_method()
        url = self.url
        if b"#" in url:  # one program would cut it off there, the next would not
            self._refuse(BadRequest("a request target has no fragment (RFC 9112 section 3.2)"))
            return
        path, _, query = url.partition(b"?")
        handler = find(self._routes, method, path)
        if handler is None:
            self._begin_asgi()
            return
        self.reading = _BODY
        self._received = _JUST_BEGUN
        keep_alive = (
            parser.get_http_version() != "1.0"
            and parser.should_keep_alive()
            and not parser.should_upgrade()
        )
        headers = lowered(raw)
        cycle = HotCycle(
            method,
            path,
            query,
            raw,
            headers,
            self._address,
            protocol=self,
            handler=handler,
            max_body=handler.max_body,
            keep_alive=keep_alive,
        )
        first = headers.first
        refusal = handler.admit(cycle)
        length = first.get(b"content-length")  # the parser takes no second one
        if length is not None and int(length) > cycle.max_body and refusal is None:
            refusal = body_too_large(cycle.max_body)
        if refusal is not None:
            cycle.refusal = refusal
            self._stop_reading(cycle)
        elif b"expect" in first:
            cycle.expect = _expects_continue(headers)
        self._enqueue(cycle)

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body, up to the route's cap."""
        if self.reading is _NOTHING:
            return
        cycle: Any = self.cycle
        if type(cycle) is not HotCycle:
            super().on_body(body)
            return
        if not cycle.body and len(body) <= cycle.max_body:
            cycle.body = body
            return
        if cycle.parts is None:
            cycle.parts = bytearray(cycle.body)
        cycle.parts += body
        if len(cycle.parts) > cycle.max_body:
            self._refuse(body_too_large(cycle.max_body))

    def on_message_complete(self) -> None:
        """End a request; a hot one whose turn it is runs now."""
        if self.reading is _NOTHING:
            return
        self.reading = _IDLE
        cycle: Any = self.cycle
        if not self.stalled:  # else the deadline is that of reading answers
            self.deadline = _NEVER
        if self._held:
            self._let_go()
        if type(cycle) is not HotCycle:
            if cycle.response_complete and not self.stalled:
                self.deadline = self.watch.now + self._limits.keep_alive
            super().on_message_complete()
            return
        if cycle.parts is not None:
            cycle.body = bytes(cycle.parts)
            cycle.parts = None
        cycle.more_body = False
        if cycle.has_turn:
            cycle.run()

    # ------------------------------------------------------------------ order of answers

    def on_response_complete(self) -> None:
        """Go on after an answer; uvicorn's version sets a timer and reads without bound."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.reading is _BODY and self.cycle.response_complete:
            self.close_after_answer(unread=True)  # answered early: the body is not wanted
            return
        if self.flow.write_paused:
            self.stalled = True
            self.flow.pause_reading()
            self.deadline = self.watch.now + self._limits.write_deadline
        elif self.pipeline or self._advancing or self.reading is not _IDLE:
            self._next()
        else:
            self._rest()

    def _next(self) -> None:
        """Give the requests that wait their turn, one after the other."""
        if self._advancing:
            return  # an answer given at once, inside the loop below
        self._advancing = True
        pipeline = self.pipeline
        try:
            while pipeline:
                cycle, app = pipeline.pop()
                if not pipeline:  # what waits is bounded by not reading on before
                    self.flow.resume_reading()
                self._start_asgi_task(cycle, app)
                if not cycle.response_complete or self.stalled or self.transport.is_closing():
                    return
        finally:
            self._advancing = False
        if self.reading is _IDLE:
            self._rest()
            return
        self.flow.resume_reading()
        if self.reading is not _NOTHING:
            self._expect(self.reading)

    def _rest(self) -> None:
        """Wait for a request, with nothing kept of those that were answered: an idle connection
        must not hold a body of megabytes."""
        if self.flow.read_paused:
            self.flow.resume_reading()
        self.deadline = self.watch.now + self._limits.keep_alive
        self.cycle = None  # type: ignore[assignment]
        self.answering = None
        self.scope = None  # type: ignore[assignment]
        self.headers = []
        self.url = b""
        self._half_closed = None

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        if type(cycle) is HotCycle:
            cycle.take_turn()
        else:
            super()._start_asgi_task(cycle, self._unless_gone(cycle, app))

    def _unless_gone(self, cycle: Any, app: Any) -> Any:
        """Wrap an application so that a client who left while it worked is no error."""

        async def run(scope: Any, receive: Any, send: Any) -> None:
            try:
                await app(scope, receive, send)
            except Exception:
                if not self.transport.is_closing():
                    raise
                cycle.disconnected = True

        return run

    def _enqueue(self, cycle: HotCycle) -> None:
        before = self.cycle
        self.cycle = cycle  # type: ignore[assignment]  # the seam: a cycle by its attributes
        if (before is None or before.response_complete) and not self.stalled:
            cycle.take_turn()
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))  # type: ignore[arg-type]

    def _begin_asgi(self) -> None:
        url, raw = self.url, self.headers
        headers = lowered(raw)
        super().on_message_begin()
        self._half_closed = asyncio.Event()
        self.scope[HALF_CLOSED] = self._half_closed  # type: ignore[literal-required]
        self.scope[RAW_HEADERS] = raw  # type: ignore[literal-required]
        self.url = url
        self.headers.extend(headers)
        self.expect_100_continue = _expects_continue(headers)
        super().on_headers_complete()
        self.reading = _BODY
        self._received = _JUST_BEGUN

    # ------------------------------------------------------------------ refusing and closing

    def _expect(self, reading: Reading) -> None:
        self.reading = reading
        if self.stalled:
            return  # the deadline stays that of reading answers
        limits = self._limits
        self.deadline = self.watch.now + (
            limits.header_deadline if reading is _HEAD else limits.body_deadline
        )

    def _headers_too_large(self) -> HookferryError:
        return HeadersTooLarge(
            f"a request has at most {self._limits.headers} headers and "
            f"{self._limits.head_bytes // 1024} KB of them"
        )

    def _refuse(self, error: HookferryError) -> None:
        """Answer the request being read with an error, in its turn, then close."""
        reading = self.reading
        cycle: Any = self.cycle
        if reading is _BODY and type(cycle) is HotCycle:
            if cycle.response_complete:
                self._stop_reading(cycle)
                self.close_after_answer(unread=True)
                return
            cycle.refusal = error
            self._stop_reading(cycle)
            if cycle.has_turn:
                cycle.take_turn()
            return
        if reading is _BODY:
            if cycle.response_started or (cycle, self.app) in self.pipeline:
                self.transport.abort()  # nothing well-formed can be said any more
                return
            cycle.response_complete = True
            cycle.disconnected = True
            cycle.message_event.set()  # the application sees a disconnect
        refused = HotCycle(
            b"",
            b"",
            b"",
            (),
            lowered(()),
            "",
            protocol=self,
            handler=None,
            max_body=0,
            keep_alive=False,
            refusal=error,
        )
        self._stop_reading(refused)
        self._enqueue(refused)

    def _stop_reading(self, cycle: HotCycle) -> None:
        """Throw away what came and what comes of a request that is refused."""
        self._let_go()
        cycle.body = b""
        cycle.parts = None
        self._keep_header = _ignore
        self.reading = _NOTHING
        self._received = 0
        if not self.stalled:
            self.deadline = _NEVER
        cycle.keep_alive = False

    def _let_go(self) -> None:
        self._bodies.give_back(self._held)
        self._held = 0

    def close_after_answer(self, unread: bool) -> None:
        """Close once the answer is sent.

        Args:
            unread: the client may still be sending: hear it out for a moment, since closing with
                unread bytes would send a reset that can overtake the answer.
        """
        if unread and self.transport.can_write_eof():
            self.reading = _NOTHING
            self._received = 0
            self.flow.resume_reading()
            self.deadline = self.watch.now + self._limits.linger
            self.transport.write_eof()
        else:
            self.transport.close()
