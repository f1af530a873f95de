"""ONE table of what receivers do, and what it has to be taken for.

``Row.expect`` is hookferry's verdict. aiohttp must agree, except where ``Row.aiohttp`` says what it
makes of it and ``Row.why`` why hookferry decides otherwise.
"""

from __future__ import annotations

import asyncio
import gzip
from dataclasses import dataclass

from hookferry.transport.port import ErrorKind, Outcome
from transport.peers import OK, Peer, Script, answers, says_nothing

SHORT = 0.5
"""Seconds for requests that are meant to run into their deadline."""


@dataclass(frozen=True)
class Verdict:
    """What became of a request, reduced to what two clients can agree on."""

    status: int | None = None
    body: bytes = b""
    truncated: bool = False
    error: ErrorKind | None = None

    @staticmethod
    def of(outcome: Outcome) -> Verdict:
        return Verdict(outcome.status, outcome.body, outcome.truncated, outcome.error)


@dataclass(frozen=True)
class Row:
    name: str
    script: Script
    expect: Verdict
    aiohttp: Verdict | None = None
    why: str = ""
    timeout: float = 5.0


def ok(body: bytes = b"", *, status: int = 200, truncated: bool = False) -> Verdict:
    return Verdict(status, body, truncated)


def bad(kind: ErrorKind) -> Verdict:
    return Verdict(error=kind)


def _after_request(*parts: bytes, end: str = "close") -> Script:
    """Answer once, then close, reset or hang."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(*parts)
        if end == "hang":
            await peer.until_left()
        elif end == "reset":
            peer.reset()

    return script


def _dripped(data: bytes) -> Script:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.drip(data)
        await peer.until_left()

    return script


def _for_ever(first: bytes, again: bytes) -> Script:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(first)
        await asyncio.sleep(0.05)  # aiohttp's answer depends on whether ``again`` comes along
        while True:
            await peer.send(again)

    return script


async def _reset_before_answer(peer: Peer) -> None:
    await peer.request()
    peer.reset()


async def _unread(peer: Peer) -> None:
    """Answer without reading the request."""
    await peer.reader.read(1)
    await peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    await peer.until_left()


S = b"HTTP/1.1 200 OK\r\n"
LENGTH_2 = b"Content-Length: 2\r\n"
CHUNKED = S + b"Transfer-Encoding: chunked\r\n\r\n"
ZIPPED = gzip.compress(b"hello", mtime=0)
KIB = b"x" * 1024
PROTOCOL = bad(ErrorKind.PROTOCOL)
TOO_LARGE = bad(ErrorKind.HEADERS_TOO_LARGE)
CLOSED = bad(ErrorKind.CLOSED)
TIMEOUT = bad(ErrorKind.TIMEOUT)
KEPT = b"x" * 16_384

STATUS_STANDS = (
    "aiohttp fails the whole answer when what breaks arrives together with the head;"
    " here the status stands once the headers are complete"
)

ROWS = [
    # ---------------------------------------------------------------- framing
    Row("content-length", answers(OK), ok(b"ok")),
    Row("content-length of zero", answers(S + b"Content-Length: 0\r\n\r\n"), ok()),
    Row("head byte by byte", _dripped(OK), ok(b"ok")),
    Row("no reason phrase", answers(b"HTTP/1.1 200\r\n" + LENGTH_2 + b"\r\nok"), ok(b"ok")),
    Row("chunked", answers(CHUNKED + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), ok(b"abcde")),
    Row(
        "chunked, byte by byte",
        _dripped(CHUNKED + b"A\r\n0123456789\r\n0\r\n\r\n"),
        ok(b"0123456789"),
    ),
    Row(
        "chunk extensions and trailers",
        answers(CHUNKED + b'3;a=b;c="d"\r\nabc\r\n0\r\nExpires: never\r\nX: y\r\n\r\n'),
        ok(b"abc"),
    ),
    Row("until close", _after_request(S + b"\r\n", b"hello"), ok(b"hello")),
    Row("until close, HTTP/1.0", _after_request(b"HTTP/1.0 200 OK\r\n\r\nhello"), ok(b"hello")),
    Row(
        "HTTP/1.0 with a length",
        _after_request(b"HTTP/1.0 200 OK\r\n" + LENGTH_2 + b"\r\nok"),
        ok(b"ok"),
    ),
    Row(
        "connection: close with a length",
        _after_request(S + b"Connection: close\r\n" + LENGTH_2 + b"\r\nok"),
        ok(b"ok"),
    ),
    Row("204", answers(b"HTTP/1.1 204 No Content\r\n\r\n"), ok(status=204)),
    Row(
        "304 that names a length",
        answers(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
        ok(status=304),
    ),
    Row("100 first", answers(b"HTTP/1.1 100 Continue\r\n\r\n" + OK), ok(b"ok")),
    Row(
        "103 and 102 first, in parts",
        answers(
            b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Pro",
            b"cessing\r\n\r\n",
            OK,
        ),
        ok(b"ok"),
    ),
    Row("an empty line before the answer", answers(b"\r\n" + OK), ok(b"ok")),
    Row(
        "redirect",
        answers(b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"),
        ok(status=302),
    ),
    Row(
        "gzip is left as it is",
        answers(S + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(ZIPPED) + ZIPPED),
        ok(ZIPPED),
    ),
    Row(
        "500 with a body",
        answers(b"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops"),
        ok(b"oops", status=500),
    ),
    Row("two answers at once", answers(OK + OK.replace(b"ok", b"no")), ok(b"ok")),
    Row("an answer and noise", answers(OK + b"noise"), ok(b"ok"), PROTOCOL, STATUS_STANDS),
    Row("answered before the request was read", _unread, ok(status=413)),
    # ---------------------------------------------------------------- bodies that go wrong
    Row(
        "20 KB are read whole and kept in part",
        answers(S + b"Content-Length: 20480\r\n\r\n" + KIB * 20),
        ok(KEPT, truncated=True),
    ),
    Row(
        "10 MB",
        answers(S + b"Content-Length: 10485760\r\n\r\n", *[KIB * 1024] * 10),
        ok(KEPT, truncated=True),
    ),
    Row("endless body", _for_ever(S + b"\r\n", KIB * 16), ok(KEPT, truncated=True)),
    Row(
        "endless chunks",
        _for_ever(CHUNKED, b"4000\r\n" + KIB * 16 + b"\r\n"),
        ok(KEPT, truncated=True),
    ),
    Row(
        "endless chunk extension", _for_ever(CHUNKED + b"1;", KIB), ok(truncated=True), timeout=1.0
    ),
    Row(
        "endless trailers",
        _for_ever(CHUNKED + b"0\r\n", b"X-A: " + KIB + b"\r\n"),
        ok(truncated=True),
    ),
    Row(
        "body stalls",
        _after_request(S + b"Content-Length: 9\r\n\r\nabc", end="hang"),
        ok(b"abc", truncated=True),
        timeout=SHORT,
    ),
    Row(
        "body never ends, slowly",
        _after_request(S + b"\r\nabc", end="hang"),
        ok(b"abc", truncated=True),
        timeout=SHORT,
    ),
    Row(
        "closes inside a length",
        _after_request(S + b"Content-Length: 9\r\n\r\nabc"),
        ok(b"abc", truncated=True),
    ),
    Row(
        "closes inside chunks",
        _after_request(CHUNKED + b"3\r\nabc\r\n9\r\nab"),
        ok(b"abcab", truncated=True),
    ),
    Row(
        "garbage instead of a chunk",
        answers(CHUNKED + b"3\r\nabc\r\nnonsense\r\n\r\n"),
        ok(b"abc", truncated=True),
        PROTOCOL,
        STATUS_STANDS,
    ),
    Row(
        "chunk longer than it says",
        answers(CHUNKED + b"3\r\nabcde\r\n0\r\n\r\n"),
        ok(b"abc", truncated=True),
        PROTOCOL,
        STATUS_STANDS,
    ),
    # ---------------------------------------------------------------- no usable answer
    Row("says nothing", says_nothing, TIMEOUT, timeout=SHORT),
    Row("headers stall", _after_request(S + b"X: y\r\n", end="hang"), TIMEOUT, timeout=SHORT),
    Row(
        "only 100, then nothing",
        _after_request(b"HTTP/1.1 100 Continue\r\n\r\n", end="hang"),
        TIMEOUT,
        timeout=SHORT,
    ),
    Row("closes without an answer", _after_request(), CLOSED),
    Row("resets without an answer", _reset_before_answer, CLOSED),
    Row("closes inside the status line", _after_request(b"HTTP/1.1 2"), CLOSED),
    Row("closes inside the headers", _after_request(S + b"Content-Le"), CLOSED),
    Row("closes after 100", _after_request(b"HTTP/1.1 100 Continue\r\n\r\n"), CLOSED),
    Row("garbage", answers(b"\x00\x01\x02\x03 garbage\r\n\r\n"), PROTOCOL),
    Row("another protocol", answers(b"SSH-2.0-OpenSSH_9.6\r\n"), PROTOCOL),
    Row("HTTP/2 frames", answers(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00"), PROTOCOL),
    Row("HTML without a head", answers(b"<html>hello</html>\r\n\r\n"), PROTOCOL),
    Row("status of two digits", answers(b"HTTP/1.1 99 Odd\r\n\r\n"), PROTOCOL),
    Row(
        "status of four digits", answers(b"HTTP/1.1 2000 Odd\r\n" + LENGTH_2 + b"\r\nok"), PROTOCOL
    ),
    Row("lengths that differ", answers(S + LENGTH_2 + b"Content-Length: 3\r\n\r\nokk"), PROTOCOL),
    Row("negative length", answers(S + b"Content-Length: -1\r\n\r\n"), PROTOCOL),
    Row(
        "length and chunked",
        answers(S + LENGTH_2 + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        PROTOCOL,
    ),
    Row("space before a colon", answers(S + b"X : y\r\n" + LENGTH_2 + b"\r\nok"), PROTOCOL),
    Row("a line without a colon", answers(S + b"nonsense\r\n" + LENGTH_2 + b"\r\nok"), PROTOCOL),
    Row("NUL in a header", answers(S + b"X: a\x00b\r\n" + LENGTH_2 + b"\r\nok"), PROTOCOL),
    Row("CR alone in a header", answers(S + b"X: a\rb\r\n" + LENGTH_2 + b"\r\nok"), PROTOCOL),
    Row("folded header", answers(S + b"X: a\r\n b\r\n" + LENGTH_2 + b"\r\nok"), ok(b"ok")),
    Row(
        "bare LF line ends",
        answers(b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok"),
        PROTOCOL,
        ok(b"ok"),
        "RFC 9112 section 2.2 lets a recipient choose; with one line end only, heads are exact",
    ),
    Row(
        "switches protocols unasked",
        answers(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
        PROTOCOL,
        ok(status=101),
        "a webhook never asks for another protocol, so 101 is no answer",
    ),
    Row(
        "nine 1xx",
        answers(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 9 + OK),
        PROTOCOL,
        ok(b"ok"),
        "aiohttp reads 1xx without end; here eight are enough",
    ),
    Row("one huge header", answers(S + b"X: " + KIB * 33 + b"\r\n\r\n"), TOO_LARGE),
    Row("a header line that never ends", _for_ever(S + b"X: ", KIB), TOO_LARGE),
    Row("headers that never end", _for_ever(S, b"X: y\r\n" * 100), TOO_LARGE),
    Row("a status line that never ends", _for_ever(b"HTTP/1.1 200 ", KIB), TOO_LARGE),
    Row("101 headers", answers(S + b"X: y\r\n" * 100 + LENGTH_2 + b"\r\nok"), TOO_LARGE),
    Row("100 headers", answers(S + b"X: y\r\n" * 99 + LENGTH_2 + b"\r\nok"), ok(b"ok")),
]
