"""A receiver that asks for patience delays its whole lane; one that keeps failing is only probed
(SEMANTICS section 3, "breaker and slow-down")."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from email.utils import formatdate

import pytest

from doubles.transport import Behaviour, always
from hookferry.domain.delivery import DeliveryState
from hookferry.domain.webhook import Retry, WebhookState
from hookferry.transport.port import Outcome

from .kit import EXACT, ONCE, Rig, all_in, answers


def slow(seconds: float, status: int = 500) -> Behaviour:
    return always(status, delay=seconds)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_a_slow_down_spends_no_attempt(rig: Rig, status: int) -> None:
    rig.receivers["crm"] = answers(status, status, 200)
    await rig.webhook(retry=ONCE)
    await rig.publish()
    await rig.quiet()
    delivery = await rig.delivery()
    assert (delivery.state.name, delivery.attempts) == ("DELIVERED", 1)
    assert [a.status for a in await rig.attempts(delivery)] == [status, status, 200]


async def test_slow_downs_in_a_row_grow_from_a_second_to_five_minutes(rig: Rig) -> None:
    rig.receivers["crm"] = answers(*[503] * 12, then=200)
    await rig.webhook()
    await rig.publish()
    await rig.quiet()
    waits = [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    assert rig.waits() == pytest.approx(waits, abs=0.05)


async def test_a_success_makes_the_next_slow_down_short_again(rig: Rig) -> None:
    rig.receivers["crm"] = answers(503, 503, 503, 200, 503, 200)
    await rig.webhook()
    await rig.publish()
    await rig.quiet()
    await rig.publish()
    await rig.quiet()
    assert rig.waits()[-1] == pytest.approx(1, abs=0.05)


async def test_many_slow_downs_at_once_count_as_one(rig: Rig) -> None:
    """They say one thing about the receiver, not twenty."""
    rig.receivers["crm"] = answers(*[503] * 20, then=200)
    await rig.webhook()
    await rig.publish_many(20)
    await rig.quiet()
    assert rig.times()[20] == pytest.approx(1, abs=0.1)
    assert all_in(await rig.states(), DeliveryState.DELIVERED)


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        (lambda _: "120", 120),
        (lambda _: "86400", 3600),
        (lambda now: formatdate(now + 90, usegmt=True), 90),
        (lambda now: formatdate(now + 90_000, usegmt=True), 3600),
        (lambda _: "soon", 1),
        (lambda _: "0", 1),
        (lambda now: formatdate(now - 90, usegmt=True), 1),
    ],
    ids=["seconds", "a day", "date", "far date", "nonsense", "zero", "past date"],
)
async def test_retry_after_is_heeded_up_to_an_hour(
    rig: Rig, value: Callable[[float], str], wait: float
) -> None:
    after = value(rig.clock.wall_ms() / 1000).encode()
    rig.receivers["crm"] = answers(503, 200, head=b"Retry-After: %b\r\n" % after)
    await rig.webhook()
    await rig.publish()
    await rig.quiet()
    assert rig.waits() == pytest.approx([wait], abs=1.1 if "," in after.decode() else 0.05)


async def test_a_slow_down_delays_the_whole_lane_and_no_other(rig: Rig) -> None:
    rig.receivers["crm"] = answers(503, 200, head=b"Retry-After: 60\r\n")
    await rig.webhook()
    await rig.webhook("erp")
    await rig.publish()
    await rig.passes(1)
    await rig.publish_many(5)
    await rig.quiet()
    assert len(rig.times()) == 7
    assert min(rig.times()[1:]) >= 60
    assert max(rig.times("erp")) < 1.1


async def test_ten_failures_in_a_row_leave_one_probe_at_a_time_ever_further_apart(
    rig: Rig,
) -> None:
    rig.receivers["crm"] = always(500)
    await rig.webhook(retry=ONCE, max_in_flight=1)
    await rig.publish_many(20)
    await rig.quiet()
    assert rig.waits()[:9] == pytest.approx([0] * 9, abs=0.05)
    assert rig.waits()[9:] == pytest.approx([1, 2, 4, 8, 16, 30, 30, 30, 30, 30], abs=0.05)


async def test_nine_failures_in_a_row_are_not_enough(rig: Rig) -> None:
    rig.receivers["crm"] = answers(*[500] * 9, 200, *[500] * 9, then=200)
    await rig.webhook(retry=ONCE, max_in_flight=1)
    await rig.publish_many(20)
    await rig.quiet()
    assert max(rig.waits()) < 0.05


async def test_failures_of_requests_sent_together_open_the_breaker_once(rig: Rig) -> None:
    rig.receivers["crm"] = slow(1.0)
    await rig.webhook(retry=ONCE)
    await rig.publish_many(40)
    await rig.passes(10)
    # 32 left together; the probe follows a second after they failed, alone.
    assert rig.times()[32] == pytest.approx(2, abs=0.1)
    assert rig.times()[33] == pytest.approx(2 + 1 + 2, abs=0.1)


async def test_a_probe_waits_for_the_one_before(rig: Rig) -> None:
    rig.receivers["crm"] = slow(5.0)
    await rig.webhook(retry=ONCE, max_in_flight=4)
    await rig.publish_many(24)
    await rig.quiet()
    probes = rig.times()[12:]
    assert min(b - a for a, b in itertools.pairwise(probes)) >= 5


async def test_one_success_closes_the_breaker(rig: Rig) -> None:
    rig.receivers["crm"] = answers(*[500] * 12, then=200)
    await rig.webhook(retry=ONCE, max_in_flight=1)
    await rig.publish_many(60)
    await rig.quiet()
    assert max(rig.waits()[12:]) < 0.05
    assert (await rig.states()).count("delivered") == 48


async def test_the_breaker_holds_the_other_deliveries_back_without_spending_attempts(
    rig: Rig,
) -> None:
    down_until = 100.0
    rig.receivers["crm"] = lambda _: (
        0.0,
        Outcome(status=500 if rig.loop.time() < down_until else 200),
    )
    await rig.webhook(retry=EXACT, max_in_flight=1)
    await rig.publish_many(500)
    await rig.quiet()
    states = await rig.states()
    assert states.count("delivered") >= 490
    assert len([at for at in rig.times() if at < down_until]) < 30


async def test_a_restart_of_the_webhook_ends_its_waiting(rig: Rig) -> None:
    rig.receivers["crm"] = answers(503, 200, head=b"Retry-After: 3600\r\n")
    webhook = await rig.webhook(retry=Retry((1.0,), 0.0))
    await rig.publish()
    await rig.passes(1)
    await rig.publish()
    await rig.passes(1)
    await rig.change(webhook, state=WebhookState.STOPPED)
    await rig.change(webhook, state=WebhookState.ACTIVE)
    await rig.passes(1)
    assert len(rig.times()) == 2
