"""Checking a target when its webhook is saved: what is refused, and what is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from ipaddress import ip_network

import pytest

from hookferry.clock import SystemClock
from hookferry.errors import InvalidField, TargetRefused
from hookferry.transport import check
from hookferry.transport.check import TargetChecker
from hookferry.transport.dns import Resolver
from hookferry.transport.guard import Guard
from hookferry.transport.port import Target
from transport.kit import LOOPBACK
from transport.nameserver import NameServer
from transport.peers import OK, Authority, Peers, answers, says_nothing, self_signed

CLOCK = SystemClock()


@pytest.fixture
async def strict(resolver: Resolver) -> TargetChecker:
    """As out of the box: public https only."""
    return TargetChecker(Guard(), resolver, CLOCK)


@pytest.fixture
async def checker(resolver: Resolver) -> TargetChecker:
    return TargetChecker(Guard(LOOPBACK, allow_http=True), resolver, CLOCK)


@pytest.fixture
async def server() -> AsyncIterator[NameServer]:
    server = NameServer()
    await server.start()
    yield server
    server.close()


def _url(target: Target) -> str:
    return f"{target.scheme}://{target.host}:{target.port}/hooks"


@pytest.mark.parametrize(
    ("url", "verdict", "remedy"),
    [
        ("http://example.com/", "deny_http", "HOOKFERRY_ALLOW_HTTP"),
        ("https://localhost/", "deny_loopback", "HOOKFERRY_ALLOW_TARGETS"),
        ("https://127.1/", "deny_loopback", "HOOKFERRY_ALLOW_TARGETS"),
        ("https://0x7f000001/", "deny_loopback", "HOOKFERRY_ALLOW_TARGETS"),
        ("https://169.254.169.254/latest", "deny_link_local_metadata", "HOOKFERRY_ALLOW_TARGETS"),
        ("https://[fd00:ec2::254]/", "deny_link_local_metadata", "HOOKFERRY_ALLOW_TARGETS"),
        ("https://10.1.2.3/", "deny_private", "HOOKFERRY_ALLOW_TARGETS"),
        ("https://[::ffff:10.0.0.1]/", "deny_private", "HOOKFERRY_ALLOW_TARGETS"),
        ("https://nothing.invalid/", "dns_failed", "DNS records"),
    ],
)
async def test_a_denied_target_is_refused_with_its_verdict_and_the_remedy(
    url: str, verdict: str, remedy: str, strict: TargetChecker
) -> None:
    with pytest.raises(TargetRefused, match=remedy) as caught:
        await strict(url)
    assert caught.value.field == "target_url"
    assert caught.value.extra["verdict"] == verdict


async def test_a_name_that_resolves_to_a_private_address_is_refused(server: NameServer) -> None:
    server.names["intranet.test"] = ["192.168.0.7"]
    resolver = Resolver(CLOCK.monotonic, nameservers=[server.address])
    with pytest.raises(TargetRefused, match=r"intranet\.test is 192\.168\.0\.7") as caught:
        await TargetChecker(Guard(), resolver, CLOCK)("https://intranet.test/")
    assert caught.value.extra["verdict"] == "deny_private"
    await resolver.aclose()


async def test_a_name_whose_server_is_silent_is_refused(
    server: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "TIME_LIMIT", 0.2)
    server.names["silent.test"] = None
    resolver = Resolver(CLOCK.monotonic, nameservers=[server.address])
    with pytest.raises(TargetRefused, match="DNS") as caught:
        await TargetChecker(Guard(), resolver, CLOCK)("https://silent.test/")
    assert caught.value.extra["verdict"] == "dns_timeout"
    await resolver.aclose()


async def test_a_good_target_passes(
    peers: Peers, authority: Authority, checker: TargetChecker
) -> None:
    receiver = await peers.receiver(
        answers(OK), tls=authority.server("localhost"), ca=authority.pem, host="localhost"
    )
    await checker(_url(receiver.target), ca=authority.pem)
    plain = await peers.receiver(answers(OK))
    await checker(_url(plain.target))


async def test_a_bad_certificate_is_refused(
    peers: Peers, authority: Authority, checker: TargetChecker
) -> None:
    for context in (
        authority.server("other.test"),
        authority.server("localhost", expired=True),
        self_signed("localhost"),
    ):
        receiver = await peers.receiver(
            answers(OK), tls=context, ca=authority.pem, host="localhost"
        )
        with pytest.raises(TargetRefused, match="certificate of localhost") as caught:
            await checker(_url(receiver.target), ca=authority.pem)
        assert caught.value.extra["verdict"] == "tls_certificate"


async def test_a_receiver_that_is_down_or_hangs_is_not_refused(
    peers: Peers, checker: TargetChecker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await checker("http://127.0.0.1:9/")
    await checker("https://127.0.0.1:9/")
    monkeypatch.setattr(check, "TIME_LIMIT", 0.2)
    silent = await peers.receiver(says_nothing, host="localhost", ca="")
    started = asyncio.get_running_loop().time()
    await checker(_url(silent.target))
    assert asyncio.get_running_loop().time() - started < 3.0


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"ca": "not a certificate"}, "ca"),
        ({"client_certificate": b"not a certificate"}, "client_certificate"),
        ({"proxy": "socks5://proxy:1"}, "proxy"),
    ],
)
async def test_what_can_not_be_read_names_its_field(
    given: dict[str, object], field: str, checker: TargetChecker
) -> None:
    with pytest.raises(InvalidField, match=field) as caught:
        await checker("https://127.0.0.1:9/", **given)  # type: ignore[arg-type]
    assert caught.value.field == field


async def test_a_bad_url_is_an_invalid_field(checker: TargetChecker) -> None:
    with pytest.raises(InvalidField, match="target_url"):
        await checker("https://user:secret@example.com/")


async def test_the_proxy_of_a_target_is_judged(resolver: Resolver) -> None:
    guard = Guard([ip_network("127.0.0.1/32")], allow_http=True)
    with pytest.raises(TargetRefused, match=r"proxy: 127\.0\.0\.2") as caught:
        await TargetChecker(guard, resolver, CLOCK)(
            "http://127.0.0.1:9/", proxy="http://127.0.0.2:3128"
        )
    assert caught.value.extra["verdict"] == "deny_loopback"
