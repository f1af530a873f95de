"""One request for a hot route in uvicorn's pipeline: its turn, its answer on the wire.

Reading the request is ``hookferry.api.protocol``; what its route does is not known here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from hookferry.api.connections import Watch
from hookferry.api.hotroute import (
    HotHandler,
    HotRequest,
    length_line,
    refuse,
    run_handler,
)
from hookferry.errors import HookferryError
from hookferry.wire.headers import lowered

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Connection(Protocol):
    """What a request needs of the connection that it came over."""

    transport: asyncio.Transport
    watch: Watch
    answering: HotCycle | None
    """The request whose answer is due next, once its handler runs."""

    def close_after_answer(self, unread: bool) -> None:
        """Close once the answer is sent."""
        ...

    def on_response_complete(self) -> None:
        """Go on after an answer."""
        ...


class _NoEvent:
    """Stands where uvicorn's cycles keep an asyncio.Event that nobody awaits here."""

    def set(self) -> None:
        """Do nothing."""


_NO_EVENT = _NoEvent()


class HotCycle(HotRequest):
    """One request for a hot route and its answer; takes a place in uvicorn's pipeline."""

    __slots__ = (
        "_protocol",
        "disconnected",
        "expect",
        "handler",
        "has_turn",
        "keep_alive",
        "max_body",
        "message_event",
        "more_body",
        "parts",
        "refusal",
        "response_complete",
    )

    def __init__(
        self,
        protocol: Connection,
        method: bytes,
        path: bytes,
        query: bytes,
        raw: Sequence[tuple[bytes, bytes]],
        client: str,
        handler: HotHandler | None,
        max_body: int,
        keep_alive: bool,
    ) -> None:
        # As HotRequest's, without the call.
        self.method = method
        self.path = path
        self.query = query
        self.raw = raw
        self.headers = lowered(raw)
        self.client = client
        self.caller = None
        self.body = b""
        self.gone = None
        self._protocol = protocol
        self.handler = handler
        self.max_body = max_body
        self.keep_alive = keep_alive
        self.expect = False
        self.parts: bytearray | None = None
        self.more_body = True
        self.refusal: HookferryError | None = None
        """Set when the request can't be taken: what it is answered in its turn."""
        self.has_turn = False
        self.response_complete = False
        self.disconnected = False
        self.message_event = _NO_EVENT

    def take_turn(self) -> None:
        """Answer, if the request is there; called when all earlier answers are written."""
        self.has_turn = True
        if self.refusal is not None:
            refuse(self.handler, self, self.refusal, self.respond)
        elif not self.more_body:
            self.run()
        elif self.expect and not self.body:
            self._protocol.transport.write(_CONTINUE)

    def run(self) -> None:
        """Call the handler."""
        if self.handler is not None:
            self._protocol.answering = self
            run_handler(self.handler, self, self.respond)

    def respond(self, status: int, headers: bytes, body: bytes) -> None:
        """Write the answer; a second call, or one after the client left, does nothing."""
        if self.response_complete:
            return
        self.response_complete = True
        protocol = self._protocol
        transport = protocol.transport
        if self.disconnected or transport.is_closing():
            return
        framing = length_line(status, len(body))
        head = STATUS_LINE[status] + protocol.watch.date_line + headers + framing
        if not self.keep_alive:
            head += b"connection: close\r\n"
        has_body = body and framing and self.method != b"HEAD"
        transport.write(head + b"\r\n" + body if has_body else head + b"\r\n")
        if not self.keep_alive:
            protocol.close_after_answer(self.more_body)
        protocol.on_response_complete()
