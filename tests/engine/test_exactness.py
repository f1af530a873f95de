"""SuperOffice's numbers, counted on simulated time: waits, attempts, the failure limit, ids."""

from __future__ import annotations

from typing import Any

import pytest

from doubles.transport import always
from hookferry.domain.webhook import Retry, Webhook, WebhookState

from .kit import TENANT, Rig, Sent, answers

CONTACTS = ("contact.*",)
"""What tests publish, and not what hookferry itself says of a webhook's state."""


async def subscribe(rig: Rig, **fields: Any) -> Webhook:
    return await rig.webhook(profile="superoffice", events=CONTACTS, **fields)


def retry_numbers(sent: list[Sent]) -> list[int]:
    return [int(one.header("x-superoffice-retry")) for one in sent]


def event_ids(sent: list[Sent]) -> list[str]:
    return [one.header("x-superoffice-eventid") for one in sent]


async def test_a_cycle_is_three_attempts_after_0_1_and_4_seconds(rig: Rig) -> None:
    rig.receivers["crm"] = always(500)
    webhook = await subscribe(rig)
    await rig.publish()
    await rig.quiet()
    assert rig.waits() == pytest.approx([1, 4], abs=0.005)
    sent = rig.sent["crm"]
    assert retry_numbers(sent) == [0, 1, 2]
    assert len(set(event_ids(sent))) == 1
    assert len({one.body for one in sent}) == 1
    assert len({one.header("x-superoffice-signature") for one in sent}) == 1
    assert await rig.states() == ["failed"]
    assert rig.state(webhook) is WebhookState.ACTIVE


@pytest.mark.parametrize("status", [200, 201, 204, 301, 404, 500])
async def test_only_200_is_a_success(rig: Rig, status: int) -> None:
    rig.receivers["crm"] = always(status)
    await subscribe(rig)
    await rig.publish()
    await rig.quiet()
    assert len(rig.times()) == (1 if status == 200 else 3)


@pytest.mark.parametrize(("given", "limit"), [(None, 7), (9, 9), (1, 1)])
async def test_exactly_the_failed_attempt_that_reaches_the_limit_disables(
    rig: Rig, given: int | None, limit: int
) -> None:
    rig.receivers["crm"] = always(500)
    webhook = await subscribe(rig, failure_limit=given)
    for _ in range(4):
        if rig.state(webhook) is WebhookState.ACTIVE:
            assert len(rig.times()) < limit
            await rig.publish()
            await rig.passes(60)
    assert rig.state(webhook) is WebhookState.TOO_MANY_ERRORS
    assert len(rig.times()) == limit
    assert rig.health(webhook).consecutive_failures == limit
    await rig.passes(1e5)
    assert len(rig.times()) == limit


async def test_the_sixth_failure_disables_nothing_and_a_success_resets_the_count(rig: Rig) -> None:
    rig.receivers["crm"] = answers(*[500] * 6, 200, *[500] * 6, 200, then=500)
    webhook = await subscribe(rig)
    counted = []
    for _ in range(6):
        await rig.publish()
        await rig.passes(60)
        counted.append(rig.health(webhook).consecutive_failures)
    # Three attempts an event: 3, 6, success, 3, 6, success.
    assert counted == [3, 6, 0, 3, 6, 0]
    assert rig.state(webhook) is WebhookState.ACTIVE
    assert rig.health(webhook).total_errors == 12


async def test_failures_side_by_side_count_up_to_the_limit_and_those_in_flight_do_not(
    rig: Rig,
) -> None:
    rig.receivers["crm"] = always(500, delay=0.5)
    webhook = await subscribe(rig)
    await rig.publish_many(5)
    await rig.passes(1000)
    # Five at 0 s, five at 1.5 s: the seventh failure is the second of the second round.
    assert rig.state(webhook) is WebhookState.TOO_MANY_ERRORS
    assert rig.health(webhook).consecutive_failures == 7
    assert len(rig.times()) == rig.health(webhook).total_calls == 10


@pytest.mark.parametrize("before", [1, 3, 4, 6])
async def test_the_count_goes_on_after_a_crash(rig: Rig, before: int) -> None:
    rig.receivers["crm"] = always(500)
    webhook = await subscribe(rig, retry=Retry((10.0,) * 10, 0.0))
    await rig.publish()
    await rig.until(lambda: len(rig.times()) == before)
    await rig.passes(1)
    rig.crash()
    await rig.boot()
    await rig.passes(1000)
    assert rig.state(webhook) is WebhookState.TOO_MANY_ERRORS
    assert len(rig.times()) == 7
    assert retry_numbers(rig.sent["crm"]) == list(range(7))
    assert len(set(event_ids(rig.sent["crm"]))) == 1


async def test_resends_keep_the_id_and_count_on(rig: Rig) -> None:
    rig.receivers["crm"] = answers(500, 500, 500, 200)
    await subscribe(rig)
    await rig.publish()
    await rig.quiet()
    for _ in range(2):
        delivery = await rig.delivery()
        await rig.engine.actions.resend(TENANT, [delivery.id])
        await rig.quiet()
    sent = rig.sent["crm"]
    assert retry_numbers(sent) == [0, 1, 2, 3, 4]
    assert len(set(event_ids(sent))) == 1
    assert len({one.body for one in sent}) == 1
    assert await rig.states() == ["delivered"]
