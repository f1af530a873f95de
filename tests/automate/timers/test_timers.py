"""Timers as a managed resource: what can be saved, and the webhook that comes with one."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automate.kit import NIGHTLY, Office
from hookferry.automate import timers as rules
from hookferry.automate.schedule import next_due
from hookferry.automate.timers import handler_of
from hookferry.domain.timer import Timer
from hookferry.domain.webhook import AUTOMATION, Webhook
from hookferry.errors import Conflict, InvalidField, NameTaken, NotFound, VersionMismatch
from hookferry.ids import encode
from hookferry.kata.fuel import Fuel
from hookferry.kata.handlers import parse_handlers
from hookferry.kata.parser import parse
from hookferry.kata.templates import Run


@pytest.fixture
async def office() -> Office:
    office = Office()
    await office.directory.refresh()
    return office


async def running(office: Office, **fields: Any) -> Timer:
    """Make a timer that runs an automation."""
    if office.directory.automation_by_name(1, "example.answers") is None:
        await office.automation()
    document = {**NIGHTLY, "event_type": None, "automation": "example.answers", **fields}
    return await office.timers.create(1, document)


async def test_a_timer_knows_when_it_is_due_next(office: Office) -> None:
    timer = await office.timers.create(1, {**NIGHTLY, "timezone": "Europe/Berlin", "data": [None]})
    assert office.directory.timer(1, timer.id) == timer
    assert timer.next_due_ms == next_due("0 3 * * *", "Europe/Berlin", office.clock.now_ms)
    assert timer.data == [None]
    assert office.saved(Webhook) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "a b"),
        ("cron", "every day"),
        ("timezone", "Mars"),
        ("event_type", "a b"),
        ("data", "x" * 70_000),
        ("inputs", {"a": 1}),
        ("automation", "example.answers"),
        ("description", "x" * 2_001),
    ],
)
async def test_what_can_not_be_is_refused_by_its_field(
    office: Office, field: str, value: object
) -> None:
    with pytest.raises(InvalidField) as refused:
        await office.timers.create(1, {**NIGHTLY, field: value})
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("automation", "example.nothing"),
        ("automation", None),
        ("inputs", {"a b": 1}),
        ("inputs", {"a": "x" * 70_000}),
        ("data", 1),
    ],
)
async def test_what_an_automation_can_not_be_given_is_refused(
    office: Office, field: str, value: object
) -> None:
    with pytest.raises(InvalidField) as refused:
        await running(office, **{field: value})
    assert refused.value.field == field
    assert office.saved(Timer) == []


async def test_a_function_is_not_run_by_a_timer(office: Office) -> None:
    await office.automation(name="f", extension_id="cerb.trigger.automation.function")
    with pytest.raises(InvalidField, match="only other automations"):
        await running(office, automation="f")


async def test_an_automation_is_named_by_id_name_or_uri(office: Office) -> None:
    automation = await office.automation()
    written = (encode("auto", automation.id), automation.name, "cerb:automation:example.answers")
    for number, name in enumerate(written):
        timer = await running(office, name=f"t{number}", automation=name)
        assert timer.automation == "example.answers"


async def test_a_timer_of_an_automation_owns_a_webhook(office: Office) -> None:
    inputs = {"a": "{{x}} # y: \n", "b": [1, None], "c": {}}
    timer = await running(office, inputs=inputs)
    own = office.directory.owned(timer.id)
    assert own is not None
    assert (own.type, own.events, own.owner, own.name) == (
        AUTOMATION,
        (),
        timer.id,
        "timer nightly",
    )
    assert own.retry is not None
    assert own.retry.schedule == ()
    handler = parse(own.automations_kata).child("automation/timer")
    assert handler is not None
    assert handler.text_at("uri") == "cerb:automation:example.answers"
    given = handler.child("inputs")
    assert given is not None
    assert [node.label for node in given.children] == ["a@raw,json", "b@raw,json", "c@raw,json"]
    assert given.text_at("b") == "[1,null]"


async def test_the_webhook_changes_and_goes_with_its_timer(office: Office) -> None:
    timer = await running(office)
    first = office.directory.owned(timer.id)
    assert first is not None
    await office.timers.patch(1, timer.id, {"cron": "0 4 * * *"})
    assert office.directory.owned(timer.id) == first
    await office.timers.patch(1, timer.id, {"name": "other", "inputs": {"a": 1}})
    second = office.directory.owned(timer.id)
    assert second is not None
    assert (second.id, second.name, second.version) == (first.id, "timer other", 2)
    event = {"automation": None, "inputs": None, "event_type": "night.began"}
    await office.timers.patch(1, timer.id, event)
    assert office.directory.owned(timer.id) is None
    again = {"automation": "example.answers", "event_type": None}
    await office.timers.patch(1, timer.id, again)
    third = office.directory.owned(timer.id)
    assert third is not None
    await office.timers.delete(1, timer.id)
    assert [w.deleted for w in office.saved(Webhook)] == [True, True]
    assert [(t.deleted, t.inputs, t.next_due_ms) for t in office.saved(Timer)] == [(True, {}, None)]


async def test_a_timer_that_can_not_be_saved_leaves_no_webhook(office: Office) -> None:
    await running(office)
    with pytest.raises(NameTaken):
        await running(office)
    assert len(office.saved(Webhook)) == 1


async def test_a_patch_finds_the_next_due_time_anew(office: Office) -> None:
    timer = await office.timers.create(1, {**NIGHTLY, "enabled": False, "data": {"a": 1, "b": 2}})
    assert timer.next_due_ms is None
    office.clock.now_ms += 86_400_000 * 3
    on = await office.timers.patch(1, timer.id, {"enabled": True, "data": {"a": None}}, version=1)
    assert on.next_due_ms == next_due("0 3 * * *", "UTC", office.clock.now_ms)
    assert (on.data, on.version) == ({"b": 2}, 2)
    with pytest.raises(VersionMismatch):
        await office.timers.patch(1, timer.id, {}, version=1)
    with pytest.raises(InvalidField):
        await office.timers.patch(1, timer.id, "off")


async def test_another_tenants_timer_does_not_exist(office: Office) -> None:
    timer = await office.timers.create(1, NIGHTLY)
    with pytest.raises(NotFound):
        await office.timers.patch(2, timer.id, {})
    with pytest.raises(NotFound):
        await office.timers.delete(2, timer.id)


async def test_a_tenant_has_so_many_timers(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MAX_TIMERS", 1)
    await office.timers.create(1, NIGHTLY)
    with pytest.raises(Conflict):
        await office.timers.create(1, {**NIGHTLY, "name": "more"})


json = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 53), 1 << 53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.from_regex(rules.INPUT, fullmatch=True), json, max_size=5))
def test_an_automation_is_given_what_its_timer_says(inputs: dict[str, Any]) -> None:
    run = Run(Fuel(), now=0.0, rng=random.Random(1))
    choice = parse_handlers(handler_of("example.answers", inputs)).choose({}, run)
    assert choice is not None
    assert (choice.automation, choice.inputs) == ("example.answers", inputs)
