"""Sources and callers for tests of the pipeline, over HTTP against a whole server."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any

import httpx

from api.kit import TARGET, House
from hookferry.domain.request import CaughtRequest, Verdict
from hookferry.domain.source import Source
from hookferry.domain.webhook import Webhook
from hookferry.store.ports import RequestFilter

SECRET = "It's a Secret to Everybody"
GITHUB = {"preset": "github", "secret": SECRET}


def signed(body: bytes, delivery: str = "d-1", **headers: str) -> dict[str, str]:
    """The headers of a delivery of GitHub's."""
    mac = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    return {
        "X-GitHub-Event": "push",
        "X-GitHub-Delivery": delivery,
        "X-Hub-Signature-256": f"sha256={mac}",
        "Content-Type": "application/json",
        **headers,
    }


@dataclass
class Caller:
    """A source, and whoever calls it: without a key, as providers do."""

    house: House
    source: Source

    @property
    def path(self) -> str:
        return f"/webhooks/{self.source.guid}"

    async def send(
        self,
        body: bytes = b'{"a": 1}',
        headers: dict[str, str] | None = None,
        *,
        method: str = "POST",
        below: str = "",
    ) -> httpx.Response:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self.house.port}", trust_env=False, timeout=20
        ) as stranger:
            return await stranger.request(
                method, self.path + below, content=body, headers=headers or {}
            )

    async def kept(self) -> list[CaughtRequest]:
        """What the ledger keeps of the source's requests, oldest first."""
        where = RequestFilter(tenant_id=self.source.tenant_id, source_id=self.source.id)
        found = await self.house.store.requests(where, limit=1000, bodies=True)
        return list(reversed(found))

    async def verdicts(self) -> list[tuple[Verdict, str | None]]:
        return [(request.verdict, request.reason) for request in await self.kept()]

    async def change(self, **fields: Any) -> None:
        sources = self.house.services.sources
        self.source = await sources.patch(self.source.tenant_id, self.source.id, fields)


async def source(house: House, name: str = "in", **fields: Any) -> Caller:
    """Make a source."""
    tenant = house.services.directory.tenant("default")
    made = await house.services.sources.create(tenant.id, {"name": name, **fields})
    return Caller(house, made)


async def webhook(house: House, name: str = "crm", **fields: Any) -> Webhook:
    """Make a webhook."""
    tenant = house.services.directory.tenant("default")
    definition = {"name": name, "target_url": TARGET, "events": ["*"], **fields}
    made, _ = await house.services.webhooks.create(tenant.id, definition)
    return made
