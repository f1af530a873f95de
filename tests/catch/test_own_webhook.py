"""The webhook that comes and goes with a source whose callers an automation answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hookferry.catch.defaults import RUN_DEADLINE_SECONDS
from hookferry.catch.sources import Sources
from hookferry.clock import SystemClock
from hookferry.domain.automation import ON_CALL, Automation
from hookferry.domain.source import Source
from hookferry.domain.tenant import Tenant
from hookferry.domain.webhook import AUTOMATION, Mode, Webhook
from hookferry.engine.directory import Directory
from hookferry.engine.sealing import Sealer, new_master_key
from hookferry.errors import InvalidField, NameTaken, ScriptRefused, StorageDown, VersionMismatch
from hookferry.ids import IdSource, encode
from hookferry.store.ports import ConfigRecord
from hookferry.store.sqlite.store import SqliteStore

TENANT, OTHER = 1, 2
KATA = "automation/echo:\n  uri: cerb:automation:example.echo\n"
FURTHER = "automation/other:\n  uri: cerb:automation:example.other\n"


@dataclass
class Room:
    """Sources on a ledger, and what a test looks into."""

    sources: Sources
    directory: Directory
    store: SqliteStore
    ids: IdSource

    async def make(self, tenant: int = TENANT, **fields: Any) -> Source:
        return await self.sources.create(tenant, {"name": "shop", **fields})

    async def change(self, source: Source, **fields: Any) -> Source:
        return await self.sources.patch(source.tenant_id, source.id, fields)

    def own(self, source: Source) -> Webhook:
        own = self.directory.owned(source.id)
        assert own is not None
        return own

    async def stored(self) -> list[Webhook]:
        """Every webhook that the ledger ever had, as it is now."""
        return list((await self.store.changes(0)).webhooks)

    async def automation(
        self, name: str, tenant: int = TENANT, trigger: str = "cerb.trigger.webhook.respond"
    ) -> Automation:
        made = Automation(id=self.ids.next(), tenant_id=tenant, name=name, extension_id=trigger)
        saved = await self.store.save(made)
        await self.directory.refresh()
        return saved


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    clock = SystemClock()
    store = await SqliteStore.open(tmp_path / "data")
    directory = Directory(store)
    ids = IdSource(clock)
    sealer = Sealer.from_setting(new_master_key())
    await store.save(Tenant(id=OTHER, name="acme"))
    await directory.refresh()
    sources = Sources(store, directory, sealer, ids, clock, lambda: "https://hooks.example")
    yield Room(sources, directory, store, ids)
    await store.aclose()


async def test_it_is_made_with_the_source(room: Room) -> None:
    made = await room.make(automations_kata=KATA)
    own = room.own(made)
    assert (own.owner, own.tenant_id, own.type) == (made.id, TENANT, AUTOMATION)
    assert (own.mode, own.events, own.target_url) == (Mode.SYNC, (), "")
    assert own.automations_kata == KATA
    assert room.directory.owned((await room.make(name="plain")).id) is None


async def test_it_changes_with_the_source_and_only_then(room: Room) -> None:
    made = await room.make(automations_kata=KATA)
    first = room.own(made)
    await room.change(made, description="of the shop")
    await room.sources.rotate(TENANT, made.id)
    assert room.own(made) == first
    await room.change(made, automations_kata=FURTHER, name="market")
    changed = room.own(made)
    assert (changed.id, changed.version) == (first.id, 2)
    assert (changed.automations_kata, "market" in changed.name) == (FURTHER, True)
    await room.automation("example.echo")
    await room.change(made, automations_kata=None, respond={"automation": "example.echo"})
    named = room.own(made)
    assert (named.id, named.version) == (first.id, 3)
    assert (named.automations_kata, named.target_url) == ("", "example.echo")


async def test_it_goes_when_the_source_answers_for_itself_and_comes_again(room: Room) -> None:
    made = await room.make(automations_kata=KATA)
    first = room.own(made)
    await room.change(made, automations_kata=None)
    assert room.directory.owned(made.id) is None
    assert [webhook.deleted for webhook in await room.stored()] == [True]
    await room.change(made, automations_kata=KATA)
    assert room.own(made).id != first.id


@pytest.mark.parametrize(
    "answering", [{"automations_kata": KATA}, {"respond": {"automation": "example.echo"}}]
)
async def test_it_goes_with_the_source(room: Room, answering: dict[str, Any]) -> None:
    await room.automation("example.echo")
    made = await room.make(**answering)
    await room.sources.delete(TENANT, made.id)
    assert room.directory.owned(made.id) is None
    assert room.directory.webhooks(TENANT) == []
    assert [webhook.deleted for webhook in await room.stored()] == [True]
    [left] = (await room.store.changes(0)).sources
    assert left.automations_kata == ""


async def test_a_source_that_is_not_saved_brings_no_webhook(room: Room) -> None:
    await room.make()
    with pytest.raises(NameTaken) as error:
        await room.make(automations_kata=KATA)
    assert (error.value.field, error.value.extra) == ("name", {})
    assert await room.stored() == []


async def test_a_change_that_is_not_saved_changes_no_webhook(room: Room) -> None:
    made = await room.make(automations_kata=KATA)
    outcomes = await asyncio.gather(
        room.change(made, automations_kata=FURTHER),
        room.change(made, automations_kata=None),
        return_exceptions=True,
    )
    assert sorted(isinstance(outcome, VersionMismatch) for outcome in outcomes) == [False, True]
    source = room.directory.source(TENANT, made.id)
    own = room.directory.owned(made.id)
    assert source.automations_kata == ("" if own is None else own.automations_kata)
    assert len(await room.stored()) == 1


async def test_source_and_webhook_are_saved_in_one_transaction(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    saves: list[list[type[ConfigRecord]]] = []

    async def fails(records: Sequence[ConfigRecord]) -> list[ConfigRecord]:
        saves.append([type(record) for record in records])
        raise StorageDown("the disk is gone")

    monkeypatch.setattr(room.store, "save_together", fails)
    with pytest.raises(StorageDown):
        await room.make(automations_kata=KATA)
    assert saves == [[Source, Webhook]]
    changes = await room.store.changes(0)
    assert (list(changes.sources), list(changes.webhooks)) == ([], [])


async def test_its_name_is_in_no_webhooks_way(room: Room) -> None:
    await room.make(automations_kata=KATA)
    webhook = Webhook(
        id=room.ids.next(),
        tenant_id=TENANT,
        number=0,
        name="shop",
        target_url="https://receiver.example/",
        events=("*",),
    )
    assert (await room.store.save_webhook_unique(webhook)).name == "shop"


async def test_an_automation_is_found_by_name_uri_or_id_and_kept_by_name(room: Room) -> None:
    automation = await room.automation("example.echo")
    for position, wanted in enumerate(
        ("example.echo", "cerb:automation:example.echo", encode("auto", automation.id))
    ):
        made = await room.make(name=f"shop {position}", respond={"automation": wanted})
        assert made.respond.automation == "example.echo"


async def test_an_automation_that_does_not_exist_is_refused(room: Room) -> None:
    theirs = await room.automation("example.echo", OTHER)
    for wanted in ("example.echo", encode("auto", theirs.id), "", "x" * 500):
        with pytest.raises(InvalidField, match="make it first") as error:
            await room.make(respond={"automation": wanted})
        assert error.value.field == "respond.automation"
        assert len(error.value.detail) < 300


async def test_other_fields_may_change_after_the_automation_is_gone(room: Room) -> None:
    automation = await room.automation("example.echo")
    made = await room.make(respond={"automation": "example.echo"})
    await room.store.save(msgspec.structs.replace(automation.ended(), version=2))
    await room.directory.refresh()
    assert (await room.change(made, description="x")).respond == made.respond


async def test_handlers_that_can_not_be_read_are_refused_with_every_problem(room: Room) -> None:
    with pytest.raises(ScriptRefused) as error:
        await room.make(automations_kata="automation/echo:\nother/one:\n  uri: x\n")
    assert error.value.field == "automations_kata"
    problems: Any = error.value.extra["problems"]
    assert [problem["line"] for problem in problems] == [1, 2]
    assert room.directory.sources(TENANT) == []


async def test_another_sources_webhook_answers_nobody_else(room: Room) -> None:
    other = await room.make(automations_kata=KATA)
    own = room.own(other)
    for wanted in (own.name, encode("wh", own.id)):
        with pytest.raises(InvalidField, match="make it first"):
            await room.make(name="thief", respond={"webhook": wanted})


async def test_a_function_answers_no_callers(room: Room) -> None:
    await room.automation("example.sum", trigger=ON_CALL)
    with pytest.raises(InvalidField, match="only other automations") as error:
        await room.make(respond={"automation": "example.sum"})
    assert error.value.field == "respond.automation"


async def test_whoever_gets_no_turn_is_told_so_before_the_usual_deadline(room: Room) -> None:
    own = room.own(await room.make(automations_kata=KATA))
    assert own.timeout is not None
    assert own.timeout < RUN_DEADLINE_SECONDS
