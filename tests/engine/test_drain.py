"""Stopping in order: nothing new, what is in flight ends and is settled, the rest waits."""

from __future__ import annotations

import asyncio

from doubles.transport import always
from hookferry.domain.webhook import RateLimit, Retry
from hookferry.engine.engine import EngineLimits

from .kit import Rig, answers


async def test_what_is_in_flight_finishes_and_is_settled(rig: Rig) -> None:
    rig.receivers["crm"] = always(200, delay=10)
    await rig.webhook(max_in_flight=3)
    await rig.publish_many(10)
    await rig.passes(1)
    began = rig.loop.time()
    await rig.engine.drain()
    assert 8 < rig.loop.time() - began < 12
    assert (await rig.states()).count("delivered") == 3
    assert len(rig.times()) == 3


async def test_nothing_is_sent_while_draining(rig: Rig) -> None:
    rig.receivers["crm"] = answers(500, then=200)
    rig.receivers["slow"] = always(200, delay=14)
    await rig.webhook(retry=Retry((5.0,), 0.0), rate_limit=RateLimit(0.5, 1))
    await rig.webhook("slow")
    await rig.publish_many(4)
    await rig.passes(1)
    await rig.engine.drain()
    assert rig.loop.time() > 14
    assert len(rig.times()) == 1
    assert (await rig.states()).count("delivered") == 4


async def test_one_that_hangs_is_left_for_the_next_start(bare: Rig) -> None:
    rig = bare
    await rig.boot(EngineLimits(attempt_timeout=60, drain_timeout=5))
    rig.receivers["crm"] = always(200, delay=50)
    await rig.webhook()
    await rig.publish()
    await rig.passes(1)
    began = rig.loop.time()
    await rig.engine.drain()
    assert rig.loop.time() - began < 6
    assert await rig.states() == ["pending"]
    rig.crash()
    await rig.boot()
    rig.receivers["crm"] = always(200)
    await rig.quiet()
    assert await rig.states() == ["delivered"]
    assert len(rig.times()) == 2


async def test_what_waited_is_sent_after_the_next_start(rig: Rig) -> None:
    rig.receivers["crm"] = always(200, delay=1)
    await rig.webhook(max_in_flight=1)
    made = await rig.publish_many(300)
    await rig.passes(5)
    await rig.engine.drain()
    rig.crash()
    await rig.boot()
    rig.receivers["crm"] = always(200)
    await rig.quiet()
    assert sorted(rig.events_at()) == made


async def test_an_event_accepted_as_drain_begins_is_answered_and_kept(rig: Rig) -> None:
    await rig.webhook()
    rig.store.held = asyncio.Event()
    publishing = asyncio.ensure_future(rig.publish())
    await rig.passes(0.01)
    draining = asyncio.ensure_future(rig.engine.drain())
    await rig.passes(1)
    rig.store.held.set()
    await draining
    assert (await publishing).deliveries == 1
    assert await rig.states() == ["pending"]
