"""Hearing of what a source catches while it happens, and answering for it.

One call of ``follow`` is one connection; where to go on after it broke is in the id of the last
request that it gave. Who goes on, and how patiently, is the caller's business.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence
from datetime import datetime

import msgspec

from hookferry.client.calls import (
    AsyncResource,
    Call,
    encoded,
    given,
    operation,
    path,
    reader,
)
from hookferry.client.errors import UnexpectedAnswer

SILENCE_SECONDS = 45.0
"""A stream that says nothing for so long is broken: the server sends a sign of life every 15."""
MAX_EVENT = 256 * 1024 * 1024
"""Bytes of one event of a stream; more is an error. A server's largest requests are well below."""


class StreamedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A caught request, whole: with nothing masked, to be sent on as it came."""

    id: str
    received_at: datetime | None = None
    verdict: str
    event_type: str | None = None
    """Of the event that it became."""
    replay_of: str | None = None
    method: str
    path: str
    """Below the source's own address, one character a byte."""
    query: str = ""
    """One character a byte."""
    headers: list[tuple[str, str]]
    """In order, with case and repeats; one character a byte."""
    body: bytes


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an answer for a caller."""

    taken: bool
    """The caller got it. Else it was answered before, or has stopped to wait."""


_request = msgspec.json.Decoder(StreamedRequest).decode


def stream_of(
    source: str, *, after: str | None = None, answer: bool = False
) -> Call[StreamedRequest]:
    """Return the call that a stream is; each of its events is one ``StreamedRequest``."""
    return Call(
        "GET",
        path("sources", source, "requests", "stream"),
        _request,
        query=given(after=after, answer=answer or None),
        headers=(("accept", "text/event-stream"),),
    )


def request_in(data: bytes) -> StreamedRequest:
    """Return the request that an event of a stream tells of.

    Raises:
        UnexpectedAnswer: it is none.
    """
    try:
        return _request(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnexpectedAnswer(
            f"the stream has an event that can't be read: {error}; do the versions of client and "
            "server fit?"
        ) from error


class AsyncListening(AsyncResource):
    """Follows sources."""

    async def follow(
        self, source: str, *, after: str | None = None, answer: bool = False
    ) -> AsyncGenerator[StreamedRequest | None]:
        """Yield what a source catches, oldest first, until the connection ends.

        The first thing is a None: the server has taken the connection. Close the iterator
        (``aclose``) to end it before.

        Args:
            source: its id.
            after: begin with what came after this request's id; left out, with what comes now.
            answer: callers wait for what ``answer`` is told, for as long as this goes on.

        Raises:
            ApiError: it was refused.
            Unreachable: there was no connection, or it broke.
            UnexpectedAnswer: what came is no such stream.
        """
        call = stream_of(source, after=after, answer=answer)
        events = EventReader()
        async with self._session.stream(call, SILENCE_SECONDS) as pieces:
            yield None
            async for piece in pieces:
                for data in events.feed(piece):
                    yield request_in(data)

    @operation
    def answer(
        self,
        request: str,
        status: int,
        *,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> Call[Answered]:
        """Tell what the caller of a request is answered; the first who does has its way.

        Args:
            request: its id.
            status: the HTTP status, 200 to 599.
            headers: those that describe the body; others are not passed on.
            body: 64 KB at most.
        """
        document = {"status": status, "headers": list(headers), "body": body}
        return Call(
            "POST", path("requests", request, "answer"), reader(Answered), body=encoded(document)
        )


class EventReader:
    """Reads a stream of server-sent events (WHATWG HTML, section 9.2.6) for their data.

    Events' names and ids are passed over: the data has what is needed of them.
    """

    def __init__(self) -> None:
        self._line: list[bytes] = []
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Take a piece of the stream; yield the data of each event that it ends.

        Raises:
            UnexpectedAnswer: an event is too large.
        """
        *ended, rest = piece.split(b"\n")
        for line in ended:
            self._line.append(line)
            data = self._end_line()
            if data is not None:
                yield data
        self._line.append(rest)
        self._size += len(piece)
        if self._size > MAX_EVENT:
            raise UnexpectedAnswer(f"the stream has an event of more than {MAX_EVENT:,} bytes")

    def _end_line(self) -> bytes | None:
        line = b"".join(self._line).removesuffix(b"\r")
        self._line.clear()
        if not line:
            self._size = 0
            data = b"\n".join(self._data) if self._data else None
            self._data.clear()
            return data
        if line.startswith(b"data:"):
            self._data.append(line[5:].removeprefix(b" "))
        elif not self._data:
            self._size = 0
        return None
