"""What is exported imports elsewhere, and no secret goes with it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from automate.packages.kit import OWNER, Post, automation, listener, package
from hookferry.engine.event_types import EventTypeSettings
from hookferry.errors import InvalidField

SECRETS = {
    "erp": "credential-value-nobody-sees",
    "github": "source-secret-nobody-sees",
    "token": "verify-token-nobody-sees",
    "proxy": "http://user:proxy-password@proxy.example:3128",
}
HOOK = {
    "name": "crm",
    "target_url": "https://crm.example/x",
    "events": ["contact.*"],
    "mode": "sync",
}


def document(post: Post, *wanted: str) -> dict[str, Any]:
    return post.exporter.document(OWNER.id, wanted, name="Exported", revision=2)


async def furnished(post: Post) -> list[str]:
    """Make one of each type; return what they are called."""
    await post.automation(name="example.hello", description="{{{x}}} {{% {")
    key = {"name": "erp", "kind": "basic", "username": "hf", "password": SECRETS["erp"]}
    await post.credentials.create(1, key)
    hook = HOOK | {"credential": "erp", "proxy": SECRETS["proxy"]}
    await post.webhooks.create(1, hook)
    verify = {"preset": "github", "secret": SECRETS["github"]}
    respond = {"webhook": "crm"}
    source = {"name": "github", "verify": verify, "respond": respond, "keep": 10}
    await post.sources.create(1, source | {"verify_token": SECRETS["token"]})
    await post.timers.create(1, {"name": "t", "cron": "0 3 * * *", "automation": "example.hello"})
    settings = EventTypeSettings(application="crm", schema={"type": "object"})
    await post.event_types.put(1, "contact.created", settings)
    return [f"{kind.type}:{record.name}" for kind in post.kinds.ordered for record in kind.all(1)]


async def test_one_of_each_type_goes_elsewhere_and_is_the_same_there(post: Post) -> None:
    exported = document(post, *await furnished(post))
    elsewhere = Post()
    asked = await elsewhere.take(exported)
    assert asked.records is None
    keys = [prompt.key for prompt in asked.package.prompts]
    await elsewhere.take(exported, dict.fromkeys(keys, SECRETS["proxy"]))
    assert elsewhere.things() == post.things()
    for kind, other in zip(post.kinds.ordered, elsewhere.kinds.ordered, strict=True):
        for record, there in zip(kind.all(1), other.all(1), strict=True):
            before, after = kind.fields(record), other.fields(there)
            for own in ("guid", "credential", "respond"):
                before.pop(own, None)
                after.pop(own, None)
            assert before == after
    [source] = elsewhere.directory.sources(1)
    [hook] = elsewhere.kinds.of("webhook").all(1)
    assert source.respond.webhook == elsewhere.kinds.of("webhook").key(hook.id, hook.name)
    assert hook.credential == elsewhere.directory.credentials(1)[0].id


async def test_no_secret_and_no_address_is_in_a_package(post: Post) -> None:
    text = json.dumps(document(post, *await furnished(post)))
    for secret in SECRETS.values():
        assert secret not in text
    [source] = post.directory.sources(1)
    assert source.guid not in text


async def test_secrets_become_prompts_that_say_whose_they_are(post: Post) -> None:
    exported = document(post, *await furnished(post))
    prompts = exported["package"]["configure"]["prompts"]
    assert [prompt["label"] for prompt in prompts] == [
        "password of the credential erp",
        "proxy of the webhook crm",
        "verify.secret of the source github",
        "verify_token of the source github",
    ]


async def test_what_rests_on_a_record_that_is_not_exported_names_it(post: Post) -> None:
    await furnished(post)
    [source] = document(post, "source:github")["records"]
    [hook] = post.kinds.of("webhook").all(1)
    assert source["respond"]["webhook"] == post.kinds.of("webhook").key(hook.id, hook.name)


async def test_a_source_as_cerb_has_them_is_a_webhook_listener(post: Post) -> None:
    await post.take(package(listener(), automation()))
    [record] = document(post, "source:Hello")["records"]
    assert record == listener("source_1")


async def test_records_are_named_by_id_or_by_type_and_name(post: Post) -> None:
    found = await post.automation(name="example.a")
    key = post.kinds.of("automation").key(found.id, found.name)
    assert document(post, key) == document(post, "automation:example.a")
    for wanted in (["automation:example.b"], [key, "automation:example.a"], [], ["x"] * 201):
        with pytest.raises(InvalidField):
            document(post, *wanted)
    with pytest.raises(InvalidField, match="name has"):
        post.exporter.document(1, [key], name="")
    with pytest.raises(InvalidField, match="revision is"):
        post.exporter.document(1, [key], name="x", revision=2**31)
