"""A saved change of a webhook holds for what is waiting already."""

from __future__ import annotations

import pytest

from doubles.transport import always
from hookferry.domain.webhook import RateLimit, Retry, WebhookState

from .kit import TENANT, Rig, answers


async def test_a_webhook_that_becomes_ordered_goes_on_in_order(rig: Rig) -> None:
    rig.receivers["crm"] = always(200, delay=1)
    webhook = await rig.webhook()
    made = await rig.publish_many(100)
    await rig.passes(0.5)
    await rig.change(webhook, ordered=True)
    await rig.quiet()
    assert rig.events_at() == made


async def test_a_retry_goes_to_where_the_webhook_points_now(rig: Rig) -> None:
    rig.receivers["crm"] = answers(500, then=200)
    webhook = await rig.webhook(retry=Retry((10.0,), 0.0))
    await rig.publish()
    await rig.passes(1)
    await rig.change(webhook, target_url="https://erp.example/in")
    await rig.quiet()
    assert (len(rig.times("crm")), len(rig.times("erp"))) == (1, 1)


async def test_a_rate_limit_holds_at_once(rig: Rig) -> None:
    rig.receivers["crm"] = always(200, delay=1)
    webhook = await rig.webhook(max_in_flight=1)
    await rig.publish_many(50)
    await rig.passes(3.5)
    before = len(rig.times())
    await rig.change(webhook, rate_limit=RateLimit(0.1, 1))
    await rig.passes(95)
    assert len(rig.times()) - before == 10


async def test_a_raised_cap_is_used_at_once(rig: Rig) -> None:
    rig.receivers["crm"] = always(200, delay=10)
    webhook = await rig.webhook(max_in_flight=1)
    await rig.publish_many(50)
    await rig.passes(1)
    await rig.change(webhook, max_in_flight=20)
    await rig.passes(1)
    assert len(rig.times()) == 20


async def test_a_resend_to_a_paused_webhook_waits_for_its_resume(rig: Rig) -> None:
    webhook = await rig.webhook()
    await rig.publish()
    await rig.quiet()
    await rig.change(webhook, state=WebhookState.PAUSED)
    await rig.engine.actions.resend(TENANT, [(await rig.delivery()).id])
    await rig.passes(100)
    assert len(rig.times()) == 1
    await rig.change(webhook, state=WebhookState.ACTIVE)
    await rig.quiet()
    assert len(rig.times()) == 2


@pytest.mark.parametrize("ordered", [False, True], ids=["any order", "ordered"])
async def test_what_is_cancelled_in_flight_and_resent_is_delivered(rig: Rig, ordered: bool) -> None:
    rig.receivers["crm"] = always(500, delay=5)
    await rig.webhook(ordered=ordered, retry=Retry((3.0, 3.0), 0.0))
    await rig.publish()
    await rig.passes(1)
    delivery = await rig.delivery()
    await rig.engine.actions.cancel(TENANT, [delivery.id])
    assert await rig.engine.actions.resend(TENANT, [delivery.id]) == [delivery.id]
    rig.receivers["crm"] = always(200)
    await rig.quiet()
    assert await rig.states() == ["delivered"]
    assert len(rig.times()) == 2
