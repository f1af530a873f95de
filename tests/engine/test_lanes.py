"""One slow receiver hurts only its own lane: caps, fairness, rates, order, memory."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import msgspec
import pytest

from doubles.transport import always
from hookferry.domain.delivery import DeliveryState
from hookferry.domain.webhook import RateLimit, Retry, Webhook
from hookferry.engine.dispatch import Carrier, Plan
from hookferry.errors import UnsealFailed
from hookferry.transport.port import Outcome, Request

from .kit import EXACT, HANGS, ONCE, Rig, all_in, answers, unseal


class Busy:
    """A receiver that takes a while, and knows how many requests it had at once."""

    def __init__(self, seconds: float = 1.0) -> None:
        self.seconds = seconds
        self.now = self.most = 0

    def __call__(self, request: Request) -> tuple[float, Outcome]:
        self.now += 1
        self.most = max(self.most, self.now)
        asyncio.get_running_loop().call_later(self.seconds - 1e-6, self._end)
        return self.seconds, Outcome(status=200)

    def _end(self) -> None:
        self.now -= 1


@pytest.mark.parametrize(
    ("fields", "cap"),
    [({}, 32), ({"max_in_flight": 3}, 3), ({"ordered": True}, 1)],
    ids=["default", "own cap", "ordered"],
)
async def test_a_lane_has_no_more_in_flight_than_its_cap(
    rig: Rig, fields: dict[str, object], cap: int
) -> None:
    rig.receivers["crm"] = busy = Busy()
    await rig.webhook(**fields)
    await rig.publish_many(100)
    await rig.quiet()
    assert busy.most == cap
    assert all_in(await rig.states(), DeliveryState.DELIVERED)


async def test_a_healthy_lane_is_served_at_once_while_others_hang(rig: Rig) -> None:
    for number in range(40):
        rig.receivers[f"bad{number}"] = HANGS
        await rig.webhook(f"bad{number}", events=("bad.*",))
    await rig.webhook("good", events=("good.*",))
    await rig.publish_many(60, "bad.event")
    await rig.passes(0.5)
    assert rig.engine.lanes.in_flight == 1000
    asked = rig.loop.time()
    await rig.publish_many(50, "good.event")
    await rig.until(lambda: len(rig.times("good")) == 50, within=5)
    assert rig.times("good")[-1] - asked < 0.5


async def test_a_healthy_lane_is_served_though_more_lanes_hang_than_one_burst_looks_at(
    bare: Rig,
) -> None:
    rig = bare
    await rig.boot(in_flight=200)
    for number in range(150):
        rig.receivers[f"bad{number}"] = HANGS
        await rig.webhook(f"bad{number}", events=("bad.*",))
    await rig.webhook("good", events=("good.*",))
    await rig.publish_many(5, "bad.event")
    await rig.passes(0.5)
    asked = rig.loop.time()
    await rig.publish_many(20, "good.event")
    await rig.passes(1)
    assert len(rig.times("good")) == 20
    assert rig.times("good")[-1] - asked < 0.5


async def test_in_all_no_more_is_in_flight_than_allowed(bare: Rig) -> None:
    rig = bare
    await rig.boot(in_flight=10)
    for number in range(50):
        rig.receivers[f"bad{number}"] = HANGS
        await rig.webhook(f"bad{number}")
    await rig.publish_many(3)
    await rig.passes(5)
    assert rig.engine.lanes.in_flight == 20
    await rig.passes(100)
    assert len(rig.sent) == 50


async def test_lanes_take_turns(bare: Rig) -> None:
    rig = bare
    await rig.boot(in_flight=1)
    names = ["a", "b", "c"]
    order: list[str] = []
    for name in names:

        def answer(_: Request, name: str = name) -> tuple[float, Outcome]:
            order.append(name)
            return 0.1, Outcome(status=200)

        rig.receivers[name] = answer
        await rig.webhook(name, max_in_flight=1)
    await rig.publish_many(20)
    await rig.quiet()
    for start in range(57):
        assert set(order[start : start + 4]) == set(names)


async def test_a_rate_limit_is_exact(rig: Rig) -> None:
    await rig.webhook(rate_limit=RateLimit(10, 20))
    await rig.publish_many(120)
    await rig.quiet()
    times = rig.times()
    assert times[19] - times[0] < 0.01
    assert [t - times[0] for t in times[20:]] == pytest.approx(
        [(n + 1) / 10 for n in range(100)], abs=0.005
    )


async def test_a_rate_limit_never_saves_up_more_than_its_burst(rig: Rig) -> None:
    await rig.webhook(rate_limit=RateLimit(10, 5))
    await rig.publish()
    await rig.passes(1000)
    await rig.publish_many(30)
    await rig.quiet()
    first = rig.times()[1]
    assert len([t for t in rig.times()[1:] if t < first + 0.05]) == 5


async def test_alarms_of_a_limited_lane_do_not_pile_up_behind_a_far_retry(rig: Rig) -> None:
    rig.receivers["crm"] = answers(500, 200)
    await rig.webhook(rate_limit=RateLimit(100, 1), retry=Retry((80_000.0,), 0.0))
    await rig.publish()
    await rig.publish_many(1000)
    await rig.passes(20)
    assert len(rig.times()) == 1001
    assert len(rig.engine.lanes._alarms) < 100


async def test_alarms_of_deleted_webhooks_are_forgotten(rig: Rig) -> None:
    made = []
    for number in range(200):
        rig.receivers[f"crm{number}"] = always(500)
        made.append(await rig.webhook(f"crm{number}", retry=Retry((80_000.0,), 0.0)))
    await rig.publish()
    await rig.passes(5)
    for webhook in made:
        await rig.change(webhook, deleted=True)
    assert len(rig.engine.lanes._alarms) >= 200
    await rig.webhook(rate_limit=RateLimit(100, 1))
    await rig.publish_many(10)
    await rig.quiet()
    assert len(rig.engine.lanes._alarms) < 100


# ------------------------------------------------------------------ order


async def test_an_ordered_lane_keeps_acceptance_order_and_a_retry_blocks_it(rig: Rig) -> None:
    rig.receivers["crm"] = answers(200, 500, 500, then=200)
    await rig.webhook(ordered=True, retry=EXACT)
    made = await rig.publish_many(600)
    await rig.quiet()
    assert rig.events_at() == [made[0], made[1], made[1], *made[1:]]
    assert rig.waits()[1:3] == pytest.approx([1, 4], abs=0.01)


async def test_order_survives_a_crash_while_a_retry_blocks(rig: Rig) -> None:
    rig.receivers["crm"] = answers(200, 500, then=200)
    await rig.webhook(ordered=True, retry=Retry((100.0,), 0.0))
    made = await rig.publish_many(5)
    await rig.passes(10)
    rig.crash()
    await rig.boot()
    made += await rig.publish_many(5)
    await rig.quiet()
    assert rig.events_at() == [made[0], made[1], *made[1:]]
    assert rig.waits()[1] == pytest.approx(100, abs=0.1)


async def test_a_failed_delivery_of_an_ordered_lane_lets_the_next_pass(rig: Rig) -> None:
    rig.receivers["crm"] = answers(500, 500, then=200)
    await rig.webhook(ordered=True, retry=Retry((5.0,), 0.0))
    await rig.publish_many(3)
    await rig.quiet()
    assert await rig.states() == ["failed", "delivered", "delivered"]


# ------------------------------------------------------------------ memory


async def test_a_hung_lane_holds_its_memory_and_the_rest_waits_in_the_ledger(bare: Rig) -> None:
    rig = bare
    await rig.boot(lane_memory=64, lane_in_flight=8)
    rig.receivers["crm"] = HANGS
    webhook = await rig.webhook(timeout=60.0, retry=Retry((1.0,) * 5, 0.0))
    made: list[int] = []
    for _ in range(10):
        made += await rig.publish_many(500)
        lane = rig.lane(webhook)
        assert len(lane.queue) <= 64
        assert len(lane.held) <= 64 + 8
    rig.receivers["crm"] = always(200, delay=0.01)
    while await rig.store.owing():
        await rig.passes(0.5)
        assert len(rig.lane(webhook).held) <= 2 * (64 + 8)
    assert all_in(await rig.states(), DeliveryState.DELIVERED)
    times = Counter(rig.events_at())
    assert set(times) == set(made)
    assert {event for event, n in times.items() if n > 1} == set(made[:8])


async def test_memory_for_payloads_is_shared_out_among_lanes(bare: Rig) -> None:
    rig = bare
    await rig.boot(memory_bytes=200_000)
    for name in ("bad", "worse"):
        rig.receivers[name] = HANGS
        await rig.webhook(name, max_in_flight=1)
    for _ in range(100):
        await rig.publish(data=msgspec.Raw(b'"%b"' % (b"x" * 10_000)))
    assert rig.engine.lanes.queued_bytes <= 220_000
    rig.receivers.clear()
    await rig.quiet()
    assert rig.engine.lanes.queued_bytes == 0
    assert rig.engine.lanes.held == 0
    assert all_in(await rig.states(), DeliveryState.DELIVERED)


async def test_a_webhook_that_can_not_be_used_sends_its_backlog_once_it_is_saved_right(
    rig: Rig,
) -> None:
    def wrong_key(sealed: bytes, *, row: int, field: str) -> bytes:
        raise UnsealFailed("another master key sealed it")

    rig.opens = wrong_key
    webhook: Webhook = await rig.webhook()
    await rig.publish_many(3)
    await rig.passes(5)
    assert await rig.states() == ["pending"] * 3
    rig.opens = unseal
    await rig.change(webhook, title="saved again")
    await rig.passes(5)
    assert await rig.states() == ["delivered"] * 3


async def test_a_profile_that_fails_to_render_fails_its_delivery_alone(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    render = Plan.render

    def broken(self: Plan, carrier: Carrier, *rest: Any) -> tuple[bytes, ...]:
        if carrier.event.type == "bad.event":
            raise RuntimeError("a bug")
        return render(self, carrier, *rest)

    monkeypatch.setattr(Plan, "render", broken)
    await rig.webhook(retry=ONCE)
    await rig.publish("bad.event")
    await rig.publish("good.event")
    await rig.quiet()
    assert await rig.states() == ["failed", "delivered"]
    [attempt] = await rig.attempts((await rig.deliveries())[0])
    assert attempt.error == "internal_error"


async def test_an_ordered_lane_goes_on_once_what_it_gave_up_is_durable(rig: Rig) -> None:
    """Else a crash in between could send it again after those behind it."""
    await rig.webhook(ordered=True, retry=ONCE)
    rig.receivers["crm"] = always(500, delay=1.0)
    await rig.publish_many(2)
    await rig.passes(0.5)
    rig.store.held = asyncio.Event()
    await rig.passes(10)
    assert len(rig.times()) == 1
    rig.store.held.set()
    await rig.quiet()
    assert len(rig.times()) == 2
