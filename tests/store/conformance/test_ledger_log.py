"""Search: newest first, filtered, and never another tenant's."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hookferry.domain.delivery import Delivery, DeliveryState
from hookferry.domain.event import Event, EventMeta, EventState
from hookferry.store.ports import ATTEMPTS_READ, Acceptance, DeliveryFilter, EventFilter
from store.conformance.books import DAY, HOUR, NOW, Books, Maker

FAILED, CANCELLED = DeliveryState.FAILED, DeliveryState.CANCELLED


class Scene:
    """Two tenants, two webhooks, events of three hours."""

    def __init__(self, make: Maker) -> None:
        self.events = [
            make.event(at=NOW, type="a", payload=b"one"),
            make.event(at=NOW + HOUR, type="b", payload=b"two \xff%_"),
            make.event(at=NOW + 2 * HOUR, type="b", meta=EventMeta(external_id="x-3")),
        ]
        self.unmatched = make.event(at=NOW + 2 * HOUR, type="c", state=EventState.UNMATCHED)
        self.foreign = make.event(
            tenant=2, type="a", payload=b"one", meta=EventMeta(external_id="x-3")
        )
        first, second, third = self.events
        self.deliveries = [
            make.delivery(first, 11),
            make.delivery(first, 12, state=FAILED, error="timeout"),
            make.delivery(second, 11, state=FAILED, error="dns_failed"),
            make.delivery(third, 11, state=CANCELLED, error="by_hand"),
        ]
        self.foreign_delivery = make.delivery(self.foreign, 11, state=FAILED)

    @property
    def acceptances(self) -> list[Acceptance]:
        everything = (*self.deliveries, self.foreign_delivery)
        return [
            Acceptance(event, [d for d in everything if d.event_id == event.id])
            for event in (*self.events, self.unmatched, self.foreign)
        ]


@pytest.fixture
async def scene(books: Books, make: Maker) -> Scene:
    scene = Scene(make)
    await books.accept(*scene.acceptances)
    return scene


async def events(
    books: Books, limit: int = 50, below: int | None = None, tenant_id: int = 1, **where: Any
) -> list[Event]:
    named = EventFilter(tenant_id=tenant_id, **where)
    return await books.store.events(named, limit=limit, below_id=below)


async def deliveries(
    books: Books, limit: int = 50, below: int | None = None, tenant_id: int = 1, **where: Any
) -> list[Delivery]:
    named = DeliveryFilter(tenant_id=tenant_id, **where)
    return await books.store.deliveries(named, limit=limit, below_id=below)


async def test_events_are_listed_newest_first_and_paged_by_id(books: Books, scene: Scene) -> None:
    newest = sorted([*scene.events, scene.unmatched], key=lambda e: -e.id)
    assert await events(books) == newest
    first_page = await events(books, limit=2)
    assert first_page == newest[:2]
    assert await events(books, limit=2, below=first_page[-1].id) == newest[2:]


async def test_events_are_filtered_by_each_field(books: Books, scene: Scene) -> None:
    first, second, third = scene.events
    assert await events(books, type="b") == [third, second]
    assert await events(books, state=EventState.UNMATCHED) == [scene.unmatched]
    assert await events(books, external_id="x-3") == [third]
    assert await events(books, after_ms=NOW + HOUR, before_ms=NOW + 2 * HOUR) == [second]
    assert await events(books, before_ms=NOW + 1, type="a") == [first]
    assert await events(books, before_ms=NOW + 1, type="b") == []


async def test_deliveries_are_listed_newest_first_and_paged_by_id(
    books: Books, scene: Scene
) -> None:
    newest = sorted(scene.deliveries, key=lambda d: -d.id)
    assert await deliveries(books) == newest
    assert await deliveries(books, limit=3) == newest[:3]
    assert await deliveries(books, limit=3, below=newest[2].id) == newest[3:]


async def test_deliveries_are_filtered_by_each_field(books: Books, scene: Scene) -> None:
    pending, timeout, dns, cancelled = scene.deliveries
    first, second, _ = scene.events
    assert await deliveries(books, event_id=first.id) == [timeout, pending]
    assert await deliveries(books, event_id=first.id, webhook_id=12) == [timeout]
    assert await deliveries(books, webhook_id=11) == [cancelled, dns, pending]
    assert await deliveries(books, event_type="b") == [cancelled, dns]
    assert await deliveries(books, states=(FAILED,)) == [dns, timeout]
    assert await deliveries(books, states=(FAILED, CANCELLED)) == [cancelled, dns, timeout]
    assert await deliveries(books, states=()) == []
    assert await deliveries(books, after_ms=NOW + HOUR, before_ms=NOW + DAY) == [cancelled, dns]
    assert await deliveries(books, status=500) == []
    assert await deliveries(books, text="dns_f") == [dns]
    assert await deliveries(books, text="two") == [dns]
    assert await deliveries(books, text="%_") == [dns]
    assert await deliveries(books, text="no such") == []
    assert await deliveries(books, webhook_id=11, states=(FAILED,), event_type="b") == [dns]
    assert second.id == dns.event_id


async def test_deliveries_are_found_by_their_last_status(books: Books) -> None:
    webhook = await books.webhook()
    delivery = await books.owed(webhook)
    await books.settle([books.settlement(webhook, delivery)])
    assert [d.id for d in await deliveries(books, status=200)] == [delivery.id]


async def test_nothing_of_another_tenant_is_found(books: Books, make: Maker, scene: Scene) -> None:
    store = books.store
    foreign, delivery = scene.foreign, scene.foreign_delivery
    assert await store.event(1, foreign.id) is None
    assert await store.delivery(1, delivery.id) is None
    assert await deliveries(books, event_id=foreign.id) == []
    assert await deliveries(books, tenant_id=2) == [delivery]
    assert await events(books, tenant_id=2) == [foreign]
    assert await store.attempts(1, delivery.id) == []
    assert await store.states(1, [foreign.id]) == {}
    assert await store.event_types_of(1, [foreign.id]) == {}
    assert await store.webhook_counts(2, 12, 0) == {}
    assert await store.webhook_counts(2, 11, 0) == {FAILED: 1}
    assert await store.cancel(2, [scene.deliveries[0].id], "by_hand", NOW) == {}
    assert await store.requeue(1, [delivery.id], NOW, NOW) == {}


async def test_attempts_of_another_tenants_delivery_are_not_shown(
    books: Books, make: Maker
) -> None:
    acme = await books.store.save(make.tenant("acme"))
    webhook = await books.webhook(tenant=acme.id)
    delivery = await books.owed(webhook)
    attempt = make.attempt(delivery)
    await books.settle([books.settlement(webhook, delivery, attempt=attempt)])
    assert await books.store.attempts(1, delivery.id) == []
    assert await books.store.attempts(acme.id, delivery.id) == [attempt]


async def test_attempts_are_read_a_part_at_a_time_from_either_end(
    books: Books, make: Maker
) -> None:
    webhook = await books.webhook()
    delivery = await books.owed(webhook)
    tries = [make.attempt(delivery, number=1, success=False) for _ in range(5)]
    settled = [
        books.settlement(webhook, delivery, DeliveryState.RETRYING, attempt=attempt)
        for attempt in tries
    ]
    await books.settle(settled)
    read = books.store.attempts
    assert await read(1, delivery.id) == tries
    assert await read(1, delivery.id, limit=2) == tries[:2]
    assert await read(1, delivery.id, limit=2, newest=True) == [tries[4], tries[3]]
    assert await read(1, delivery.id, newest=True, below_id=tries[3].id) == tries[2::-1]
    assert await read(1, delivery.id, limit=1, newest=True, below_id=tries[0].id) == []


async def test_no_more_attempts_are_read_at_once_than_is_said(books: Books, make: Maker) -> None:
    webhook = await books.webhook()
    delivery = await books.owed(webhook)
    tries = [make.attempt(delivery, success=False) for _ in range(ATTEMPTS_READ + 1)]
    await books.settle(
        [books.settlement(webhook, delivery, DeliveryState.RETRYING, attempt=a) for a in tries]
    )
    assert await books.store.attempts(1, delivery.id) == tries[:ATTEMPTS_READ]


async def test_names_of_webhooks_are_told_deleted_ones_too(books: Books, make: Maker) -> None:
    first, second = await books.webhook("first"), await books.webhook("second")
    foreign = await books.store.save(make.webhook("foreign", tenant=2))
    deleted = msgspec.structs.replace(second, deleted=True, version=2)
    await books.store.save(deleted)
    wanted = [first.id, second.id, foreign.id, make.id()]
    assert await books.store.webhook_names(1, wanted) == {first.id: "first", second.id: "second"}
    assert await books.store.webhook_names(1, []) == {}


async def test_states_are_counted_by_event(books: Books, scene: Scene) -> None:
    counts = await books.store.states(1, [e.id for e in scene.events] + [12345])
    assert counts == {
        scene.events[0].id: {DeliveryState.PENDING: 1, FAILED: 1},
        scene.events[1].id: {FAILED: 1},
        scene.events[2].id: {CANCELLED: 1},
    }


async def test_many_ids_are_looked_up_at_once(books: Books, scene: Scene) -> None:
    numbers = [*range(2_000), scene.events[0].id]
    assert set(await books.store.states(1, numbers)) == {scene.events[0].id}
    assert await books.store.event_types_of(1, numbers) == {scene.events[0].id: "a"}


async def test_a_webhooks_deliveries_are_counted_since_a_time(books: Books, scene: Scene) -> None:
    store = books.store
    assert await store.webhook_counts(1, 11, NOW) == {
        DeliveryState.PENDING: 1,
        FAILED: 1,
        CANCELLED: 1,
    }
    assert await store.webhook_counts(1, 11, NOW + HOUR) == {FAILED: 1, CANCELLED: 1}
