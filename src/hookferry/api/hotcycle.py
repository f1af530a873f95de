"""One request for a hot route in uvicorn's pipeline: its turn, its answer on the wire.

Reading the request is ``hookferry.api.protocol``; what its route does is not known here.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar, Protocol

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

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_KEEP_ALIVE = b"\r\n"
_CLOSE = b"connection: close\r\n\r\n"


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


class HotCycle(HotRequest, eq=False, kw_only=True):
    """One request for a hot route and its answer; takes a place in uvicorn's pipeline."""

    message_event: ClassVar[_NoEvent] = _NoEvent()

    protocol: Connection
    handler: HotHandler | None
    """None where the request was refused before its route was known."""
    max_body: int
    """Bytes of body taken."""
    keep_alive: bool
    expect: bool = False
    """The client waits to be told to send the body."""
    parts: bytearray | None = None
    """The body, while it comes in more than one piece."""
    more_body: bool = True
    refusal: HookferryError | None = None
    """Set when the request can't be taken: what it is answered in its turn."""
    has_turn: bool = False
    response_complete: bool = False
    disconnected: bool = False

    def take_turn(self) -> None:
        """Answer, if the request is there; called when all earlier answers are written."""
        self.has_turn = True
        if self.refusal is not None:
            refuse(self.handler, self, self.refusal, self.respond)
        elif not self.more_body:
            self.run()
        elif self.expect and not self.body:
            self.protocol.transport.write(_CONTINUE)

    def run(self) -> None:
        """Call the handler."""
        if self.handler is not None:
            self.protocol.answering = self
            run_handler(self.handler, self, self.respond)

    def respond(self, status: int, headers: bytes, body: bytes) -> None:
        """Write the answer; a second call, or one after the client left, does nothing."""
        if self.response_complete:
            return
        self.response_complete = True
        protocol = self.protocol
        transport = protocol.transport
        if self.disconnected or transport.is_closing():
            return
        framing = length_line(status, len(body))
        transport.write(
            b"".join(
                (
                    STATUS_LINE[status],
                    protocol.watch.date_line,
                    headers,
                    framing,
                    _KEEP_ALIVE if self.keep_alive else _CLOSE,
                    body if framing and self.method != b"HEAD" else b"",
                )
            )
        )
        if not self.keep_alive:
            protocol.close_after_answer(self.more_body)
        protocol.on_response_complete()
