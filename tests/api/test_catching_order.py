"""The order of what happens to a caught request, and what strangers can't make of it.

Each of these would go unnoticed by those who send genuine requests.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from hookferry.catch.gate import GateLimits
from hookferry.domain.request import Verdict
from hookferry.domain.webhook import RateLimit
from hookferry.store.ports import Batch, Committed, Ring

from .caught import GITHUB, Source, converse, github
from .kit import House, running_house, until


async def test_fifty_at_once_of_the_same_delivery_are_one_event(hot_house: House) -> None:
    source = await Source.make(hot_house, verify=GITHUB)
    message = source.message(b"{}", github(b"{}", "same"))
    alone = [converse(hot_house.port, message) for _ in range(25)]
    answers = await asyncio.gather(converse(hot_house.port, *[message] * 25), *alone)
    assert [a.status for several in answers for a in several] == [204] * 50
    requests = await source.requests()
    [first] = [r for r in requests if r.verdict is Verdict.ACCEPTED]
    repeats = [r for r in requests if r is not first]
    assert len(repeats) == 49
    assert {(r.verdict, r.duplicate_of, r.event_id) for r in repeats} == {
        (Verdict.DUPLICATE, first.id, first.event_id)
    }
    assert len(await hot_house.events()) == 1


async def test_a_delivery_id_with_another_body_is_refused_and_kept(hot_house: House) -> None:
    source = await Source.make(hot_house, verify=GITHUB)
    answers = await converse(
        hot_house.port,
        source.message(b"{}", github(b"{}", "same")),
        source.message(b"[]", github(b"[]", "same")),
    )
    assert [answer.status for answer in answers] == [204, 422]
    _, other = await source.requests()
    assert (other.verdict, other.reason, other.body) == (
        Verdict.FILTERED,
        "idempotency_conflict",
        b"[]",
    )
    assert len(await hot_house.events()) == 1


async def test_a_stranger_who_guesses_a_delivery_id_keeps_nothing_from_being_caught(
    hot_house: House,
) -> None:
    source = await Source.make(hot_house, verify=GITHUB)
    forged = source.message(b"{}", github(b"{}", "next", secret="a guess"))
    genuine = source.message(b'{"a":1}', github(b'{"a":1}', "next"))
    answers = await converse(hot_house.port, forged, forged, genuine)
    assert [answer.status for answer in answers] == [401, 401, 204]
    verdicts = [(r.verdict, r.duplicate_of) for r in await source.requests()]
    assert verdicts == [
        (Verdict.QUARANTINED, None),
        (Verdict.QUARANTINED, None),
        (Verdict.ACCEPTED, None),
    ]
    assert [event.payload for event in await hot_house.events()] == [b'{"a":1}']


async def test_a_stranger_is_not_told_that_a_body_could_not_be_read(hot_house: House) -> None:
    source = await Source.make(hot_house, verify=GITHUB, parse="require")
    forged = source.message(b"{", github(b"{", "1", secret="a guess"))
    genuine = source.message(b"{", github(b"{", "2"))
    strange, known = await converse(hot_house.port, forged, genuine)
    assert (strange.status, strange.body) == (401, b"")
    assert known.status == 400
    assert [r.reason for r in await source.requests()] == ["mismatch", "unparseable"]


async def test_a_request_its_event_its_key_and_what_is_owed_are_one_commit(house: House) -> None:
    await house.webhook()
    source = await Source.make(house, verify=GITHUB)
    commit = house.store.commit
    batches: list[Batch] = []

    async def watched(batch: Batch) -> Committed:
        batches.append(batch)
        return await commit(batch)

    house.store.commit = watched  # type: ignore[method-assign]
    await converse(house.port, source.message(b"{}", github(b"{}", "1")))
    [accepted] = [a for batch in batches for a in batch.accept]
    [request] = await source.requests()
    assert accepted.event is not None
    assert accepted.request is not None
    assert (request.id, request.event_id) == (accepted.request.id, accepted.event.id)
    assert (len(accepted.deliveries), len(accepted.dedupe)) == (1, 1)


async def test_the_quarantine_keeps_the_newest_and_only_so_many_a_second(tmp_path: Path) -> None:
    limits = GateLimits(
        unproven=Ring(True, 5, 1_000_000), unproven_rate=RateLimit(per_second=0.001, burst=20)
    )
    async with running_house(tmp_path, gate_limits=limits) as house:
        source = await Source.make(house, verify=GITHUB)
        forged = [
            source.message(b"%d" % number, github(b"%d" % number, "1", secret="a guess"))
            for number in range(30)
        ]
        genuine = source.message(b"{}", github(b"{}", "genuine"))
        answers = await converse(house.port, *forged, genuine)
        assert [answer.status for answer in answers] == [401] * 30 + [204]
        requests = await source.requests()
        kept = [r.body for r in requests if r.verdict is Verdict.QUARANTINED]
        assert kept == [b"15", b"16", b"17", b"18", b"19"]
        metrics = (await house.client.get("/metrics")).text
        [counted] = [line for line in metrics.splitlines() if 'verdict="quarantined"' in line]
        assert counted.endswith(" 30.0")


async def test_a_caller_s_own_word_about_its_address_is_not_believed(hot_house: House) -> None:
    source = await Source.make(hot_house, allow_ips=["203.0.113.7"])
    [answer] = await converse(
        hot_house.port, source.message(headers=[(b"X-Forwarded-For", b"203.0.113.7")])
    )
    assert answer.status == 403
    [request] = await source.requests(1)
    assert (request.verdict, request.client) == (Verdict.REJECTED, "127.0.0.1")


async def test_a_sender_hears_nothing_before_the_commit(hot_house: House) -> None:
    source = await Source.make(hot_house)
    release = hot_house.hold_commits()
    sending = asyncio.create_task(converse(hot_house.port, source.message()))
    await until(lambda: hot_house.engine.intake.waiting == 1)
    done, _ = await asyncio.wait({sending}, timeout=0.3)
    assert not done
    release.set()
    [answer] = await sending
    assert answer.status == 204


async def test_a_full_intake_asks_the_sender_to_come_back_and_claims_no_key(
    hot_house: House,
) -> None:
    source = await Source.make(hot_house, verify=GITHUB)
    message = source.message(b"{}", github(b"{}", "1"))
    intake = hot_house.engine.intake
    intake._max_waiting, most = 0, intake._max_waiting
    [refused] = await converse(hot_house.port, message)
    intake._max_waiting = most
    [taken] = await converse(hot_house.port, message)
    assert (refused.status, taken.status) == (503, 204)
    assert int(refused.values(b"retry-after")[0]) >= 1
    assert [r.verdict for r in await source.requests()] == [Verdict.ACCEPTED]


async def test_while_it_drains_what_began_is_answered_and_what_is_new_is_not_taken(
    hot_house: House,
) -> None:
    source = await Source.make(hot_house)
    release = hot_house.hold_commits()
    first = asyncio.create_task(converse(hot_house.port, source.message(b"1")))
    reader, writer = await asyncio.open_connection("127.0.0.1", hot_house.port)
    writer.write(source.head(length=1))
    await hot_house.reading("BODY")
    await until(lambda: hot_house.engine.intake.waiting == 1)
    draining = asyncio.create_task(hot_house.engine.drain())
    await asyncio.sleep(0)
    writer.write(b"2")
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 5\r\n" in head
    writer.close()
    release.set()
    [answer] = await first
    assert answer.status == 204
    await draining
    assert [r.body for r in await source.requests()] == [b"1"]
