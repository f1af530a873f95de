"""What a webhook's state does to new events, to its backlog and to sending (SEMANTICS section 2);
how failures move it there (section 3)."""

from __future__ import annotations

import asyncio

import pytest

from doubles.transport import always
from hookferry.domain.delivery import DeliveryState
from hookferry.domain.webhook import Retry, WebhookState
from hookferry.transport.port import Outcome

from .kit import EXACT, ONCE, Rig, all_in, answers

DAY = 86_400.0
CONTACTS = ("contact.*",)
"""What tests publish, and not what hookferry itself says of a webhook's state."""


async def test_an_event_that_matches_nothing_is_stored_as_unmatched(rig: Rig) -> None:
    await rig.webhook(events=("ticket.*",))
    told = await rig.publish("contact.created")
    assert told.deliveries == 0
    assert await rig.event_states() == ["unmatched"]
    assert await rig.deliveries() == []


async def test_paused_keeps_what_comes_and_resume_continues(rig: Rig) -> None:
    webhook = await rig.webhook(events=CONTACTS)
    await rig.publish()
    await rig.quiet()
    await rig.change(webhook, state=WebhookState.PAUSED)
    await rig.publish_many(400)
    await rig.passes(1000)
    assert len(rig.times()) == 1
    assert (await rig.states()).count("pending") == 400
    await rig.change(webhook, state=WebhookState.ACTIVE)
    await rig.quiet()
    assert all_in(await rig.states(), DeliveryState.DELIVERED)
    assert len(rig.times()) == 401


async def test_pausing_holds_back_what_was_waiting_in_memory_and_retries_too(rig: Rig) -> None:
    rig.receivers["crm"] = answers(500, then=200)
    webhook = await rig.webhook(events=CONTACTS, max_in_flight=1, retry=Retry((10.0,), 0.0))
    await rig.publish()
    await rig.passes(1)
    rig.receivers["crm"] = always(200, delay=1)
    await rig.publish_many(10)
    await rig.passes(2.5)
    await rig.change(webhook, state=WebhookState.PAUSED)
    before = len(rig.times())
    await rig.passes(100)
    assert len(rig.times()) == before
    assert rig.lane(webhook).held == {}
    await rig.change(webhook, state=WebhookState.ACTIVE)
    await rig.quiet()
    assert sorted(set(rig.events_at())) == sorted({d.event_id for d in await rig.deliveries()})
    assert len(rig.times()) == 12


async def test_a_paused_webhook_stays_paused_over_a_restart(rig: Rig) -> None:
    webhook = await rig.webhook(events=CONTACTS, state=WebhookState.PAUSED)
    await rig.publish_many(3)
    rig.crash()
    await rig.boot()
    await rig.passes(100)
    assert rig.sent == {}
    await rig.change(webhook, state=WebhookState.ACTIVE)
    await rig.quiet()
    assert len(rig.times()) == 3


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (WebhookState.STOPPED, "webhook_stopped"),
        (WebhookState.TOO_MANY_ERRORS, "webhook_too_many_errors"),
        (WebhookState.UNKNOWN, "webhook_state_unknown"),
    ],
)
async def test_a_webhook_that_does_not_send_skips_new_events_and_says_why(
    rig: Rig, state: WebhookState, reason: str
) -> None:
    rig.receivers["crm"] = always(500)
    webhook = await rig.webhook(events=CONTACTS, retry=Retry((50.0,), 0.0))
    await rig.publish()
    await rig.passes(1)
    await rig.change(webhook, state=state)
    told = await rig.publish()
    await rig.passes(200)
    assert told.deliveries == 1
    assert await rig.states() == ["retrying", "skipped"]
    assert (await rig.deliveries())[1].last_error == reason
    rig.receivers["crm"] = always(200)
    await rig.change(webhook, state=WebhookState.ACTIVE)
    await rig.quiet()
    assert await rig.states() == ["delivered", "skipped"]


async def test_a_tenant_that_is_switched_off_has_everything_skipped(rig: Rig) -> None:
    await rig.webhook(events=CONTACTS)
    await rig.change_tenant(webhooks_active=False)
    await rig.publish()
    assert (await rig.delivery()).last_error == "tenant_webhooks_off"
    await rig.change_tenant(webhooks_active=True)
    await rig.publish()
    await rig.quiet()
    assert await rig.states() == ["skipped", "delivered"]


async def test_deleting_cancels_the_backlog_and_keeps_the_log(rig: Rig) -> None:
    rig.receivers["crm"] = answers(200, then=500)
    webhook = await rig.webhook(events=CONTACTS, max_in_flight=1)
    await rig.publish()
    await rig.passes(1)
    await rig.publish_many(5)
    await rig.passes(1)
    sent = len(rig.times())
    await rig.change(webhook, deleted=True)
    await rig.passes(1e5)
    assert await rig.states() == ["delivered", *["cancelled"] * 5]
    assert {d.last_error for d in (await rig.deliveries())[1:]} == {"webhook_deleted"}
    assert len(await rig.attempts((await rig.deliveries())[0])) == 1
    assert len(rig.times()) == sent
    assert (await rig.publish()).deliveries == 0


async def test_what_is_in_flight_when_its_webhook_is_deleted_is_still_logged(rig: Rig) -> None:
    rig.receivers["crm"] = always(200, delay=5)
    webhook = await rig.webhook(events=CONTACTS)
    await rig.publish()
    await rig.passes(1)
    await rig.change(webhook, deleted=True)
    await rig.passes(10)
    delivery = await rig.delivery()
    assert delivery.state is DeliveryState.CANCELLED
    assert [a.status for a in await rig.attempts(delivery)] == [200]


# ------------------------------------------------------------------ failures disable


async def test_failures_in_a_row_up_to_the_limit_disable(rig: Rig) -> None:
    rig.receivers["crm"] = always(500)
    webhook = await rig.webhook(events=CONTACTS, failure_limit=7, retry=Retry((1.0,) * 20, 0.0))
    await rig.publish()
    await rig.passes(1000)
    assert rig.state(webhook) is WebhookState.TOO_MANY_ERRORS
    assert len(rig.times()) == 7
    assert rig.health(webhook).consecutive_failures == 7
    assert await rig.states() == ["retrying"]


async def test_one_success_starts_the_count_anew(rig: Rig) -> None:
    rig.receivers["crm"] = answers(*([500] * 6 + [200]) * 3, then=200)
    webhook = await rig.webhook(
        events=CONTACTS, failure_limit=7, retry=Retry((1.0,) * 20, 0.0), ordered=True
    )
    await rig.publish_many(3)
    await rig.quiet()
    assert rig.state(webhook) is WebhookState.ACTIVE
    assert rig.health(webhook).consecutive_failures == 0
    assert rig.health(webhook).total_errors == 18


async def test_attempts_in_flight_when_the_limit_falls_are_logged_and_do_not_count(
    rig: Rig,
) -> None:
    rig.receivers["crm"] = always(500, delay=1)
    webhook = await rig.webhook(events=CONTACTS, failure_limit=3, retry=EXACT, max_in_flight=8)
    await rig.publish_many(20)
    await rig.passes(100)
    assert rig.state(webhook) is WebhookState.TOO_MANY_ERRORS
    assert rig.health(webhook).consecutive_failures == 3
    assert rig.health(webhook).total_calls == 8
    logged = [len(await rig.attempts(d)) for d in await rig.deliveries()]
    assert sorted(logged) == [0] * 12 + [1] * 8
    assert len(rig.times()) == 8


async def test_a_success_among_those_in_flight_when_the_limit_falls_is_delivered(rig: Rig) -> None:
    outcomes = iter([(1.0, 500)] * 3 + [(2.0, 200)])
    rig.receivers["crm"] = lambda _: (lambda d, s: (d, Outcome(status=s)))(*next(outcomes))
    webhook = await rig.webhook(events=CONTACTS, failure_limit=3, retry=EXACT, max_in_flight=4)
    await rig.publish_many(4)
    await rig.passes(100)
    assert rig.state(webhook) is WebhookState.TOO_MANY_ERRORS
    assert sorted(await rig.states()) == ["delivered", "retrying", "retrying", "retrying"]


async def test_gone_disables_at_once(rig: Rig) -> None:
    rig.receivers["crm"] = always(410)
    webhook = await rig.webhook(events=CONTACTS, max_in_flight=1)
    await rig.publish_many(5)
    await rig.passes(100)
    assert rig.state(webhook) is WebhookState.TOO_MANY_ERRORS
    assert len(rig.times()) == 1
    assert rig.metrics.counts("hookferry_webhooks_disabled_total")[()] == 1


async def test_five_days_without_a_success_disable(rig: Rig) -> None:
    rig.receivers["crm"] = always(500)
    webhook = await rig.webhook(events=CONTACTS, retry=Retry((DAY / 2,) * 20, 0.0))
    await rig.publish()
    await rig.passes(4.9 * DAY)
    assert rig.state(webhook) is WebhookState.ACTIVE
    await rig.passes(0.2 * DAY)
    assert rig.state(webhook) is WebhookState.TOO_MANY_ERRORS
    assert len(rig.times()) == 11


@pytest.mark.parametrize("crashed", [False, True], ids=["running on", "after a crash"])
@pytest.mark.parametrize("retries", [20, 0], ids=["with a backlog", "without a backlog"])
async def test_restart_begins_a_new_failure_window(rig: Rig, crashed: bool, retries: int) -> None:
    rig.receivers["crm"] = always(500)
    webhook = await rig.webhook(
        events=CONTACTS, failure_window=100.0, retry=Retry((60.0,) * retries, 0.0)
    )
    for _ in range(3):
        if rig.state(webhook) is WebhookState.ACTIVE:
            await rig.publish()
            await rig.passes(60)
    assert rig.state(webhook) is WebhookState.TOO_MANY_ERRORS
    if crashed:
        rig.crash()
        await rig.boot()
    await rig.change(webhook, state=WebhookState.ACTIVE)
    await rig.publish()
    await rig.passes(50)
    assert rig.state(webhook) is WebhookState.ACTIVE
    await rig.passes(200)
    await rig.publish()
    await rig.passes(10)
    assert rig.state(webhook) is WebhookState.TOO_MANY_ERRORS


@pytest.mark.parametrize("crashed", [False, True], ids=["running on", "after a crash"])
async def test_restart_resets_the_count_and_the_backlog_flows(rig: Rig, crashed: bool) -> None:
    rig.receivers["crm"] = always(500)
    webhook = await rig.webhook(
        events=CONTACTS, failure_limit=3, retry=Retry((1.0,) * 20, 0.0), max_in_flight=1
    )
    await rig.publish_many(10)
    await rig.passes(50)
    assert rig.state(webhook) is WebhookState.TOO_MANY_ERRORS
    if crashed:
        rig.crash()
        await rig.boot()
        await rig.passes(50)
    assert len(rig.times()) == 3
    rig.receivers["crm"] = answers(500, 500, then=200)
    await rig.change(webhook, state=WebhookState.ACTIVE)
    await rig.quiet()
    assert rig.state(webhook) is WebhookState.ACTIVE
    assert all_in(await rig.states(), DeliveryState.DELIVERED)


async def test_a_crash_before_the_engine_reads_what_it_disabled_changes_nothing(rig: Rig) -> None:
    rig.receivers["crm"] = always(410)
    webhook = await rig.webhook(events=CONTACTS)
    rig.store.answered = asyncio.Event()
    publishing = asyncio.ensure_future(rig.publish())
    await rig.passes(0.1)
    rig.store.answered.set()
    await publishing
    rig.store.answered.clear()
    await rig.passes(0.1)
    assert rig.engine.directory.webhook_by_id(webhook.id).state is WebhookState.ACTIVE
    assert rig.state(webhook) is WebhookState.TOO_MANY_ERRORS
    rig.crash()
    await rig.boot()
    await rig.publish()
    await rig.passes(1e5)
    assert await rig.states() == ["retrying", "skipped"]
    assert len(rig.times()) == 1


async def test_a_save_while_failures_disable_does_not_revive_the_webhook(rig: Rig) -> None:
    rig.receivers["crm"] = always(500)
    webhook = await rig.webhook(events=CONTACTS, failure_limit=3, retry=ONCE, max_in_flight=1)
    await rig.publish_many(2)
    await rig.quiet()
    await rig.change(webhook, title="still active")
    await rig.publish_many(5)
    await rig.passes(100)
    assert rig.state(webhook) is WebhookState.TOO_MANY_ERRORS
    assert rig.stored(webhook).title == "still active"
    assert len(rig.times()) == 3
