"""TLS: which certificates are accepted, and what a refusal says; aiohttp must agree."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import pytest
import trustme

from hookferry.transport import tls
from hookferry.transport.port import ErrorKind
from transport import oracle
from transport.behaviours import Verdict, bad, ok
from transport.kit import Sender, request_to
from transport.peers import OK, Authority, Peer, Peers, Script, answers, says_nothing, self_signed

ANSWER = answers(OK)
CERTIFICATE = bad(ErrorKind.TLS_CERTIFICATE)
TLS = bad(ErrorKind.TLS)


async def _hangs_up(peer: Peer) -> None:
    await peer.reader.read(1)


async def _speaks_plainly(peer: Peer) -> None:
    await peer.reader.read(1)
    await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await peer.until_left()


@dataclass(frozen=True)
class Row:
    name: str
    context: Callable[[Authority], ssl.SSLContext | None]
    expect: Verdict
    says: str = ""
    script: Script = ANSWER
    host: str = "localhost"
    timeout: float = 5.0
    aiohttp: Verdict | None = None
    why: str = ""


def _old(authority: Authority) -> ssl.SSLContext:
    context = authority.server("localhost")
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


ROWS = [
    Row("good", lambda a: a.server("localhost"), ok(b"ok")),
    Row("good, by address", lambda a: a.server("127.0.0.1"), ok(b"ok"), host="127.0.0.1"),
    Row("TLS 1.2", _old, ok(b"ok")),
    Row("another name", lambda a: a.server("other.test"), CERTIFICATE, "it is for another name"),
    Row(
        "another address",
        lambda a: a.server("127.0.0.2"),
        CERTIFICATE,
        "it is for another address",
        host="127.0.0.1",
    ),
    Row("expired", lambda a: a.server("localhost", expired=True), CERTIFICATE, "it has expired"),
    Row("self-signed", lambda a: self_signed("localhost"), CERTIFICATE, "it is self-signed"),
    Row(
        "unknown CA",
        lambda a: Authority(trustme.CA()).server("localhost"),
        CERTIFICATE,
        "unknown CA",
    ),
    Row(
        "no TLS at all",
        lambda a: None,
        TLS,
        "the TLS handshake with localhost failed",
        script=_speaks_plainly,
    ),
    Row(
        "closes during the handshake",
        lambda a: None,
        TLS,
        "localhost closed",
        _hangs_up,
        aiohttp=bad(ErrorKind.CONNECT_REFUSED),
        why="aiohttp reports whatever ends a handshake early as a failed connection",
    ),
    Row(
        "hangs during the handshake",
        lambda a: None,
        bad(ErrorKind.TIMEOUT),
        "during the TLS handshake",
        says_nothing,
        timeout=0.5,
    ),
]

by_name = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


@by_name
async def test_hookferry_judges_the_certificate(
    row: Row, peers: Peers, sender: Sender, authority: Authority
) -> None:
    receiver = await peers.receiver(
        row.script, tls=row.context(authority), ca=authority.pem, host=row.host
    )
    outcome = await sender.send(request_to(receiver.target, timeout=row.timeout))
    assert Verdict.of(outcome) == row.expect, outcome.detail
    assert row.says in (outcome.detail or "")


@by_name
async def test_aiohttp_agrees_or_differs_for_a_reason(
    row: Row, peers: Peers, authority: Authority
) -> None:
    receiver = await peers.receiver(
        row.script, tls=row.context(authority), ca=authority.pem, host=row.host
    )
    outcome = await oracle.ask(request_to(receiver.target, timeout=row.timeout))
    assert Verdict.of(outcome) == (row.aiohttp or row.expect)
    assert bool(row.why) == (row.aiohttp is not None)


async def test_without_a_ca_the_systems_authorities_decide(
    peers: Peers, sender: Sender, authority: Authority
) -> None:
    receiver = await peers.receiver(
        answers(OK), tls=authority.server("localhost"), host="localhost"
    )
    outcome = await sender.post(receiver.target)
    assert outcome.error is ErrorKind.TLS_CERTIFICATE


async def test_connections_are_kept_and_name_the_host(
    peers: Peers, sender: Sender, authority: Authority
) -> None:
    named: list[str | None] = []
    context = authority.server("localhost")
    context.sni_callback = lambda _, name, __: named.append(name)
    receiver = await peers.receiver(answers(OK), tls=context, ca=authority.pem, host="localhost")
    first = await sender.post(receiver.target)
    again = await sender.post(receiver.target)
    assert (first.status, first.reused, again.status, again.reused) == (200, False, 200, True)
    assert first.tls > 0
    assert again.tls == 0
    assert named == ["localhost"]
    assert receiver.accepted == 1


async def test_a_large_answer_over_tls_is_cut(
    peers: Peers, sender: Sender, authority: Authority
) -> None:
    answer = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1_000_000
    receiver = await peers.receiver(
        answers(answer), tls=authority.server("localhost"), ca=authority.pem, host="localhost"
    )
    outcome = await sender.post(receiver.target)
    assert Verdict.of(outcome) == ok(b"x" * 16_384, truncated=True)


@pytest.mark.parametrize("in_memory", [True, False])
async def test_a_client_certificate_is_shown(
    in_memory: bool,
    peers: Peers,
    sender: Sender,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not in_memory:
        monkeypatch.delattr(tls.os, "memfd_create")
    context = authority.trusts(authority.server("localhost"))
    receiver = await peers.receiver(answers(OK), tls=context, ca=authority.pem, host="localhost")
    shown = msgspec.structs.replace(receiver.target, client_certificate=authority.client())
    assert (await sender.post(shown)).status == 200
    hidden = await sender.post(receiver.target)
    assert hidden.error in (ErrorKind.TLS, ErrorKind.CLOSED)


async def test_a_broken_client_certificate_is_an_error_of_its_own(
    peers: Peers, sender: Sender, authority: Authority
) -> None:
    receiver = await peers.receiver(answers(OK), tls=authority.server("localhost"))
    secret = b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"
    broken = msgspec.structs.replace(receiver.target, client_certificate=secret)
    outcome = await sender.post(broken)
    assert outcome.error is ErrorKind.TLS
    assert "client_certificate must hold" in (outcome.detail or "")
    assert "c2VjcmV0" not in (outcome.detail or "")


def test_contexts_are_cached_and_limited(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls, "CONTEXTS", 2)
    contexts = tls.Contexts()
    first = contexts.get(authority.pem, None)
    assert contexts.get(authority.pem, None) is first
    contexts.get(None, None)
    contexts.get(authority.pem, None)
    contexts.get(None, authority.client())  # pushes out the one used longest ago
    assert contexts.get(authority.pem, None) is first
    assert contexts.size == 2


def test_old_tls_is_not_spoken(authority: Authority) -> None:
    context = tls.Contexts().get(authority.pem, None)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
