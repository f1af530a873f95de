"""Retention, and what a booting engine is told."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from hookferry.errors import StorageDown
from hookferry.store.ports import Acceptance, Batch, DeliveryFilter, EventFilter
from store.conformance.books import DAY, HOUR, NOW, Books, Maker
from store.conformance.conftest import Reopen

EVERYTHING = EventFilter(tenant_id=1)


async def test_old_events_go_with_their_deliveries_and_attempts(books: Books, make: Maker) -> None:
    webhook = await books.webhook()
    old, recent = await books.owed(webhook), await books.owed(webhook, at=NOW + DAY)
    await books.settle(
        [books.settlement(webhook, d, attempt=make.attempt(d)) for d in (old, recent)]
    )
    assert await books.store.forget(NOW + HOUR, 10) == 1
    remaining = await books.store.events(EVERYTHING, limit=10)
    assert [event.id for event in remaining] == [recent.event_id]
    assert await books.store.delivery(1, old.id) is None
    assert await books.store.attempts(1, old.id) == []
    assert len(await books.store.attempts(1, recent.id)) == 1


async def test_forgetting_is_limited_and_goes_on_where_it_stopped(
    books: Books, make: Maker
) -> None:
    for _ in range(5):
        await books.accept(Acceptance(make.event(), ()))
    assert await books.store.forget(NOW + HOUR, 2) == 2
    assert await books.store.forget(NOW + HOUR, 2) == 2
    assert await books.store.forget(NOW + HOUR, 2) == 1
    assert await books.store.events(EVERYTHING, limit=10) == []


async def test_forgetting_hundreds_takes_one_call(books: Books, make: Maker) -> None:
    await books.accept(*(Acceptance(make.event(), ()) for _ in range(600)))
    assert await books.store.forget(NOW + HOUR, 1_000) == 600


async def test_an_event_that_still_owes_stays_until_it_is_settled(books: Books) -> None:
    webhook = await books.webhook()
    owed = await books.owed(webhook)
    settled = await books.owed(webhook)
    await books.settle([books.settlement(webhook, settled)])
    assert await books.store.forget(NOW + HOUR, 10) == 1
    assert await books.store.delivery(1, owed.id) == owed
    await books.settle([books.settlement(webhook, owed)])
    assert await books.store.forget(NOW + DAY, 10) == 1
    assert await books.store.deliveries(DeliveryFilter(tenant_id=1), limit=10) == []


async def test_owing_events_do_not_use_up_the_limit(books: Books, make: Maker) -> None:
    webhook = await books.webhook()
    for _ in range(3):
        await books.owed(webhook)
    await books.accept(Acceptance(make.event(), ()))
    assert await books.store.forget(NOW + HOUR, 1) == 1


async def test_the_greatest_id_is_known_at_boot_even_after_it_was_forgotten(
    reopen: Reopen, make: Maker
) -> None:
    books = Books(await reopen(), make)
    await books.own()
    webhook = await books.webhook()
    delivery = await books.owed(webhook)
    attempt = make.attempt(delivery)
    await books.settle([books.settlement(webhook, delivery, attempt=attempt)])
    assert (await books.store.boot()).greatest_id == attempt.id
    assert await books.store.forget(NOW + HOUR, 10) == 1
    store = await reopen()
    assert (await store.boot()).greatest_id == attempt.id


async def test_the_time_last_remembered_is_told_at_boot(reopen: Reopen) -> None:
    store = await reopen()
    assert (await store.boot()).time_ms == 0
    await store.remember_time(NOW)
    assert (await (await reopen()).boot()).time_ms == NOW


async def test_a_closed_ledger_refuses_calls(books: Books) -> None:
    await books.store.ping()
    await books.store.aclose()
    with pytest.raises(StorageDown):
        await books.store.commit(Batch(0))
    with pytest.raises(StorageDown):
        await books.store.ping()


async def test_closing_twice_is_harmless(books: Books) -> None:
    await books.store.aclose()
    await books.store.aclose()


async def test_a_deletion_cut_short_is_finished_at_boot(reopen: Reopen, make: Maker) -> None:
    books = Books(await reopen(), make)
    await books.own()
    webhook = await books.webhook()
    event = make.event()
    await books.store.add_deliveries([make.delivery(event, webhook.id) for _ in range(1_200)])
    deleted = msgspec.structs.replace(webhook, deleted=True, version=2)
    saving = asyncio.create_task(books.store.save(deleted))
    # An engine that waits for its disk is abandoned there, as by a process that dies.
    await asyncio.sleep(0)
    saving.cancel()
    await asyncio.wait([saving])
    store = await reopen()
    await store.boot()
    assert await store.owing() == {}
