"""Timers at work, on simulated time: what fires when, and never twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from engine.kit import Rig
from hookferry.automate.ticking import FIRED, Ticking
from hookferry.automate.timers import Timers
from hookferry.domain.automation import Automation
from hookferry.domain.event import Event
from hookferry.domain.timer import Timer, TimerMark
from hookferry.domain.webhook import WebhookState
from hookferry.errors import StorageDown
from hookferry.store.ports import EventFilter
from sim.memory_store import MemoryStore

HOUR = 3600.0
HOURLY = {"name": "hourly", "cron": "0 * * * *", "event_type": "hour.began"}


class House:
    """A rig with timers."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.ticking: Ticking

    async def boot(self) -> None:
        engine = await self.rig.boot()
        self.timers = Timers(self.rig.store, engine.directory, engine.ids, self.rig.clock)
        self.ticking = Ticking(
            engine.directory, engine.intake, self.rig.store, self.rig.clock, self.rig.metrics
        )
        self.ticking.start()

    async def make(self, **fields: Any) -> Timer:
        return await self.timers.create(1, {**HOURLY, **fields})

    async def to_the_hour(self) -> None:
        """Let time go by until a second before the next full hour."""
        past = self.rig.clock.wall_ms() % 3_600_000 / 1000
        await self.rig.passes(HOUR - past - 1)

    async def events(self) -> list[Event]:
        found = await MemoryStore(self.rig.disk).events(EventFilter(tenant_id=1), limit=100)
        return found[::-1]

    async def fired_at(self) -> list[str]:
        """The minute and second of each firing."""
        at = [event.received_at_ms // 1000 for event in await self.events()]
        return [
            f"{second // 3600 % 24:02}:{second // 60 % 60:02}:{second % 60:02}" for second in at
        ]

    def mark(self, timer: Timer) -> TimerMark:
        return self.rig.disk.timer_marks[timer.id]


@pytest.fixture
async def house() -> AsyncIterator[House]:
    rig = Rig()
    house = House(rig)
    await house.boot()
    yield house
    rig.crash()


async def test_a_timer_publishes_its_event_when_it_is_due(house: House) -> None:
    timer = await house.make(data={"a": None})
    await house.to_the_hour()
    assert await house.events() == []
    await house.rig.passes(2 * HOUR + 2)
    events = await house.events()
    assert [event.type for event in events] == ["hour.began"] * 3
    assert [event.payload for event in events] == [b'{"a":null}'] * 3
    assert {event.meta.timer for event in events} == {timer.id}
    assert [at[2:] for at in await house.fired_at()] == [":00:00"] * 3
    mark = house.mark(timer)
    assert (mark.event_id, mark.error, mark.count) == (events[-1].id, None, 3)
    assert mark.next_due_ms == mark.due_ms + 3_600_000


async def test_the_event_goes_to_whoever_subscribed(house: House) -> None:
    await house.rig.webhook("crm", events=("hour.*",))
    await house.make()
    await house.rig.passes(HOUR + 1)
    assert len(house.rig.sent["crm"]) == 1


async def test_a_timer_of_an_automation_concerns_its_own_webhook_alone(house: House) -> None:
    await house.rig.change_tenant(strict_types=True)
    await house.rig.webhook("nosy")
    directory = house.rig.engine.directory
    automation = Automation(
        id=house.rig.engine.ids.next(),
        tenant_id=1,
        name="example.tick",
        extension_id="cerb.trigger.automation.timer",
    )
    await house.rig.store.save(automation)
    await directory.refresh()
    timer = await house.make(event_type=None, automation="example.tick", inputs={"n": "{{1}}"})
    own = directory.owned(timer.id)
    assert own is not None
    assert 'n@raw,json: "{{1}}"' in own.automations_kata
    await house.rig.passes(HOUR + 1)
    [event] = await house.events()
    assert event.type == FIRED
    assert msgspec.json.decode(event.payload)["timer"] == "hourly"
    [delivery] = await house.rig.deliveries()
    assert delivery.webhook_id == own.id
    assert "nosy" not in house.rig.sent


async def test_a_timer_that_is_off_does_not_fire(house: House) -> None:
    timer = await house.make(enabled=False)
    await house.rig.passes(2 * HOUR)
    assert await house.events() == []
    await house.timers.patch(1, timer.id, {"enabled": True})
    await house.rig.passes(HOUR + 1)
    assert len(await house.events()) == 1
    await house.timers.delete(1, timer.id)
    await house.rig.passes(2 * HOUR)
    assert len(await house.events()) == 1


async def test_a_changed_timer_is_due_as_it_now_says(house: House) -> None:
    timer = await house.make(cron="0 0 1 1 *")
    await house.timers.patch(1, timer.id, {"cron": "* * * * *"})
    await house.rig.passes(61)
    assert len(await house.events()) == 1


async def test_what_came_due_while_nothing_ran_fires_once(house: House) -> None:
    timer = await house.make()
    house.rig.crash()
    await house.rig.passes(5 * HOUR + 60)
    await house.boot()
    await house.rig.passes(60)
    assert len(await house.events()) == 1
    await house.to_the_hour()
    await house.rig.passes(2)
    assert len(await house.events()) == 2
    assert house.mark(timer).count == 2


async def test_a_firing_is_not_repeated_where_a_crash_lost_its_mark(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    timer = await house.make()
    never = asyncio.Event()

    async def hangs(timer_id: int, mark: TimerMark) -> None:
        await never.wait()

    monkeypatch.setattr(house.rig.store, "mark_timer", hangs)
    await house.to_the_hour()
    await house.rig.passes(2)
    assert len(await house.events()) == 1
    assert house.rig.disk.timer_marks == {}
    house.rig.crash()
    await house.rig.passes(60)
    await house.boot()
    await house.rig.passes(60)
    assert len(await house.events()) == 1
    mark = house.mark(timer)
    assert (mark.count, mark.event_id) == (1, (await house.events())[0].id)


async def test_times_missed_after_such_a_crash_are_made_up_for_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.make()
    never = asyncio.Event()

    async def hangs(timer_id: int, mark: TimerMark) -> None:
        await never.wait()

    monkeypatch.setattr(house.rig.store, "mark_timer", hangs)
    await house.to_the_hour()
    await house.rig.passes(2)
    house.rig.crash()
    await house.rig.passes(3 * HOUR)
    await house.boot()
    await house.rig.passes(60)
    assert len(await house.events()) == 2


async def test_a_clock_set_forward_brings_no_burst(house: House) -> None:
    await house.make(cron="* * * * *")
    await house.rig.passes(60)
    before = len(await house.events())
    house.rig.clock.jump_ms = 6 * 3_600_000
    await house.rig.passes(120)
    assert before + 2 <= len(await house.events()) <= before + 3


async def test_a_clock_set_back_brings_no_stall(house: House) -> None:
    await house.make(cron="* * * * *")
    await house.rig.passes(60)
    before = len(await house.events())
    house.rig.clock.jump_ms = -6 * 3_600_000
    await house.rig.passes(300)
    assert before + 4 <= len(await house.events()) <= before + 6


async def test_a_full_ledger_postpones_a_firing(house: House) -> None:
    timer = await house.make()
    house.rig.store.refuse = lambda _: StorageDown("away")
    await house.to_the_hour()
    await house.rig.passes(30)
    assert await house.events() == []
    house.rig.store.refuse = lambda _: None
    await house.rig.passes(30)
    assert len(await house.events()) == 1
    assert house.mark(timer).due_ms % 3_600_000 == 0


async def test_an_event_that_is_refused_is_told_and_the_timer_goes_on(house: House) -> None:
    timer = await house.make()
    await house.rig.change_tenant(strict_types=True)
    await house.rig.passes(HOUR + 1)
    assert await house.events() == []
    mark = house.mark(timer)
    assert mark.event_id is None
    assert "registered" in (mark.error or "")
    await house.rig.change_tenant(strict_types=False)
    await house.rig.passes(HOUR + 1)
    assert len(await house.events()) == 1
    assert house.mark(timer).error is None


async def test_a_timer_fired_by_hand_keeps_its_due_time(house: House) -> None:
    timer = await house.make(enabled=False)
    event_id = await house.ticking.fire(timer)
    again = await house.ticking.fire(timer)
    assert [event.id for event in await house.events()] == [event_id, again]
    assert house.rig.disk.timer_marks == {}


async def test_many_timers_due_at_once_all_fire(house: House) -> None:
    for number in range(120):
        await house.make(name=f"t{number}")
    await house.rig.passes(HOUR + 1)
    found = await MemoryStore(house.rig.disk).events(EventFilter(tenant_id=1), limit=500)
    assert len({event.meta.timer for event in found}) == len(found) == 120


async def test_a_stopped_loop_fires_no_more(house: House) -> None:
    await house.make()
    await house.ticking.stop()
    await house.rig.passes(2 * HOUR)
    assert await house.events() == []


async def test_a_paused_webhook_of_a_timer_keeps_what_fires(house: House) -> None:
    webhook = await house.rig.webhook("crm", state=WebhookState.PAUSED)
    await house.make()
    await house.rig.passes(HOUR + 1)
    assert await house.rig.states(webhook_id=webhook.id) == ["pending"]
