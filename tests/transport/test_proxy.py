"""Through a CONNECT proxy: the tunnel goes to the judged address, failures are the proxy's."""

from __future__ import annotations

import asyncio
import base64

import msgspec
import pytest

from hookferry.transport import proxy
from hookferry.transport.dns import Resolver
from hookferry.transport.guard import Guard
from hookferry.transport.port import ErrorKind, Target
from transport.behaviours import Verdict, bad
from transport.kit import Sender, request_to
from transport.peers import OK, Authority, Peer, Peers, answers

USER, PASSWORD = "ferry", "p@ss:word"


class ConnectProxy:
    """A proxy that tunnels and remembers what it was asked."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self.tunnels: set[asyncio.Task[None]] = set()

    async def __call__(self, peer: Peer) -> None:
        head = await peer.request()
        self.heads.append(head)
        wanted = base64.b64encode(f"{USER}:{PASSWORD}".encode())
        if b"Proxy-Authorization: Basic " + wanted not in head:
            await peer.send(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
            return
        host, port = head.split(b" ")[1].decode().rsplit(":", 1)
        reader, writer = await asyncio.open_connection(host, int(port))
        await peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        back = asyncio.ensure_future(_pump(reader, peer.writer))
        try:
            await _pump(peer.reader, writer)
        finally:
            back.cancel()
            writer.close()
            await asyncio.gather(back, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()


def _via(target: Target, port: int, login: str = f"{USER}:p%40ss%3Aword@") -> Target:
    return msgspec.structs.replace(target, proxy=f"http://{login}127.0.0.1:{port}")


async def test_http_goes_through_the_tunnel(peers: Peers, sender: Sender) -> None:
    connect = ConnectProxy()
    receiver = await peers.receiver(answers(OK), host="localhost")
    through = _via(receiver.target, (await peers.receiver(connect)).target.port)
    first = await sender.post(through)
    again = await sender.post(through)
    assert (first.status, again.status, again.reused) == (200, 200, True)
    place = f"127.0.0.1:{receiver.target.port}"
    assert first.address == place
    assert all(
        head.startswith((b"CONNECT 127.0.0.1:", b"CONNECT [::1]:")) for head in connect.heads
    )
    assert connect.heads[-1].startswith(f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n".encode())


async def test_https_is_verified_inside_the_tunnel(
    peers: Peers, sender: Sender, authority: Authority
) -> None:
    port = (await peers.receiver(ConnectProxy())).target.port
    good = await peers.receiver(
        answers(OK), tls=authority.server("localhost"), ca=authority.pem, host="localhost"
    )
    wrong = await peers.receiver(
        answers(OK), tls=authority.server("other.test"), ca=authority.pem, host="localhost"
    )
    assert (await sender.post(_via(good.target, port))).status == 200
    assert (await sender.post(_via(good.target, port))).reused
    outcome = await sender.post(_via(wrong.target, port))
    assert outcome.error is ErrorKind.TLS_CERTIFICATE


async def test_a_denied_target_is_not_even_asked_for(peers: Peers, sender: Sender) -> None:
    connect = ConnectProxy()
    through = _via(
        Target(scheme="http", host="10.0.0.1", port=80),
        (await peers.receiver(connect)).target.port,
    )
    outcome = await sender.post(through)
    assert (outcome.error, outcome.verdict) == (ErrorKind.DENIED, "deny_private")
    assert connect.heads == []


async def test_the_proxys_own_address_is_judged(resolver: Resolver, peers: Peers) -> None:
    connect = ConnectProxy()
    port = (await peers.receiver(connect)).target.port
    sender = Sender(resolver, guard=Guard(allow_http=True))
    outcome = await sender.post(_via(Target(scheme="http", host="8.8.8.8", port=80), port))
    assert (outcome.error, outcome.verdict) == (ErrorKind.DENIED, "deny_loopback")
    assert connect.heads == []
    await sender.aclose()


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "refused the tunnel with status 403"),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "status 502"),
        (b"SOCKS\r\n\r\n", "did not answer in HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "more than its answer"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 9000, "too large"),
        (b"", "closed the connection"),
    ],
)
async def test_a_proxy_that_does_not_tunnel(
    answer: bytes, says: str, peers: Peers, sender: Sender
) -> None:
    port = (await peers.receiver(answers(answer, then_close=True))).target.port
    outcome = await sender.post(_via(Target(scheme="http", host="127.0.0.1", port=9), port))
    assert Verdict.of(outcome) == bad(ErrorKind.PROXY)
    assert says in (outcome.detail or "")


async def test_credentials_never_appear_in_an_error(peers: Peers, sender: Sender) -> None:
    receiver = await peers.receiver(answers(OK))
    port = (await peers.receiver(ConnectProxy())).target.port
    outcome = await sender.post(_via(receiver.target, port, "ferry:hunter2@"))
    assert "other credentials" in (outcome.detail or "")
    assert "hunter2" not in repr(outcome)


async def test_a_proxy_that_is_down_or_hangs(peers: Peers, sender: Sender) -> None:
    target = Target(scheme="http", host="127.0.0.1", port=9)
    down = await sender.post(_via(target, 9))
    assert Verdict.of(down) == bad(ErrorKind.PROXY)
    assert down.detail == "proxy: 127.0.0.1:9 refused the connection"
    port = (await peers.receiver(Peer.until_left)).target.port
    hung = await sender.send(request_to(_via(target, port), timeout=0.3))
    assert Verdict.of(hung) == bad(ErrorKind.PROXY)


@pytest.mark.parametrize(
    "url",
    [
        "https://proxy:1",
        "proxy:3128",
        "http://",
        "http://proxy:0",
        "http://proxy:70000",
        "http://proxy:1/path",
        "http://proxy:1?q",
        "http://proxy:1#f",
        "http://pro\r\nxy:1",
        "http://us er:secret@proxy:1",
    ],
)
def test_a_bad_proxy_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match=r"^proxy must be http://\[user:password@\]host\[:port\]$"):
        proxy.parse(url)


def test_a_proxy_url_is_read() -> None:
    plain = proxy.parse("http://proxy.test")
    assert (plain.host, plain.port, plain.authorization) == ("proxy.test", 80, b"")
    assert proxy.parse("http://[::1]:3128/").host == "::1"
    login = proxy.parse("http://a%3Ab:c%40d@p:1").authorization
    assert base64.b64decode(login.split()[-1]) == b"a:b:c@d"
