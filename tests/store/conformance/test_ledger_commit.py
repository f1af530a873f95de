"""The commit: all or nothing, and every check inside the same transaction."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from hookferry.domain.delivery import DeliveryState
from hookferry.domain.event import EventMeta, EventState
from hookferry.domain.webhook import Health, WebhookState
from hookferry.store.ports import Acceptance, Batch, DeliveryFilter, EventFilter
from store.conformance.books import DAY, NOW, Books, Maker
from store.conformance.conftest import Reopen

BIG = 1 << 40
RETRYING, DELIVERED = DeliveryState.RETRYING, DeliveryState.DELIVERED


async def test_an_accepted_event_is_read_back_as_it_was(books: Books, make: Maker) -> None:
    meta = EventMeta(
        external_id="order-7",
        application="shop",
        primary_key=42,
        changes=["name"],
        actor_id="u1",
        occurred_at_ms=NOW - 5,
        channels=["mobile"],
        hops=2,
    )
    plain = make.event(payload=b"\x00\xff not JSON")
    rich = make.event(meta=meta, state=EventState.UNMATCHED)
    await books.accept(Acceptance(plain, ()), Acceptance(rich, ()))
    assert await books.store.event(1, plain.id) == plain
    assert await books.store.event(1, rich.id) == rich


async def test_deliveries_of_every_state_are_read_back_as_they_were(
    books: Books, make: Maker
) -> None:
    event = make.event()
    deliveries = [
        make.delivery(event, 5),
        *(make.delivery(event, 6, state=s) for s in (2, 3, 4, 6)),
    ]
    skipped = make.delivery(event, 7, state=DeliveryState.SKIPPED, error="webhook_stopped")
    deliveries = [
        msgspec.structs.replace(d, state=DeliveryState(d.state)) for d in (*deliveries, skipped)
    ]
    await books.accept(Acceptance(event, deliveries))
    for delivery in deliveries:
        assert await books.store.delivery(1, delivery.id) == delivery


async def test_a_commit_of_many_rows_stores_each(books: Books, make: Maker) -> None:
    webhook = await books.webhook()
    pairs = []
    for number in range(300):
        event = make.event(payload=b"%d" % number)
        pairs.append((event, make.delivery(event, webhook.id)))
    await books.accept(*(Acceptance(event, (delivery,)) for event, delivery in pairs))
    settled = [
        books.settlement(webhook, delivery, attempt=make.attempt(delivery))
        for _, delivery in pairs[:200]
    ]
    await books.settle(settled)
    events = await books.store.events(EventFilter(tenant_id=1), limit=1000)
    assert events == [event for event, _ in reversed(pairs)]
    counts = await books.store.webhook_counts(1, webhook.id, 0)
    assert counts == {DeliveryState.PENDING: 100, DELIVERED: 200}
    for _, delivery in pairs[:200:50]:
        assert len(await books.store.attempts(1, delivery.id)) == 1


async def test_an_empty_batch_tells_the_configuration_version(books: Books) -> None:
    committed = await books.store.commit(Batch(0))
    assert (committed.config_version, committed.stale) == (await books.version(), False)


async def test_a_batch_with_one_impossible_row_stores_nothing(books: Books, make: Maker) -> None:
    webhook = await books.webhook()
    owed = await books.owed(webhook)
    good, bad = make.event(), make.event()
    taken = await books.owed(webhook)
    batch = Batch(
        await books.version(),
        accept=[
            Acceptance(good, (make.delivery(good, webhook.id),), (make.key(),)),
            Acceptance(bad, (msgspec.structs.replace(taken, event_id=bad.id),)),
        ],
        settle=[books.settlement(webhook, owed, attempt=make.attempt(owed))],
    )
    with pytest.raises(Exception):  # noqa: B017 - the port promises no more than "not unavailable"
        await books.store.commit(batch)
    assert await books.store.event(1, good.id) is None
    assert await books.store.delivery(1, owed.id) == owed
    assert await books.store.attempts(1, owed.id) == []
    again = await books.accept(Acceptance(good, (), (make.key(),)))
    assert again.repeated == {}


async def test_an_impossible_row_says_nothing_of_the_payload(books: Books, make: Maker) -> None:
    event = make.event(payload=b"the secret payload")
    await books.accept(Acceptance(event, ()))
    with pytest.raises(Exception) as caught:
        await books.accept(Acceptance(event, ()))
    assert "secret" not in str(caught.value)


# --------------------------------------------------------------------------- configuration version


async def test_events_matched_under_an_old_configuration_are_not_stored(
    books: Books, make: Maker
) -> None:
    webhook = await books.webhook()
    owed = await books.owed(webhook)
    old = await books.version()
    await books.webhook("added meanwhile")
    event = make.event()
    committed = await books.store.commit(
        Batch(
            old,
            accept=[Acceptance(event, (), (make.key(),))],
            settle=[books.settlement(webhook, owed, attempt=make.attempt(owed))],
            health=[books.health(webhook, Health(total_calls=1))],
        )
    )
    assert committed.stale
    assert committed.config_version == old + 1
    assert await books.store.event(1, event.id) is None
    settled = await books.store.delivery(1, owed.id)
    assert settled is not None
    assert settled.state is DELIVERED
    assert (await books.store.changes(0)).health[webhook.id] == Health(total_calls=1)
    matched_again = await books.accept(Acceptance(event, (), (make.key(),)))
    assert (matched_again.stale, matched_again.repeated) == (False, {})


# --------------------------------------------------------------------------- dedupe


async def test_a_repeat_gets_the_first_claim_and_is_not_stored(books: Books, make: Maker) -> None:
    first, repeat = make.event(), make.event()
    await books.accept(Acceptance(first, (), (make.key(body=b"1", answer=b"the first"),)))
    delivery = make.delivery(repeat, 9)
    committed = await books.accept(
        Acceptance(repeat, (delivery,), (make.key(body=b"2", answer=b"the second"),))
    )
    assert committed.repeated[0] == make.key(body=b"1", answer=b"the first")
    assert await books.store.event(1, repeat.id) is None
    assert await books.store.delivery(1, delivery.id) is None


async def test_the_first_of_two_equal_keys_in_a_batch_wins(books: Books, make: Maker) -> None:
    events = [make.event() for _ in range(3)]
    committed = await books.accept(
        Acceptance(events[0], (), (make.key(answer=b"0"),)),
        Acceptance(events[1], ()),
        Acceptance(events[2], (), (make.key(answer=b"2"),)),
    )
    assert committed.repeated == {2: make.key(answer=b"0")}
    stored = await books.store.events(EventFilter(tenant_id=1), limit=10)
    assert stored == [events[1], events[0]]


async def test_a_repeat_claims_none_of_its_keys(books: Books, make: Maker) -> None:
    first, repeat, other = make.event(), make.event(), make.event()
    await books.accept(Acceptance(first, (), (make.key(b"taken"),)))
    await books.accept(Acceptance(repeat, (), (make.key(b"free"), make.key(b"taken"))))
    assert (await books.accept(Acceptance(other, (), (make.key(b"free"),)))).repeated == {}


async def test_an_expired_key_is_claimed_anew(books: Books, make: Maker) -> None:
    first = make.event()
    later = make.event(at=NOW + DAY)
    await books.accept(Acceptance(first, (), (make.key(answer=b"old"),)))
    renewed = make.key(answer=b"new", ttl=2 * DAY)
    assert (await books.accept(Acceptance(later, (), (renewed,)))).repeated == {}
    third = make.event(at=NOW + DAY + 1)
    committed = await books.accept(Acceptance(third, (), (make.key(answer=b"third"),)))
    assert committed.repeated == {0: renewed}


async def test_keys_of_other_scopes_and_tenants_do_not_collide(books: Books, make: Maker) -> None:
    key = make.key()
    replace = msgspec.structs.replace
    keys = (key, replace(key, scope="key"), replace(key, tenant_id=2))
    events = [make.event() for _ in keys]
    committed = await books.accept(
        *(Acceptance(event, (), (key,)) for event, key in zip(events, keys, strict=True))
    )
    assert committed.repeated == {}


# --------------------------------------------------------------------------- settling


async def test_settling_keeps_state_and_attempt(books: Books, make: Maker) -> None:
    webhook = await books.webhook()
    delivery = await books.owed(webhook)
    failure = make.attempt(delivery, success=False)
    await books.settle(
        [books.settlement(webhook, delivery, RETRYING, attempt=failure, due=NOW + 5000)]
    )
    retrying = await books.store.delivery(1, delivery.id)
    assert retrying == msgspec.structs.replace(
        delivery,
        state=RETRYING,
        due_ms=NOW + 5000,
        attempts=1,
        last_error="timeout",
        updated_at_ms=NOW + 1,
    )
    success = make.attempt(delivery, number=2)
    await books.settle([books.settlement(webhook, retrying, attempt=success)])
    delivered = await books.store.delivery(1, delivery.id)
    assert delivered is not None
    assert (delivered.state, delivered.attempts) == (DELIVERED, 2)
    assert (delivered.last_status, delivered.last_error) == (200, None)
    assert await books.store.attempts(1, delivery.id) == [failure, success]


async def test_a_settlement_without_attempt_changes_the_delivery_alone(books: Books) -> None:
    webhook = await books.webhook()
    delivery = await books.owed(webhook)
    await books.settle([books.settlement(webhook, delivery, RETRYING, due=NOW + 9)])
    assert await books.store.owing() == {webhook.id: NOW + 9}
    assert await books.store.attempts(1, delivery.id) == []


async def test_a_stale_epoch_is_refused_and_its_attempt_not_kept(books: Books, make: Maker) -> None:
    webhook = await books.webhook()
    delivery, other = await books.owed(webhook), await books.owed(webhook)
    stale = books.epochs[webhook.shard]
    await books.own()
    committed = await books.settle(
        [
            books.settlement(webhook, delivery, attempt=make.attempt(delivery), epoch=stale),
            books.settlement(webhook, other, attempt=make.attempt(other)),
        ],
        [books.health(webhook, Health(total_calls=9), epoch=stale, disable=True)],
    )
    assert committed.refused == {delivery.id}
    assert await books.store.delivery(1, delivery.id) == delivery
    assert await books.store.attempts(1, delivery.id) == []
    assert len(await books.store.attempts(1, other.id)) == 1
    changes = await books.store.changes(0)
    assert changes.health == {}
    assert changes.webhooks == [webhook]


async def test_settling_what_was_cancelled_meanwhile_keeps_only_the_attempt(
    books: Books, make: Maker
) -> None:
    webhook = await books.webhook()
    delivery = await books.owed(webhook)
    await books.store.cancel(1, [delivery.id], "by_hand", NOW + 1)
    attempt = make.attempt(delivery)
    committed = await books.settle([books.settlement(webhook, delivery, attempt=attempt)])
    assert committed.refused == frozenset()
    kept = await books.store.delivery(1, delivery.id)
    assert kept is not None
    assert (kept.state, kept.last_error) == (DeliveryState.CANCELLED, "by_hand")
    assert await books.store.attempts(1, delivery.id) == [attempt]


async def test_settlements_of_one_delivery_in_one_batch_hold_in_their_order(books: Books) -> None:
    webhook = await books.webhook()
    delivery = await books.owed(webhook)
    await books.settle(
        [
            books.settlement(webhook, delivery, RETRYING, due=NOW + 5),
            books.settlement(webhook, delivery, DELIVERED),
            books.settlement(webhook, delivery, RETRYING, due=NOW + 9),
        ]
    )
    settled = await books.store.delivery(1, delivery.id)
    assert settled is not None
    assert settled.state is DELIVERED
    assert await books.store.owing() == {}


async def test_commits_asked_for_together_are_all_stored(books: Books, make: Maker) -> None:
    webhook = await books.webhook()
    version = await books.version()
    events = [make.event() for _ in range(20)]
    await asyncio.gather(
        *(
            books.store.commit(
                Batch(version, accept=[Acceptance(e, (make.delivery(e, webhook.id),))])
            )
            for e in events
        )
    )
    found = await books.store.deliveries(DeliveryFilter(tenant_id=1), limit=100)
    assert {delivery.event_id for delivery in found} == {event.id for event in events}


# --------------------------------------------------------------------------- health


async def test_health_is_kept_by_webhook(books: Books) -> None:
    webhook = await books.webhook()
    health = Health(3, NOW, NOW - 9, NOW, "timeout", BIG, 17)
    await books.settle([], [books.health(webhook, Health(1)), books.health(webhook, health)])
    assert (await books.store.changes(0)).health == {webhook.id: health}


async def test_disabling_moves_an_active_webhook_and_counts_both_versions(books: Books) -> None:
    webhook = await books.webhook()
    before = await books.version()
    committed = await books.settle([], [books.health(webhook, Health(7), disable=True)])
    assert committed.config_version == before + 1
    changes = await books.store.changes(before)
    assert changes.webhooks == [
        msgspec.structs.replace(webhook, state=WebhookState.TOO_MANY_ERRORS, version=2)
    ]
    assert changes.health == {webhook.id: Health(7)}


async def test_disabling_leaves_a_webhook_alone_that_is_not_active(books: Books) -> None:
    webhook = await books.webhook()
    paused = await books.store.save(
        msgspec.structs.replace(webhook, state=WebhookState.PAUSED, version=2)
    )
    before = await books.version()
    await books.settle([], [books.health(webhook, Health(7), disable=True)])
    assert await books.version() == before
    assert (await books.store.changes(0)).webhooks == [paused]


# --------------------------------------------------------------------------- owners, restarts


async def test_every_claim_raises_every_epoch(books: Books) -> None:
    first = dict(books.epochs)
    assert set(first) == set(range(256))
    await books.own()
    assert books.epochs == {shard: epoch + 1 for shard, epoch in first.items()}
    assert await books.store.epochs() == books.epochs


async def test_everything_committed_is_there_after_a_restart(reopen: Reopen, make: Maker) -> None:
    books = Books(await reopen(), make)
    await books.own()
    webhook = await books.webhook()
    delivery = await books.owed(webhook, due=NOW + 3)
    epochs = books.epochs
    store = await reopen()
    assert await store.owing() == {webhook.id: NOW + 3}
    assert await store.delivery(1, delivery.id) == delivery
    assert await store.epochs() == epochs
    assert (await store.changes(0)).webhooks == [webhook]


async def test_a_commit_remembers_the_latest_time_it_was_told(books: Books) -> None:
    version = await books.version()
    await books.store.commit(Batch(version, now_ms=2_000))
    await books.store.commit(Batch(version, now_ms=1_000))
    assert (await books.store.boot()).time_ms == 2_000
