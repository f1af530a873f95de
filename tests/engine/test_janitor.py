"""Retention forgets what is past its time and owes nothing, a chunk at a time."""

from __future__ import annotations

from doubles.transport import always
from hookferry.domain.webhook import Retry, WebhookState
from hookferry.engine import janitor
from hookferry.engine.engine import EngineLimits
from hookferry.errors import StorageDown

from .kit import Rig

DAY = 86_400.0


async def test_only_what_is_past_retention_and_owes_nothing_is_forgotten(bare: Rig) -> None:
    rig = bare
    await rig.boot(EngineLimits(retention_days=2))
    rig.receivers["bad"] = always(500)
    await rig.webhook("good", events=("good.*",))
    await rig.webhook("bad", events=("bad.*",), retry=Retry((3 * DAY,), 0.0))
    delivered = await rig.publish("good.event")
    owing = await rig.publish("bad.event")
    unmatched = await rig.publish("unmatched.event")
    await rig.passes(1.9 * DAY)
    young = await rig.publish("good.event")
    assert set(rig.disk.events) >= {delivered.event_id, owing.event_id, unmatched.event_id}
    await rig.passes(0.2 * DAY)
    assert set(rig.disk.events) == {owing.event_id, young.event_id}
    assert {d.event_id for d in await rig.deliveries()} == {owing.event_id, young.event_id}
    assert len(rig.disk.attempts) == 2
    await rig.passes(2.1 * DAY)
    assert rig.disk.events == {}
    assert rig.disk.attempts == {}
    assert rig.metrics.counts("hookferry_retention_deleted_total")[()] == 4


async def test_what_a_paused_webhook_is_owed_is_never_forgotten(bare: Rig) -> None:
    rig = bare
    await rig.boot(EngineLimits(retention_days=1))
    webhook = await rig.webhook(state=WebhookState.PAUSED)
    await rig.publish()
    await rig.passes(3 * DAY)
    await rig.change(webhook, state=WebhookState.ACTIVE)
    await rig.quiet()
    assert len(rig.times()) == 1


async def test_forgetting_goes_in_chunks_that_let_others_pass(bare: Rig) -> None:
    rig = bare
    await rig.boot(EngineLimits(retention_days=1))
    await rig.publish_many(1000)
    sizes: list[tuple[float, int]] = []
    forget = rig.store.forget

    async def watched(before_ms: int, limit: int) -> int:
        gone = await forget(before_ms, limit)
        sizes.append((rig.loop.time(), gone))
        return gone

    rig.store.forget = watched  # type: ignore[method-assign]
    await rig.passes(DAY + 120)
    rounds = [(at, gone) for at, gone in sizes if gone]
    assert [gone for _, gone in rounds] == [janitor.CHUNK] * 5
    assert rounds[-1][0] - rounds[0][0] >= 4 * janitor.PAUSE_SECONDS


async def test_expired_keys_are_forgotten_with_time(rig: Rig) -> None:
    await rig.publish(id="a", key="b")
    await rig.passes(24 * 3600 + 120)
    assert {scope for _, scope, _ in rig.disk.keys} == {"event"}
    await rig.passes(48 * 3600)
    assert rig.disk.keys == {}


async def test_a_ledger_that_is_away_does_not_end_the_janitor(bare: Rig) -> None:
    rig = bare
    await rig.boot(EngineLimits(retention_days=1))
    await rig.publish()
    forget = rig.store.forget

    async def away(before_ms: int, limit: int) -> int:
        raise StorageDown("away")

    rig.store.forget = away  # type: ignore[method-assign]
    await rig.passes(2 * DAY)
    rig.store.forget = forget  # type: ignore[method-assign]
    await rig.passes(120)
    assert rig.disk.events == {}


async def test_the_ledger_is_told_the_time(rig: Rig) -> None:
    await rig.passes(100)
    assert rig.engine.timeline.now_ms() - rig.disk.time_ms <= janitor.TIME_SECONDS * 1000
