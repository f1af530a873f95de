"""Packages are imported wholly or not at all, once and again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from automate.packages.kit import SCRIPT, Post, asking, automation, listener, package
from hookferry.domain.webhook import AUTOMATION
from hookferry.errors import (
    Conflict,
    HandshakeRefused,
    InvalidField,
    InvalidInput,
    NameTaken,
    PackageRefused,
    PayloadTooLarge,
)
from shared import SHARED


def seed() -> str:
    """Return the package of Cerb's document as it stands there."""
    text = (SHARED / "mission" / "seeds" / "cerb.txt").read_text()
    inside = text[text.index("{% raw %}") + len("{% raw %}") :]
    return inside[: inside.index("{% endraw %}")]


def problems(refused: pytest.ExceptionInfo[PackageRefused]) -> list[tuple[Any, Any]]:
    return [(one["record"], one["field"]) for one in refused.value.extra["problems"]]


async def test_the_package_of_cerbs_document_is_imported_unchanged(post: Post) -> None:
    imported = await post.take(seed())
    assert imported.records is not None
    [made] = imported.records
    assert (made.uid, made.kind.type, made.outcome) == (
        "automation_webhook",
        "automation",
        "created",
    )
    found = post.directory.automation_by_name(1, "example.webhook.respond")
    assert found == made.record
    said = json.loads(seed())["records"][0]
    assert (found.script, found.policy_kata) == (said["script"], said["policy_kata"])


async def test_a_package_may_be_text_or_the_document_itself(post: Post) -> None:
    document = package(automation())
    first = await post.take(json.dumps(document))
    again = await post.take(document)
    assert first.records is not None
    assert again.records is not None
    assert again.records[0].record == first.records[0].record


async def test_cerbs_webhook_is_a_source_whose_automation_answers(post: Post) -> None:
    await post.take(package(listener(), automation()))
    [source] = post.directory.sources(1)
    owned = post.directory.owned(source.id)
    assert owned is not None
    assert (owned.type, owned.automations_kata) == (AUTOMATION, source.automations_kata)


async def test_cerbs_portal_is_a_source_too(post: Post) -> None:
    kata = listener()["automations_kata"]
    portal = {
        "uid": "p",
        "_context": "community_portal",
        "name": "Custom API",
        "extension_id": "cerb.portal.webhook",
        "uri": "custom-api",
        "params": {"automations_kata": kata},
    }
    await post.take(package(portal, automation()))
    [source] = post.directory.sources(1)
    assert (source.name, source.automations_kata) == ("Custom API", kata)


async def test_a_bots_behavior_is_refused_with_what_to_do(post: Post) -> None:
    record = listener(extension_params={"behavior_id": 7})
    with pytest.raises(PackageRefused, match="behaviors of Cerb's bots") as refused:
        await post.take(package(record))
    assert problems(refused) == [("w", "extension_params")]


@pytest.mark.parametrize("room", ["bots", "behaviors"])
async def test_a_package_of_bots_is_refused_with_what_to_do(post: Post, room: str) -> None:
    with pytest.raises(InvalidField, match="write what they do as an automation") as refused:
        await post.take({"package": {"name": "x"}, room: []})
    assert refused.value.field == room


@pytest.mark.parametrize("context", ["bot", "behavior", "cerberusweb.contexts.behavior"])
async def test_a_record_that_is_a_bots_is_refused_with_what_to_do(post: Post, context: str) -> None:
    with pytest.raises(PackageRefused, match="write what they do as an automation") as refused:
        await post.take(package(automation(_context=context)))
    assert problems(refused) == [("a", "_context")]


async def test_nothing_is_imported_when_one_record_is_bad(post: Post) -> None:
    bad = automation("b", "example.bad", script="start:\n  retrun:\n    body: x\n")
    with pytest.raises(PackageRefused, match="nothing was imported") as refused:
        await post.take(package(automation(), bad, listener()))
    assert problems(refused) == [("b", "script")]
    assert "line 2" in refused.value.extra["problems"][0]["message"]
    assert post.things() == []
    assert post.directory.packages(1) == []


async def test_nothing_is_imported_when_the_ledger_refuses_one_record(post: Post) -> None:
    guid = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b"
    await post.sources.create(1, {"name": "there", "guid": guid})
    with pytest.raises(NameTaken) as taken:
        await post.take(package(automation(), listener(guid=guid)))
    assert taken.value.extra["record"] == "w"
    assert post.things() == ["there"]
    assert post.directory.packages(1) == []


async def test_nothing_is_imported_when_a_receiver_does_not_want_its_webhook(post: Post) -> None:
    post.greeter.refuses = HandshakeRefused("no")
    hook = {
        "uid": "h",
        "_context": "webhook",
        "name": "crm",
        "target_url": "https://crm.example/x",
        "events": ["*"],
    }
    with pytest.raises(HandshakeRefused):
        await post.take(package(automation(), hook))
    assert post.things() == []


async def test_every_problem_of_every_record_is_listed(post: Post) -> None:
    with pytest.raises(PackageRefused) as refused:
        await post.take(
            package(
                automation("a", extension_id="cerb.trigger.nothing"),
                automation("b", "example.b", color="red"),
                {"uid": "c", "_context": "webhook_listener", "name": "C"},
            )
        )
    assert problems(refused) == [
        ("c", "automations_kata"),
        ("a", "extension_id"),
        ("b", "color"),
    ]


async def test_an_unknown_context_names_its_record_and_the_nearest(post: Post) -> None:
    with pytest.raises(PackageRefused, match="did you mean automation") as refused:
        await post.take(package(automation(_context="automaton")))
    assert problems(refused) == [("a", "_context")]


@pytest.mark.parametrize("version", ["10.4.0", "10.4.9", "9.1.0", "10", "10.4"])
async def test_a_package_for_this_language_or_an_earlier_one_is_taken(
    post: Post, version: str
) -> None:
    await post.take(package(automation(), requires={"cerb_version": version, "plugins": []}))
    assert post.things() == ["example.hello"]


@pytest.mark.parametrize("version", ["10.5.0", "11", "10.10.1", "10.5"])
async def test_a_package_for_a_later_language_is_refused(post: Post, version: str) -> None:
    with pytest.raises(PackageRefused, match=rf"requires Cerb {version}.*10\.4") as refused:
        await post.take(package(automation(), requires={"cerb_version": version}))
    assert problems(refused) == [(None, "package.requires.cerb_version")]
    assert post.things() == []


async def test_a_version_that_is_none_is_refused(post: Post) -> None:
    with pytest.raises(PackageRefused, match="numbers and dots"):
        await post.take(package(automation(), requires={"cerb_version": "ten"}))


async def test_a_plugin_that_is_not_here_is_refused_by_name(post: Post) -> None:
    requires = {"cerb_version": "10.4", "plugins": ["cerb.webhooks", "wgm.twilio"]}
    with pytest.raises(PackageRefused, match=r"'wgm\.twilio' is not here") as refused:
        await post.take(package(automation(), requires=requires))
    assert problems(refused) == [(None, "package.requires.plugins[1]")]


async def test_records_refer_to_each_other_in_any_order(post: Post) -> None:
    source = {
        "uid": "s",
        "_context": "source",
        "name": "asks",
        "respond": {"automation": "{{{uid.a}}}"},
    }
    answered = {
        "uid": "t",
        "_context": "source",
        "name": "asks a webhook",
        "respond": {"webhook": "{{{uid.h}}}"},
    }
    hook = {
        "uid": "h",
        "_context": "webhook",
        "name": "crm",
        "target_url": "https://crm.example/x",
        "events": ["*"],
        "mode": "sync",
        "credential": "{{{uid.c}}}",
    }
    key = {"uid": "c", "_context": "credential", "name": "crm", "kind": "bearer"}
    timer = {
        "uid": "n",
        "_context": "timer",
        "name": "nightly",
        "cron": "0 3 * * *",
        "automation": "{{{uid.a}}}",
    }
    prompt = {"type": "text", "key": "token"}
    await post.take(
        package(
            timer,
            source,
            answered,
            hook,
            key | {"token": "{{{token}}}"},
            automation(),
            **asking(prompt),
        ),
        {"token": "s3cret"},
    )
    [found] = post.kinds.of("webhook").all(1)
    assert found.credential == post.directory.credentials(1)[0].id
    by_name = {source.name: source for source in post.directory.sources(1)}
    assert by_name["asks"].respond.automation == "example.hello"
    assert by_name["asks a webhook"].respond.webhook is not None
    assert post.directory.timers(1)[0].automation == "example.hello"


@pytest.mark.parametrize("asked", ["uid.nosuch", "uid['nosuch']", "'x' ~ uid.nosuch|upper"])
async def test_an_id_of_no_record_is_refused_with_the_known_ones(post: Post, asked: str) -> None:
    with pytest.raises(PackageRefused, match="known are a, w") as refused:
        await post.take(package(automation(description="{{{" + asked + "}}}"), listener()))
    assert problems(refused) == [("a", "description")]


async def test_the_id_of_a_record_that_is_left_out_is_empty(post: Post) -> None:
    said = "{{{uid.w}}}-{{{'uid.nosuch'}}}{{{{uid: {nosuch: 1}}.uid.nosuch}}}"
    await post.take(package(automation(description=said), listener(_exclude=True)))
    assert post.directory.automations(1)[0].description == "-uid.nosuch1"


async def test_a_secret_that_stands_in_a_package_is_refused(post: Post) -> None:
    key = {"uid": "c", "_context": "credential", "name": "crm", "kind": "bearer", "token": "x"}
    source = {
        "uid": "s",
        "_context": "source",
        "name": "github",
        "verify": {"preset": "github", "secret": "x"},
    }
    with pytest.raises(PackageRefused, match="ask for it by a prompt") as refused:
        await post.take(package(key, source))
    assert problems(refused) == [("c", "token"), ("s", "verify.secret")]


async def test_a_record_that_is_excluded_is_left_out(post: Post) -> None:
    prompt = {
        "type": "picklist",
        "key": "with_form",
        "params": {"options": {"yes": "1", "no": "0"}},
    }
    document = package(
        automation(),
        listener(_exclude="{{{with_form == '0'}}}"),
        automation("never", "example.never", _exclude=True),
        **asking(prompt),
    )
    imported = await post.take(document, {"with_form": "0"})
    assert imported.skipped == ["w", "never"]
    assert post.things() == ["example.hello"]
    imported = await post.take(document, {"with_form": "1"})
    assert imported.skipped == ["never"]
    assert post.things() == ["example.hello", "Hello"]


async def test_two_records_of_a_package_do_not_share_a_uid_or_a_name(post: Post) -> None:
    with pytest.raises(PackageRefused, match="has this uid"):
        await post.take(package(automation(), automation(name="example.other")))
    with pytest.raises(PackageRefused, match="another automation of the package"):
        await post.take(package(automation(), automation("b")))


# --------------------------------------------------------------------------- again


async def test_the_same_package_again_changes_nothing(post: Post) -> None:
    document = package(automation(), listener())
    await post.take(document)
    version = post.directory.version
    again = await post.take(document)
    assert again.records is not None
    assert [one.outcome for one in again.records] == ["unchanged", "unchanged"]
    assert (await post.store.changes(0)).version == version


async def test_what_a_later_package_says_otherwise_is_changed_and_nothing_else(
    post: Post,
) -> None:
    await post.take(package(automation(), listener()))
    [source] = post.directory.sources(1)
    [before] = post.directory.automations(1)
    later = SCRIPT.replace("Hello", "Good morning")
    imported = await post.take(package(automation(script=later), listener(), revision=2))
    assert imported.records is not None
    assert [one.outcome for one in imported.records] == ["updated", "unchanged"]
    [after] = post.directory.automations(1)
    assert (after.id, after.version, after.script) == (before.id, 2, later)
    assert post.directory.sources(1) == [source]
    [remembered] = post.directory.packages(1)
    assert (remembered.revision, len(remembered.records)) == (2, 2)


async def test_a_later_revision_that_says_the_same_is_remembered(post: Post) -> None:
    await post.take(package(automation()))
    await post.take(package(automation(), revision=7))
    assert post.directory.packages(1)[0].revision == 7
    assert post.directory.automations(1)[0].version == 1


async def test_what_people_changed_since_is_left_alone_by_the_same_package(post: Post) -> None:
    await post.take(package(automation()))
    [found] = post.directory.automations(1)
    mine = SCRIPT.replace("Hello", "Mine")
    await post.automations.patch(1, found.id, {"script": mine})
    await post.take(package(automation()))
    assert post.directory.automations(1)[0].script == mine


async def test_a_later_package_makes_no_function_of_what_others_name(post: Post) -> None:
    await post.take(package(automation()))
    await post.timers.create(1, {"name": "t", "cron": "* * * * *", "automation": "example.hello"})
    function = automation(extension_id="cerb.trigger.automation.function")
    with pytest.raises(PackageRefused, match="is named by tmr_") as refused:
        await post.take(package(function))
    assert problems(refused) == [("a", None)]


async def test_what_was_deleted_since_is_made_again(post: Post) -> None:
    await post.take(package(automation()))
    [found] = post.directory.automations(1)
    await post.automations.delete(1, found.id)
    imported = await post.take(package(automation()))
    assert imported.records is not None
    assert imported.records[0].outcome == "created"


async def test_a_record_that_came_from_elsewhere_is_never_touched(post: Post) -> None:
    await post.automations.create(1, {k: v for k, v in automation().items() if k[0] not in "_u"})
    with pytest.raises(PackageRefused, match="did not come from this package") as refused:
        await post.take(package(automation(script=SCRIPT.replace("Hello", "Theirs"))))
    assert problems(refused) == [("a", "name")]
    assert post.directory.automations(1)[0].script == SCRIPT
    await post.take(package(automation("x", "example.other"), name="One"))
    with pytest.raises(PackageRefused, match="did not come from this package"):
        await post.take(package(automation("x", "example.other"), name="Two"))


async def test_names_with_a_random_code_make_records_of_their_own_each_time(post: Post) -> None:
    code = {"type": "random", "key": "code", "params": {"length": 6}}
    document = package(automation(name="example.{{{code|lower}}}"), **asking(placeholders=[code]))
    await post.take(document)
    await post.take(document)
    assert len(set(post.things())) == 2
    assert len(post.directory.packages(1)[0].records) == 2


async def test_a_forgotten_package_leaves_its_records_to_themselves(post: Post) -> None:
    await post.take(package(automation()))
    [known] = post.directory.packages(1)
    await post.packages.forget(1, known.id)
    assert post.directory.packages(1) == []
    assert post.things() == ["example.hello"]
    with pytest.raises(PackageRefused, match="did not come from this package"):
        await post.take(package(automation()))


async def test_digests_of_what_was_answered_are_sealed(post: Post) -> None:
    prompt = {"type": "text", "key": "token"}
    document = package(automation(description="{{{token}}}"), **asking(prompt))
    await post.take(document, {"token": "one"})
    [first] = post.directory.packages(1)[0].records
    await post.take(document, {"token": "two"})
    [second] = post.directory.packages(1)[0].records
    contents = {
        post.sealer.unseal(one.content, row=one.id, field="package_content")
        for one in (first, second)
    }
    assert len(contents) == 2
    assert not any(content in one.content for content in contents for one in (first, second))


# --------------------------------------------------------------------------- bounds


async def test_a_package_has_bounds(post: Post) -> None:
    with pytest.raises(PackageRefused, match="at most 200 records"):
        await post.take(package(*(automation(f"a{n}", f"example.a{n}") for n in range(201))))
    deep: Any = "x"
    for _ in range(40):
        deep = [deep]
    with pytest.raises(InvalidInput, match="nested"):
        await post.take(package(automation(description=deep)))
    with pytest.raises(PayloadTooLarge):
        await post.take(json.dumps(package(automation(description="x" * 1024 * 1024))))
    with pytest.raises(InvalidInput, match="not valid JSON"):
        await post.take('{"package": ')


async def test_templates_of_a_package_have_a_budget(post: Post) -> None:
    hungry = "{{{ range(1, 50000)|map(n => n * n)|map(n => n * n)|map(n => n + 1)|join }}}"
    with pytest.raises(PackageRefused, match=r"steps|bytes"):
        await post.take(package(automation(description=hungry)))
    assert post.things() == []


async def test_what_templates_come_to_is_bounded_over_all_records(post: Post) -> None:
    prompt = {"type": "text", "key": "k"}
    records = [
        automation(f"a{n}", f"example.a{n}", policy_kata="# {{{" + "~".join(["k"] * 20) + "}}}")
        for n in range(20)
    ]
    with pytest.raises(PackageRefused, match="bytes"):
        await post.take(package(*records, **asking(prompt)), {"k": "x" * 10_000})
    assert post.things() == []


async def test_an_event_type_that_was_archived_is_live_again(post: Post) -> None:
    document = package({"uid": "e", "_context": "event_type", "name": "contact.created"})
    await post.take(document)
    await post.event_types.archive(1, "contact.created")
    await post.take(document)
    assert post.things() == ["contact.created"]
    again = await post.take(document)
    assert again.records is not None
    assert again.records[0].outcome == "unchanged"


async def test_a_tenant_has_a_bounded_number_of_packages(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hookferry.automate.packages.importing.MAX_PACKAGES", 1)
    await post.take(package(automation()))
    with pytest.raises(Conflict, match="1 packages"):
        await post.take(package(automation("b", "example.b"), name="Another"))
    assert post.things() == ["example.hello"]


async def test_the_package_of_our_own_page_is_imported(post: Post) -> None:
    page = (Path(__file__).parents[3] / "docs" / "packages.md").read_text()
    document = page[page.index("```json\n") + len("```json\n") :]
    imported = await post.take(document[: document.index("```")], {})
    code = imported.placeholders["code"]
    assert post.things() == [f"example.hello.{code.lower()}", f"Hello {code}"]
