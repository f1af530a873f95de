"""What is owed, and when."""

from __future__ import annotations

from hookferry.domain.delivery import DeliveryState
from hookferry.store.ports import Acceptance, DueBatch
from store.conformance.books import NOW, Books, Maker

NOBODY: frozenset[int] = frozenset()
MEGABYTE = 1 << 20


def ids_of(batch: DueBatch) -> list[int]:
    return [row.delivery.id for row in batch.rows]


async def test_due_deliveries_come_with_their_events_by_due_time_then_id(
    books: Books, make: Maker
) -> None:
    webhook = await books.webhook()
    late = await books.owed(webhook, due=NOW, payload=b"late")
    first = await books.owed(webhook, due=NOW - 5, payload=b"first")
    second = await books.owed(webhook, due=NOW - 5, payload=b"second")
    batch = await books.store.read_due(webhook.id, NOW, 10, MEGABYTE, NOBODY)
    assert [row.delivery for row in batch.rows] == [first, second, late]
    assert [row.event.payload for row in batch.rows] == [b"first", b"second", b"late"]
    assert [row.event.id for row in batch.rows] == [d.event_id for d in (first, second, late)]
    assert (batch.more, batch.next_due_ms) == (False, None)


async def test_what_is_not_due_yet_is_announced_only(books: Books) -> None:
    webhook = await books.webhook()
    await books.owed(webhook, due=NOW + 9)
    await books.owed(webhook, due=NOW + 4)
    batch = await books.store.read_due(webhook.id, NOW, 10, MEGABYTE, NOBODY)
    assert (batch.rows, batch.more, batch.next_due_ms) == ([], False, NOW + 4)
    at_once = await books.store.read_due(webhook.id, NOW + 4, 10, MEGABYTE, NOBODY)
    assert (len(at_once.rows), at_once.next_due_ms) == (1, NOW + 9)


async def test_the_limit_is_kept_and_more_is_told(books: Books) -> None:
    webhook = await books.webhook()
    owed = [await books.owed(webhook) for _ in range(3)]
    some = await books.store.read_due(webhook.id, NOW, 2, MEGABYTE, NOBODY)
    assert (ids_of(some), some.more) == ([d.id for d in owed[:2]], True)
    all_of_them = await books.store.read_due(webhook.id, NOW, 3, MEGABYTE, NOBODY)
    assert (len(all_of_them.rows), all_of_them.more) == (3, False)


async def test_reading_stops_at_the_byte_budget_but_reads_one(books: Books) -> None:
    webhook = await books.webhook()
    for _ in range(4):
        await books.owed(webhook, payload=b"x" * 100)
    one = await books.store.read_due(webhook.id, NOW, 10, 50, NOBODY)
    assert (len(one.rows), one.more) == (1, True)
    two = await books.store.read_due(webhook.id, NOW, 10, 150, NOBODY)
    assert (len(two.rows), two.more) == (2, True)


async def test_what_the_caller_holds_is_passed_over(books: Books) -> None:
    webhook = await books.webhook()
    owed = [await books.owed(webhook) for _ in range(4)]
    later = await books.owed(webhook, due=NOW + 50)
    held = frozenset({owed[0].id, owed[2].id, later.id})
    batch = await books.store.read_due(webhook.id, NOW, 1, MEGABYTE, held)
    assert (ids_of(batch), batch.more) == ([owed[1].id], True)
    batch = await books.store.read_due(webhook.id, NOW, 10, MEGABYTE, held)
    assert ids_of(batch) == [owed[1].id, owed[3].id]
    assert (batch.more, batch.next_due_ms) == (False, None)


async def test_only_what_owes_is_read(books: Books, make: Maker) -> None:
    webhook, other = await books.webhook(), await books.webhook("other")
    event = make.event()
    settled = [
        make.delivery(event, webhook.id, state=state) for state in DeliveryState if state >= 2
    ]
    retrying = make.delivery(event, webhook.id, state=DeliveryState.RETRYING)
    elsewhere = make.delivery(event, other.id)
    await books.accept(Acceptance(event, (*settled, retrying, elsewhere)))
    batch = await books.store.read_due(webhook.id, NOW, 10, MEGABYTE, NOBODY)
    assert ids_of(batch) == [retrying.id]


async def test_owing_tells_the_earliest_due_time_of_every_webhook_that_owes(books: Books) -> None:
    assert await books.store.owing() == {}
    webhooks = [await books.webhook(f"w{number}") for number in range(5)]
    for webhook in webhooks[:4]:
        await books.owed(webhook, due=NOW + 7)
        await books.owed(webhook, due=NOW + webhook.number)
    settled = await books.owed(webhooks[4])
    await books.settle([books.settlement(webhooks[4], settled)])
    assert await books.store.owing() == {w.id: NOW + w.number for w in webhooks[:4]}


async def test_the_oldest_retrying_delivery_is_found_due_or_not(books: Books, make: Maker) -> None:
    webhook = await books.webhook()
    event = make.event()
    later = make.delivery(event, webhook.id, state=DeliveryState.RETRYING, due=NOW + 9_000)
    pending = make.delivery(event, webhook.id, due=NOW)
    await books.accept(Acceptance(event, (pending, later)))
    found = await books.store.retrying(webhook.id, NOBODY)
    assert found is not None
    assert (found.delivery, found.event) == (later, event)
    assert await books.store.retrying(webhook.id, frozenset({later.id})) is None
    assert await books.store.retrying(webhook.id + 1, NOBODY) is None
