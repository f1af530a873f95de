"""A ledger in memory with the rules of automations and timers, and a clock that stands."""

from __future__ import annotations

from typing import Any

import msgspec

from hookferry.automate.automations import Automations
from hookferry.automate.timers import Timers
from hookferry.domain.automation import Automation
from hookferry.domain.source import Respond, Source
from hookferry.domain.webhook import AUTOMATION, Webhook
from hookferry.engine.directory import Directory
from hookferry.ids import IdSource
from sim.disk import Disk
from sim.memory_store import MemoryStore

ANSWERS = {
    "name": "example.answers",
    "extension_id": "cerb.trigger.webhook.respond",
    "script": "start:\n  return:\n    status_code: 200\n",
}
NIGHTLY = {"name": "nightly", "cron": "0 3 * * *", "event_type": "night.began"}


class Clock:
    def __init__(self) -> None:
        self.now_ms = 1_790_000_000_000

    def wall_ms(self) -> int:
        return self.now_ms

    def monotonic(self) -> float:
        return self.now_ms / 1000


class Office:
    """Rules on a ledger."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.store = MemoryStore(Disk())
        self.directory = Directory(self.store)
        self.ids = IdSource(self.clock)
        parts = self.store, self.directory, self.ids, self.clock
        self.automations = Automations(*parts)
        self.timers = Timers(*parts)

    async def automation(self, **fields: Any) -> Automation:
        return await self.automations.create(1, {**ANSWERS, **fields})

    async def webhook(self, **fields: Any) -> Webhook:
        """Save a webhook of type automation."""
        webhook = Webhook(
            id=self.ids.next(),
            tenant_id=1,
            number=0,
            name="w",
            events=("*",),
            type=AUTOMATION,
            **{"target_url": "", **fields},
        )
        saved = await self.store.save(webhook)
        await self.directory.refresh()
        return saved

    async def source(self, **fields: Any) -> Source:
        """Save a source."""
        saved = await self.store.save(
            Source(
                id=self.ids.next(),
                tenant_id=1,
                name="s",
                guid="a" * 40,
                respond=Respond(**fields),
            )
        )
        await self.directory.refresh()
        return saved

    def saved(self, kind: type[Any]) -> list[Any]:
        """Return the records of a kind, deleted ones too."""
        return list(self.store.disk.records[kind].values())


def patched(record: Any, **fields: Any) -> Any:
    return msgspec.structs.replace(record, version=record.version + 1, **fields)
