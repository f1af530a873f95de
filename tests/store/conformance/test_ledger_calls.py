"""Synchronous calls: what waits, what their outcome changes, what a crash leaves of them."""

from __future__ import annotations

import msgspec
import pytest

from hookferry.domain.delivery import HELD, WAITED_FOR, Delivery, DeliveryState
from hookferry.domain.event import EventState
from hookferry.domain.webhook import Webhook
from hookferry.store.ports import Acceptance, Batch, Resolution
from store.conformance.books import NOW, Books, Maker
from store.conformance.conftest import Reopen

replace = msgspec.structs.replace
NOBODY: frozenset[int] = frozenset()
CANCELLED, FAILED, PENDING, VETOED = (
    DeliveryState.CANCELLED,
    DeliveryState.FAILED,
    DeliveryState.PENDING,
    DeliveryState.VETOED,
)


class Call:
    """An event with a synchronous delivery that its caller waits for, and two held ones."""

    def __init__(self, books: Books, sync: Webhook, other: Webhook) -> None:
        make = books.make
        self.books = books
        self.sync = sync
        self.event = make.event(type="contact.create")
        self.waited = make.delivery(self.event, sync.id, due=WAITED_FOR)
        self.held = [make.delivery(self.event, other.id, due=HELD) for _ in range(2)]

    async def begin(self) -> None:
        await self.books.accept(Acceptance(self.event, (self.waited, *self.held)))

    def resolution(
        self, *, vetoed: bool = False, due: int | None = None, reason: str | None = None
    ) -> Resolution:
        return Resolution(self.event.id, NOW + 9, vetoed, due, reason, (self.waited.id,))

    async def end(self, state: DeliveryState, resolution: Resolution) -> None:
        batch = Batch(
            await self.books.version(),
            answered=[self.books.settlement(self.sync, self.waited, state)],
            resolve=[resolution],
        )
        await self.books.store.commit(batch)

    async def now(self, delivery: Delivery) -> Delivery:
        found = await self.books.store.delivery(1, delivery.id)
        assert found is not None
        return found


@pytest.fixture
async def other(books: Books) -> Webhook:
    return await books.webhook("async")


@pytest.fixture
async def call(books: Books, other: Webhook) -> Call:
    call = Call(books, await books.webhook("sync"), other)
    await call.begin()
    return call


async def test_what_waits_is_owed_to_nobody_and_never_due(
    books: Books, call: Call, other: Webhook
) -> None:
    assert await books.store.owing() == {}
    for webhook in (call.sync, other):
        batch = await books.store.read_due(webhook.id, NOW, 10, 1 << 20, NOBODY)
        assert (batch.rows, batch.more, batch.next_due_ms) == ([], False, None)


async def test_what_waits_hides_no_due_time_of_others(
    books: Books, call: Call, other: Webhook
) -> None:
    await books.owed(other, due=NOW + 7)
    assert await books.store.owing() == {other.id: NOW + 7}
    batch = await books.store.read_due(other.id, NOW, 10, 1 << 20, NOBODY)
    assert batch.next_due_ms == NOW + 7
    batch = await books.store.read_due(other.id, NOW + 7, 10, 1 << 20, NOBODY)
    assert (len(batch.rows), batch.more, batch.next_due_ms) == (1, False, None)


async def test_held_deliveries_are_released_with_the_settlement(
    books: Books, call: Call, other: Webhook
) -> None:
    await call.end(DeliveryState.DELIVERED, call.resolution(due=NOW + 3))
    assert (await call.now(call.waited)).state is DeliveryState.DELIVERED
    for held in call.held:
        assert await call.now(held) == replace(held, due_ms=NOW + 3, updated_at_ms=NOW + 9)
    assert await books.store.owing() == {other.id: NOW + 3}
    event = await books.store.event(1, call.event.id)
    assert event is not None
    assert event.state is EventState.MATCHED


async def test_a_veto_marks_the_event_and_cancels_what_was_held(books: Books, call: Call) -> None:
    await call.end(VETOED, call.resolution(vetoed=True, reason="vetoed"))
    assert await books.store.event(1, call.event.id) == replace(call.event, state=EventState.VETOED)
    assert (await call.now(call.waited)).state is VETOED
    for held in call.held:
        now = await call.now(held)
        assert (now.state, now.last_error, now.updated_at_ms) == (CANCELLED, "vetoed", NOW + 9)
    assert await books.store.owing() == {}


async def test_only_the_held_deliveries_of_that_event_change(
    books: Books, call: Call, other: Webhook
) -> None:
    neighbour = Call(books, call.sync, other)
    await neighbour.begin()
    further = books.make.delivery(call.event, other.id, due=NOW)
    await books.store.add_deliveries([further])
    await books.store.cancel(1, [call.held[0].id], "by_hand", NOW)
    await call.end(DeliveryState.DELIVERED, call.resolution(due=NOW + 3))
    assert (await call.now(call.held[0])).last_error == "by_hand"
    assert (await call.now(call.held[1])).due_ms == NOW + 3
    assert await call.now(further) == further
    for held in neighbour.held:
        assert await call.now(held) == held
    assert await call.now(neighbour.waited) == neighbour.waited


async def test_what_was_resent_meanwhile_is_not_cancelled_by_a_veto(
    books: Books, call: Call
) -> None:
    held = call.held[0]
    await books.store.cancel(1, [held.id], "by_hand", NOW)
    await books.store.requeue(1, [held.id], NOW + 5, NOW)
    await call.end(VETOED, call.resolution(vetoed=True, reason="vetoed"))
    assert (await call.now(held)).state is DeliveryState.RETRYING


async def test_many_calls_are_resolved_in_one_commit(
    books: Books, call: Call, other: Webhook
) -> None:
    calls = [Call(books, call.sync, other) for _ in range(150)]
    for each in calls:
        await each.begin()
    resolutions = [
        each.resolution(due=NOW + 1) if number % 2 else each.resolution(vetoed=True, reason="no")
        for number, each in enumerate(calls)
    ]
    await books.store.commit(Batch(await books.version(), resolve=resolutions))
    for number, each in enumerate(calls):
        states = {(await call.now(held)).state for held in each.held}
        assert states == {PENDING if number % 2 else CANCELLED}


async def test_a_resolution_is_stored_also_when_what_was_accepted_with_it_is_stale(
    books: Books, call: Call, make: Maker
) -> None:
    batch = Batch(
        await books.version() - 1,
        accept=[Acceptance(make.event(), ())],
        resolve=[call.resolution(due=NOW + 3)],
    )
    assert (await books.store.commit(batch)).stale
    assert (await call.now(call.held[0])).due_ms == NOW + 3


async def test_an_event_that_is_gone_is_resolved_to_nothing(books: Books, make: Maker) -> None:
    await books.store.commit(
        Batch(await books.version(), resolve=[Resolution(make.id(), NOW, True, None, "vetoed")])
    )


# --------------------------------------------------------------------------- people


async def test_what_waits_can_be_cancelled_and_a_late_answer_is_only_logged(
    books: Books, call: Call, make: Maker
) -> None:
    every = [call.waited.id, *(held.id for held in call.held)]
    assert set(await books.store.cancel(1, every, "by_hand", NOW)) == set(every)
    attempt = replace(make.attempt(call.waited), webhook_version=3)
    settlement = books.settlement(call.sync, call.waited, attempt=attempt)
    await books.settle([settlement])
    assert (await call.now(call.waited)).state is CANCELLED
    assert await books.store.attempts(1, call.waited.id) == [attempt]


async def test_a_failed_synchronous_delivery_is_resent_like_any_other(
    books: Books, call: Call
) -> None:
    await call.end(FAILED, call.resolution(due=NOW))
    assert await books.store.requeue(1, [call.waited.id], NOW + 5, NOW) == {
        call.waited.id: call.sync.id
    }
    batch = await books.store.read_due(call.sync.id, NOW + 5, 10, 1 << 20, NOBODY)
    assert [row.delivery.id for row in batch.rows] == [call.waited.id]


async def test_a_vetoed_delivery_is_never_resent(books: Books, call: Call) -> None:
    await call.end(VETOED, call.resolution(vetoed=True, reason="vetoed"))
    assert await books.store.requeue(1, [call.waited.id], NOW + 5, NOW) == {}


async def test_deleting_a_webhook_cancels_also_what_waits(
    books: Books, call: Call, other: Webhook
) -> None:
    await books.store.save(replace(other, deleted=True, version=2))
    assert {(await call.now(held)).last_error for held in call.held} == {"webhook_deleted"}


async def test_retention_spares_an_event_whose_call_waits(books: Books, call: Call) -> None:
    assert await books.store.forget(NOW + 1, 10) == 0
    assert await books.store.event(1, call.event.id) == call.event


# --------------------------------------------------------------------------- crashes


async def test_calls_that_a_crash_cut_short_end_as_caller_gone(reopen: Reopen, make: Maker) -> None:
    books = Books(await reopen(), make)
    await books.own()
    sync, other = await books.webhook("sync"), await books.webhook("async")
    call = Call(books, sync, other)
    await call.begin()
    owed = await books.owed(other, due=NOW + 1)
    retrying = make.delivery(call.event, sync.id, state=DeliveryState.RETRYING, due=NOW + 2)
    await books.store.add_deliveries([retrying])
    books.store = await reopen()
    assert await books.store.abandon_calls(NOW + 50) == 3
    waited = await call.now(call.waited)
    assert (waited.state, waited.last_error, waited.updated_at_ms) == (
        FAILED,
        "caller_gone",
        NOW + 50,
    )
    for held in call.held:
        now = await call.now(held)
        assert (now.state, now.last_error) == (CANCELLED, "caller_gone")
    assert [await call.now(d) for d in (owed, retrying)] == [owed, retrying]
    assert await books.store.owing() == {other.id: NOW + 1, sync.id: NOW + 2}
    assert await books.store.abandon_calls(NOW + 60) == 0


async def test_thousands_of_calls_are_abandoned_at_once(books: Books, make: Maker) -> None:
    webhooks = [await books.webhook(f"w{number}") for number in range(3)]
    event = make.event()
    await books.accept(Acceptance(event, ()))
    await books.store.add_deliveries(
        [make.delivery(event, webhooks[n % 3].id, due=HELD) for n in range(1_200)]
    )
    assert await books.store.abandon_calls(NOW) == 1_200
    assert (await books.store.states(1, [event.id]))[event.id] == {CANCELLED: 1_200}


async def test_an_answer_nobody_waits_for_any_more_is_logged_and_decides_nothing(
    books: Books, call: Call, make: Maker
) -> None:
    assert await books.store.abandon_calls(NOW + 1) == 3
    late = books.settlement(call.sync, call.waited, attempt=make.attempt(call.waited))
    result = await books.store.commit(
        Batch(
            await books.version(),
            answered=[late],
            resolve=[call.resolution(vetoed=True, reason="vetoed")],
        )
    )
    assert result.refused == {call.waited.id}
    assert (await call.now(call.waited)).last_error == "caller_gone"
    assert (await call.now(call.held[0])).last_error == "caller_gone"
    assert len(await books.store.attempts(1, call.waited.id)) == 1
    event = await books.store.event(1, call.event.id)
    assert event is not None
    assert event.state is EventState.MATCHED


async def test_an_answer_that_comes_after_a_resend_by_hand_leaves_the_resend_alone(
    books: Books, call: Call
) -> None:
    await books.store.cancel(1, [call.waited.id], "by hand", NOW)
    await books.store.requeue(1, [call.waited.id], NOW + 5, NOW + 5)
    late = books.settlement(call.sync, call.waited, DeliveryState.FAILED)
    result = await books.store.commit(Batch(await books.version(), answered=[late]))
    assert result.refused == {call.waited.id}
    delivery = await call.now(call.waited)
    assert (delivery.state, delivery.due_ms) == (DeliveryState.RETRYING, NOW + 5)


async def test_an_answer_needs_no_epoch_for_it_belongs_to_whoever_has_the_caller(
    books: Books, call: Call
) -> None:
    await books.store.claim_shards("another node")
    await call.end(DeliveryState.DELIVERED, call.resolution(due=NOW + 3))
    assert (await call.now(call.waited)).state is DeliveryState.DELIVERED
    assert (await call.now(call.held[0])).due_ms == NOW + 3
