"""The receivers: a process of its own that counts, checks and times what arrives.

Besides the good receivers it plays four bad ones, each well-behaved until told otherwise (a
subscription is checked when it is made): one hangs, one drips its answer byte by byte, one never
finishes a TLS handshake, one lives behind a DNS server that stops answering.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import socket
import ssl
import struct
import time
from typing import Any

import trustme
import uvloop

from bench import github
from bench.control import percentile, serve
from bench.load import STAMP_DIGITS

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_STAMPS = (b'"t":"', b"<t>")
"""What stands before the time stamp in a body, JSON or XML."""
_DELIVERY = b"\r\nx-github-delivery: "
"""What stands before it in a caught request that is forwarded."""
_CHECK_EVERY = 100
"""One signature of so many is checked: the receiver's CPU is on the engine's cores."""


class Tally:
    """What arrived for one run."""

    def __init__(self) -> None:
        self.secret = ""
        self.received = 0
        self.ids: set[bytes] = set()
        self.unsigned = 0
        self.ages: list[float] = []
        self.first_ns = 0
        self.last_ns = 0

    def take(self, head: bytes, body: bytes, stamp: bytes) -> None:
        """Count one request, of any profile; its due time stands in its stamp."""
        now = time.monotonic_ns()
        self.received += 1
        # A profile without an id is told apart by the nanosecond that its event was due.
        message = (
            _header(head, b"\r\nwebhook-id: ")
            or _header(head, b"\r\nx-superoffice-eventid: ")
            or stamp
        )
        self.ids.add(message)
        self.ages.append((now - int(stamp)) / 1e6)
        self.first_ns = self.first_ns or now
        self.last_ns = now
        if self.received % _CHECK_EVERY == 1:
            self._check(head, message, body)

    def _check(self, head: bytes, message: bytes, body: bytes) -> None:
        standard = _header(head, b"\r\nwebhook-signature: ")
        if standard:
            signed = b"%b.%b.%b" % (message, _header(head, b"\r\nwebhook-timestamp: "), body)
            key = base64.b64decode(self.secret.removeprefix("whsec_"))
            good = b"v1," + base64.b64encode(hmac.digest(key, signed, "sha256"))
            wrong = good not in standard.split(b" ")
            if _header(head, _DELIVERY):
                # A caught request carries GitHub's own signature, over the bytes that GitHub sent.
                wrong |= _header(head, b"\r\nx-hub-signature-256: ") != github.signature(body)
            self.unsigned += wrong
            return
        superoffice = _header(head, b"\r\nx-superoffice-signature: ")
        if superoffice:
            digest = hmac.digest(self.secret.encode(), body, "sha256")
            self.unsigned += superoffice != base64.b64encode(digest)
            return
        self.unsigned += not _header(head, b"\r\nauthorization: ").startswith(b"Basic ")


def _stamp(body: bytes) -> bytes:
    """Return the digits of a body's time stamp; none in what is not the benchmark's."""
    for mark in _STAMPS:
        at = body.find(mark)
        if at >= 0:
            return body[at + len(mark) : at + len(mark) + STAMP_DIGITS]
    return b""


def _header(head: bytes, name: bytes) -> bytes:
    at = head.lower().find(name)
    if at < 0:
        return b""
    at += len(name)
    return head[at : head.index(b"\r\n", at)]


class Receiver(asyncio.Protocol):
    """A good receiver, unless ``badly`` says what to do instead of answering."""

    def __init__(self, sink: Sink, kind: str) -> None:
        self.sink = sink
        self.kind = kind
        self.transport: Any = None
        self.buffer = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer = data = self.buffer + data if self.buffer else data
        while True:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                break
            head = data[: end + 2]
            length = int(_header(head, b"\r\ncontent-length: ") or b"0")
            if len(data) < end + 4 + length:
                break
            self._request(head, data[end + 4 : end + 4 + length])
            data = data[end + 4 + length :]
        self.buffer = data

    def _request(self, head: bytes, body: bytes) -> None:
        run = head.split(b" ", 2)[1].split(b"/")[1].decode()
        if self.kind == "good" or not self.sink.bad:
            # Pings at the making of a subscription carry no time stamp and are not counted.
            if stamp := _stamp(body) or _header(head, _DELIVERY)[:STAMP_DIGITS]:
                self.sink.tally(run if self.kind == "good" else f"{run}:bad").take(
                    head, body, stamp
                )
            self.transport.write(_ANSWER)
        elif self.kind == "drip":
            self._drip(_ANSWER)

    def _drip(self, rest: bytes) -> None:
        if rest and not self.transport.is_closing():
            self.transport.write(rest[:1])
            asyncio.get_running_loop().call_later(1.0, self._drip, rest[1:])


class SlowTls(asyncio.Protocol):
    """In front of the TLS receiver: passes bytes through, or swallows them once told so."""

    def __init__(self, sink: Sink, port: int) -> None:
        self.sink = sink
        self.port = port
        self.transport: Any = None
        self.inner: Any = None
        self.early: list[bytes] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        if not self.sink.bad:
            self._task = asyncio.ensure_future(self._pass())

    async def _pass(self) -> None:
        outer = self.transport

        class Inner(asyncio.Protocol):
            def data_received(self, data: bytes) -> None:
                outer.write(data)

            def connection_lost(self, exc: Exception | None) -> None:
                outer.close()

        loop = asyncio.get_running_loop()
        self.inner, _ = await loop.create_connection(Inner, "127.0.0.1", self.port)
        for data in self.early:
            self.inner.write(data)

    def data_received(self, data: bytes) -> None:
        if self.inner is not None:
            self.inner.write(data)
        elif not self.sink.bad:
            self.early.append(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.inner is not None:
            self.inner.close()


class Nameserver(asyncio.DatagramProtocol):
    """Says 127.0.0.1 to every question about an A record, until it dies."""

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if self.sink.bad:
            return
        end = data.index(b"\x00", 12) + 5
        (kind,) = struct.unpack("!H", data[end - 4 : end - 2])
        found = kind == 1
        head = data[:2] + struct.pack("!HHHHH", 0x8180, 1, int(found), 0, 0)
        record = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x00\x00\x04\x7f\x00\x00\x01"
        self.transport.sendto(head + data[12:end] + (record if found else b""), addr)


class Sink:
    """Answers the benchmark's commands."""

    def __init__(self) -> None:
        self.bad = False
        self._tallies: dict[str, Tally] = {}

    def tally(self, run: str) -> Tally:
        """Return the tally of a run."""
        if (tally := self._tallies.get(run)) is None:
            tally = self._tallies[run] = Tally()
        return tally

    async def __call__(self, command: dict[str, Any]) -> dict[str, Any]:
        """Run one command: ``listen``, ``begin``, ``count``, ``ages``, ``misbehave``."""
        match command["do"]:
            case "listen":
                return await self._listen()
            case "begin":
                tally = self.tally(command["run"])
                tally.ages.clear()
                tally.secret = command["secret"]
                tally.first_ns = 0
                return {}
            case "count":
                tally = self.tally(command["run"])
                return {
                    "received": tally.received,
                    "unique": len(tally.ids),
                    "unsigned": tally.unsigned,
                    "first_ns": tally.first_ns,
                    "last_ns": tally.last_ns,
                }
            case "ages":
                ordered = sorted(self.tally(command["run"]).ages)
                return {
                    "count": len(ordered),
                    "p50": percentile(ordered, 0.50),
                    "p99": percentile(ordered, 0.99),
                }
            case "misbehave":
                self.bad = command["bad"]
                return {}
        raise ValueError("unknown command")

    async def _listen(self) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        ports = {}

        async def listen(kind: str, make: Any, tls: ssl.SSLContext | None = None) -> None:
            server = await loop.create_server(make, "127.0.0.1", 0, ssl=tls, backlog=1024)
            ports[kind] = server.sockets[0].getsockname()[1]

        for kind in ("good", "hang", "drip", "dns"):
            await listen(kind, lambda kind=kind: Receiver(self, kind))
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        await listen("tls_inner", lambda: Receiver(self, "tls"), context)
        await listen("tls", lambda: SlowTls(self, ports["tls_inner"]))
        names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        names.bind(("127.0.0.1", 0))
        await loop.create_datagram_endpoint(lambda: Nameserver(self), sock=names)
        ports["nameserver"] = names.getsockname()[1]
        return {"ports": ports, "ca": authority.cert_pem.bytes().decode()}


if __name__ == "__main__":
    uvloop.run(serve(Sink()))
