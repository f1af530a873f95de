"""Intake takes what it can hold, refuses the rest before anything is stored, and matches what is
true at the moment of the commit."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from hookferry.domain.event import EventMeta
from hookferry.domain.tenant import EventType
from hookferry.domain.webhook import WebhookState
from hookferry.engine.engine import EngineLimits
from hookferry.engine.intake import MAX_HOPS, Answer, Receipt
from hookferry.engine.publication import Publication
from hookferry.errors import (
    Conflict,
    Draining,
    HookferryError,
    InvalidField,
    Overloaded,
    PayloadTooLarge,
)

from .kit import Rig


def publication(size: int = 2, type: str = "contact.created") -> Publication:
    return Publication(type=type, data=msgspec.Raw(b'"%b"' % (b"x" * (size - 2))))


def publish(rig: Rig, *publications: Publication) -> list[Answer]:
    """Publish without waiting; return the list that answers will be put into."""
    told: list[Answer] = []
    for each in publications:
        rig.engine.intake.publish(rig.tenant, each, told.append)
    return told


async def test_too_many_waiting_events_are_refused_and_room_comes_back(bare: Rig) -> None:
    rig = bare
    await rig.boot(EngineLimits(max_waiting=5))
    rig.store.held = asyncio.Event()
    told = publish(rig, *[publication()] * 7)
    await rig.passes(1)
    assert [type(answer) for answer in told] == [Overloaded, Overloaded]
    rig.store.held.set()
    await rig.passes(1)
    assert [type(answer) for answer in told[2:]] == [Receipt] * 5
    assert len(rig.disk.events) == 5
    assert isinstance(await rig.publish(), Receipt)
    assert (rig.engine.intake.waiting, rig.engine.intake.waiting_bytes) == (0, 0)
    refused = rig.metrics.counts("hookferry_events_refused_total")
    assert refused[("overloaded",)] == 2


async def test_too_many_waiting_bytes_are_refused_and_room_comes_back(bare: Rig) -> None:
    rig = bare
    await rig.boot(EngineLimits(max_waiting_bytes=1000))
    rig.store.held = asyncio.Event()
    told = publish(rig, publication(600), publication(600), publication(400))
    await rig.passes(1)
    assert [type(answer) for answer in told] == [Overloaded]
    rig.store.held.set()
    await rig.passes(1)
    assert [type(answer) for answer in told[1:]] == [Receipt, Receipt]
    assert rig.engine.intake.waiting_bytes == 0


async def test_what_is_refused_gives_its_room_back(rig: Rig) -> None:
    await rig.change_tenant(strict_types=True)
    with pytest.raises(InvalidField):
        await rig.publish()
    assert (rig.engine.intake.waiting, rig.engine.intake.waiting_bytes) == (0, 0)


async def test_after_drain_everything_is_refused_with_a_time_to_come_back(rig: Rig) -> None:
    await rig.engine.drain()
    with pytest.raises(Draining) as refused:
        await rig.publish()
    assert refused.value.retry_after >= 1
    assert rig.disk.events == {}


async def test_a_payload_at_its_limit_is_taken_and_one_byte_more_is_not(bare: Rig) -> None:
    rig = bare
    await rig.boot(EngineLimits(payload_limit=1000))
    assert isinstance(await rig.publish(data=publication(1000).data), Receipt)
    with pytest.raises(PayloadTooLarge, match="1,001 bytes"):
        await rig.publish(data=publication(1001).data)


async def test_the_fields_beside_data_have_a_limit_too(rig: Rig) -> None:
    with pytest.raises(PayloadTooLarge, match="beside data"):
        await rig.publish(changes=["x" * 20_000])


async def test_an_event_with_too_many_subscribers_is_refused(bare: Rig) -> None:
    rig = bare
    await rig.boot(EngineLimits(max_deliveries=3))
    for number in range(4):
        await rig.webhook(f"crm{number}", events=("many.*", "few.*") if number else ("many.*",))
    assert (await rig.publish("few.created")).deliveries == 3
    with pytest.raises(Conflict, match="at most 3 deliveries"):
        await rig.publish("many.created")
    assert len(rig.disk.events) == 1


async def test_a_strict_tenant_takes_registered_types_only(rig: Rig) -> None:
    known = EventType(id=rig.engine.ids.next(), tenant_id=1, name="contact.created")
    old = EventType(id=rig.engine.ids.next(), tenant_id=1, name="contact.old", archived=True)
    await rig.store.save(known)
    await rig.store.save(old)
    await rig.change_tenant(strict_types=True)
    assert isinstance(await rig.publish("contact.created"), Receipt)
    for name in ("contact.old", "contact.unheard_of"):
        with pytest.raises(InvalidField, match="register it") as refused:
            await rig.publish(name)
        assert refused.value.field == "type"


@pytest.mark.parametrize(
    "name", ["", "a..b", ".a", "a b", "a.*", "ä.b", "a." * 8 + "a", "x" * 129, "a\n"]
)
async def test_a_type_that_is_not_one_is_refused(rig: Rig, name: str) -> None:
    with pytest.raises(InvalidField) as refused:
        await rig.publish(name)
    assert refused.value.field == "type"


@pytest.mark.parametrize("own_id", ["", "with space", "x" * 256, "ü", "a\nb"])
async def test_an_id_that_can_not_be_one_is_refused(rig: Rig, own_id: str) -> None:
    with pytest.raises(InvalidField) as refused:
        await rig.publish(id=own_id)
    assert refused.value.field == "id"


@pytest.mark.parametrize(("hops", "deliveries"), [(MAX_HOPS, 1), (MAX_HOPS + 1, 0)])
async def test_an_event_that_went_round_too_often_is_stored_and_not_matched(
    rig: Rig, hops: int, deliveries: int
) -> None:
    await rig.webhook()
    rig.engine.intake.cause(rig.tenant, "loop.event", b"{}", EventMeta(hops=hops))
    await rig.passes(1)
    [event] = rig.disk.events.values()
    assert event.meta.hops == hops
    assert len(await rig.deliveries()) == deliveries
    assert b"hookferry_hops_exceeded_total %d" % (1 - deliveries) in rig.metrics.render()


async def test_good_events_of_a_batch_are_taken_though_others_are_bad(rig: Rig) -> None:
    told = await rig.engine.intake.publish_many(
        lambda _: rig.tenant,
        [publication(), publication(type="not a type"), InvalidField("bad"), publication()],
    )
    assert [isinstance(answer, HookferryError) for answer in told] == [False, True, True, False]
    assert len(rig.disk.events) == 2


async def test_matching_is_never_stale(rig: Rig) -> None:
    """The configuration changed in the ledger and the engine was not told."""
    webhook = await rig.webhook()
    stopped = msgspec.structs.replace(webhook, version=2, state=WebhookState.STOPPED)
    await rig.store.save(stopped)
    await rig.publish()
    assert await rig.states() == ["skipped"]
    other = msgspec.structs.replace(
        webhook, id=rig.engine.ids.next(), name="erp", target_url="https://erp.example/"
    )
    await rig.store.save(other)
    assert (await rig.publish()).deliveries == 2
    assert rig.metrics.counts("hookferry_accepts_rematched_total")[()] == 2


async def test_a_rematched_event_keeps_its_id_and_time(rig: Rig) -> None:
    told = publish(rig, publication())
    webhook_saved = asyncio.ensure_future(rig.webhook())
    await webhook_saved
    await rig.passes(1)
    [answer] = told
    assert isinstance(answer, Receipt)
    assert list(rig.disk.events) == [answer.event_id]


async def test_payload_bytes_are_kept_exactly(rig: Rig) -> None:
    odd = b'{ "a" :1.0,\t"b":1e2, "a": "\\u00fc" }'
    told = await rig.publish(data=msgspec.Raw(odd))
    assert rig.disk.events[told.event_id].payload == odd
