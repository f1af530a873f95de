"""A repeat gets the first answer; another event under the same key is refused (SEMANTICS 5)."""

from __future__ import annotations

import msgspec
import pytest

from hookferry.engine.intake import Receipt
from hookferry.engine.publication import Publication
from hookferry.errors import IdempotencyConflict, StorageFull

from .kit import Rig, codes

HOUR = 3600.0
BY = pytest.mark.parametrize("by", ["id", "key"], ids=["own id", "Idempotency-Key"])


@BY
async def test_a_repeat_gets_the_first_answer(rig: Rig, by: str) -> None:
    await rig.webhook()
    first = await rig.publish(**{by: "k-1"})
    again = await rig.publish(**{by: "k-1"})
    assert (again.event_id, again.deliveries, again.duplicate) == (first.event_id, 1, True)
    assert not first.duplicate
    await rig.quiet()
    assert len(rig.disk.events) == 1
    assert len(rig.times()) == 1
    assert rig.metrics.counts("hookferry_events_duplicate_total")[()] == 1


@BY
@pytest.mark.parametrize(
    "other",
    [{"data": msgspec.Raw(b"1")}, {"type": "contact.updated"}, {"entity": "person"}],
    ids=["data", "type", "entity"],
)
async def test_another_event_under_the_same_key_is_refused(
    rig: Rig, by: str, other: dict[str, object]
) -> None:
    await rig.publish(**{by: "k-1"})
    with pytest.raises(IdempotencyConflict) as refused:
        await rig.publish(**{by: "k-1"}, **other)
    assert refused.value.field == ("id" if by == "id" else None)
    assert len(rig.disk.events) == 1


@BY
async def test_two_at_once_are_one_event(rig: Rig, by: str) -> None:
    told: list[object] = []
    for _ in range(2):
        p = Publication(type="a.b", data=msgspec.Raw(b"1"), id="k" if by == "id" else None)
        rig.engine.intake.publish(rig.tenant, p, told.append, None if by == "id" else "k")
    await rig.passes(1)
    first, second = told
    assert isinstance(first, Receipt)
    assert isinstance(second, Receipt)
    assert first.event_id == second.event_id
    assert [first.duplicate, second.duplicate] == [False, True]
    assert len(rig.disk.events) == 1
    assert len(rig.store.tried) == 1


@pytest.mark.parametrize(("by", "hours"), [("id", 72), ("key", 24)])
async def test_a_key_is_remembered_for_its_time_and_no_longer(
    rig: Rig, by: str, hours: float
) -> None:
    first = await rig.publish(**{by: "k-1"})
    await rig.passes(hours * HOUR - 60)
    assert (await rig.publish(**{by: "k-1"})).event_id == first.event_id
    await rig.passes(120)
    again = await rig.publish(**{by: "k-1"}, data=msgspec.Raw(b"2"))
    assert (again.event_id != first.event_id, again.duplicate) == (True, False)


async def test_an_id_and_a_key_are_different_things(rig: Rig) -> None:
    first = await rig.publish(id="same")
    second = await rig.publish(key="same")
    assert first.event_id != second.event_id


async def test_a_repeat_is_known_after_a_crash(rig: Rig) -> None:
    first = await rig.publish(id="k-1")
    rig.crash()
    await rig.boot()
    assert (await rig.publish(id="k-1")).event_id == first.event_id


async def test_a_refused_publish_leaves_its_key_free(rig: Rig) -> None:
    rig.store.refuse = lambda _: StorageFull("full")
    with pytest.raises(StorageFull):
        await rig.publish(id="k-1")
    rig.store.refuse = lambda _: None
    assert not (await rig.publish(id="k-1", data=msgspec.Raw(b"2"))).duplicate


async def test_repeats_within_a_batch_point_at_the_first(rig: Rig) -> None:
    batch = [
        Publication(type="a.b", data=msgspec.Raw(b"1"), id="x"),
        Publication(type="a.b", data=msgspec.Raw(b"1"), id="x"),
        Publication(type="a.b", data=msgspec.Raw(b"2"), id="x"),
        Publication(type="a.b", data=msgspec.Raw(b"1"), id="y"),
    ]
    told = await rig.engine.intake.publish_many(lambda _: rig.tenant, batch)
    assert codes(told) == ["ok", "ok", "idempotency_conflict", "ok"]
    assert len(rig.disk.events) == 2


async def test_a_repeat_changes_nothing_for_subscribers_who_came_later(rig: Rig) -> None:
    await rig.publish(id="k-1")
    await rig.webhook()
    assert (await rig.publish(id="k-1")).deliveries == 0
    await rig.passes(10)
    assert rig.sent == {}
