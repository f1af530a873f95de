"""What every transport does, whatever it is made of: the real one and the scripted double."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from doubles.transport import ScriptedTransport
from hookferry.transport.dns import Resolver
from hookferry.transport.port import ErrorKind, Outcome, Request, Target, Transport
from transport.kit import Sender, request_to
from transport.peers import Peer, Peers, answers, says_nothing

NOWHERE = Target(scheme="http", host="127.0.0.1", port=9)

Make = Callable[[str], Awaitable[tuple[Transport, Target]]]


@pytest.fixture(params=["real", "scripted"])
async def make(
    request: pytest.FixtureRequest, peers: Peers, resolver: Resolver
) -> AsyncIterator[Make]:
    """Makes a transport and a target that ``answers`` or ``hangs``."""
    made: list[Transport] = []

    async def real(manner: str) -> tuple[Transport, Target]:
        ok = answers(b"HTTP/1.1 200 Scripted\r\nContent-Length: 0\r\n\r\n")
        receiver = await peers.receiver(ok if manner == "answers" else says_nothing)
        made.append(Sender(resolver).transport)
        return made[-1], receiver.target

    async def scripted(manner: str) -> tuple[Transport, Target]:
        delay = 0.0 if manner == "answers" else 3600.0
        made.append(ScriptedTransport(lambda _: (delay, Outcome(status=200))))
        return made[-1], NOWHERE

    yield real if request.param == "real" else scripted
    for transport in made:
        await transport.aclose()


class Heard(list[Outcome]):
    """Collects outcomes and says when there are enough."""

    def __init__(self, wanted: int = 1) -> None:
        super().__init__()
        self._wanted = wanted
        self._enough = asyncio.Event()

    def __call__(self, outcome: Outcome) -> None:
        self.append(outcome)
        if len(self) == self._wanted:
            self._enough.set()

    async def enough(self) -> None:
        await asyncio.wait_for(self._enough.wait(), 10)


async def test_an_outcome_has_a_status_or_an_error_and_comes_after_send(make: Make) -> None:
    transport, target = await make("answers")
    heard = Heard()
    transport.send(request_to(target), heard)
    assert heard == []
    await heard.enough()
    (outcome,) = heard
    assert (outcome.status, outcome.error) == (200, None)


async def test_requests_side_by_side_all_end(make: Make) -> None:
    transport, target = await make("answers")
    heard = Heard(50)
    for _ in range(50):
        transport.send(request_to(target), heard)
    await heard.enough()
    assert [outcome.status for outcome in heard] == [200] * 50


async def test_a_done_callback_may_send_again(make: Make) -> None:
    transport, target = await make("answers")
    heard = Heard(20)

    def again(outcome: Outcome) -> None:
        heard(outcome)
        if len(heard) < 20:
            transport.send(request_to(target), again)

    transport.send(request_to(target), again)
    await heard.enough()
    assert [outcome.status for outcome in heard] == [200] * 20


async def test_the_deadline_ends_a_request_that_hangs(make: Make) -> None:
    transport, target = await make("hangs")
    heard = Heard()
    transport.send(request_to(target, timeout=0.1), heard)
    await heard.enough()
    (outcome,) = heard
    assert outcome.error is ErrorKind.TIMEOUT
    assert outcome.status is None
    assert outcome.duration >= 0.099


async def test_closing_ends_what_is_in_flight_and_what_comes_later(make: Make) -> None:
    transport, target = await make("hangs")
    heard = Heard(2)
    transport.send(request_to(target), heard)
    await asyncio.sleep(0)
    await transport.aclose()
    assert [outcome.error for outcome in heard] == [ErrorKind.CLOSED]
    transport.send(request_to(target), heard)
    await heard.enough()
    assert [outcome.error for outcome in heard] == [ErrorKind.CLOSED] * 2


async def test_a_request_is_sent_as_rendered(peers: Peers, resolver: Resolver) -> None:
    seen: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def script(peer: Peer) -> None:
        head = await peer.reader.readuntil(b"\r\n\r\n")
        seen.set_result(head + await peer.reader.readexactly(4))
        await peer.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    receiver = await peers.receiver(script)
    sender = Sender(resolver)
    head = b"POST /a?b=c HTTP/1.1\r\nhost: x\r\nX-odd:  Case \r\ncontent-length: 4\r\n\r\n"
    await sender.send(Request(receiver.target, head, b"\x00\xff{}", 5.0))
    assert await seen == head + b"\x00\xff{}"
    await sender.aclose()
