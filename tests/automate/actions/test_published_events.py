"""``event.publish`` and ``webhook.send``: what scripts publish is an event like any other."""

from __future__ import annotations

from typing import Any

import pytest

from api.kit import House
from automate.stage import published
from automate.staged_house import StagedHouse
from hookferry.automate.actions.events import MAX_EVENTS
from hookferry.domain.event import EventState
from hookferry.engine.matching import MAX_HOPS
from hookferry.ids import encode

AGAIN = """\
start:
  event.publish:
    inputs:
      type: loop.turned
      data:
        turn@int: {{event.data.turn + 1}}
    output: out
"""


@pytest.fixture
def staged(house: House) -> StagedHouse:
    return StagedHouse(house)


async def test_an_event_is_published_with_all_that_a_publisher_may_say(staged: StagedHouse) -> None:
    fields: dict[str, Any] = {
        "type": "order.created",
        "data": {"a": [1, "é"]},
        "id": "o-1",
        "application": "shop",
        "entity": "order",
        "primary_key": 7,
        "changes": ["a"],
        "actor": {"id": 3, "name": "Ann"},
        "channels": ["web"],
        "occurred_at": "2026-01-01T00:00:00Z",
    }
    out = await staged.does("event.publish", fields)
    [event] = await staged.events()
    assert out == {"id": encode("evt", event.id), "deliveries": 0, "duplicate": False}
    assert (event.type, event.payload) == ("order.created", '{"a":[1,"é"]}'.encode())
    meta = event.meta
    assert (meta.external_id, meta.entity, meta.primary_key) == ("o-1", "order", 7)
    assert (meta.actor_id, meta.actor_name, meta.channels) == (3, "Ann", ["web"])
    assert (meta.hops, meta.changes, meta.application) == (1, ["a"], "shop")
    assert (await staged.does("event.publish", fields))["duplicate"] is True
    assert len(await staged.events()) == 1


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ({"type": "no type"}, "type"),
        ({"type": "a", "primary_key": {"a": 1}}, "primary_key"),
        ({"type": "a", "occurred_at": "soon"}, "occurred_at"),
        ({"type": "a", "data": "\udcff"}, "base64_encode"),
        ({"type": "a", "data": "x" * 1_100_000}, "1,0"),
    ],
)
async def test_what_is_no_event_is_refused(
    staged: StagedHouse, inputs: dict[str, Any], says: str
) -> None:
    out = await staged.does("event.publish", inputs)
    assert says in out["error"], out
    assert await staged.events() == []


async def test_automations_that_publish_what_runs_them_come_to_an_end(staged: StagedHouse) -> None:
    await staged.automation(AGAIN)
    await staged.webhook("example.tried", events=["loop.turned"])
    await staged.house.publish(type="loop.turned", data={"turn": 0})

    async def ended() -> bool:
        return len(await staged.events()) == MAX_HOPS + 2

    await staged.until(ended)
    await staged.settles()
    events = await staged.events()
    assert [event.meta.hops for event in events] == list(range(MAX_HOPS + 2))
    assert events[-1].payload == b'{"turn":6}'
    assert [event.state for event in events][-2:] == [EventState.MATCHED, EventState.UNMATCHED]
    assert len(await staged.runs()) == MAX_HOPS + 1
    metrics = (await staged.house.client.get("/metrics")).text
    assert "hookferry_hops_exceeded_total 1" in metrics


async def test_a_run_publishes_a_bounded_number(staged: StagedHouse) -> None:
    await staged.automation(
        "start:\n  repeat:\n    each@json: {{range(1, 200)|json_encode}}\n    as: n\n    do:\n"
        "      event.publish:\n        inputs:\n          type: many\n        output: out\n"
    )
    await staged.webhook("example.tried", events=["begin"])
    await staged.house.publish(type="begin")
    await staged.settles()
    assert len(await staged.events()) == 1 + MAX_EVENTS
    [run] = await staged.runs()
    assert run.error == f"a run publishes at most {MAX_EVENTS} events"


async def test_an_event_that_is_sent_goes_to_its_webhook_alone(staged: StagedHouse) -> None:
    wanted = await staged.house.webhook("wanted", events=["something.else"])
    await staged.house.webhook("other", events=["*"])
    for reference in ("wanted", wanted["id"]):
        out = await staged.does("webhook.send", {"webhook": reference, "type": "order.created"})
        assert out["deliveries"] == 1
    await staged.settles()
    found = await staged.deliveries()
    assert {encode("wh", delivery.webhook_id) for delivery in found} == {wanted["id"]}
    assert len(staged.house.transport.sent) == 2


async def test_a_webhook_that_is_gone_or_anothers_is_not_found(staged: StagedHouse) -> None:
    key = await staged.house.key_for("other")
    body = {"name": "theirs", "target_url": "https://a.example/", "events": ["*"]}
    theirs = (await staged.house.client.post("/api/v1/webhooks", json=body, headers=key)).json()
    _, _ = await staged.source("automation/a:\n  uri: cerb:automation:example.a\n")
    owned = [w for w in staged.directory.all_webhooks() if w.owner is not None]
    for reference in ("theirs", theirs["id"], "nobody", encode("wh", owned[0].id), owned[0].name):
        out = await staged.does("webhook.send", {"webhook": reference, "type": "a.b"})
        assert "there is no webhook" in out["error"]
    assert await staged.events() == []


async def test_what_an_event_was_sent_for_counts_as_well(staged: StagedHouse) -> None:
    await staged.house.webhook("wanted")
    given = {"webhook": "wanted", "type": "a.b"}
    await staged.does("webhook.send", given, event=published({}, hops=MAX_HOPS))
    [event] = await staged.events()
    assert (event.meta.hops, event.state) == (MAX_HOPS + 1, EventState.UNMATCHED)
