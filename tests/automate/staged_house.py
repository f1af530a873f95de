"""Automations in a whole server: saved, called, published to, and what is kept of their runs."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import msgspec

from api.kit import House
from automate.stage import ALL
from hookferry.automate.running import Chosen
from hookferry.domain.automation import Automation
from hookferry.domain.delivery import Delivery
from hookferry.domain.event import Event
from hookferry.domain.run import Run
from hookferry.domain.tenant import DEFAULT_TENANT, Tenant
from hookferry.domain.webhook import AUTOMATION, Retry, Webhook
from hookferry.ids import encode
from hookferry.store.ports import DeliveryFilter, RunFilter


class StagedHouse:
    """A server and its automations.

    Args:
        house: the server.
    """

    def __init__(self, house: House) -> None:
        self.house = house
        self.store = house.store
        self.directory = house.services.directory

    @property
    def tenant(self) -> Tenant:
        return self.directory.tenant(DEFAULT_TENANT)

    async def automation(
        self, script: str, name: str = "example.tried", *, policy: str = ALL, **fields: Any
    ) -> Automation:
        """Save an automation as it is, whether the rules would take it or not."""
        known = self.directory.automation_by_name(self.tenant.id, name)
        made = Automation(
            id=self.house.services.ids.next() if known is None else known.id,
            version=1 if known is None else known.version + 1,
            tenant_id=self.tenant.id,
            name=name,
            extension_id=fields.pop("extension_id", "cerb.trigger.webhook.respond"),
            script=script,
            policy_kata=policy,
            **fields,
        )
        saved = await self.store.save(made)
        await self.directory.refresh()
        return saved

    async def webhook(self, automation: str = "", kata: str = "", **fields: Any) -> Webhook:
        """Save a webhook that runs an automation, as it is."""
        made = Webhook(
            id=self.house.services.ids.next(),
            tenant_id=self.tenant.id,
            number=0,
            name=fields.pop("name", secrets.token_hex(4)),
            target_url=automation,
            automations_kata=kata,
            events=tuple(fields.pop("events", ("*",))),
            type=AUTOMATION,
            retry=fields.pop("retry", Retry(schedule=())),
            **fields,
        )
        saved = await self.store.save(made)
        await self.directory.refresh()
        return saved

    async def change(self, webhook: Webhook, **fields: Any) -> None:
        """Change a webhook as it is."""
        changed = msgspec.structs.replace(webhook, version=webhook.version + 1, **fields)
        await self.store.save(changed)
        await self.directory.refresh()

    async def source(self, kata: str = "", **fields: Any) -> tuple[str, str]:
        """Make a source; return its id and the path that it is called by."""
        sources = self.house.services.sources
        document = {"name": secrets.token_hex(4), "automations_kata": kata or None, **fields}
        made = await sources.create(self.tenant.id, document)
        return encode("src", made.id), f"/webhooks/{made.guid}"

    async def sends(
        self, path: str, body: bytes = b"{}", headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Call a source as anybody does."""
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self.house.port}", trust_env=False, timeout=30
        ) as stranger:
            return await stranger.post(path, content=body, headers=headers or {})

    async def does(self, command: str, inputs: Mapping[str, Any], **given: Any) -> Any:
        """Carry out one command whose inputs are placeholders; return its output."""
        lines = ["start:", f"  {command}:", "    output: out", "    inputs:"]
        lines += [f"      {name}@key: {name}" for name in inputs]
        lines += ["    on_error:", "      log.error@key: out:error"]
        await self.automation("\n".join(lines), "example.does")
        ended = await self.running.run(
            self.tenant, lambda *_: Chosen("example.does"), inputs, **given
        )
        assert ended is not None
        assert ended.result is not None
        assert ended.record.error is None, ended.record.error
        return ended.result.dictionary["out"]

    @property
    def running(self) -> Any:
        return self.house.services.simulator._running

    async def settles(self) -> None:
        """Wait until nothing is owed any more."""
        async with asyncio.timeout(30):
            while await self.store.owing():  # noqa: ASYNC110 - it has no event of its own
                await asyncio.sleep(0.005)
        await self.house.engine.committer.flush()

    async def until(self, holds: Callable[[], Any]) -> None:
        async with asyncio.timeout(30):
            while not await holds():  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.005)

    async def runs(self) -> list[Run]:
        """The runs that are kept, whole, oldest first."""
        found = await self.store.runs(RunFilter(tenant_id=self.tenant.id), limit=250)
        whole = [await self.store.run(self.tenant.id, run.id) for run in reversed(found)]
        return [run for run in whole if run is not None]

    async def deliveries(self, **where: Any) -> list[Delivery]:
        """Deliveries, oldest first."""
        found = DeliveryFilter(tenant_id=self.tenant.id, **where)
        return list(reversed(await self.store.deliveries(found, limit=1_000)))

    async def events(self) -> list[Event]:
        """Events, oldest first."""
        return list(reversed(await self.house.events()))
