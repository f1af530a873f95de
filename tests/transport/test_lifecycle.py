"""Connections and deadlines over time: kept, closed, retried, isolated, bounded."""

from __future__ import annotations

import asyncio
import gc
import resource
import socket
from contextlib import suppress

import pytest

from hookferry.transport import client
from hookferry.transport.deadlines import DeadlineWheel
from hookferry.transport.dial import Dialer, DialError
from hookferry.transport.dns import Resolver
from hookferry.transport.exchange import Exchange
from hookferry.transport.http1 import Connection
from hookferry.transport.limits import Limits
from hookferry.transport.port import ErrorKind, Outcome, Request, Target
from transport.kit import BODY, Sender, request_to
from transport.peers import OK, Authority, Peer, Peers, answers, says_nothing


async def test_one_connection_serves_many_requests(peers: Peers, sender: Sender) -> None:
    receiver = await peers.receiver(answers(OK))
    outcomes = [await sender.post(receiver.target) for _ in range(20)]
    assert [o.status for o in outcomes] == [200] * 20
    assert [o.reused for o in outcomes] == [False] + [True] * 19
    assert receiver.accepted == 1


async def test_the_connection_used_last_is_used_next(peers: Peers, sender: Sender) -> None:
    receiver = await peers.receiver(answers(OK))
    burst = [sender.start(request_to(receiver.target)) for _ in range(5)]
    await asyncio.gather(*(w.outcome for w in burst))
    assert receiver.accepted == 5
    for _ in range(10):
        await sender.post(receiver.target)
    assert receiver.accepted == 5
    assert sender.transport.idle == 5


async def test_a_kept_connection_that_was_closed_is_replaced_once(
    peers: Peers, sender: Sender
) -> None:
    """The receiver reads the second request and closes: as if it had timed out just then."""
    heads = []

    async def script(peer: Peer) -> None:
        heads.append(await peer.request())
        await peer.send(OK)
        if receiver.accepted == 1:
            heads.append(await peer.request())
            return
        await peer.until_left()

    receiver = await peers.receiver(script)
    await sender.post(receiver.target)
    outcome = await sender.post(receiver.target)
    assert (outcome.status, outcome.reused) == (200, False)
    assert receiver.accepted == 2
    assert heads[1] == heads[2]


async def test_a_receiver_that_always_closes_is_tried_once_more_and_no_further(
    peers: Peers, sender: Sender
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        if receiver.accepted == 1:
            await peer.send(OK)
            await peer.request()

    receiver = await peers.receiver(script)
    await sender.post(receiver.target)
    outcome = await sender.post(receiver.target)
    assert outcome.error is ErrorKind.CLOSED
    assert receiver.accepted == 2


async def test_a_new_connection_that_closes_is_not_retried(peers: Peers, sender: Sender) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()

    receiver = await peers.receiver(script)
    assert (await sender.post(receiver.target)).error is ErrorKind.CLOSED
    assert receiver.accepted == 1


async def test_a_request_that_was_partly_answered_is_not_retried(
    peers: Peers, sender: Sender
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()
        await peer.send(b"HTTP/1.1 2")

    receiver = await peers.receiver(script)
    await sender.post(receiver.target)
    outcome = await sender.post(receiver.target)
    assert (outcome.error, outcome.reused) == (ErrorKind.CLOSED, True)
    assert receiver.accepted == 1


@pytest.mark.parametrize(
    "answer",
    [
        OK + OK,
        OK + b"noise",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nzz",
    ],
)
async def test_a_connection_in_doubt_is_not_used_again(
    answer: bytes, peers: Peers, sender: Sender
) -> None:
    receiver = await peers.receiver(answers(answer))
    first = await sender.post(receiver.target)
    again = await sender.post(receiver.target)
    assert (first.body, again.body, again.reused) == (b"ok", b"ok", False)
    assert receiver.accepted == 2


async def test_an_answer_nobody_asked_for_closes_the_idle_connection(
    peers: Peers, sender: Sender
) -> None:
    left = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await sender_idle.wait()
        await peer.send(OK.replace(b"ok", b"no"))
        await peer.until_left()
        left.set()

    sender_idle = asyncio.Event()
    receiver = await peers.receiver(script)
    await sender.post(receiver.target)
    assert sender.transport.idle == 1
    sender_idle.set()
    await asyncio.wait_for(left.wait(), 5)
    assert sender.transport.idle == 0


class Hand:
    """A monotonic clock that a test can push forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def wall_ms(self) -> int:
        return 0

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time() + self.ahead


@pytest.mark.parametrize("wait", [30.1, 120.1])
async def test_old_and_idle_connections_are_not_used_again(
    wait: float, peers: Peers, resolver: Resolver
) -> None:
    clock = Hand()
    sender = Sender(resolver, clock=clock)
    receiver = await peers.receiver(answers(OK))
    await sender.post(receiver.target)
    clock.ahead += wait
    assert not (await sender.post(receiver.target)).reused
    await sender.aclose()


async def test_a_busy_connection_is_retired_at_its_greatest_age(
    peers: Peers, resolver: Resolver
) -> None:
    clock = Hand()
    sender = Sender(resolver, clock=clock)
    receiver = await peers.receiver(answers(OK))
    await sender.post(receiver.target)
    for _ in range(4):
        clock.ahead += 29
        assert (await sender.post(receiver.target)).reused
    clock.ahead += 29
    assert not (await sender.post(receiver.target)).reused
    await sender.aclose()


async def test_idle_connections_are_limited(peers: Peers, resolver: Resolver) -> None:
    sender = Sender(resolver, limits=Limits(idle=3))
    receiver = await peers.receiver(answers(OK))
    burst = [sender.start(request_to(receiver.target)) for _ in range(10)]
    await asyncio.gather(*(w.outcome for w in burst))
    assert sender.transport.idle == 3
    await sender.aclose()


async def test_hung_targets_delay_no_healthy_one(peers: Peers, sender: Sender) -> None:
    healthy = await peers.receiver(answers(OK))
    hung = [await peers.receiver(says_nothing) for _ in range(200)]
    waiting = [sender.start(request_to(r.target, timeout=20)) for r in hung]
    for each in hung:
        await asyncio.wait_for(each.first.wait(), 10)
    loop = asyncio.get_running_loop()
    started = loop.time()
    for _ in range(20):
        assert (await sender.post(healthy.target)).status == 200
    assert loop.time() - started < 10.0
    assert not any(w.calls for w in waiting)


async def test_a_deadline_inside_connecting_is_a_connect_timeout(sender: Sender) -> None:
    """A listening socket whose queue is full answers no SYN."""
    async with FullBacklog() as target:
        outcome = await sender.send(request_to(target, timeout=0.3))
    assert outcome.error is ErrorKind.CONNECT_TIMEOUT
    assert outcome.verdict == "allow_configured"
    assert outcome.duration < 3.0


async def test_connecting_has_a_limit_of_its_own(resolver: Resolver) -> None:
    sender = Sender(resolver, limits=Limits(connect=0.2))
    async with FullBacklog() as target:
        outcome = await sender.send(request_to(target, timeout=10))
    assert outcome.error is ErrorKind.CONNECT_TIMEOUT
    assert outcome.duration < 5.0
    await sender.aclose()


class FullBacklog:
    """A listening socket with its queue of connections filled up."""

    async def __aenter__(self) -> Target:
        self._listening = socket.socket()
        self._listening.bind(("127.0.0.1", 0))
        self._listening.listen(0)
        self._fill = []
        address = self._listening.getsockname()
        for _ in range(3):
            filler = socket.socket()
            filler.setblocking(False)
            self._fill.append(filler)
            with suppress(BlockingIOError):
                filler.connect(address)
        return Target(scheme="http", host="127.0.0.1", port=address[1])

    async def __aexit__(self, *_: object) -> None:
        for each in (*self._fill, self._listening):
            each.close()


async def test_an_endless_body_costs_bounded_memory(peers: Peers, sender: Sender) -> None:
    sent = 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await peer.send(b"x" * 262_144)
            sent += 262_144

    receiver = await peers.receiver(script)
    await sender.post(receiver.target)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(3):
        burst = [sender.start(request_to(receiver.target)) for _ in range(30)]
        outcomes = await asyncio.gather(*(w.outcome for w in burst))
        assert {(o.status, o.truncated, len(o.body)) for o in outcomes} == {(200, True, 16_384)}
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kb < 100_000
    assert sent < 91 * 16_000_000, "the body was read on after the cap"


async def test_a_large_request_is_sent_whole(peers: Peers, sender: Sender) -> None:
    got: list[bytes] = []

    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        got.append(await peer.reader.readexactly(1_000_000))
        await peer.send(OK)

    receiver = await peers.receiver(script)
    body = bytes(range(250)) * 4_000
    assert (await sender.send(request_to(receiver.target, body=body))).status == 200
    assert got == [body]


async def test_a_receiver_that_never_reads_hits_the_deadline(peers: Peers, sender: Sender) -> None:
    stop = asyncio.Event()

    async def script(peer: Peer) -> None:
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await stop.wait()

    receiver = await peers.receiver(script)
    request = request_to(receiver.target, body=b"x" * 8_000_000, timeout=0.3)
    assert (await sender.send(request)).error is ErrorKind.TIMEOUT
    stop.set()


async def test_a_callback_that_raises_harms_nobody_else(
    peers: Peers, sender: Sender, authority: Authority
) -> None:
    loop = asyncio.get_running_loop()
    raised: asyncio.Future[dict[str, object]] = loop.create_future()
    loop.set_exception_handler(lambda _, context: raised.set_result(context))

    def bad(_: Outcome) -> None:
        raise RuntimeError("a caller's mistake")

    receiver = await peers.receiver(answers(OK))
    sender.transport.send(request_to(receiver.target), bad)
    assert isinstance((await asyncio.wait_for(raised, 5))["exception"], RuntimeError)
    assert (await sender.post(receiver.target)).reused


async def test_closing_ends_everything(peers: Peers, resolver: Resolver) -> None:
    sender = Sender(resolver)
    idle = await peers.receiver(answers(OK))
    silent = await peers.receiver(says_nothing)
    headed = asyncio.Event()

    async def half(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 202 Accepted\r\nContent-Length: 9\r\n\r\nabc")
        headed.set()
        await peer.until_left()

    halfway = await peers.receiver(half)
    await sender.post(idle.target)
    waiting = sender.start(request_to(silent.target))
    begun = sender.start(request_to(halfway.target))
    await headed.wait()
    for _ in range(20):
        await asyncio.sleep(0)
    dialing = sender.start(request_to(silent.target))
    await sender.transport.aclose()
    assert (await waiting.outcome).error is ErrorKind.CLOSED
    assert (await dialing.outcome).error is ErrorKind.CLOSED
    ended = await begun.outcome
    assert (ended.status, ended.body, ended.truncated) == (202, b"abc", True)
    assert sender.transport.idle == 0
    late = await sender.post(idle.target)
    assert late.error is ErrorKind.CLOSED
    await sender.aclose()


async def test_timings_say_where_the_time_went(
    peers: Peers, sender: Sender, authority: Authority
) -> None:
    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await asyncio.sleep(0.05)
            await peer.send(OK)

    receiver = await peers.receiver(
        script, tls=authority.server("localhost"), ca=authority.pem, host="localhost"
    )
    outcome = await sender.post(receiver.target)
    parts = outcome.dns + outcome.connect + outcome.tls
    assert min(outcome.dns, outcome.connect, outcome.tls) > 0
    assert parts + 0.04 < outcome.first_byte <= outcome.duration
    again = await sender.post(receiver.target)
    assert (again.dns, again.connect, again.tls) == (0, 0, 0)
    assert again.first_byte > 0.04


class _Owner:
    def __init__(self) -> None:
        self.cuts: list[Exchange] = []
        self.cut_one = asyncio.Event()

    def cut(self, exchange: Exchange) -> None:
        self.cuts.append(exchange)
        self.cut_one.set()

    def finish(self, exchange: Exchange, outcome: Outcome) -> None:
        raise AssertionError


async def test_the_wheel_expires_what_is_due_and_nothing_else() -> None:
    loop = asyncio.get_running_loop()
    owner = _Owner()
    wheel = DeadlineWheel(loop, loop.time)
    nowhere = Request(Target(scheme="http", host="x", port=1), b"", BODY, 1.0)
    soon, later, gone = (Exchange(owner, nowhere, lambda _: None, 0.0) for _ in range(3))
    now = loop.time()
    wheel.add(soon, now + 0.01)
    wheel.add(gone, now + 0.01)
    wheel.add(later, now + 60)
    wheel.discard(gone)
    await asyncio.wait_for(owner.cut_one.wait(), 5)
    assert owner.cuts == [soon]
    assert loop.time() - now < 3.0
    assert wheel.drain() == [later]


async def test_a_closed_connection_is_freed_without_the_garbage_collector(
    peers: Peers, sender: Sender
) -> None:
    receiver = await peers.receiver(answers(OK, then_close=True))
    gc.collect()
    gc.disable()
    try:
        for _ in range(20):
            await sender.post(receiver.target)
        await asyncio.sleep(0.01)  # closing takes a few turns of the loop
        left = sum(isinstance(each, Connection) for each in gc.get_objects())
    finally:
        gc.enable()
    assert left <= 2


async def test_nothing_is_remembered_of_targets_that_are_not_called_any_more(
    peers: Peers, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "SWEEP_SECONDS", 0.01)
    clock = Hand()
    sender = Sender(resolver, clock=clock)
    left = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.until_left()
        left.set()

    receiver = await peers.receiver(script)
    await sender.post(receiver.target)
    clock.ahead += 31
    await asyncio.wait_for(left.wait(), 5)
    assert sender.transport.idle == 0
    await sender.aclose()


@pytest.mark.parametrize("ends", ["connected", "failed"])
async def test_a_cancellation_that_gets_lost_ends_no_request_twice(
    ends: str, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def deaf(*_: object) -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        if ends == "failed":
            raise DialError(ErrorKind.TLS, "late")

    monkeypatch.setattr(Dialer, "dial", deaf)
    nowhere = Target(scheme="http", host="127.0.0.1", port=9)
    outcome = await sender.send(request_to(nowhere, timeout=0.05))
    assert outcome.error is ErrorKind.DNS_TIMEOUT
    await sender.aclose()  # waits for what still dials, then counts the calls


async def test_an_unexpected_error_while_connecting_ends_the_request_and_is_reported(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    reported: asyncio.Future[dict[str, object]] = loop.create_future()
    loop.set_exception_handler(lambda _, context: reported.set_result(context))
    monkeypatch.setattr(sender.guard, "judge", lambda _: 1 / 0)
    outcome = await sender.post(Target(scheme="http", host="127.0.0.1", port=9))
    assert (outcome.error, outcome.detail) == (
        ErrorKind.INTERNAL,
        "ZeroDivisionError while connecting",
    )
    assert isinstance((await reported)["exception"], ZeroDivisionError)


def test_a_target_shows_no_secrets() -> None:
    target = Target(
        scheme="https",
        host="example.com",
        port=443,
        client_certificate=b"KEY",
        proxy="http://user:hunter2@proxy:1",
    )
    assert repr(target) == "Target(https://example.com:443)"
    assert "hunter2" not in repr(request_to(target))
