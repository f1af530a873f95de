"""Receivers that behave as told, on loopback sockets."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hookferry.transport.port import Target

_YEAR = datetime.timedelta(days=365)


class Peer:
    """One connection at the receiver's side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def request(self) -> bytes:
        """Read one request; return its head."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                await self.reader.readexactly(int(value))
        return head

    async def send(self, *parts: bytes) -> None:
        """Write each part on its own."""
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()

    async def drip(self, data: bytes) -> None:
        """Write byte by byte, each in a packet of its own as far as the kernel lets us."""
        for at in range(len(data)):
            await self.send(data[at : at + 1])
            await asyncio.sleep(0)

    async def until_left(self) -> None:
        """Wait until the other side goes away."""
        while await self.reader.read(65_536):
            pass

    def reset(self) -> None:
        """Close with a TCP reset."""
        self.writer.transport.abort()


Script = Callable[[Peer], Awaitable[None]]


def answers(*parts: bytes, then_close: bool = False) -> Script:
    """Answer every request on a connection with ``parts``."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(*parts)
            if then_close:
                return

    return script


async def says_nothing(peer: Peer) -> None:
    await peer.until_left()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Receiver:
    """A listening socket with a script for its connections."""

    def __init__(self, server: asyncio.Server, target: Target) -> None:
        self.server = server
        self.target = target
        self.accepted = 0
        self.first = asyncio.Event()
        """Set once somebody connected."""
        self.tasks: set[asyncio.Task[None]] = set()


class Peers:
    """All receivers of a test."""

    def __init__(self) -> None:
        self._receivers: list[Receiver] = []

    async def receiver(
        self,
        script: Script,
        *,
        tls: ssl.SSLContext | None = None,
        ca: str | None = None,
        host: str = "127.0.0.1",
    ) -> Receiver:
        """Start a receiver; its target names it by ``host``."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            receiver.accepted += 1
            receiver.first.set()
            receiver.tasks.add(task)
            try:
                with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                    await script(Peer(reader, writer))
            finally:
                receiver.tasks.discard(task)
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
        port = server.sockets[0].getsockname()[1]
        scheme = "https" if tls or ca else "http"
        receiver = Receiver(server, Target(scheme=scheme, host=host, port=port, ca=ca))
        self._receivers.append(receiver)
        return receiver

    async def aclose(self) -> None:
        """Close all; connections too."""
        for receiver in self._receivers:
            receiver.server.close()
            tasks = list(receiver.tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


class Authority:
    """A certificate authority and what it issues, good and bad."""

    def __init__(self, ca: trustme.CA) -> None:
        self._ca = ca
        self.pem = ca.cert_pem.bytes().decode()

    def server(self, *names: str, expired: bool = False) -> ssl.SSLContext:
        """A server context with a certificate for ``names``."""
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            self._ca.issue_cert(*names, not_before=now - _YEAR, not_after=now - _YEAR / 2)
            if expired
            else self._ca.issue_cert(*names)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        return context

    def trusts(self, context: ssl.SSLContext) -> ssl.SSLContext:
        """Make a server context ask for client certificates of this authority."""
        self._ca.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client(self) -> bytes:
        """A client certificate: PEM chain and key."""
        return self._ca.issue_cert("client@example.org").private_key_and_cert_chain_pem.bytes()


def self_signed(name: str) -> ssl.SSLContext:
    """A server context with a certificate that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _YEAR)
        .not_valid_after(now + _YEAR)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ) + certificate.public_bytes(serialization.Encoding.PEM)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with trustme.Blob(pem).tempfile() as path:
        context.load_cert_chain(path)
    return context
