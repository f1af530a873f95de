"""Sending caught requests again: back into their source's pipeline, or to any URL.

Back into the pipeline means through the source as it is now, as a new request that says which one
it repeats. To a URL means one request, made as the first one was but for what belongs to its
connection; the guard judges the address like any other target's, nothing is stored and nothing is
tried again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from hookferry.catch.arrival import Outcome
from hookferry.catch.inspection import below
from hookferry.domain.request import CaughtRequest, Verdict
from hookferry.domain.source import Source
from hookferry.engine.directory import Directory
from hookferry.engine.dispatch import authority
from hookferry.engine.webhooks import TargetCheck
from hookferry.errors import Conflict, InvalidField
from hookferry.ids import encode
from hookferry.transport import port
from hookferry.transport.port import Transport
from hookferry.transport.target import extended, parse_target
from hookferry.wire.copying.captured import captured
from hookferry.wire.inbound.received import Explanation

MARKER: Final = "Hookferry-Replay"
"""The header of a request sent again; it names the one that was caught."""
MAX_SENDING: Final = 16
"""Requests to URLs in the air at a time; further ones wait their turn."""
TIMEOUT: Final = 10.0
"""Seconds for one of them."""
_NOT_PASSED_ON: Final = frozenset((b"accept-encoding", MARKER.lower().encode()))
"""The answer is shown as it comes, so none is asked for that would have to be decompressed."""


class Repeating(Protocol):
    """What the pipeline does with stored requests (``hookferry.catch.pipeline``)."""

    async def replay(self, source: Source, request: CaughtRequest) -> Outcome:
        """Take a request again, as a new one that repeats it."""
        ...

    async def release(self, source: Source, request: CaughtRequest) -> Outcome:
        """Take a request that a person vouches for."""
        ...

    async def explain(self, source: Source, request: CaughtRequest) -> Explanation | None:
        """Verify a request again and tell how; None where the source takes anybody's."""
        ...


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a request that was taken or sent again. Exactly one of the two is set."""

    request: CaughtRequest
    taken: Outcome | None = None
    """By the pipeline."""
    sent: port.Outcome | None = None
    """To a URL."""


class Replays:
    """Takes and sends requests again.

    Args:
        directory: sources as they are now.
        repeating: the pipeline.
        transport: what sends.
        check: asks the guard about a URL.
    """

    def __init__(
        self, directory: Directory, repeating: Repeating, transport: Transport, check: TargetCheck
    ) -> None:
        self._directory = directory
        self._repeating = repeating
        self._transport = transport
        self._check = check
        self._slots = asyncio.Semaphore(MAX_SENDING)

    async def to_pipeline(self, requests: Sequence[CaughtRequest]) -> list[Replayed]:
        """Take requests through their sources once more, in this order.

        None waits for what the ones before it are answered: where callers wait, that takes a while.

        Raises:
            NotFound: a source was deleted; nothing was taken.
            Unavailable: one can't be taken now; others may have been.
        """
        sources = [self._directory.source(r.tenant_id, r.source_id) for r in requests]
        outcomes = await asyncio.gather(*map(self._repeating.replay, sources, requests))
        return [
            Replayed(request=request, taken=outcome)
            for request, outcome in zip(requests, outcomes, strict=True)
        ]

    async def to_url(self, requests: Sequence[CaughtRequest], url: str) -> list[Replayed]:
        """Send requests to a URL, side by side.

        What follows the source's own address, path and query, follows the URL.

        Args:
            requests: with their bodies.
            url: an absolute http or https URL.

        Raises:
            InvalidField, TargetRefused: it can't be called.
        """
        await self._check(url, ca=None, client_certificate=None, proxy=None)
        rendered = [rendered_for(request, url) for request in requests]
        outcomes = await asyncio.gather(*map(self._send, rendered))
        return [
            Replayed(request=request, sent=outcome)
            for request, outcome in zip(requests, outcomes, strict=True)
        ]

    async def verify(self, request: CaughtRequest) -> Explanation | None:
        """Verify a request with its source's verification as it is now, and tell how.

        Returns:
            What was found; None where the source takes anybody's requests.

        Raises:
            NotFound: the source was deleted.
        """
        source = self._directory.source(request.tenant_id, request.source_id)
        return await self._repeating.explain(source, request)

    async def release(self, request: CaughtRequest) -> Outcome:
        """Let a quarantined request run as if it had been accepted.

        Raises:
            Conflict: it is not quarantined.
            NotFound: the source was deleted.
            Unavailable: it can't be taken now.
        """
        if request.verdict is not Verdict.QUARANTINED:
            raise Conflict(
                f"this request is {request.verdict.label}; only what is quarantined is released, "
                "and anything can be replayed"
            )
        source = self._directory.source(request.tenant_id, request.source_id)
        return await self._repeating.release(source, request)

    async def _send(self, request: port.Request) -> port.Outcome:
        future: asyncio.Future[port.Outcome] = asyncio.get_running_loop().create_future()

        def done(outcome: port.Outcome) -> None:
            if not future.done():  # the waiter may have been cancelled meanwhile
                future.set_result(outcome)

        async with self._slots:
            self._transport.send(request, done)
            return await future


def rendered_for(request: CaughtRequest, url: str) -> port.Request:
    """Return a caught request as it is sent to a URL.

    Raises:
        InvalidField: the URL can't be a target.
    """
    target, base = parse_target(url)
    address = forwarded(base, request)
    headers = [pair for pair in request.headers if pair[0].lower() not in _NOT_PASSED_ON]
    try:
        message = captured(request.method, "", address, headers, request.body)
    except ValueError:
        raise InvalidField(
            "this request has a method or a path that can't be sent again", field="target_url"
        ) from None
    lines = [
        b"%b %b HTTP/1.1" % (message.method.encode(), address),
        b"Host: " + authority(target).encode(),
        *(name + b": " + value for name, value in message.headers),
        f"{MARKER}: {encode('req', request.id)}".encode(),
    ]
    if message.body or message.wants_length:
        lines.append(b"Content-Length: %d" % len(message.body))
    if message.method == "HEAD":
        # Its answer announces a body that never comes; the connection's end tells.
        lines.append(b"Connection: close")
    return port.Request(target, b"\r\n".join(lines) + b"\r\n\r\n", message.body, TIMEOUT)


def forwarded(base: str, request: CaughtRequest) -> bytes:
    """Return the path and query of a request below another address, as a listener is sent it.

    Args:
        base: path and query of the address.
        request: what follows its source's own address is put behind that path, its query behind
            that query.
    """
    return extended(base, below(request.path), request.query)
