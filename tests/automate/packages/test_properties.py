"""Whatever is handed in as a package is imported or refused by name, and nothing else."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from automate.packages.kit import Post, asking, automation, package
from hookferry.automate.packages.problems import Problems
from hookferry.automate.packages.rendering import Renderer, literal
from hookferry.errors import Conflict, InvalidInput, NotFound, PayloadTooLarge
from hookferry.kata.fuel import Fuel
from hookferry.kata.templates import Run

TEXTS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["{{{", "}}}", "{{{uid.a}}}", "{{% for", "{{#", "{{{x|y}}}", "automation", "source", "10.4"]
    ),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(
    [
        "name",
        "uid",
        "_context",
        "_exclude",
        "script",
        "cron",
        "verify",
        "token",
        "kind",
        "events",
        "respond",
        "automations_kata",
        "params",
        "extension_params",
        "schema",
    ]
)
RECORD = st.fixed_dictionaries(
    {
        "uid": st.sampled_from(["a", "b", "c"]) | JSON,
        "_context": st.sampled_from(
            [
                "automation",
                "webhook_listener",
                "source",
                "webhook",
                "timer",
                "event_type",
                "credential",
                "community_portal",
            ]
        )
        | JSON,
        "name": TEXTS | JSON,
    },
    optional={"fields": JSON},
).flatmap(
    lambda record: st.dictionaries(NAMES, JSON, max_size=5).map(lambda more: {**more, **record})
)


def allowed(document: Any, prompts: Any) -> None:
    post = Post()

    async def take() -> None:
        try:
            await post.take(document, prompts)
        except (InvalidInput, PayloadTooLarge, Conflict, NotFound):
            # Refused wholly.
            assert post.things() == []

    asyncio.run(take())


@settings(max_examples=60, deadline=None)
@given(JSON, st.none() | st.dictionaries(TEXTS, JSON, max_size=3))
def test_any_json_is_refused_by_name(document: Any, prompts: Any) -> None:
    allowed(document, prompts)


@settings(max_examples=100, deadline=None)
@given(st.lists(RECORD, max_size=3), st.none() | st.dictionaries(TEXTS, JSON, max_size=3))
def test_any_records_are_imported_or_refused_by_name(records: Any, prompts: Any) -> None:
    allowed({"package": {"name": "x"}, "records": records}, prompts)


@settings(max_examples=100, deadline=None)
@given(JSON, JSON)
def test_any_manifest_is_taken_or_refused_by_name(requires: Any, configure: Any) -> None:
    manifest = {"name": "x", "requires": requires, "configure": configure}
    allowed({"package": manifest, "records": [automation()]}, {})


@settings(max_examples=40, deadline=None)
@given(TEXTS)
def test_an_answer_is_what_was_answered_whatever_it_is(answer: str) -> None:
    post = Post()
    ask = asking({"type": "text", "key": "k", "params": {"default": ""}})
    scripted = package(automation(policy_kata="# {{{k|json_encode}}}\ncommands:\n"), **ask)

    async def take() -> None:
        await post.take(scripted, {"k": answer})

    asyncio.run(take())
    assert post.things() == ["example.hello"]


@given(st.text(alphabet="{}%#'\"\\\r\n a-~", max_size=30) | st.text(max_size=30))
def test_what_is_exported_as_it_is_comes_back_as_it_was(text: str) -> None:
    problems = Problems()
    renderer = Renderer(Run(Fuel(), now=0.0, rng=random.Random(1)), problems)
    assert renderer.render(literal(text), {}, "a", "x") == text
    assert not problems.found
