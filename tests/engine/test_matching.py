"""An event goes to the webhooks whose pattern, application, channels and condition it meets."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from hookferry.domain.event import Event, EventMeta, EventState
from hookferry.domain.tenant import EventType
from hookferry.domain.webhook import WebhookState
from hookferry.engine.matching import MAX_ERROR, MAX_ERRORS, MAX_HOPS, Reasons
from hookferry.errors import SchemaViolation
from hookferry.ids import encode
from hookferry.match import filters
from hookferry.match.facts import Facts

from .kit import TENANT, Rig, receipt_of


def raw(data: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(data))


async def register(rig: Rig, name: str, **fields: Any) -> EventType:
    """Register an event type, or change it."""
    known = rig.engine.directory.event_types(TENANT).get(name)
    made = EventType(
        id=known.id if known else rig.engine.ids.next(),
        tenant_id=TENANT,
        name=name,
        version=known.version + 1 if known else 1,
        **fields,
    )
    await rig.store.save(made)
    await rig.engine.directory.refresh()
    return made


async def matched(rig: Rig, type: str = "order.paid", data: object = None, **fields: Any) -> int:
    """Publish, and tell how many webhooks the event goes to."""
    return receipt_of(await rig.publish(type, data=raw(data or {}), **fields)).deliveries


async def last_event(rig: Rig) -> Event:
    return rig.disk.events[max(rig.disk.events)]


HIGH = {"path": "data.priority", "op": "equals", "value": "high"}


async def test_a_condition_lets_only_the_events_through_that_it_holds_for(rig: Rig) -> None:
    await rig.webhook("crm", events=("order.*",), condition=HIGH)
    await rig.webhook("all", events=("order.*",))
    assert await matched(rig, data={"priority": "high"}) == 2
    assert await matched(rig, data={"priority": "low"}) == 1
    assert await matched(rig, data={}) == 1
    assert await matched(rig, "other.thing", {"priority": "high"}) == 0


async def test_an_event_that_no_condition_holds_for_is_stored_as_unmatched(rig: Rig) -> None:
    await rig.webhook("crm", condition=HIGH)
    assert await matched(rig) == 0
    assert (await last_event(rig)).state is EventState.UNMATCHED


@pytest.mark.parametrize(
    ("channels", "deliveries"),
    [(None, 1), ([], 1), (["eu"], 2), (["us", "eu"], 2), (["us"], 1), (["EU"], 1)],
)
async def test_a_webhook_with_channels_gets_events_in_one_of_them(
    rig: Rig, channels: list[str] | None, deliveries: int
) -> None:
    await rig.webhook("europe", channels=("eu", "uk"))
    await rig.webhook("world")
    assert await matched(rig, channels=channels) == deliveries


async def test_a_webhook_of_an_application_gets_the_events_of_it(rig: Rig) -> None:
    await rig.webhook("of_shop", application="shop")
    assert await matched(rig) == 0
    assert await matched(rig, application="shop") == 1
    assert await matched(rig, application="crm") == 0
    await register(rig, "order.paid", application="shop")
    assert await matched(rig) == 1
    assert await matched(rig, application="crm") == 0
    await register(rig, "order.paid", application="crm")
    assert await matched(rig) == 0


async def test_a_changed_condition_holds_from_the_save_on(rig: Rig) -> None:
    webhook = await rig.webhook("crm", condition=HIGH)
    assert await matched(rig, data={"priority": "low"}) == 0
    await rig.change(webhook, condition={"not": HIGH})
    assert await matched(rig, data={"priority": "low"}) == 1
    await rig.change(webhook, condition=None)
    assert await matched(rig, data={"priority": "high"}) == 1
    await rig.change(webhook, deleted=True)
    assert await matched(rig) == 0
    assert rig.engine.directory.filters[TENANT] == {}


async def test_a_condition_is_parsed_once_for_each_version_of_its_webhook(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed = []
    parse = filters.parse_condition
    monkeypatch.setattr(
        filters, "parse_condition", lambda document: parsed.append(document) or parse(document)
    )
    webhook = await rig.webhook("crm", condition=HIGH)
    for _ in range(5):
        await matched(rig, data={"priority": "high"})
    assert len(parsed) == 1
    await rig.change(webhook, title="another version")
    await matched(rig)
    assert len(parsed) == 2


async def test_a_condition_that_can_not_be_evaluated_is_no_match_and_the_reason_is_stored(
    rig: Rig,
) -> None:
    broken = await rig.webhook("cel", condition={"cel": "event.data.missing != 1"})
    # A person may have taken an extra out, or an older build may have allowed more.
    unusable = await rig.webhook("old", condition={"op": "sounds_like"})
    await rig.webhook("sound")
    assert await matched(rig) == 1
    errors = (await last_event(rig)).meta.match_errors or {}
    assert set(errors) == {encode("wh", broken.id), encode("wh", unusable.id)}
    assert "missing" in errors[encode("wh", broken.id)]
    assert "path is required" in errors[encode("wh", unusable.id)]
    assert rig.metrics.counts("hookferry_match_errors_total")[()] == 2


async def test_the_reasons_stored_with_an_event_are_bounded(rig: Rig) -> None:
    for number in range(MAX_ERRORS + 5):
        await rig.webhook(f"crm{number}", condition={"cel": f"event.data.{'m' * 900} == {number}"})
    assert await matched(rig) == 0
    errors = (await last_event(rig)).meta.match_errors or {}
    assert len(errors) == MAX_ERRORS
    assert max(map(len, errors.values())) <= MAX_ERROR


async def test_an_event_matched_again_is_matched_by_the_newer_condition_and_counted_once(
    rig: Rig,
) -> None:
    webhook = await rig.webhook("crm", condition={"cel": "event.data.missing == 1"})
    changed = msgspec.structs.replace(rig.stored(webhook), version=2, condition={"not": HIGH})
    await rig.store.save(changed)  # the engine was not told
    assert await matched(rig) == 1
    assert (await last_event(rig)).meta.match_errors is None
    assert rig.metrics.counts("hookferry_accepts_rematched_total")[()] == 1


async def test_a_replay_goes_to_the_webhooks_that_match_now(rig: Rig) -> None:
    await rig.webhook("high", condition=HIGH)
    await matched(rig, data={"priority": "low"})
    event = await last_event(rig)
    assert await rig.engine.actions.replay(TENANT, event.id, None) == []
    low = await rig.webhook("low", condition={"not": HIGH})
    [made] = await rig.engine.actions.replay(TENANT, event.id, None)
    assert made.webhook_id == low.id


# ------------------------------------------------------------------ schemas

SCHEMA = {"type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"]}


async def test_an_enforced_schema_refuses_data_that_breaks_it_before_anything_is_stored(
    rig: Rig,
) -> None:
    await register(rig, "order.paid", schema=SCHEMA)
    with pytest.raises(SchemaViolation, match=r"data\.total: the value is not of type") as refused:
        await matched(rig, data={"total": "x" * 1000})
    assert (refused.value.code, refused.value.field) == ("schema_violation", "data.total")
    assert len(refused.value.detail) < 300
    assert rig.disk.events == {}
    assert rig.metrics.counts("hookferry_events_refused_total")[("schema_violation",)] == 1
    await matched(rig, data={"total": 5})
    assert (await last_event(rig)).meta.schema_error is None


async def test_a_schema_that_warns_takes_the_event_and_keeps_what_is_wrong(rig: Rig) -> None:
    await rig.webhook()
    await register(rig, "order.paid", schema=SCHEMA, schema_mode="warn")
    assert await matched(rig, data={"total": "five"}) == 1
    error = (await last_event(rig)).meta.schema_error
    assert error == 'data.total: the value is not of type "number"'
    assert rig.metrics.counts("hookferry_schema_warnings_total")[()] == 1


@pytest.mark.parametrize(
    "fields", [{"schema_mode": "off"}, {"archived": True}, {"schema": True}, {"schema": None}]
)
async def test_a_schema_that_is_off_archived_or_empty_asks_for_nothing(
    rig: Rig, fields: dict[str, Any]
) -> None:
    await register(rig, "order.paid", **{"schema": SCHEMA, **fields})
    await matched(rig, data={"total": "five"})
    assert (await last_event(rig)).meta.schema_error is None


async def test_a_changed_schema_holds_from_the_save_on(rig: Rig) -> None:
    await register(rig, "order.paid", schema=SCHEMA)
    await register(rig, "order.paid", schema={"required": ["id"]})
    await matched(rig, data={"id": 1})
    with pytest.raises(SchemaViolation, match='"id" is a required'):
        await matched(rig, data={"total": 1})
    await register(rig, "order.paid")
    await matched(rig, data={"total": "any"})


async def test_a_stored_schema_that_can_not_be_used_fails_closed(rig: Rig) -> None:
    await register(rig, "order.paid", schema={"type": "no such type"})
    with pytest.raises(SchemaViolation, match="can't be used"):
        await matched(rig)
    await register(rig, "order.paid", schema={"type": "no such type"}, schema_mode="warn")
    await matched(rig)
    assert "can't be used" in ((await last_event(rig)).meta.schema_error or "")


async def test_data_that_can_not_be_held_breaks_a_schema(rig: Rig) -> None:
    await register(rig, "order.paid", schema=SCHEMA)
    with pytest.raises(SchemaViolation, match="can't be read"):
        await rig.publish("order.paid", data=msgspec.Raw(b'{"total": 1e400}'))


async def test_data_is_decoded_once_for_a_schema_and_any_number_of_conditions(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    await register(rig, "order.paid", schema=SCHEMA)
    for number in range(4):
        condition = {"path": "data.total", "op": "greater", "value": number}
        await rig.webhook(f"crm{number}", condition=condition)
        await rig.webhook(f"cel{number}", condition={"cel": f"event.data.total > {number}"})
    facts = Facts("order.paid", b'{"total": 9}', EventMeta())
    rig.engine.intake.matcher.admit(rig.tenant, facts)
    data = facts.data
    chosen = rig.engine.intake.matcher.select(TENANT, facts)
    assert len(chosen.webhooks) == 8
    assert facts.data is data


# ------------------------------------------------------------------ why


async def why(rig: Rig, webhook: Any, event: Event | None = None) -> Reasons:
    event = event or await last_event(rig)
    facts = Facts(event.type, event.payload, event.meta)
    current = rig.engine.directory.webhook(TENANT, webhook.id)
    return rig.engine.intake.matcher.explain(event, facts, current)


def failed(reasons: Reasons) -> list[str]:
    return [step.name for step in reasons.steps if not step.passed]


async def test_why_is_told_for_each_thing_that_decides(rig: Rig) -> None:
    webhook = await rig.webhook(
        "crm", events=("order.*",), application="shop", channels=("eu",), condition=HIGH
    )
    await matched(rig, data={"priority": "high"}, application="shop", channels=["eu"])
    told = await why(rig, webhook)
    assert (told.matches, told.sends, failed(told)) == (True, True, [])
    await matched(rig, "other.thing", {"priority": "low"}, application="crm", channels=["us"])
    told = await why(rig, webhook)
    assert (told.matches, told.sends) == (False, False)
    details = {step.name: step.detail for step in told.steps if not step.passed}
    assert list(details) == ["pattern", "application", "channels", "condition"]
    assert details["pattern"] == "'other.thing' is taken by none of 'order.*'"
    assert details["application"] == "it takes events of 'shop'; this one is of 'crm'"
    assert details["channels"] == "it takes events in one of 'eu'; this one is in 'us'"
    assert details["condition"] == (
        'condition decided: data.priority equals "high" does not hold; it is "low"'
    )
    [check] = told.condition
    assert (check.at, check.seen, check.holds) == ("condition", '"low"', False)


async def test_why_tells_a_webhook_that_is_stopped_and_a_tenant_that_is_switched_off(
    rig: Rig,
) -> None:
    webhook = await rig.webhook("crm")
    await matched(rig)
    for state, sends in (
        (WebhookState.PAUSED, True),
        (WebhookState.STOPPED, False),
        (WebhookState.TOO_MANY_ERRORS, False),
    ):
        await rig.change(webhook, state=state)
        told = await why(rig, webhook)
        assert (told.matches, told.sends) == (True, sends), state
        assert failed(told) == ([] if sends else ["state"])
    await rig.change(webhook, state=WebhookState.ACTIVE)
    await rig.change_tenant(webhooks_active=False)
    told = await why(rig, webhook)
    assert (told.matches, told.sends, failed(told)) == (True, False, ["tenant"])


async def test_why_tells_that_an_event_went_round_too_often(rig: Rig) -> None:
    webhook = await rig.webhook("crm")
    await matched(rig)
    event = await last_event(rig)
    far = msgspec.structs.replace(event, meta=EventMeta(hops=MAX_HOPS + 1))
    assert failed(await why(rig, webhook, far)) == ["hops"]


async def test_why_tells_the_reason_why_a_condition_could_not_be_evaluated(rig: Rig) -> None:
    cel = await rig.webhook("cel", condition={"cel": "event.data.missing == 1"})
    old = await rig.webhook("old", condition={"op": "sounds_like"})
    await matched(rig)
    for webhook, reason in ((cel, "missing"), (old, "path is required")):
        told = await why(rig, webhook)
        assert failed(told) == ["condition"]
        [step] = [step for step in told.steps if step.name == "condition"]
        assert "can't be evaluated" in step.detail
        assert reason in step.detail


async def test_why_and_matching_never_disagree(rig: Rig) -> None:
    made = [
        await rig.webhook(f"crm{number}", **fields)
        for number, fields in enumerate(
            [
                {},
                {"events": ("order.*",)},
                {"events": ("*.created",)},
                {"application": "shop"},
                {"channels": ("eu",)},
                {"condition": HIGH},
                {"condition": {"not": HIGH}},
                {"condition": {"cel": "event.data.priority == 'high'"}},
                {"channels": ("eu",), "condition": {"cel": "event.channels.size() == 1"}},
            ]
        )
    ]
    for type in ("order.paid", "contact.created"):
        for data in ({}, {"priority": "high"}, {"priority": 5}):
            for fields in ({}, {"application": "shop"}, {"channels": ["eu"]}):
                await matched(rig, type, data, **fields)
                event = await last_event(rig)
                got = {d.webhook_id for d in await rig.deliveries(event_id=event.id)}
                told = {w.id for w in made if (await why(rig, w, event)).matches}
                assert told == got, (type, data, fields)
                await asyncio.sleep(0)
