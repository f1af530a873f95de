"""Looking names up: once at a time, kept briefly, never in anybody else's way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from hookferry.clock import SystemClock
from hookferry.transport import dns
from hookferry.transport.dns import ResolveError, Resolver
from hookferry.transport.guard import Guard
from hookferry.transport.port import ErrorKind, Target
from transport.kit import LOOPBACK, Sender, request_to
from transport.nameserver import NameServer
from transport.peers import OK, Peers, answers


class Hand:
    """A monotonic clock moved by hand."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def wall_ms(self) -> int:
        return int(self.seconds * 1000)

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
async def server() -> AsyncIterator[NameServer]:
    server = NameServer()
    await server.start()
    yield server
    server.close()


@pytest.fixture
async def resolver(server: NameServer, hand: Hand) -> AsyncIterator[Resolver]:
    resolver = Resolver(hand.monotonic, nameservers=[server.address])
    yield resolver
    await resolver.aclose()


async def test_both_families_are_asked_for(server: NameServer, resolver: Resolver) -> None:
    server.names["both.test"] = ["192.0.2.1", "192.0.2.2", "2001:db8::1"]
    found = await resolver.resolve("both.test")
    assert sorted(found) == ["192.0.2.1", "192.0.2.2", "2001:db8::1"]


async def test_localhost_needs_no_name_server(server: NameServer, resolver: Resolver) -> None:
    assert set(await resolver.resolve("localhost")) <= {"127.0.0.1", "::1"}
    assert not server.asked


async def test_many_who_ask_for_one_name_share_one_query(
    server: NameServer, resolver: Resolver
) -> None:
    server.names["one.test"] = ["192.0.2.1"]
    found = await asyncio.gather(*(resolver.resolve("one.test") for _ in range(100)))
    assert set(found) == {("192.0.2.1",)}
    assert server.asked["one.test"] == 1


@pytest.mark.parametrize(("ttl", "kept"), [(0, 1.0), (30, 30.0), (86_400, 60.0)])
async def test_an_answer_is_kept_for_its_ttl_within_bounds(
    ttl: int, kept: float, server: NameServer, hand: Hand, resolver: Resolver
) -> None:
    server.ttl = ttl
    server.names["kept.test"] = ["192.0.2.1"]
    await resolver.resolve("kept.test")
    hand.seconds += kept - 0.01
    await resolver.resolve("kept.test")
    assert resolver.lookups == 1
    hand.seconds += 0.02
    await resolver.resolve("kept.test")
    assert resolver.lookups == 2


async def test_a_failure_is_kept_for_two_seconds(
    server: NameServer, hand: Hand, resolver: Resolver
) -> None:
    for _ in range(2):
        with pytest.raises(ResolveError, match="does not exist") as caught:
            await resolver.resolve("gone.test")
        assert caught.value.kind is ErrorKind.DNS
    assert resolver.lookups == 1
    hand.seconds += 2.01
    server.names["gone.test"] = ["192.0.2.1"]
    assert await resolver.resolve("gone.test") == ("192.0.2.1",)


async def test_a_name_without_addresses_is_an_error(server: NameServer, resolver: Resolver) -> None:
    server.names["empty.test"] = []
    with pytest.raises(ResolveError, match="no addresses"):
        await resolver.resolve("empty.test")


async def test_a_server_that_fails_is_an_error(server: NameServer, resolver: Resolver) -> None:
    server.names["broken.test"] = []
    server.fails.add("broken.test")
    with pytest.raises(ResolveError) as caught:
        await resolver.resolve("broken.test")
    assert caught.value.kind is ErrorKind.DNS


async def test_a_name_that_hangs_times_out_and_holds_up_nobody(
    server: NameServer, hand: Hand
) -> None:
    server.names.update({f"hangs{i}.test": None for i in range(50)})
    server.names["well.test"] = ["192.0.2.1"]
    resolver = Resolver(hand.monotonic, nameservers=[server.address], time_limit=1.0)
    hung = [asyncio.ensure_future(resolver.resolve(f"hangs{i}.test")) for i in range(50)]
    await server.heard("hangs49.test")
    assert await asyncio.wait_for(resolver.resolve("well.test"), 0.9) == ("192.0.2.1",)
    assert not any(task.done() for task in hung)
    ended = await asyncio.gather(*hung, return_exceptions=True)
    assert {error.kind for error in ended if isinstance(error, ResolveError)} == {
        ErrorKind.DNS_TIMEOUT
    }
    hand.seconds += 1.0
    with pytest.raises(ResolveError, match="in time"):  # the first query is still out: no second
        await resolver.resolve("hangs0.test")
    assert resolver.lookups == 51
    await resolver.aclose()


async def test_who_stops_waiting_does_not_end_the_look_up_of_others(
    server: NameServer, resolver: Resolver
) -> None:
    server.names["slow.test"] = None
    impatient = asyncio.ensure_future(resolver.resolve("slow.test"))
    patient = asyncio.ensure_future(resolver.resolve("slow.test"))
    await server.heard("slow.test")
    impatient.cancel()
    server.names["slow.test"] = ["192.0.2.7"]  # answers c-ares's second try
    assert await patient == ("192.0.2.7",)


async def test_look_ups_in_flight_are_limited(
    server: NameServer, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dns, "IN_FLIGHT", 2)
    server.names.update({"a.test": None, "b.test": None})
    hung = [asyncio.ensure_future(resolver.resolve(name)) for name in ("a.test", "b.test")]
    await server.heard("b.test")
    with pytest.raises(ResolveError, match="more than 2 names"):
        await resolver.resolve("c.test")
    await resolver.aclose()
    await asyncio.gather(*hung, return_exceptions=True)


async def test_names_kept_are_limited(
    server: NameServer, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dns, "CACHED", 3)
    server.names.update({f"n{i}.test": ["192.0.2.1"] for i in range(5)})
    for i in range(5):
        await resolver.resolve(f"n{i}.test")
    assert resolver.cached == 3


# --------------------------------------------------------------------------- through the transport


def _target(port: int, host: str = "rebind.test") -> Target:
    return Target(scheme="http", host=host, port=port)


async def test_a_name_that_moves_to_a_denied_address_is_refused(
    server: NameServer, hand: Hand, peers: Peers, resolver: Resolver
) -> None:
    receiver = await peers.receiver(answers(OK, then_close=True))
    forbidden = await peers.receiver(answers(OK))
    server.ttl = 0
    server.names["rebind.test"] = ["127.0.0.1"]
    sender = Sender(resolver, guard=Guard(LOOPBACK, allow_http=True))
    target = _target(receiver.target.port)
    assert (await sender.post(target)).status == 200
    server.names["rebind.test"] = ["10.0.0.1"]
    hand.seconds += 1.1
    outcome = await sender.post(_target(forbidden.target.port))
    assert (outcome.error, outcome.verdict) == (ErrorKind.DENIED, "deny_private")
    assert "HOOKFERRY_ALLOW_TARGETS" in (outcome.detail or "")
    assert forbidden.accepted == 0
    await sender.aclose()


async def test_the_connection_goes_to_the_judged_address_not_to_the_name(
    server: NameServer, hand: Hand, peers: Peers, resolver: Resolver
) -> None:
    """The name server changes its mind right after the look-up that is judged."""
    receiver = await peers.receiver(answers(OK))
    server.names["rebind.test"] = ["127.0.0.1"]
    before = await resolver.resolve("rebind.test")
    server.names["rebind.test"] = ["127.0.0.9"]
    sender = Sender(resolver)
    outcome = await sender.post(_target(receiver.target.port))
    assert before == ("127.0.0.1",)
    assert outcome.status == 200
    assert outcome.address == f"127.0.0.1:{receiver.target.port}"
    assert server.asked["rebind.test"] == 1, "the name was looked up a second time"
    await sender.aclose()


async def test_only_the_allowed_addresses_of_a_name_are_called(
    server: NameServer, peers: Peers, resolver: Resolver
) -> None:
    receiver = await peers.receiver(answers(OK))
    server.names["mixed.test"] = ["10.0.0.1", "169.254.169.254", "127.0.0.1", "fd00:ec2::254"]
    sender = Sender(resolver)
    outcome = await sender.post(_target(receiver.target.port, "mixed.test"))
    assert (outcome.status, outcome.verdict) == (200, "allow_configured")
    await sender.aclose()


async def test_a_second_address_is_tried_when_the_first_refuses(
    server: NameServer, peers: Peers, resolver: Resolver
) -> None:
    receiver = await peers.receiver(answers(OK))
    server.names["two.test"] = ["127.0.0.2", "127.0.0.1", "127.0.0.3"]
    sender = Sender(resolver)
    outcome = await sender.post(_target(receiver.target.port, "two.test"))
    assert outcome.address == f"127.0.0.1:{receiver.target.port}"
    await sender.aclose()


async def test_a_deadline_inside_the_look_up_is_a_dns_timeout(
    server: NameServer, peers: Peers
) -> None:
    server.names["hangs.test"] = None
    async with _system_clock(server) as resolver:
        sender = Sender(resolver)
        outcome = await sender.send(request_to(_target(80, "hangs.test"), timeout=0.2))
        assert outcome.error is ErrorKind.DNS_TIMEOUT
        assert outcome.duration < 2
        await sender.aclose()


async def test_targets_with_dead_names_delay_no_other(server: NameServer, peers: Peers) -> None:
    server.names.update({f"dead{i}.test": None for i in range(100)})
    receiver = await peers.receiver(answers(OK))
    async with _system_clock(server) as resolver:
        sender = Sender(resolver)
        dead = [
            sender.start(request_to(_target(80, f"dead{i}.test"), timeout=1.0)) for i in range(100)
        ]
        await server.heard("dead99.test")
        outcome = await sender.post(receiver.target)
        assert outcome.status == 200
        assert not any(waiter.calls for waiter in dead)
        await sender.aclose()


@asynccontextmanager
async def _system_clock(server: NameServer) -> AsyncIterator[Resolver]:
    resolver = Resolver(SystemClock().monotonic, nameservers=[server.address])
    yield resolver
    await resolver.aclose()


async def test_odd_names_fail_like_any_other(resolver: Resolver) -> None:
    for name in ("b\u00fccher.test", "a" * 70 + ".test", "..", "", "a b", "x" * 300):
        with pytest.raises(ResolveError) as caught:
            await resolver.resolve(name)
        assert caught.value.kind is ErrorKind.DNS


async def test_a_name_with_very_many_addresses_is_kept_in_part(
    server: NameServer, resolver: Resolver
) -> None:
    server.names["many.test"] = [f"127.0.1.{i}" for i in range(60)]
    assert len(await resolver.resolve("many.test")) == 32
