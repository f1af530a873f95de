"""Automations, timers, plugins and packages as records; several records saved together."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hookferry.domain.automation import Automation, PluginState
from hookferry.domain.delivery import DeliveryState
from hookferry.domain.package import ImportedPackage
from hookferry.domain.timer import Timer, TimerMark
from hookferry.errors import Conflict, HookferryError, NameTaken, NotFound, VersionMismatch
from hookferry.store.ports import Store
from store.conformance.books import HOUR, NOW, Books, Maker
from store.conformance.conftest import Reopen

replace = msgspec.structs.replace


async def test_automations_timers_plugins_and_packages_are_read_back_as_saved(
    reopen: Reopen, make: Maker
) -> None:
    automation = replace(
        make.automation(), description="Müller", policy_kata="commands:", python="pkg.answer"
    )
    timer = replace(
        make.timer(),
        timezone="Europe/Berlin",
        automation=automation.name,
        inputs={"n": [1, {"ä": None}]},
        data={"x": 1.5},
    )
    plugin = PluginState(id=make.id(), name="webhooks", enabled=False, updated_at_ms=NOW)
    store = await reopen()
    package = make.package()
    for record in (automation, timer, plugin, package):
        assert await store.save(record) == record
    store = await reopen()
    changes = await store.changes(0)
    assert changes.automations == [automation]
    assert changes.timers == [timer]
    assert changes.plugins == [plugin]
    assert changes.packages == [package]
    assert (await store.boot()).greatest_id == package.id


def of_each_kind(make: Maker) -> list[Automation | Timer | PluginState | ImportedPackage]:
    return [
        make.automation(),
        make.timer(),
        PluginState(id=make.id(), name="nats"),
        make.package(),
    ]


async def test_changes_tell_of_each_kind_saved_since_tombstones_too(
    books: Books, make: Maker
) -> None:
    for record in of_each_kind(make):
        await books.store.save(record)
        before = await books.version()
        gone = await books.store.save(replace(record, deleted=True, version=2))
        changes = await books.store.changes(before)
        found: list[Any] = [*changes.automations, *changes.timers, *changes.plugins]
        found += changes.packages
        assert found == [gone]


async def test_a_save_over_another_version_is_refused_for_each_kind(
    books: Books, make: Maker
) -> None:
    for record in of_each_kind(make):
        await books.store.save(record)
        with pytest.raises(VersionMismatch):
            await books.store.save(record)


async def test_names_are_unique_among_the_living_of_each_kind(books: Books, make: Maker) -> None:
    for record in of_each_kind(make):
        await books.store.save(record)
        again = replace(record, id=make.id())
        with pytest.raises(NameTaken) as taken:
            await books.store.save(again)
        assert taken.value.field == "name"
        await books.store.save(replace(record, deleted=True, version=2))
        assert await books.store.save(again) == again


async def test_another_tenant_may_use_the_name(books: Books, make: Maker) -> None:
    await books.store.save(make.automation("same"))
    await books.store.save(make.automation("same", tenant=2))
    await books.store.save(make.timer("same"))
    await books.store.save(make.timer("same", tenant=2))
    await books.store.save(make.package("same"))
    await books.store.save(make.package("same", tenant=2))


# --------------------------------------------------------------------------- marks of timers


async def test_the_mark_of_a_timer_comes_with_the_timer_and_counts_nothing_up(
    reopen: Reopen, make: Maker
) -> None:
    store = await reopen()
    timer = await store.save(make.timer())
    before = (await store.changes(0)).version
    first = TimerMark(1, NOW, NOW + 5, NOW + HOUR, event_id=make.id())
    second = TimerMark(1, NOW + HOUR, NOW + HOUR + 2, None, error="no such automation", count=7)
    await store.mark_timer(timer.id, first)
    assert (await store.changes(0)).timer_marks == {timer.id: first}
    await store.mark_timer(timer.id, second)
    store = await reopen()
    changes = await store.changes(0)
    assert changes.version == before
    assert changes.timer_marks == {timer.id: second}
    assert (await store.changes(before)).timer_marks == {}


# --------------------------------------------------------------------------- together


async def test_records_saved_together_are_one_change(books: Books, make: Maker) -> None:
    before = await books.version()
    source, webhook, automation = make.source(), make.webhook(), make.automation()
    saved = await books.store.save_together([source, webhook, automation])
    assert saved == [source, replace(webhook, number=1), automation]
    assert await books.version() == before + 1
    changes = await books.store.changes(before)
    assert changes.sources == [source]
    assert changes.webhooks == [replace(webhook, number=1)]
    assert changes.automations == [automation]


async def test_one_record_that_can_not_be_saved_leaves_nothing_of_the_others(
    reopen: Reopen, make: Maker
) -> None:
    store = await reopen()
    taken = await store.save(make.automation("taken"))
    before = await store.changes(0)
    with pytest.raises(NameTaken) as refused:
        await store.save_together(
            [make.source(guid="c" * 40), make.webhook(), make.automation("taken")]
        )
    assert refused.value.extra["record"] == 2
    assert refused.value.field == "name"
    store = await reopen()
    assert await store.changes(0) == before
    # Neither the source's address nor the webhook's number was used up.
    assert await store.save(make.source(guid="c" * 40))
    assert (await store.save(make.webhook())).number == 1
    assert await store.save(replace(taken, version=2))


async def refusal(store: Store, *records: Any) -> HookferryError:
    with pytest.raises(HookferryError) as refused:
        await store.save_together(records)
    return refused.value


async def test_records_saved_together_are_checked_as_those_saved_alone(
    books: Books, make: Maker
) -> None:
    webhook = make.webhook()
    error = await refusal(books.store, make.source(), replace(webhook, credential=5))
    assert (type(error), error.extra["record"]) == (NotFound, 1)
    error = await refusal(books.store, replace(make.source(), version=2))
    assert (type(error), error.extra["record"]) == (VersionMismatch, 0)
    credential = await books.store.save(make.credential())
    using = await books.store.save(replace(webhook, credential=credential.id))
    gone = replace(credential, deleted=True, version=2)
    error = await refusal(books.store, gone, replace(using, credential=None, version=2))
    assert (type(error), error.extra["record"]) == (Conflict, 0)
    # A record may rest on an earlier one.
    await books.store.save_together([replace(using, credential=None, version=2), gone])


async def test_records_of_one_name_are_not_saved_together(books: Books, make: Maker) -> None:
    error = await refusal(books.store, make.automation("same"), make.automation("same"))
    assert (type(error), error.extra["record"]) == (NameTaken, 1)


async def test_a_webhook_deleted_together_with_its_source_is_owed_nothing(
    books: Books, make: Maker
) -> None:
    source = await books.store.save(make.source())
    webhook = await books.webhook()
    delivery = await books.owed(webhook)
    await books.store.save_together(
        [
            replace(source, deleted=True, version=2),
            replace(webhook, deleted=True, version=2, updated_at_ms=NOW + 1),
        ]
    )
    cancelled = await books.store.delivery(1, delivery.id)
    assert cancelled is not None
    assert (cancelled.state, cancelled.last_error) == (
        DeliveryState.CANCELLED,
        "webhook_deleted",
    )
