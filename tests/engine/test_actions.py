"""What people do to deliveries: resend, cancel, replay, recover."""

from __future__ import annotations

import pytest

from doubles.transport import always
from hookferry.domain.delivery import DeliveryState
from hookferry.domain.webhook import Retry, Webhook, WebhookState
from hookferry.engine import actions
from hookferry.errors import Conflict, NotFound, StorageDown
from hookferry.store.ports import DeliveryFilter, Job

from .kit import EXACT, HANGS, ONCE, TENANT, Rig, all_in, answers


async def ended(rig: Rig, job: Job) -> Job:
    """Wait until a job has ended."""
    while (now := await rig.engine.actions.job(TENANT, job.id)).state == "running":
        await rig.passes(0.01)
    return now


# ------------------------------------------------------------------ resend


async def test_a_resend_is_a_new_attempt_on_the_same_delivery(rig: Rig) -> None:
    await rig.webhook()
    await rig.publish()
    await rig.quiet()
    delivery = await rig.delivery()
    assert await rig.engine.actions.resend(TENANT, [delivery.id]) == [delivery.id]
    await rig.quiet()
    assert (await rig.delivery()).state is DeliveryState.DELIVERED
    assert [a.number for a in await rig.attempts(delivery)] == [1, 2]
    first, second = rig.sent["crm"]
    assert (first.event, first.body) == (second.event, second.body)


@pytest.mark.parametrize("before", ["failed", "cancelled", "skipped"])
async def test_whatever_is_settled_can_be_sent_again(rig: Rig, before: str) -> None:
    rig.receivers["crm"] = answers(500, then=200) if before == "failed" else always(200)
    webhook = await rig.webhook(
        retry=ONCE,
        state={"cancelled": WebhookState.PAUSED, "skipped": WebhookState.STOPPED}.get(
            before, WebhookState.ACTIVE
        ),
    )
    await rig.publish()
    await rig.passes(1)
    delivery = await rig.delivery()
    await rig.engine.actions.cancel(TENANT, [delivery.id])
    if webhook.state is not WebhookState.ACTIVE:
        await rig.change(webhook, state=WebhookState.ACTIVE)
    await rig.passes(1)
    assert await rig.states() == [before]
    assert await rig.engine.actions.resend(TENANT, [delivery.id]) == [delivery.id]
    await rig.quiet()
    assert await rig.states() == ["delivered"]


async def test_what_still_owes_is_not_sent_twice_by_a_resend(rig: Rig) -> None:
    rig.receivers["crm"] = answers(500, then=200)
    await rig.webhook(retry=Retry((100.0,), 0.0))
    await rig.publish()
    await rig.passes(1)
    assert await rig.engine.actions.resend(TENANT, [(await rig.delivery()).id]) == []
    await rig.quiet()
    assert len(rig.times()) == 2


async def test_a_resend_to_a_deleted_webhook_leaves_everything_alone(rig: Rig) -> None:
    webhook = await rig.webhook()
    await rig.publish()
    await rig.quiet()
    await rig.change(webhook, deleted=True)
    assert await rig.engine.actions.resend(TENANT, [(await rig.delivery()).id]) == []
    await rig.passes(10)
    assert await rig.states() == ["delivered"]


async def test_another_tenants_deliveries_are_not_touched(rig: Rig) -> None:
    await rig.webhook()
    await rig.publish()
    await rig.quiet()
    delivery = await rig.delivery()
    assert await rig.engine.actions.resend(99, [delivery.id]) == []
    assert await rig.engine.actions.cancel(99, [delivery.id]) == []
    with pytest.raises(NotFound):
        await rig.engine.actions.replay(99, delivery.event_id, None)


async def outage(rig: Rig, count: int) -> Webhook:
    """A webhook that is well again after it skipped ``count`` deliveries."""
    webhook = await rig.webhook(state=WebhookState.STOPPED)
    await rig.publish_many(count)
    return await rig.change(webhook, state=WebhookState.ACTIVE)


async def test_a_filter_is_resent_as_a_job_that_shows_its_progress(rig: Rig) -> None:
    webhook = await outage(rig, 700)
    await rig.webhook("erp")
    await rig.publish()
    await rig.quiet()
    job = await rig.engine.actions.resend_where(
        DeliveryFilter(tenant_id=TENANT, webhook_id=webhook.id, states=(DeliveryState.SKIPPED,))
    )
    assert (job.state, job.done) == ("running", 0)
    seen = set()
    while (now := await rig.engine.actions.job(TENANT, job.id)).state == "running":
        seen.add(now.done)
        await rig.passes(0.005)
    assert seen == {0, actions.CHUNK, 2 * actions.CHUNK}
    assert (now.state, now.done) == ("done", 700)
    await rig.quiet()
    assert all_in(await rig.states(), DeliveryState.DELIVERED)
    assert len(rig.times("erp")) == 1


async def test_a_job_goes_on_where_it_was_when_the_process_died(rig: Rig) -> None:
    await outage(rig, 700)
    job = await rig.engine.actions.resend_where(DeliveryFilter(tenant_id=TENANT))
    while (await rig.engine.actions.job(TENANT, job.id)).done == 0:
        await rig.passes(0.001)
    rig.crash()
    await rig.boot()
    now = await ended(rig, job)
    assert (now.state, now.done) == ("done", 700)
    await rig.quiet()
    assert all_in(await rig.states(), DeliveryState.DELIVERED)


async def test_a_job_leaves_alone_what_comes_after_it_was_started(rig: Rig) -> None:
    await rig.webhook()
    await rig.publish_many(10)
    await rig.quiet()
    await rig.passes(1)
    job = await rig.engine.actions.resend_where(DeliveryFilter(tenant_id=TENANT))
    await rig.passes(1)
    await rig.publish_many(5)
    assert (await ended(rig, job)).done == 10
    await rig.quiet()
    assert len(rig.times()) == 25


async def test_a_job_waits_for_a_ledger_that_is_away(rig: Rig) -> None:
    await rig.webhook()
    await rig.publish_many(10)
    await rig.quiet()
    requeue, failures = rig.store.requeue, 3

    async def away(*args: object) -> dict[int, int]:
        nonlocal failures
        if failures:
            failures -= 1
            raise StorageDown("away")
        return await requeue(*args)  # type: ignore[arg-type]

    rig.store.requeue = away  # type: ignore[method-assign]
    job = await rig.engine.actions.resend_where(DeliveryFilter(tenant_id=TENANT))
    assert (await ended(rig, job)).done == 10
    assert failures == 0


async def test_recover_queues_what_was_skipped_or_failed_since(rig: Rig) -> None:
    rig.receivers["crm"] = always(400)
    webhook = await rig.webhook(retry=ONCE)
    await rig.publish()
    await rig.passes(3600)
    since = rig.clock.wall_ms()
    await rig.publish_many(2)
    await rig.passes(1)
    webhook = await rig.change(webhook, state=WebhookState.STOPPED)
    await rig.publish_many(3)
    rig.receivers["crm"] = always(200)
    webhook = await rig.change(webhook, state=WebhookState.ACTIVE)
    await rig.publish()
    await rig.quiet()
    job = await ended(rig, await rig.engine.actions.recover(webhook, since))
    assert job.done == 5
    await rig.quiet()
    assert await rig.states() == ["failed", *["delivered"] * 6]


# ------------------------------------------------------------------ cancel


@pytest.mark.parametrize("ordered", [False, True], ids=["any order", "ordered"])
async def test_cancelling_what_waits_in_memory_keeps_it_from_being_sent(
    rig: Rig, ordered: bool
) -> None:
    rig.receivers["crm"] = always(200, delay=1)
    webhook = await rig.webhook(max_in_flight=1, ordered=ordered)
    made = await rig.publish_many(10)
    await rig.passes(0.5)
    waiting = (await rig.deliveries())[5:]
    assert len(await rig.engine.actions.cancel(TENANT, [d.id for d in waiting])) == 5
    await rig.quiet()
    await rig.passes(100)
    assert rig.events_at() == made[:5]
    assert await rig.states() == ["delivered"] * 5 + ["cancelled"] * 5
    assert (await rig.deliveries())[9].last_error == "cancelled_by_hand"
    assert rig.lane(webhook).held == {}
    assert rig.engine.lanes.queued_bytes == 0


@pytest.mark.parametrize("ordered", [False, True], ids=["any order", "ordered"])
async def test_cancelling_a_retrying_delivery_ends_it_and_lets_the_next_pass(
    rig: Rig, ordered: bool
) -> None:
    rig.receivers["crm"] = answers(500, then=200)
    await rig.webhook(ordered=ordered, retry=Retry((1000.0,), 0.0))
    await rig.publish_many(2)
    await rig.passes(5)
    first = (await rig.deliveries())[0]
    await rig.engine.actions.cancel(TENANT, [first.id])
    await rig.passes(5)
    assert await rig.states() == ["cancelled", "delivered"]
    await rig.passes(2000)
    assert len(rig.times()) == 2


@pytest.mark.parametrize("ordered", [False, True], ids=["any order", "ordered"])
async def test_cancelling_in_flight_logs_the_attempt_and_never_tries_again(
    rig: Rig, ordered: bool
) -> None:
    rig.receivers["crm"] = always(500, delay=5)
    webhook = await rig.webhook(ordered=ordered, retry=EXACT)
    await rig.publish()
    await rig.passes(1)
    delivery = await rig.delivery()
    assert await rig.engine.actions.cancel(TENANT, [delivery.id]) == [delivery.id]
    await rig.passes(1000)
    assert await rig.states() == ["cancelled"]
    assert [a.status for a in await rig.attempts(delivery)] == [500]
    assert len(rig.times()) == 1
    assert rig.lane(webhook).held == {}
    assert rig.lane(webhook).dropped == set()
    rig.receivers["crm"] = always(200)
    await rig.publish()
    await rig.quiet()
    assert await rig.states() == ["cancelled", "delivered"]


async def test_what_is_settled_can_not_be_cancelled(rig: Rig) -> None:
    await rig.webhook()
    await rig.publish()
    await rig.quiet()
    assert await rig.engine.actions.cancel(TENANT, [(await rig.delivery()).id]) == []
    assert await rig.states() == ["delivered"]


# ------------------------------------------------------------------ replay


async def test_a_replay_goes_to_the_webhooks_that_match_now(rig: Rig) -> None:
    old = await rig.webhook("old")
    told = await rig.publish()
    await rig.quiet()
    await rig.change(old, deleted=True)
    await rig.webhook("new")
    made = await rig.engine.actions.replay(TENANT, told.event_id, None)
    await rig.quiet()
    assert len(made) == 1
    assert rig.events_at("new") == [told.event_id]
    assert rig.events_at("old") == [told.event_id]
    assert len(rig.disk.events) == 1


async def test_a_replay_goes_to_named_webhooks_though_they_never_subscribed(rig: Rig) -> None:
    told = await rig.publish("contact.created")
    other = await rig.webhook("other", events=("ticket.*",))
    made = await rig.engine.actions.replay(TENANT, told.event_id, [other.id, other.id])
    await rig.quiet()
    assert len(made) == 1
    assert rig.events_at("other") == [told.event_id]


async def test_a_replay_of_or_to_what_does_not_exist_is_refused(rig: Rig) -> None:
    told = await rig.publish()
    with pytest.raises(NotFound):
        await rig.engine.actions.replay(TENANT, told.event_id + 1, None)
    with pytest.raises(NotFound):
        await rig.engine.actions.replay(TENANT, told.event_id, [12345])
    stopped = await rig.webhook(state=WebhookState.STOPPED)
    with pytest.raises(Conflict, match="restart it"):
        await rig.engine.actions.replay(TENANT, told.event_id, [stopped.id])
    assert await rig.deliveries() == []


async def test_a_replay_reaches_a_lane_whose_receiver_hangs_only_in_its_turn(rig: Rig) -> None:
    rig.receivers["crm"] = HANGS
    webhook = await rig.webhook(max_in_flight=1, retry=ONCE, timeout=10.0)
    told = await rig.publish()
    await rig.passes(1)
    rig.receivers["crm"] = always(200)
    await rig.engine.actions.replay(TENANT, told.event_id, [webhook.id])
    await rig.passes(1)
    assert len(rig.times()) == 1
    await rig.quiet()
    assert await rig.states() == ["failed", "delivered"]
