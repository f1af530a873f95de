"""Group commit: told after it is durable, one bad row fails alone, a full disk loses nothing."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from doubles.transport import always
from hookferry.domain.delivery import DeliveryState
from hookferry.domain.event import NO_META
from hookferry.engine import committer
from hookferry.engine.engine import EngineLimits
from hookferry.engine.intake import Answer, Receipt
from hookferry.engine.lanes import MAX_UNSETTLED
from hookferry.engine.publication import Publication
from hookferry.errors import HookferryError, StorageDown, StorageFull
from hookferry.store.ports import Batch

from .kit import EXACT, ONCE, Rig, all_in, answers, codes


def publish(rig: Rig, count: int, type: str = "contact.created") -> list[Answer]:
    """Publish without waiting; return the list that answers will be put into."""
    told: list[Answer] = []
    for number in range(count):
        data = msgspec.Raw(b"%d" % number)
        rig.engine.intake.publish(rig.tenant, Publication(type=type, data=data), told.append)
    return told


async def test_nobody_is_told_before_the_commit_returned(rig: Rig) -> None:
    await rig.webhook()
    rig.store.answered = asyncio.Event()
    told = publish(rig, 3)
    await rig.passes(5)
    assert len(rig.disk.events) == 3
    assert told == []
    assert rig.sent == {}
    rig.store.answered.set()
    await rig.passes(1)
    assert [type(answer) for answer in told] == [Receipt] * 3
    assert len(rig.times()) == 3


async def test_what_arrives_while_the_ledger_is_busy_shares_the_next_commit(rig: Rig) -> None:
    rig.store.held = asyncio.Event()
    told = publish(rig, 1)
    await rig.passes(0.01)
    told += publish(rig, 300)
    await rig.passes(0.01)
    rig.store.held.set()
    await rig.passes(1)
    assert [len(batch.accept) for batch in rig.store.tried] == [1, 300]


async def test_a_commit_waits_for_as_many_as_the_last_one_had(rig: Rig) -> None:
    publish(rig, 8)
    await rig.passes(0.01)
    publish(rig, 7)
    await rig.passes(committer.GATHER_SECONDS / 2)
    assert [len(batch.accept) for batch in rig.store.tried] == [8]
    publish(rig, 1)
    await rig.passes(0)
    assert [len(batch.accept) for batch in rig.store.tried] == [8, 8]


async def test_a_commit_does_not_wait_long_for_those_that_do_not_come(rig: Rig) -> None:
    publish(rig, 8)
    await rig.passes(0.01)
    publish(rig, 7)
    await rig.passes(2 * committer.GATHER_SECONDS)
    assert [len(batch.accept) for batch in rig.store.tried] == [8, 7]


def publish_noting(rig: Rig, count: int) -> list[tuple[int, Answer]]:
    """Publish without waiting; return the list for answers, each with the commits begun by then."""
    told: list[tuple[int, Answer]] = []
    for number in range(count):
        data = msgspec.Raw(b"%d" % number)
        publication = Publication(type="contact.created", data=data)
        rig.engine.intake.publish(
            rig.tenant, publication, lambda answer: told.append((len(rig.store.tried), answer))
        )
    return told


async def test_a_ledger_beside_the_loop_has_the_next_batch_before_the_last_callers_are_told(
    rig: Rig,
) -> None:
    await rig.boot(EngineLimits(ledger_beside=True))
    rig.store.tried.clear()
    rig.store.held = asyncio.Event()
    first = publish_noting(rig, 8)
    await rig.passes(0.01)
    second = publish_noting(rig, 8)
    rig.store.held.set()
    await rig.passes(0)
    assert [(n, type(answer)) for n, answer in first] == [(2, Receipt)] * 8
    await rig.passes(1)
    assert [(n, type(answer)) for n, answer in second] == [(2, Receipt)] * 8


async def test_beside_a_ledger_too_nobody_is_told_before_the_commit_returned(rig: Rig) -> None:
    await rig.boot(EngineLimits(ledger_beside=True))
    rig.store.answered = asyncio.Event()
    told = [publish(rig, 8)]
    await rig.passes(0.01)
    told.append(publish(rig, 8))
    await rig.passes(5)
    assert len(rig.disk.events) == 8
    assert told == [[], []]
    rig.store.answered.set()
    await rig.passes(1)
    assert [type(answer) for each in told for answer in each] == [Receipt] * 16


async def test_what_the_last_commit_stored_is_told_although_the_next_one_fails(rig: Rig) -> None:
    await rig.boot(EngineLimits(ledger_beside=True))
    rig.store.held = asyncio.Event()
    first = publish(rig, 8)
    await rig.passes(0.01)
    second = publish(rig, 8, "contact.deleted")
    rig.store.refuse = lambda batch: (
        StorageFull("the disk is full") if batch.accept[0].event.type.endswith("deleted") else None
    )
    rig.store.held.set()
    await rig.passes(0.01)
    assert [type(answer) for answer in first] == [Receipt] * 8
    assert [type(answer) for answer in second] == [StorageFull] * 8


async def test_a_ledger_beside_the_loop_gets_a_batch_while_others_still_come(rig: Rig) -> None:
    await rig.boot(EngineLimits(ledger_beside=True))
    await rig.passes(0)
    rig.store.tried.clear()
    told = publish(rig, 40)
    assert [len(batch.accept) for batch in rig.store.tried] == [16]
    assert told == []
    await rig.passes(1)
    assert [len(batch.accept) for batch in rig.store.tried] == [16, 20, 4]
    assert [type(answer) for answer in told] == [Receipt] * 40


async def test_sixteen_do_not_wait_for_more_of_them_with_a_ledger_beside_the_loop(
    rig: Rig,
) -> None:
    await rig.boot(EngineLimits(ledger_beside=True))
    await rig.passes(0)
    rig.store.tried.clear()
    publish(rig, 80)
    await rig.passes(0.01)
    assert [len(batch.accept) for batch in rig.store.tried] == [16, 40, 24]
    publish(rig, 16)
    await rig.passes(0)
    assert [len(batch.accept) for batch in rig.store.tried] == [16, 40, 24, 16]


async def test_callers_who_send_again_once_they_are_told_come_in_two_halves(rig: Rig) -> None:
    await rig.boot(EngineLimits(ledger_beside=True))
    await rig.passes(0)
    rig.store.tried.clear()
    loop = asyncio.get_running_loop()
    told: list[Answer] = []

    def call() -> None:
        publication = Publication(type="contact.created", data=msgspec.Raw(b"1"))
        rig.engine.intake.publish(rig.tenant, publication, again)

    def again(answer: Answer) -> None:
        told.append(answer)
        if len(told) <= 20 * 64:
            loop.call_soon(call)

    for _ in range(64):
        call()
    await rig.passes(1)
    sizes = [len(batch.accept) for batch in rig.store.tried]
    assert {size for size in sizes[4:-4] if not 24 <= size <= 32} == set()


async def test_what_hookferry_itself_says_begins_no_commit_in_the_middle_of_a_change(
    rig: Rig,
) -> None:
    await rig.boot(EngineLimits(ledger_beside=True))
    await rig.passes(0)
    rig.store.tried.clear()
    publish(rig, 16)
    rig.engine.intake.cause(rig.tenant, "hookferry.webhook.disabled", b"{}", NO_META)
    assert rig.store.tried == []
    await rig.passes(1)
    assert sum(len(batch.accept) for batch in rig.store.tried) == 17


async def test_a_commit_that_can_not_begin_early_fails_its_own_entries_and_nobody_elses(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rig.boot(EngineLimits(ledger_beside=True))
    await rig.passes(0)
    first = publish(rig, 16)
    with monkeypatch.context() as broken:
        broken.setattr(committer, "Batch", None)
        last = publish(rig, 1)
    await rig.passes(1)
    assert [type(answer) for answer in first] == [StorageDown] * 16
    assert [type(answer) for answer in last] == [Receipt]


async def test_a_commit_is_bounded(rig: Rig) -> None:
    rig.store.held = asyncio.Event()
    publish(rig, 2 * committer.MAX_ACCEPTS + 1)
    rig.store.held.set()
    await rig.passes(1)
    assert max(len(batch.accept) for batch in rig.store.tried) == committer.MAX_ACCEPTS
    assert len(rig.disk.events) == 2 * committer.MAX_ACCEPTS + 1


async def test_an_event_that_can_not_be_stored_fails_alone(rig: Rig) -> None:
    def poison(batch: Batch) -> Exception | None:
        bad = any(a.event.payload == b"37" for a in batch.accept)
        return ValueError("no such thing can be stored") if bad else None

    await rig.webhook()
    rig.store.refuse = poison
    told: list[Answer] = await rig.engine.intake.publish_many(
        lambda _: rig.tenant,
        [Publication(type="a.b", data=msgspec.Raw(b"%d" % n)) for n in range(100)],
    )
    assert codes(told) == ["ok"] * 37 + ["storage_down"] + ["ok"] * 62
    await rig.quiet()
    assert len(rig.times()) == 99
    assert all_in(await rig.states(), DeliveryState.DELIVERED)


async def test_an_attempt_that_can_not_be_stored_leaves_its_delivery_settled(rig: Rig) -> None:
    def poison(batch: Batch) -> Exception | None:
        bad = any(s.attempt is not None and s.attempt.status == 299 for s in batch.settle)
        return ValueError("no such thing can be stored") if bad else None

    rig.store.refuse = poison
    rig.receivers["crm"] = answers(200, 299, then=200)
    await rig.webhook()
    await rig.publish_many(20)
    await rig.quiet()
    assert all_in(await rig.states(), DeliveryState.DELIVERED)
    assert [len(await rig.attempts(d)) for d in await rig.deliveries()] == [1, 0, *[1] * 18]
    assert len(rig.times()) == 20


async def test_a_delivery_that_can_not_be_settled_at_all_waits_for_the_next_start(
    rig: Rig,
) -> None:
    def poison(batch: Batch) -> Exception | None:
        bad = any(s.last_status == 299 for s in batch.settle)
        return ValueError("no such thing can be stored") if bad else None

    rig.store.refuse = poison
    rig.receivers["crm"] = answers(299, then=200)
    await rig.webhook()
    await rig.publish_many(20)
    await rig.passes(1000)
    assert len(rig.times()) == 20
    assert sorted(await rig.states()) == ["delivered"] * 19 + ["pending"]
    rig.crash()
    await rig.boot()
    await rig.quiet()
    assert len(rig.times()) == 21


@pytest.mark.parametrize("error", [StorageFull("full", retry_after=5), StorageDown("away")])
async def test_a_ledger_that_is_full_or_away_fails_publishers_and_keeps_settlements(
    rig: Rig, error: HookferryError
) -> None:
    rig.receivers["crm"] = always(200, delay=1)
    await rig.webhook()
    await rig.publish_many(20)
    rig.store.refuse = lambda _: error
    await rig.passes(2)
    with pytest.raises(type(error)) as refused:
        await rig.publish()
    assert refused.value is error
    assert rig.engine.committer.failing
    await rig.passes(60)
    assert await rig.states() == ["pending"] * 20
    tried = len(rig.store.tried)
    await rig.passes(60)
    assert len(rig.store.tried) - tried <= 31  # every 2 s
    rig.store.refuse = lambda _: None
    await rig.passes(3)
    assert all_in(await rig.states(), DeliveryState.DELIVERED)
    assert len(rig.times()) == 20
    assert not rig.engine.committer.failing
    assert isinstance(await rig.publish(), Receipt)


async def test_while_nothing_can_be_settled_sending_stops_at_a_bound(rig: Rig) -> None:
    webhook = await rig.webhook()
    await rig.publish_many(MAX_UNSETTLED + 3000)
    await rig.quiet()
    rig.sent.clear()
    # All of it is sent again, so that much is due while nothing can be stored.
    everything = [d.id for d in await rig.deliveries()]
    await rig.engine.actions.resend(1, everything)
    rig.store.refuse = lambda _: StorageFull("full")
    await rig.passes(600)
    assert rig.engine.committer.unsettled <= MAX_UNSETTLED + 64
    assert len(rig.times()) <= MAX_UNSETTLED + 64
    assert rig.lane(webhook).in_flight == 0
    rig.store.refuse = lambda _: None
    await rig.quiet()
    assert len(rig.times()) == MAX_UNSETTLED + 3000


async def test_stopping_with_a_full_disk_gives_up_what_is_sent_again_later(rig: Rig) -> None:
    await rig.webhook()
    rig.receivers["crm"] = always(200, delay=1)
    await rig.publish_many(3)
    rig.store.refuse = lambda _: StorageFull("full")
    await rig.passes(5)
    stopping = rig.loop.time()
    await rig.engine.committer.stop()
    assert rig.loop.time() - stopping < 3
    assert await rig.states() == ["pending"] * 3
    rig.crash()
    await rig.boot()
    await rig.quiet()
    assert len(rig.times()) == 6


async def test_stop_stores_what_is_queued(rig: Rig) -> None:
    told = publish(rig, 700)
    await rig.engine.committer.stop()
    assert len(rig.disk.events) == 700
    assert len(told) == 700


async def test_flush_returns_once_all_is_durable(rig: Rig) -> None:
    rig.store.held = asyncio.Event()
    publish(rig, 3)
    flushing = asyncio.ensure_future(rig.engine.committer.flush())
    await rig.passes(1)
    assert not flushing.done()
    rig.store.held.set()
    await flushing
    assert len(rig.disk.events) == 3


async def test_a_settlement_is_stored_under_the_epoch_it_was_sent_under(rig: Rig) -> None:
    """Another owner took the shard over while a request was in the air."""
    rig.receivers["crm"] = always(200, delay=10)
    webhook = await rig.webhook(retry=EXACT)
    await rig.publish()
    await rig.passes(1)
    for shard in rig.disk.epochs:
        rig.disk.epochs[shard] += 1
    await rig.passes(100)
    assert await rig.states() == ["pending"]
    assert rig.metrics.counts("hookferry_settles_refused_total")[()] == 1
    assert webhook.id not in rig.engine.lanes._lanes
    assert len(rig.times()) == 1


async def test_a_caller_that_breaks_on_its_answer_does_not_reach_the_others(rig: Rig) -> None:
    def broken(_: Answer) -> None:
        raise RuntimeError("a bug of one caller")

    await rig.webhook(retry=ONCE)
    rig.engine.intake.publish(rig.tenant, Publication(type="a.b", data=msgspec.Raw(b"1")), broken)
    told = publish(rig, 3)
    await rig.passes(1)
    assert codes(told) == ["ok"] * 3
    assert isinstance(await rig.publish(), Receipt)


async def test_a_configuration_that_can_not_be_read_delays_an_event_and_loses_none(
    rig: Rig,
) -> None:
    await rig.store.save(msgspec.structs.replace(rig.tenant, version=2))
    changes = rig.store.changes
    failures = 3

    async def away(since: int):
        nonlocal failures
        if failures:
            failures -= 1
            raise StorageDown("away")
        return await changes(since)

    rig.store.changes = away  # type: ignore[method-assign]
    assert isinstance(await rig.publish(), Receipt)
    assert failures == 0
    assert len(rig.disk.events) == 1
