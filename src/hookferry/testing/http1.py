"""Just enough HTTP/1.1 for a test receiver: read a request, write an answer (RFC 9112)."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

import msgspec

from hookferry.testing.records import Answer

MAX_HEAD = 64 * 1024
"""Bytes of request line and headers."""


class BadRequest(Exception):
    """The request can't be read; ``status`` answers it and the connection closes."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class Head(msgspec.Struct, frozen=True):
    """Request line and headers."""

    method: str
    path: str
    version: str
    headers: tuple[tuple[str, str], ...]

    def values(self, name: str) -> list[str]:
        """Return the values of all headers of this (lower-case) name."""
        return [value for key, value in self.headers if key.lower() == name]

    @property
    def keep_alive(self) -> bool:
        """Whether the client will send another request (RFC 9112 section 9.3)."""
        options = ",".join(self.values("connection")).lower()
        return self.version == "HTTP/1.1" and "close" not in options


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    """Read up to the blank line; None when the client is done.

    Raises:
        BadRequest: it is too large or malformed.
    """
    try:
        text = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as end:
        if end.partial:
            raise BadRequest(400, "the connection ended inside the headers") from None
        return None
    except asyncio.LimitOverrunError:
        raise BadRequest(431, f"headers over {MAX_HEAD} bytes") from None
    first, *lines = text.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    request_line = first.split(" ")
    if len(request_line) != 3 or not request_line[2].startswith("HTTP/1."):
        raise BadRequest(400, "no HTTP/1.1 request line")
    headers = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise BadRequest(400, "a header line without a proper name")
        headers.append((name, value.strip(" \t")))
    method, path, version = request_line
    return Head(method, path, version, tuple(headers))


async def read_body(reader: asyncio.StreamReader, head: Head, limit: int) -> bytes:
    """Read the body that ``head`` announces.

    Raises:
        BadRequest: it is larger than ``limit`` bytes, or its framing is wrong or ambiguous.
    """
    lengths, codings = head.values("content-length"), head.values("transfer-encoding")
    if codings:
        if lengths or [c.lower() for c in codings] != ["chunked"]:
            raise BadRequest(400, "ambiguous or unknown transfer encoding")
        return await _read_chunks(reader, limit)
    if not lengths:
        return b""
    if len(lengths) > 1 or not (lengths[0].isascii() and lengths[0].isdigit()):
        raise BadRequest(400, "no usable Content-Length")
    if int(lengths[0]) > limit:
        raise BadRequest(413, f"a body over {limit} bytes")
    return await reader.readexactly(int(lengths[0]))


async def _read_chunks(reader: asyncio.StreamReader, limit: int) -> bytes:
    body = bytearray()
    while True:
        line = await _line(reader)
        try:
            size = int(line.split(b";")[0], 16)
        except ValueError:
            raise BadRequest(400, "a chunk without a size") from None
        if not 0 <= size <= limit - len(body):
            raise BadRequest(413, f"a body over {limit} bytes")
        if size == 0:
            break
        body += await reader.readexactly(size)
        if await reader.readexactly(2) != b"\r\n":
            raise BadRequest(400, "a chunk longer than its size")
    trailers = 0
    while line := await _line(reader):
        trailers += len(line)
        if trailers > MAX_HEAD:
            raise BadRequest(431, f"trailers over {MAX_HEAD} bytes")
    return bytes(body)


async def _line(reader: asyncio.StreamReader) -> bytes:
    try:
        return (await reader.readuntil(b"\r\n"))[:-2]
    except asyncio.LimitOverrunError:
        raise BadRequest(400, "an endless line") from None


def render(answer: Answer, *, to_head: bool, keep_alive: bool) -> bytes:
    """Return an answer's bytes.

    Args:
        answer: what to answer.
        to_head: the request was a HEAD, whose answer has no body.
        keep_alive: the connection stays open afterwards.
    """
    try:
        phrase = HTTPStatus(answer.status).phrase
    except ValueError:
        phrase = ""
    lines = [f"HTTP/1.1 {answer.status} {phrase}"]
    lines += [f"{name}: {value}" for name, value in answer.headers]
    bodiless = answer.status in (204, 304) or answer.status < 200
    if not bodiless:
        lines.append(f"content-length: {len(answer.body)}")
    if not keep_alive:
        lines.append("connection: close")
    text = "\r\n".join(lines) + "\r\n\r\n"
    return text.encode("latin-1") + (b"" if bodiless or to_head else answer.body)
