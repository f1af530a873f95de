"""A failed delivery is tried again when its schedule says (SEMANTICS section 3)."""

from __future__ import annotations

from collections import Counter

import pytest

from doubles.transport import always
from hookferry import verify
from hookferry.domain.webhook import Retry
from hookferry.transport.port import ErrorKind, Outcome

from .kit import EXACT, ONCE, SECRET, Rig, answers

DEFAULT_WAITS = [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]


async def test_the_default_schedule_is_kept_within_its_jitter(rig: Rig) -> None:
    rig.receivers["crm"] = always(500)
    await rig.webhook(failure_window=1e9)
    await rig.publish()
    await rig.quiet()
    waits = rig.waits()
    assert len(waits) == len(DEFAULT_WAITS)
    for wait, planned in zip(waits, DEFAULT_WAITS, strict=True):
        assert planned * 0.8 - 0.01 <= wait <= planned * 1.2 + 0.01
    assert any(abs(w - p) > p * 0.01 for w, p in zip(waits, DEFAULT_WAITS, strict=True))


async def test_deliveries_that_failed_together_are_spread_by_the_jitter(rig: Rig) -> None:
    rig.receivers["crm"] = answers(*[500] * 8, then=200)
    await rig.webhook(retry=Retry((100.0,), 0.2))
    await rig.publish_many(8)
    await rig.quiet()
    again = rig.times()[8:]
    assert max(again) - min(again) > 5


async def test_without_jitter_waits_are_exact(rig: Rig) -> None:
    rig.receivers["crm"] = always(500)
    await rig.webhook(retry=EXACT)
    await rig.publish()
    await rig.quiet()
    assert rig.waits() == pytest.approx([1, 4, 20], abs=0.005)


async def test_a_delivery_fails_once_its_attempts_are_spent(rig: Rig) -> None:
    rig.receivers["crm"] = always(500)
    await rig.webhook(retry=EXACT)
    await rig.publish()
    await rig.quiet()
    delivery = await rig.delivery()
    assert (delivery.state.name, delivery.attempts) == ("FAILED", 4)
    assert (delivery.last_status, delivery.last_error) == (500, "status_500")
    attempts = await rig.attempts(delivery)
    assert [a.number for a in attempts] == [1, 2, 3, 4]
    await rig.passes(1e5)
    assert len(rig.times()) == 4


async def test_with_no_retries_the_first_failure_is_the_last(rig: Rig) -> None:
    rig.receivers["crm"] = always(500)
    await rig.webhook(retry=ONCE)
    await rig.publish()
    await rig.quiet()
    assert await rig.states() == ["failed"]
    assert len(rig.times()) == 1


@pytest.mark.parametrize(
    ("outcome", "error"),
    [
        (Outcome(status=404), "status_404"),
        (Outcome(status=302), "status_302"),
        (Outcome(error=ErrorKind.TIMEOUT, detail="late"), "timeout"),
        (Outcome(error=ErrorKind.DENIED, verdict="deny_private"), "target_denied"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_whatever_is_not_a_success_is_logged_and_tried_again(
    rig: Rig, outcome: Outcome, error: str
) -> None:
    replies = iter([outcome, Outcome(status=204)])
    rig.receivers["crm"] = lambda _: (0.0, next(replies))
    await rig.webhook(retry=EXACT)
    await rig.publish()
    await rig.quiet()
    delivery = await rig.delivery()
    assert (delivery.state.name, delivery.attempts) == ("DELIVERED", 2)
    first, second = await rig.attempts(delivery)
    assert (first.success, first.status, first.error) == (False, outcome.status, outcome.error)
    assert (first.verdict, first.detail) == (outcome.verdict, outcome.detail)
    assert (second.success, second.status, second.error) == (True, 204, None)
    assert rig.metrics.counts("hookferry_attempts_total")[("failure", error)] == 1


async def test_a_retry_has_the_same_body_and_id_and_a_signature_of_its_own_time(rig: Rig) -> None:
    rig.receivers["crm"] = answers(500, 500, 200)
    await rig.webhook(retry=EXACT)
    await rig.publish()
    await rig.quiet()
    sent = rig.sent["crm"]
    assert len({s.body for s in sent}) == 1
    assert len({s.header("webhook-id") for s in sent}) == 1
    assert len({s.header("webhook-timestamp") for s in sent}) == 3
    assert len({s.header("webhook-signature") for s in sent}) == 3
    for s in sent:
        headers = {n: s.header(n) for n in ("webhook-id", "webhook-timestamp", "webhook-signature")}
        verify("standard", SECRET.decode(), headers, s.body, tolerance=None)


async def test_a_due_time_survives_a_crash(rig: Rig) -> None:
    rig.receivers["crm"] = answers(500, 200)
    await rig.webhook(retry=Retry((1000.0,), 0.0))
    await rig.publish()
    await rig.passes(400)
    rig.crash()
    await rig.passes(100)
    await rig.boot()
    await rig.quiet()
    assert rig.waits() == pytest.approx([1000], abs=0.1)
    assert (await rig.delivery()).attempts == 2


@pytest.mark.parametrize("hours", [-5, 5])
async def test_a_jump_of_the_wall_clock_makes_neither_a_burst_nor_a_stall(
    rig: Rig, hours: int
) -> None:
    await rig.passes(3)
    for number in range(9):
        name = f"crm{number}"
        rig.receivers[name] = always(500)
        await rig.webhook(name, retry=Retry((60.0,) * 30, 0.0), events=(f"to.{name}",))
        await rig.publish(f"to.{name}")
        await rig.passes(6)
    await rig.passes(600)
    rig.clock.jump_ms += hours * 3_600_000
    await rig.quiet()
    by_minute = Counter(int(at // 60) for name in rig.sent for at in rig.times(name))
    assert set(by_minute.values()) == {9}


async def test_a_clock_set_back_while_hookferry_was_down_does_not_postpone_what_is_due(
    rig: Rig,
) -> None:
    rig.receivers["crm"] = answers(500, 200)
    await rig.webhook(retry=Retry((60.0,), 0.0))
    await rig.publish()
    await rig.passes(30)
    rig.crash()
    rig.clock.jump_ms -= 5 * 3_600_000
    await rig.boot()
    await rig.quiet()
    assert rig.waits()[0] <= 100
