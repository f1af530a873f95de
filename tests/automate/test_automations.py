"""Automations as a managed resource: what can be saved, and what keeps one from going."""

from __future__ import annotations

from typing import Any

import pytest

from automate.kit import ANSWERS, Office
from hookferry.automate import automations as rules
from hookferry.automate import plugins
from hookferry.automate.automations import TRIGGERS
from hookferry.domain.automation import ON_CALL, Automation
from hookferry.errors import (
    Conflict,
    HookferryError,
    InvalidField,
    NameTaken,
    NotFound,
    ScriptRefused,
    UnknownField,
    VersionMismatch,
)
from hookferry.ids import encode


@pytest.fixture
async def office() -> Office:
    office = Office()
    await office.directory.refresh()
    return office


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in ANSWERS.items() if key != name}


async def test_an_automation_is_saved_as_written(office: Office) -> None:
    saved = await office.automation(description="says hello", policy_kata="commands:\r\n  ")
    assert office.directory.automation(1, saved.id) == saved
    assert office.directory.automation_by_name(1, "example.answers") == saved
    assert office.directory.automation_by_name(2, "example.answers") is None
    assert (saved.script, saved.policy_kata) == (ANSWERS["script"], "commands:\r\n  ")


async def test_a_draft_is_checked_and_not_saved(office: Office) -> None:
    office.automations.draft(1, ANSWERS)
    with pytest.raises(ScriptRefused):
        office.automations.draft(1, {**ANSWERS, "script": "start:\n  sett:\n    a: 1"})
    assert office.saved(Automation) == []


@pytest.mark.parametrize("name", ["", "Upper", "a b", "a/b", ".a", "a.", "ä", "x" * 129])
async def test_a_name_that_scripts_could_not_write_is_refused(office: Office, name: str) -> None:
    with pytest.raises(InvalidField) as refused:
        await office.automation(name=name)
    assert refused.value.field == "name"


async def test_an_unknown_trigger_is_refused_with_the_known_ones(office: Office) -> None:
    with pytest.raises(InvalidField) as refused:
        await office.automation(extension_id="cerb.trigger.mail.route")
    assert refused.value.field == "extension_id"
    assert all(trigger in refused.value.detail for trigger in TRIGGERS)
    for number, trigger in enumerate(TRIGGERS):
        await office.automation(name=f"a{number}", extension_id=trigger)


@pytest.mark.parametrize("missing", ["name", "extension_id", "script"])
async def test_a_field_that_is_missing_is_named(office: Office, missing: str) -> None:
    with pytest.raises(InvalidField) as refused:
        await office.automations.create(1, without(missing))
    assert refused.value.field == missing


async def test_an_unknown_field_is_refused_with_the_nearest_one(office: Office) -> None:
    with pytest.raises(UnknownField, match="policy_kata"):
        await office.automation(policy="commands:")


async def test_every_problem_of_a_script_is_told_with_its_place(office: Office) -> None:
    script = "start:\n  sett:\n    a: 1\n  return:\n    body: {{ x\n"
    with pytest.raises(ScriptRefused) as refused:
        await office.automation(script=script)
    assert refused.value.field == "script"
    problems: Any = refused.value.extra["problems"]
    assert [problem["line"] for problem in problems] == [2, 5]


async def test_a_policy_that_can_not_be_read_is_refused(office: Office) -> None:
    with pytest.raises(ScriptRefused) as refused:
        await office.automation(policy_kata="commands:\n  http.requst:\n    allow: yes")
    assert refused.value.field == "policy_kata"


@pytest.mark.parametrize("field", ["script", "policy_kata"])
async def test_a_script_has_a_greatest_size(office: Office, field: str) -> None:
    long = "# " + "é" * 131_072 + f"\n{ANSWERS['script']}"
    with pytest.raises(InvalidField, match="65,536 characters") as refused:
        await office.automation(**{field: long})
    assert refused.value.field == field


async def test_a_function_of_a_plugin_stands_for_a_script(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered = {"shop.answer": print}

    def load(name: str) -> Any:
        if name not in offered:
            raise InvalidField(f"no installed package offers {name!r}", field="python")
        return offered[name]

    monkeypatch.setattr(plugins, "load", load)
    saved = await office.automation(script=None, python="shop.answer")
    assert (saved.script, saved.python) == ("", "shop.answer")
    with pytest.raises(InvalidField) as refused:
        await office.automation(name="b", script=None, python="shop.other")
    assert refused.value.field == "python"
    with pytest.raises(InvalidField, match="one of them"):
        await office.automation(name="b", python="shop.answer")


async def test_names_are_unique_in_their_tenant(office: Office) -> None:
    first = await office.automation()
    with pytest.raises(NameTaken):
        await office.automation()
    await office.automations.create(2, ANSWERS)
    await office.automations.delete(1, first.id)
    await office.automation()


async def test_a_patch_changes_what_it_names(office: Office) -> None:
    before = await office.automation(description="old", policy_kata="commands:")
    office.clock.now_ms += 5
    patch = {"description": None, "name": "example.renamed"}
    after = await office.automations.patch(1, before.id, patch, version=1)
    assert (after.name, after.description, after.version) == ("example.renamed", "", 2)
    assert (after.script, after.policy_kata) == (before.script, "commands:")
    assert after.updated_at_ms == before.updated_at_ms + 5
    assert office.directory.automation_by_name(1, "example.answers") is None


async def test_a_patch_is_checked_as_a_whole(office: Office) -> None:
    saved = await office.automation()
    for patch, error in (
        ({"script": "start:\n  nonsense:"}, ScriptRefused),
        ({"script": None}, InvalidField),
        ({"extension_id": "x"}, InvalidField),
        ([], InvalidField),
    ):
        with pytest.raises(error):
            await office.automations.patch(1, saved.id, patch)
    assert office.directory.automation(1, saved.id) == saved


async def test_the_later_of_two_editors_is_told(office: Office) -> None:
    saved = await office.automation()
    await office.automations.patch(1, saved.id, {"description": "mine"}, version=1)
    with pytest.raises(VersionMismatch):
        await office.automations.patch(1, saved.id, {"description": "yours"}, version=1)
    with pytest.raises(VersionMismatch):
        await office.automations.delete(1, saved.id, version=1)


async def test_another_tenants_automation_does_not_exist(office: Office) -> None:
    saved = await office.automation()
    with pytest.raises(NotFound):
        await office.automations.patch(2, saved.id, {})
    with pytest.raises(NotFound):
        await office.automations.delete(2, saved.id)


async def test_a_deleted_automation_keeps_no_script(office: Office) -> None:
    saved = await office.automation(policy_kata="commands:")
    await office.automations.delete(1, saved.id)
    [gone] = office.saved(Automation)
    assert (gone.deleted, gone.script, gone.policy_kata) == (True, "", "")


async def refusal(office: Office, automation: Automation) -> HookferryError:
    with pytest.raises(Conflict) as refused:
        await office.automations.delete(1, automation.id)
    with pytest.raises(Conflict):
        await office.automations.patch(1, automation.id, {"name": "other"})
    with pytest.raises(Conflict, match="before it is made a function"):
        await office.automations.patch(1, automation.id, {"extension_id": ON_CALL})
    await office.automations.patch(1, automation.id, {"description": "may change"})
    return refused.value


async def test_what_nothing_names_becomes_a_function(office: Office) -> None:
    automation = await office.automation()
    await office.automations.patch(1, automation.id, {"extension_id": ON_CALL})
    assert office.directory.automation(1, automation.id).extension_id == ON_CALL


async def test_what_a_timer_runs_is_not_deleted_or_renamed(office: Office) -> None:
    automation = await office.automation()
    timer = await office.timers.create(
        1, {"name": "t", "cron": "* * * * *", "automation": automation.name}
    )
    error = await refusal(office, automation)
    assert error.extra["used_by"] == [encode("tmr", timer.id)]
    await office.timers.delete(1, timer.id)
    await office.automations.delete(1, automation.id)


async def test_what_a_webhook_or_source_names_is_not_deleted_or_renamed(office: Office) -> None:
    automation = await office.automation()
    webhook = await office.webhook(target_url="cerb:automation:example.answers")
    source = await office.source(automation="example.answers")
    error = await refusal(office, automation)
    assert error.extra["used_by"] == [encode("src", source.id), encode("wh", webhook.id)]


async def test_handlers_do_not_keep_an_automation(office: Office) -> None:
    automation = await office.automation()
    handlers = "automation/a:\n  uri: cerb:automation:example.answers\n"
    await office.webhook(automations_kata=handlers)
    await office.automations.delete(1, automation.id)


async def test_a_tenant_has_so_many_automations(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "MAX_AUTOMATIONS", 2)
    await office.automation(name="a")
    await office.automation(name="b")
    with pytest.raises(Conflict):
        await office.automation(name="c")


async def test_two_automations_can_exchange_their_names(office: Office) -> None:
    a, b = await office.automation(name="a"), await office.automation(name="b")
    await office.automations.patch(1, a.id, {"name": "c"})
    await office.automations.patch(1, b.id, {"name": "a"})
    await office.automations.patch(1, a.id, {"name": "b"})
    found = [office.directory.automation_by_name(1, name) for name in "abc"]
    assert [None if one is None else one.id for one in found] == [b.id, a.id, None]


async def test_names_exchanged_in_one_change_are_found(office: Office) -> None:
    a, b = await office.automation(name="a"), await office.automation(name="b")
    other = type(office.directory)(office.store)
    await other.refresh()
    await office.automations.patch(1, a.id, {"name": "c"})
    await office.automations.patch(1, b.id, {"name": "a"})
    await office.automations.patch(1, a.id, {"name": "b"})
    await other.refresh()
    found = [other.automation_by_name(1, name) for name in "ab"]
    assert [None if one is None else one.id for one in found] == [b.id, a.id]
