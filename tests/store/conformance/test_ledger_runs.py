"""Runs of automations: stored with what they are about, found, forgotten."""

from __future__ import annotations

import msgspec
import pytest

from hookferry.domain.delivery import WAITED_FOR
from hookferry.domain.run import LogLine, RunExit, Step
from hookferry.store.ports import Acceptance, Batch, RunFilter
from store.conformance.books import DAY, NOW, Books, Maker
from store.conformance.conftest import Reopen

replace = msgspec.structs.replace


async def test_a_run_is_read_back_whole(reopen: Reopen, make: Maker) -> None:
    run = make.run(
        make.automation(),
        exit=RunExit.ERROR,
        event_id=5,
        delivery_id=6,
        source_id=7,
        steps_used=1_234,
        log=(LogLine("warn", "start:log.warn/a", "é\x00", 0.25, "cerb:automation:f"),),
        log_dropped=3,
        steps=(Step("start:set", "set", 0.5, 1.5), Step("start:return", "return", 2.0, None, "f")),
        steps_dropped=4,
        dictionary={"a": [1, None, 2.5], "ü": {"b": True}},
        returned={"status_code": 404},
    )
    store = await reopen()
    await store.put_runs([run, make.run()])
    store = await reopen()
    assert await store.run(1, run.id) == run
    assert await store.run(2, run.id) is None
    assert await store.run(1, run.id + 1_000) is None
    assert (await store.boot()).greatest_id == run.id + 1


async def test_lists_leave_out_what_is_long(books: Books, make: Maker) -> None:
    run = make.run(log=(LogLine("debug", "start", "x", 1.0),), returned={"body": "y"})
    await books.store.put_runs([run])
    assert await books.store.runs(RunFilter(tenant_id=1), limit=9) == [run.summary()]
    assert run.summary() != run


async def test_runs_are_found_by_what_they_are_about(books: Books, make: Maker) -> None:
    one, two = make.automation("one"), make.automation("two")
    webhook = await books.webhook()
    event = make.event()
    delivery = make.delivery(event, webhook.id)
    await books.accept(Acceptance(event, (delivery,)))
    runs = {
        "plain": make.run(one),
        "failed": make.run(one, exit=RunExit.ERROR),
        "other": make.run(two, exit=RunExit.EXIT, source_id=9),
        "sent": make.run(two, event_id=event.id, delivery_id=delivery.id),
        "called": make.run(one, event_id=event.id, exit=RunExit.ERROR),
        "late": make.run(at=NOW + DAY),
        "foreign": make.run(tenant=2),
    }
    await books.store.put_runs(list(runs.values()))
    names = {run.id: name for name, run in runs.items()}

    async def found(limit: int = 50, below_id: int | None = None, **where: object) -> list[str]:
        filter = RunFilter(**{"tenant_id": 1, **where})  # type: ignore[arg-type]
        listed = await books.store.runs(filter, limit=limit, below_id=below_id)
        return [names[run.id] for run in listed]

    everything = ["late", "called", "sent", "other", "failed", "plain"]
    assert await found() == everything
    assert await found(limit=2) == everything[:2]
    assert await found(below_id=runs["sent"].id) == everything[3:]
    assert await found(tenant_id=2) == ["foreign"]
    assert await found(automation_id=one.id) == ["called", "failed", "plain"]
    assert await found(automation_id=one.id, tenant_id=2) == []
    assert await found(exit=RunExit.ERROR) == ["called", "failed"]
    assert await found(exit=RunExit.EXIT) == ["other"]
    assert await found(exit=RunExit.ERROR, event_id=event.id) == ["called"]
    assert await found(event_id=event.id) == ["called", "sent"]
    assert await found(event_id=event.id, automation_id=two.id) == ["sent"]
    assert await found(event_id=event.id, tenant_id=2) == []
    assert await found(delivery_id=delivery.id) == ["sent"]
    assert await found(delivery_id=delivery.id, event_id=event.id + 1) == []
    assert await found(source_id=9) == ["other"]
    assert await found(after_ms=NOW + DAY) == ["late"]
    assert await found(before_ms=NOW + DAY) == everything[1:]


@pytest.mark.parametrize("waited", [False, True])
async def test_a_run_is_stored_with_the_attempt_that_it_is(
    books: Books, make: Maker, waited: bool
) -> None:
    webhook = await books.webhook()
    delivery = await books.owed(webhook, due=WAITED_FOR if waited else None)
    run = make.run(event_id=delivery.event_id, delivery_id=delivery.id)
    settlement = books.settlement(webhook, delivery, attempt=make.attempt(delivery), run=run)
    if waited:
        await books.store.commit(Batch(await books.version(), answered=(settlement,)))
    else:
        await books.settle([settlement])
    assert await books.store.run(1, run.id) == run
    assert len(await books.store.attempts(1, delivery.id)) == 1


async def test_a_run_of_a_settlement_that_is_refused_is_not_stored(
    books: Books, make: Maker
) -> None:
    webhook = await books.webhook()
    delivery = await books.owed(webhook)
    run = make.run()
    stale = books.settlement(webhook, delivery, run=run, epoch=0)
    result = await books.settle([stale])
    assert result.refused == {delivery.id}
    assert await books.store.run(1, run.id) is None


async def test_the_id_of_a_run_is_used_once(books: Books, make: Maker) -> None:
    run = make.run()
    await books.store.put_runs([run])
    with pytest.raises(Exception):  # noqa: B017 (each engine has its own)
        await books.store.put_runs([make.run(), replace(run, automation="other")])
    assert [r.id for r in await books.store.runs(RunFilter(tenant_id=1), limit=9)] == [run.id]


async def test_old_runs_are_forgotten_however_many(books: Books, make: Maker) -> None:
    old = [make.run(at=NOW - 2 * DAY) for _ in range(200)]
    young = make.run(at=NOW)
    await books.store.put_runs([*old, young])
    await books.store.forget(NOW - DAY, 10)
    left = await books.store.runs(RunFilter(tenant_id=1), limit=250)
    assert [run.id for run in left] == [young.id]


async def test_runs_go_with_their_event_even_later_ones(books: Books, make: Maker) -> None:
    webhook = await books.webhook()
    gone = await books.owed(webhook, at=NOW - 2 * DAY)
    owing = await books.owed(webhook, at=NOW - 2 * DAY)
    await books.settle([books.settlement(webhook, gone)])
    later = [make.run(event_id=d.event_id, delivery_id=d.id, at=NOW) for d in (gone, owing)]
    await books.store.put_runs(later)
    assert await books.store.forget(NOW - DAY, 10) == 1
    left = await books.store.runs(RunFilter(tenant_id=1), limit=9)
    assert [run.id for run in left] == [later[1].id]


async def test_the_greatest_id_outlives_the_run_that_had_it(reopen: Reopen, make: Maker) -> None:
    store = await reopen()
    run = make.run(at=NOW - 2 * DAY)
    await store.put_runs([run])
    await store.forget(NOW - DAY, 10)
    assert await store.run(1, run.id) is None
    store = await reopen()
    assert (await store.boot()).greatest_id == run.id
