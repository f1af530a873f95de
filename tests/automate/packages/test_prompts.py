"""What a package asks and what is made for it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from automate.packages.kit import Post, asking, automation, package
from hookferry.automate.packages.library import library
from hookferry.errors import InvalidInput, PackageRefused
from hookferry.kata.parser import parse
from hookferry.kata.tree import Node, Tree

TEXT = {"type": "text", "label": "Name:", "key": "name", "params": {"placeholder": "(a name)"}}
PICKLIST = {
    "type": "picklist",
    "label": "Size",
    "key": "size",
    "params": {"options": {"small": "S", "large": "L"}, "default": "S"},
}
CHOOSER = {
    "type": "chooser",
    "label": "Automation",
    "key": "prompt_automation_id",
    "params": {"context": "automation", "single": True, "query": ""},
}


async def described(post: Post, template: str, answers: Any, *prompts: dict[str, Any]) -> str:
    """Import an automation and return its description."""
    await post.take(package(automation(description=template), **asking(*prompts)), answers)
    found = post.directory.automation_by_name(1, "example.hello")
    assert found is not None
    return found.description


def fields(refused: pytest.ExceptionInfo[PackageRefused]) -> list[Any]:
    return [one["field"] for one in refused.value.extra["problems"]]


async def test_a_package_that_asks_does_nothing_before_it_is_answered(post: Post) -> None:
    imported = await post.take(package(automation(), **asking(TEXT, PICKLIST)))
    assert imported.records is None
    assert [prompt.key for prompt in imported.package.prompts] == ["name", "size"]
    assert post.things() == []


async def test_answers_fill_templates(post: Post) -> None:
    made = await described(post, "{{{name}}} {{{size}}}", {"name": "Ada"}, TEXT, PICKLIST)
    assert made == "Ada S"


async def test_an_answer_stays_inside_its_text(post: Post) -> None:
    evil = 'x", "script": "y\\ {{{default.base_url}}} {{% set a = 1 %}}'
    assert await described(post, "{{{name}}}", {"name": evil}, TEXT) == evil


@pytest.mark.parametrize("name", sorted(library()))
async def test_an_answer_adds_nothing_to_a_script_of_the_library(name: str) -> None:
    document = library()[name].document
    asked = [p["key"] for p in document["package"]["configure"]["prompts"] if p["type"] == "text"]

    async def shapes(answer: str) -> list[Any]:
        post = Post()
        await post.take(document, dict.fromkeys(asked, answer))
        return [shape(parse(one.script)) for one in post.directory.automations(1)]

    hostile = 'x" {{1 + 1}} #\n      evil@raw: yes\nstart:\n  return:'
    assert await shapes(hostile) == await shapes("plain")


def shape(node: Tree | Node) -> Any:
    """Return the keys of a tree of KATA, without its texts."""
    own = (node.key, node.id, node.annotations) if isinstance(node, Node) else None
    return own, [shape(child) for child in node.children]


async def test_a_prompt_without_an_answer_and_a_default_is_named(post: Post) -> None:
    with pytest.raises(PackageRefused, match=r"this prompt \(Name\) is not answered") as refused:
        await described(post, "", {}, TEXT, PICKLIST)
    assert fields(refused) == ["prompts.name"]


async def test_an_empty_answer_needs_an_empty_default(post: Post) -> None:
    with pytest.raises(PackageRefused, match="empty"):
        await described(post, "", {"name": ""}, TEXT)
    optional = TEXT | {"params": {"default": ""}}
    assert await described(post, "<{{{name}}}>", {"name": ""}, optional) == "<>"


async def test_an_answer_to_no_prompt_names_the_nearest(post: Post) -> None:
    with pytest.raises(PackageRefused, match="did you mean 'name'"):
        await described(post, "", {"nmae": "x"}, TEXT)


async def test_a_picklist_takes_its_options_alone(post: Post) -> None:
    with pytest.raises(PackageRefused, match="one of 'S', 'L'"):
        await described(post, "", {"size": "small"}, PICKLIST)
    listed = PICKLIST | {"params": {"options": ["S", "L"]}}
    assert await described(post, "{{{size}}}", {"size": "L"}, listed) == "L"


async def test_an_answer_is_a_text_of_bounded_length(post: Post) -> None:
    for answer in (["x"], {"a": 1}, "x" * 10_001):
        with pytest.raises(PackageRefused):
            await described(post, "", {"name": answer}, TEXT)


@pytest.mark.parametrize("by", ["name", "id"])
async def test_a_chooser_takes_a_record_by_id_or_name_and_loads_its_fields(
    post: Post, by: str
) -> None:
    other = await post.automation(name="example.other", description="The other one")
    answer = "example.other" if by == "name" else post.kinds.of("automation").key(other.id, "")
    template = (
        "{{{prompt_automation_id}}} {{{prompt_automation__label}}} "
        "{{{prompt_automation_description}}}"
    )
    made = await described(post, template, {"prompt_automation_id": answer}, CHOOSER)
    assert re.fullmatch(r"auto_\w{13} example\.other The other one", made)


async def test_a_chooser_refuses_what_is_not_there(post: Post) -> None:
    with pytest.raises(PackageRefused, match="nothing called 'x'"):
        await described(post, "", {"prompt_automation_id": "x"}, CHOOSER)
    strange = CHOOSER | {"params": {"context": "cerberusweb.contexts.ticket"}}
    with pytest.raises(PackageRefused, match="no records of the type"):
        await described(post, "", {"prompt_automation_id": "x"}, strange)


async def test_a_chooser_never_loads_a_secret(post: Post) -> None:
    await post.credentials.create(1, {"name": "erp", "kind": "bearer", "token": "s3cret"})
    chooser = CHOOSER | {"key": "key_id", "params": {"context": "credential"}}
    template = "{{{key_token}}}{{{key_value}}}{{{key_name}}}"
    assert await described(post, template, {"key_id": "erp"}, chooser) == "erp"
    await post.sources.create(1, {"name": "meta", "verify_token": "s3cret"})
    chooser = CHOOSER | {"key": "from_id", "params": {"context": "source"}}
    template = "{{{from_verify_token}}}{{{from_guid}}}{{{from_name}}} {{{from_url}}}"
    made = await described(post, template, {"from_id": "meta"}, chooser)
    [source] = post.directory.sources(1)
    assert made == f"{source.guid}meta https://hooks.example/webhooks/{source.guid}"


async def test_random_texts_are_upper_case_letters_and_digits(post: Post) -> None:
    placeholders = [
        {"type": "random", "key": "usual"},
        {"type": "random", "key": "short", "params": {"length": 6}},
    ]
    document = package(
        automation(description="{{{usual}}} {{{short}}}"), **asking(placeholders=placeholders)
    )
    imported = await post.take(document)
    [found] = post.directory.automations(1)
    assert re.fullmatch(r"[A-Z0-9]{32} [A-Z0-9]{6}", found.description)
    assert found.description == " ".join(imported.placeholders.values())


async def test_values_that_nothing_was_made_of_are_not_told(post: Post) -> None:
    document = package(
        automation(description="{{{code}}}"),
        **asking(placeholders=[{"type": "random", "key": "code"}]),
    )
    assert (await post.take(document)).placeholders
    assert (await post.take(document)).placeholders == {}


async def test_a_data_query_is_refused_with_what_to_do(post: Post) -> None:
    query = {"type": "data_query", "key": "q", "params": {"query": "type:worklist.records"}}
    with pytest.raises(PackageRefused, match="use a chooser"):
        await post.take(package(automation(), **asking(placeholders=[query])))


async def test_the_servers_address_is_known(post: Post) -> None:
    assert await described(post, "{{{default.base_url}}}", None) == "https://hooks.example"


@pytest.mark.parametrize(
    ("prompt", "field"),
    [
        (TEXT | {"key": "a b"}, "package.configure.prompts[0].key"),
        (TEXT | {"key": "uid"}, "package.configure.prompts[0].key"),
        (PICKLIST | {"params": {}}, "package.configure.prompts[0].params.options"),
        (
            PICKLIST | {"params": {"options": ["a"], "default": "b"}},
            "package.configure.prompts[0].params.default",
        ),
        (CHOOSER | {"params": {}}, "package.configure.prompts[0].params.context"),
    ],
)
async def test_a_prompt_that_is_none_is_named(
    post: Post, prompt: dict[str, Any], field: str
) -> None:
    with pytest.raises(PackageRefused) as refused:
        await post.take(package(automation(), **asking(prompt)))
    assert fields(refused) == [field]


async def test_prompts_and_placeholders_have_keys_of_their_own_and_a_bound(post: Post) -> None:
    random = {"type": "random", "key": "name"}
    with pytest.raises(PackageRefused, match="has the key 'name'"):
        await post.take(package(**asking(TEXT, placeholders=[random])))
    many = [TEXT | {"key": f"k{n}"} for n in range(51)]
    with pytest.raises(PackageRefused, match="at most 50 prompts"):
        await post.take(package(**asking(*many)))
    long = {"type": "random", "key": "long", "params": {"length": 257}}
    with pytest.raises(PackageRefused, match="1 to 256"):
        await post.take(package(**asking(placeholders=[long])))


async def test_a_prompt_of_another_type_is_refused(post: Post) -> None:
    with pytest.raises(InvalidInput, match="'chooser', 'picklist', 'text'"):
        await post.take(package(**asking(TEXT | {"type": "date"})))
