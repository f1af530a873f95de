"""What strangers can make a server hold or write is bounded."""

from __future__ import annotations

import asyncio

import pytest

from api.kit import House, until
from hookferry.catch import outgoing, waiting
from hookferry.catch.arrival import Arrival, Outcome
from hookferry.catch.gate import Gate
from hookferry.catch.replies import NOTHING_KNOWN, Answer
from hookferry.domain.request import Verdict
from hookferry.errors import Overloaded
from hookferry.transport.port import Outcome as Sent
from hookferry.wire.headers import Headers

from .kit import GITHUB, Caller, source, webhook


def gate_of(caller: Caller) -> Gate:
    gate = caller.house.services.catching.reception.gate(caller.source)
    assert gate is not None
    return gate


def arrival(
    caller: Caller, told: list[Outcome], method: str = "POST", query: bytes = b""
) -> Arrival:
    """A request without a connection."""
    return Arrival(
        method=method,
        path=caller.path.encode(),
        query=query,
        headers=Headers(()),
        raw_headers=(),
        body=b"",
        client="192.0.2.1",
        told=told.append,
        at_ms=caller.house.clock.wall_ms(),
    )


def arrive(caller: Caller, told: list[Outcome], method: str = "POST", query: bytes = b"") -> None:
    """Hand a request to the pipeline without a connection."""
    pipeline = caller.house.services.catching.pipeline
    pipeline.take(gate_of(caller), arrival(caller, told, method, query))


@pytest.mark.parametrize("kind", ["forged", "greeting", "wrong method"])
async def test_strangers_write_so_many_records_and_are_only_counted_beyond(
    house: House, kind: str
) -> None:
    verify = {"verify": GITHUB} if kind == "forged" else {}
    methods = {"methods": ["POST"], "handshakes": ["dropbox"]} if kind != "forged" else {}
    caller = await source(house, **verify, **methods)
    told: list[Outcome] = []
    method, query = ("POST", b"") if kind == "forged" else ("GET", b"")
    if kind == "greeting":
        query = b"challenge=abc"
    for _ in range(300):
        arrive(caller, told, method, query)
    await until(lambda: len(told) == 300)
    assert len({(o.answer.status, o.answer.body) for o in told}) == 1
    assert 200 <= len(await caller.kept()) <= 210
    metrics = house.services.render_metrics().decode()
    assert 'source="' in metrics
    assert "} 300.0" in metrics


async def test_a_genuine_request_is_never_only_counted(house: House) -> None:
    caller = await source(house)
    told: list[Outcome] = []
    for _ in range(300):
        arrive(caller, told)
    await until(lambda: len(told) == 300)
    assert {o.verdict for o in told} == {Verdict.ACCEPTED}
    assert len(await caller.kept()) == 300


async def test_callers_that_wait_are_bounded(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "MAX_WAITS", 2)
    await webhook(house, "gate", mode="sync")
    ends: list[asyncio.Future[None]] = []
    house.transport.send = lambda request, done: ends.append(  # type: ignore[method-assign]
        asyncio.ensure_future(asyncio.sleep(0, done))  # type: ignore[arg-type]
    )
    caller = await source(house, respond={"webhook": "gate", "deadline": 0.2})
    told: list[Outcome] = []
    arrive(caller, told)
    arrive(caller, told)
    with pytest.raises(Overloaded):
        arrive(caller, told)
    await until(lambda: len(told) == 2)
    arrive(caller, told)
    await until(lambda: len(told) == 3)
    assert {o.answer.status for o in told} == {202}
    assert len(await caller.kept()) == 3
    for end in ends:
        (await end)(Sent(status=200))  # type: ignore[misc]


async def test_a_listener_s_answer_is_expected_once_however_often_a_request_is_stored(
    house: House,
) -> None:
    caller = await source(house)
    waits = house.services.catching.pipeline.waiting
    told: list[Outcome] = []
    request = arrival(caller, told).record(7, caller.source, Verdict.ACCEPTED)
    waits.listeners.join(caller.source.id)
    wait = waits.begin(gate_of(caller), arrival(caller, told), request, NOTHING_KNOWN)
    wait.stored()
    assert waits.listeners.answer(7, Answer(200))
    wait.stored()
    assert not waits.listeners.answer(7, Answer(200))
    await until(lambda: len(told) == 1)


async def test_requests_that_wait_for_one_certificate_are_bounded(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing, "MAX_WAITING", 2)
    held = []
    house.transport.send = lambda request, done: held.append(done)  # type: ignore[method-assign]
    keys = house.services.catching.outgoing
    told: list[bool] = []
    for _ in range(3):
        keys.fetch("https://sns.eu-west-1.amazonaws.com/cert.pem", told.append)
    await until(lambda: bool(held))
    assert told == [False]
    [answer] = held
    answer(Sent(status=200, body=b"certificate"))
    await until(lambda: len(told) == 3)
    assert told == [False, True, True]
    assert list(keys.known.values()) == [b"certificate"]


async def test_an_address_that_failed_is_left_alone_for_a_minute(house: House) -> None:
    house.transport.outcome = lambda _: Sent(status=404)
    keys = house.services.catching.outgoing
    told: list[bool] = []
    url = "https://sns.eu-west-1.amazonaws.com/cert.pem"
    keys.fetch(url, told.append)
    await until(lambda: told == [False])
    keys.fetch(url, told.append)
    await until(lambda: told == [False, False])
    assert len(house.transport.sent) == 1
