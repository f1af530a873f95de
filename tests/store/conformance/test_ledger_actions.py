"""Resend, cancel, replay; jobs; idempotency keys of management calls."""

from __future__ import annotations

import msgspec
import pytest

from hookferry.domain.delivery import DeliveryState
from hookferry.store.ports import Acceptance, Job
from store.conformance.books import DAY, HOUR, NOW, Books, Maker
from store.conformance.conftest import Reopen

replace = msgspec.structs.replace
RETRYING, CANCELLED = DeliveryState.RETRYING, DeliveryState.CANCELLED


async def test_what_was_settled_is_made_due_again(books: Books, make: Maker) -> None:
    webhook = await books.webhook()
    event = make.event()
    by_state = {s: make.delivery(event, webhook.id, state=s) for s in DeliveryState}
    await books.accept(Acceptance(event, tuple(by_state.values())))
    every_id = [d.id for d in by_state.values()]
    changed = await books.store.requeue(1, every_id, NOW + 9, NOW + 8)
    again = (DeliveryState.DELIVERED, DeliveryState.FAILED, CANCELLED, DeliveryState.SKIPPED)
    assert changed == {by_state[state].id: webhook.id for state in again}
    for state in again:
        assert await books.store.delivery(1, by_state[state].id) == replace(
            by_state[state], state=RETRYING, due_ms=NOW + 9, updated_at_ms=NOW + 8
        )
    for state in set(DeliveryState) - set(again):
        assert await books.store.delivery(1, by_state[state].id) == by_state[state]


async def test_deliveries_of_a_deleted_webhook_are_not_made_due_again(books: Books) -> None:
    webhook = await books.webhook()
    delivery = await books.owed(webhook)
    await books.store.save(replace(webhook, deleted=True, version=2))
    assert await books.store.requeue(1, [delivery.id], NOW, NOW) == {}


async def test_many_are_made_due_again_and_cancelled_at_once(books: Books, make: Maker) -> None:
    event = make.event()
    many = [make.delivery(event, 5, state=DeliveryState.FAILED) for _ in range(150)]
    await books.accept(Acceptance(event, many))
    numbers = [d.id for d in many]
    assert len(await books.store.requeue(1, numbers, NOW, NOW)) == 150
    assert len(await books.store.cancel(1, numbers, "by_hand", NOW)) == 150
    assert await books.store.owing() == {}


async def test_only_what_owes_is_cancelled(books: Books, make: Maker) -> None:
    event = make.event()
    pending, retrying = make.delivery(event, 5), make.delivery(event, 6, state=RETRYING)
    delivered = make.delivery(event, 7, state=DeliveryState.DELIVERED)
    await books.accept(Acceptance(event, (pending, retrying, delivered)))
    numbers = [pending.id, retrying.id, delivered.id, 999]
    changed = await books.store.cancel(1, numbers, "by_hand", NOW + 3)
    assert changed == {pending.id: 5, retrying.id: 6}
    assert await books.store.delivery(1, pending.id) == replace(
        pending, state=CANCELLED, last_error="by_hand", updated_at_ms=NOW + 3
    )
    assert await books.store.delivery(1, delivered.id) == delivered


async def test_a_stored_event_gets_further_deliveries(books: Books, make: Maker) -> None:
    webhook = await books.webhook()
    event = make.event()
    await books.accept(Acceptance(event, ()))
    delivery = make.delivery(event, webhook.id)
    await books.store.add_deliveries([delivery])
    assert await books.store.delivery(1, delivery.id) == delivery
    assert await books.store.owing() == {webhook.id: delivery.due_ms}


async def test_a_replay_to_a_webhook_deleted_meanwhile_owes_nothing(
    books: Books, make: Maker
) -> None:
    webhook = await books.webhook()
    event = make.event()
    await books.accept(Acceptance(event, ()))
    await books.store.save(replace(webhook, deleted=True, version=2))
    delivery = make.delivery(event, webhook.id)
    await books.store.add_deliveries([delivery])
    stored = await books.store.delivery(1, delivery.id)
    assert stored == replace(delivery, state=CANCELLED, last_error="webhook_deleted")


async def test_further_deliveries_are_stored_all_or_none(books: Books, make: Maker) -> None:
    event = make.event()
    taken = make.delivery(event, 5)
    await books.accept(Acceptance(event, (taken,)))
    fresh = make.delivery(event, 6)
    with pytest.raises(Exception):  # noqa: B017
        await books.store.add_deliveries([fresh, taken])
    assert await books.store.delivery(1, fresh.id) is None


# --------------------------------------------------------------------------- jobs


async def test_jobs_keep_their_progress_over_a_restart(reopen: Reopen, make: Maker) -> None:
    store = await reopen()
    job = Job(id=make.id(), tenant_id=1, kind="resend", state="running", spec=b"\x00{}")
    other = replace(job, id=make.id(), tenant_id=2)
    await store.put_job(job)
    await store.put_job(other)
    progressed = replace(job, cursor=77, done=500, updated_at_ms=NOW)
    await store.put_job(progressed)
    store = await reopen()
    assert await store.job(1, job.id) == progressed
    assert await store.job(2, job.id) is None
    assert await store.running_jobs() == [progressed, other]
    await store.put_job(replace(progressed, state="done"))
    assert await store.running_jobs() == [other]


async def test_old_jobs_are_forgotten_unless_they_run(books: Books, make: Maker) -> None:
    def job(state: str, at: int) -> Job:
        return Job(id=make.id(at), tenant_id=1, kind="k", state=state, spec=b"", updated_at_ms=at)

    old, running, recent = job("done", NOW), job("running", NOW), job("done", NOW + DAY)
    for each in (old, running, recent):
        await books.store.put_job(each)
    await books.store.forget(NOW + HOUR, 10)
    assert await books.store.job(1, old.id) is None
    assert await books.store.job(1, running.id) == running
    assert await books.store.job(1, recent.id) == recent


# --------------------------------------------------------------------------- idempotency keys


async def test_a_key_is_claimed_once_until_it_expires(books: Books, make: Maker) -> None:
    key = make.key(ttl=HOUR)
    assert await books.store.claim(key, NOW) is None
    assert await books.store.claim(replace(key, body_hash=b"other"), NOW + 1) == key
    renewed = replace(key, answer=b"new", expires_at_ms=NOW + DAY)
    assert await books.store.claim(renewed, NOW + HOUR) is None
    assert await books.store.claim(key, NOW + HOUR) == renewed


async def test_a_claimed_key_gets_its_answer(books: Books, make: Maker) -> None:
    key = make.key(answer=b"", ttl=HOUR)
    await books.store.claim(key, NOW)
    answered = replace(key, answer=b"done", expires_at_ms=NOW + DAY)
    await books.store.answer(answered)
    assert await books.store.claim(key, NOW) == answered


async def test_a_released_key_may_be_claimed_again(books: Books, make: Maker) -> None:
    key = make.key()
    await books.store.claim(key, NOW)
    await books.store.release(key)
    assert await books.store.claim(key, NOW) is None


async def test_expired_keys_are_forgotten_in_chunks(books: Books, make: Maker) -> None:
    for number in range(5):
        await books.store.claim(make.key(b"%d" % number, ttl=number * 2 * HOUR), NOW)
    over = NOW + 5 * HOUR  # so is the hour in which the third expired
    assert await books.store.forget_keys(over, 2) == 2
    assert await books.store.forget_keys(over, 2) == 1
    assert await books.store.forget_keys(over, 2) == 0
    assert await books.store.claim(make.key(b"4", ttl=8 * HOUR), NOW) is not None
