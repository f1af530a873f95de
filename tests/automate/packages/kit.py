"""Packages on a ledger in memory, over the real rules for what they hold."""

from __future__ import annotations

import random
from typing import Any

from automate.kit import Office
from hookferry.automate.packages.adapters import (
    automation_kind,
    credential_kind,
    event_type_kind,
    source_kind,
    timer_kind,
    webhook_kind,
)
from hookferry.automate.packages.exporting import Exporter
from hookferry.automate.packages.importing import Imported, Packages
from hookferry.automate.packages.kinds import Kinds
from hookferry.catch.sources import Sources
from hookferry.domain.tenant import Tenant
from hookferry.domain.webhook import Webhook
from hookferry.engine.credentials import Credentials
from hookferry.engine.event_types import EventTypes
from hookferry.engine.sealing import Sealer, new_master_key
from hookferry.engine.webhooks import Webhooks

OWNER = Tenant(id=1, name="default")
SCRIPT = "start:\n  return:\n    body: Hello!\n"


class Greeter:
    """Receivers that agree, until a test says otherwise."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.refuses: Exception | None = None

    async def greet(self, webhook: Webhook) -> Webhook:
        self.asked.append(webhook.name)
        if self.refuses is not None:
            raise self.refuses
        return webhook


async def any_target(url: str, **way: Any) -> None:
    """Judge no target."""


class Post(Office):
    """An office where packages arrive."""

    def __init__(self) -> None:
        super().__init__()
        self.sealer = Sealer.from_setting(new_master_key())
        self.greeter = Greeter()
        base = self.store, self.directory
        more = self.ids, self.clock
        self.credentials = Credentials(*base, self.sealer, *more)
        self.event_types = EventTypes(*base, *more)
        self.sources = Sources(*base, self.sealer, *more, lambda: "https://hooks.example/")
        self.webhooks = Webhooks(
            *base, self.sealer, *more, any_target, self.greeter, lambda webhook, what: None
        )
        self.kinds = Kinds(
            [
                credential_kind(self.directory, self.credentials),
                event_type_kind(self.directory, self.event_types),
                automation_kind(self.directory, self.automations),
                webhook_kind(self.directory, self.webhooks),
                source_kind(self.directory, self.sources),
                timer_kind(self.directory, self.timers),
            ]
        )
        self.packages = Packages(
            *base,
            self.kinds,
            self.sealer,
            *more,
            lambda: "https://hooks.example/",
            random.Random(1),
        )
        self.exporter = Exporter(self.kinds)

    async def take(
        self, document: object, prompts: dict[str, Any] | None = None, *, tenant: Tenant = OWNER
    ) -> Imported:
        return await self.packages.take(tenant, document, prompts)

    def things(self) -> list[str]:
        """Return the names of all live records that packages may hold."""
        return [r.name for kind in self.kinds.ordered for r in kind.all(1)]


def automation(uid: str = "a", name: str = "example.hello", **fields: Any) -> dict[str, Any]:
    return {
        "uid": uid,
        "_context": "automation",
        "name": name,
        "extension_id": "cerb.trigger.webhook.respond",
        "script": SCRIPT,
        **fields,
    }


def listener(uid: str = "w", name: str = "Hello", **fields: Any) -> dict[str, Any]:
    return {
        "uid": uid,
        "_context": "webhook_listener",
        "name": name,
        "automations_kata": "automation/hello:\n  uri: cerb:automation:example.hello\n",
        **fields,
    }


def package(*records: dict[str, Any], name: str = "Example", **manifest: Any) -> dict[str, Any]:
    return {"package": {"name": name, "revision": 1, **manifest}, "records": list(records)}


def asking(*prompts: dict[str, Any], placeholders: Any = ()) -> dict[str, Any]:
    return {"configure": {"prompts": list(prompts), "placeholders": list(placeholders)}}
