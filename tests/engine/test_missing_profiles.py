"""A webhook whose profile is gone, its plugin broken or uninstalled: it waits, all others go on."""

import pytest

from hookferry.errors import InvalidField
from hookferry.wire.profiles import PROFILES, STANDARD
from hookferry.wire.profiles.standard import Standard

from .kit import EXACT, SECRET, Rig


async def test_events_for_it_wait_while_others_are_sent_and_flow_once_it_is_back(
    bare: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PROFILES, "plugin", STANDARD)
    await bare.boot()
    odd = await bare.webhook("odd", profile="plugin")
    await bare.webhook("even")
    bare.crash()
    monkeypatch.delitem(PROFILES, "plugin")

    await bare.boot()
    await bare.publish()
    await bare.until(lambda: len(bare.times("even")) == 1)
    assert "odd" not in bare.sent
    assert await bare.states(webhook_id=odd.id) == ["pending"]
    await bare.change(odd, title="changed on another node")
    await bare.publish()
    await bare.until(lambda: len(bare.times("even")) == 2)
    bare.crash()

    monkeypatch.setitem(PROFILES, "plugin", STANDARD)
    await bare.boot()
    await bare.quiet()
    assert await bare.states(webhook_id=odd.id) == ["delivered", "delivered"]


async def test_a_webhook_may_be_moved_away_from_it_and_goes_on(
    bare: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PROFILES, "plugin", STANDARD)
    await bare.boot()
    odd = await bare.webhook("odd", profile="plugin")
    monkeypatch.delitem(PROFILES, "plugin")
    with pytest.raises(InvalidField, match="there is no profile 'plugin'"):
        bare.engine.planner.plan(odd)
    await bare.publish()
    await bare.change(odd, profile="standard")
    await bare.quiet()
    assert await bare.states() == ["delivered"]


@pytest.mark.parametrize("part", ["rendering", "prepare_secret"])
async def test_a_plugin_that_fails_stops_its_own_webhooks_alone_and_gives_nothing_away(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    class Failing(Standard):
        name = "plugin"

    def fail(*_: object) -> None:
        raise RuntimeError(SECRET.decode())

    monkeypatch.setattr(Failing, part, fail)
    monkeypatch.setitem(PROFILES, "plugin", Failing())
    odd = await rig.webhook("odd", profile="plugin")
    await rig.webhook("even")
    await rig.publish()
    await rig.until(lambda: len(rig.times("even")) == 1)
    assert "odd" not in rig.sent
    assert await rig.states(webhook_id=odd.id) == ["pending"]
    with pytest.raises(InvalidField, match="'plugin' fails with RuntimeError") as refused:
        rig.engine.planner.plan(odd)
    assert SECRET.decode() not in refused.value.detail


async def test_a_plugin_without_a_verdict_fails_the_attempt_and_the_lane_goes_on(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Undecided(Standard):
        name = "plugin"

        def succeeded(self, status: int) -> bool:
            raise RuntimeError("no idea")

    monkeypatch.setitem(PROFILES, "plugin", Undecided())
    await rig.webhook(profile="plugin", retry=EXACT)
    await rig.publish()
    await rig.passes(100)
    assert await rig.states() == ["failed"]
    assert len(rig.times()) == 4
