"""State events: hookferry's own word that a webhook was started, stopped or disabled."""

from __future__ import annotations

import json

from doubles.transport import always
from hookferry.domain.event import EventMeta
from hookferry.domain.webhook import Retry, WebhookState
from hookferry.engine.announcements import STARTED, STOPPED
from hookferry.ids import encode

from .kit import ONCE, Rig, answers

CONTACTS = ("contact.*",)
AGAIN = Retry((1.0,) * 10, 0.0)


def told(rig: Rig, name: str = "watcher") -> list[tuple[str, dict[str, object]]]:
    """Type and data of what a webhook was sent."""
    bodies = [json.loads(sent.body) for sent in rig.sent.get(name, [])]
    return [(body["type"], body["data"]) for body in bodies]


async def test_a_webhook_disabled_by_its_failures_is_an_event_for_others(rig: Rig) -> None:
    crm = await rig.webhook("crm", events=CONTACTS, failure_limit=3, retry=AGAIN)
    await rig.webhook("watcher", events=(f"webhook{crm.number}.*",))
    rig.receivers["crm"] = always(500)
    receipt = await rig.publish()
    await rig.passes(60)
    [(type_, data)] = told(rig)
    assert type_ == f"webhook{crm.number}.errors"
    assert data == {
        "webhook": encode("wh", crm.id),
        "number": crm.number,
        "name": "crm",
        "state": "too_many_errors",
        "error": "status_500",
        "event": encode("evt", receipt.event_id),
    }


async def test_410_is_told_as_well(rig: Rig) -> None:
    crm = await rig.webhook("crm", events=CONTACTS)
    await rig.webhook("watcher", events=("*.errors",))
    rig.receivers["crm"] = always(410)
    await rig.publish()
    await rig.passes(10)
    assert [type_ for type_, _ in told(rig)] == [f"webhook{crm.number}.errors"]


async def test_a_webhook_is_not_sent_word_of_its_own_end_but_has_it_on_record(rig: Rig) -> None:
    crm = await rig.webhook("crm", events=("*",), failure_limit=1, retry=ONCE)
    rig.receivers["crm"] = answers(500, then=200)
    await rig.publish()
    await rig.passes(1000)
    assert rig.state(crm) is WebhookState.TOO_MANY_ERRORS
    assert len(rig.times("crm")) == 1
    assert sorted(await rig.states()) == ["failed", "skipped"]


async def test_a_state_event_is_one_hop_further_than_what_caused_it(rig: Rig) -> None:
    crm = await rig.webhook("crm", events=("loop.*",), failure_limit=1, retry=ONCE)
    rig.receivers["crm"] = always(500)
    rig.engine.intake.cause(rig.tenant, "loop.round", b"{}", EventMeta(hops=4))
    await rig.passes(10)
    hops = {event.type: event.meta.hops for event in rig.disk.events.values()}
    assert hops == {"loop.round": 4, f"webhook{crm.number}.errors": 5}


async def test_what_people_do_is_told_and_costs_no_hops_of_an_event(rig: Rig) -> None:
    crm = await rig.webhook("crm", events=CONTACTS)
    await rig.webhook("watcher", events=("*.started", "*.stopped"))
    for what, state in ((STOPPED, WebhookState.STOPPED), (STARTED, WebhookState.ACTIVE)):
        rig.engine.announcer.announce(await rig.change(crm, state=state), what)
        await rig.passes(1)
    assert [(type_, data["state"]) for type_, data in told(rig)] == [
        (f"webhook{crm.number}.stopped", "stopped"),
        (f"webhook{crm.number}.started", "active"),
    ]
    assert {event.meta.hops for event in rig.disk.events.values()} == {1}


async def test_strict_tenants_and_drains_do_not_keep_hookferry_from_its_own_events(
    rig: Rig,
) -> None:
    crm = await rig.webhook("crm", events=CONTACTS)
    await rig.change_tenant(strict_types=True)
    rig.engine.intake.drain()
    rig.engine.announcer.announce(crm, STOPPED)
    await rig.passes(1)
    assert [event.type for event in rig.disk.events.values()] == [f"webhook{crm.number}.stopped"]


async def test_a_superoffice_receiver_sees_the_type_in_header_and_body_alike(rig: Rig) -> None:
    crm = await rig.webhook("crm", events=CONTACTS, failure_limit=1, retry=ONCE)
    await rig.webhook("watcher", events=("*.errors",), profile="superoffice")
    rig.receivers["crm"] = always(500)
    await rig.publish()
    await rig.passes(10)
    [sent] = rig.sent["watcher"]
    body = json.loads(sent.body)
    assert sent.header("x-superoffice-event") == body["Event"] == f"webhook{crm.number}.errors"
    assert body["PrimaryKey"] == crm.number
    assert sent.header("x-superoffice-eventid").lower() == body["EventId"].lower()
