"""What the conformance tests store: a maker of valid records, and a ledger to put them in."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

from hookferry import ids
from hookferry.domain.automation import Automation
from hookferry.domain.credential import Credential, CredentialKind
from hookferry.domain.delivery import Attempt, Delivery, DeliveryState
from hookferry.domain.event import NO_META, Event, EventMeta, EventState
from hookferry.domain.package import ImportedPackage, PackagedRecord
from hookferry.domain.request import Caught, CaughtRequest, Verdict
from hookferry.domain.run import Run, RunExit
from hookferry.domain.source import Source
from hookferry.domain.tenant import Tenant
from hookferry.domain.timer import Timer
from hookferry.domain.webhook import Health, Webhook
from hookferry.store.ports import (
    Acceptance,
    Batch,
    Committed,
    DedupeKey,
    HealthChange,
    RequestAnswer,
    Ring,
    Settlement,
    Store,
)

NOW = 1_800_000_000_000
HOUR = 3_600_000
DAY = 24 * HOUR
SOURCE = 77
"""The id of a source that requests come to where no test looks at the source itself."""
HEADERS = ((b"Host", b"example.com"), (b"X-Tag", b"\xff one"), (b"x-tag", b"two"))


class Maker:
    """Makes records with ids that agree with their times."""

    def __init__(self) -> None:
        self._sequence = count(1)

    def id(self, at_ms: int = NOW) -> int:
        return ids.lowest_at(at_ms) + next(self._sequence)

    def event(
        self,
        *,
        tenant: int = 1,
        type: str = "contact.created",
        payload: bytes = b'{"a":1}',
        at: int = NOW,
        state: EventState = EventState.MATCHED,
        meta: EventMeta = NO_META,
    ) -> Event:
        return Event(self.id(at), tenant, type, payload, at, state, meta)

    def delivery(
        self,
        event: Event,
        webhook_id: int,
        *,
        state: DeliveryState = DeliveryState.PENDING,
        due: int | None = None,
        error: str | None = None,
    ) -> Delivery:
        at = event.received_at_ms
        return Delivery(
            self.id(at),
            event.id,
            webhook_id,
            event.tenant_id,
            state,
            at if due is None else due,
            last_error=error,
            updated_at_ms=at,
        )

    def webhook(self, name: str = "crm", *, tenant: int = 1, number: int = 0) -> Webhook:
        return Webhook(
            id=self.id(),
            tenant_id=tenant,
            number=number,
            name=name,
            target_url="https://example.com/hook",
            events=("*",),
            created_at_ms=NOW,
            updated_at_ms=NOW,
        )

    def credential(self, name: str = "erp", *, tenant: int = 1) -> Credential:
        return Credential(
            id=self.id(),
            tenant_id=tenant,
            name=name,
            kind=CredentialKind.BASIC,
            username="hookferry",
            value=b"\x00sealed\xff",
            created_at_ms=NOW,
            updated_at_ms=NOW,
        )

    def source(
        self,
        name: str = "shop",
        *,
        tenant: int = 1,
        guid: str | None = None,
        at: int = NOW,
    ) -> Source:
        number = self.id()
        return Source(
            id=number,
            tenant_id=tenant,
            name=name,
            guid=f"{number:040x}" if guid is None else guid,
            created_at_ms=at,
            updated_at_ms=at,
        )

    def automation(self, name: str = "example.respond", *, tenant: int = 1) -> Automation:
        return Automation(
            id=self.id(),
            tenant_id=tenant,
            name=name,
            extension_id="cerb.trigger.webhook.respond",
            script="start:\n  return:\n    status_code: 200",
            created_at_ms=NOW,
            updated_at_ms=NOW,
        )

    def timer(self, name: str = "nightly", *, tenant: int = 1) -> Timer:
        return Timer(
            id=self.id(),
            tenant_id=tenant,
            name=name,
            cron="0 3 * * *",
            event_type="night.began",
            next_due_ms=NOW + HOUR,
            created_at_ms=NOW,
            updated_at_ms=NOW,
        )

    def package(self, name: str = "Webhooks Example", *, tenant: int = 1) -> ImportedPackage:
        return ImportedPackage(
            id=self.id(),
            tenant_id=tenant,
            name=name,
            revision=3,
            records=(PackagedRecord("automation", self.id(), "a", b"\xff sealed"),),
            created_at_ms=NOW,
            updated_at_ms=NOW,
        )

    def run(
        self,
        automation: Automation | None = None,
        *,
        tenant: int = 1,
        at: int = NOW,
        exit: RunExit = RunExit.RETURN,
        **rest: Any,
    ) -> Run:
        return Run(
            id=self.id(at),
            tenant_id=tenant,
            automation_id=None if automation is None else automation.id,
            automation="gone" if automation is None else automation.name,
            started_at_ms=at,
            duration_ms=12.5,
            exit=exit,
            error="no such key" if exit is RunExit.ERROR else None,
            **rest,
        )

    def request(
        self,
        verdict: Verdict = Verdict.QUARANTINED,
        *,
        tenant: int = 1,
        source: int = SOURCE,
        at: int = NOW,
        body: bytes = b"\x00body\xff",
        **rest: Any,
    ) -> CaughtRequest:
        """Make a request that became no event."""
        return CaughtRequest(
            **{
                "id": self.id(at),
                "tenant_id": tenant,
                "source_id": source,
                "received_at_ms": at,
                "verdict": verdict,
                "method": "POST",
                "path": b"/webhooks/\xc3\xa4/a%20b",
                "query": b"x=1&x=2",
                "headers": HEADERS,
                "body": body,
                "client": "203.0.113.9",
                **rest,
            }
        )

    def caught(
        self,
        *,
        tenant: int = 1,
        source: int = SOURCE,
        at: int = NOW,
        body: bytes = b"{}",
        key: DedupeKey | None = None,
        **rest: Any,
    ) -> Acceptance:
        """Make a request that became an event, and that event."""
        number = self.id(at)
        meta = EventMeta(
            caught=Caught(request_id=number, source_id=source, form="json", headers=HEADERS)
        )
        event = self.event(tenant=tenant, payload=body, at=at, meta=meta)
        request = self.request(
            Verdict.ACCEPTED,
            tenant=tenant,
            source=source,
            at=at,
            body=body,
            **{"id": number, "event_id": event.id, "status": 204, **rest},
        )
        return Acceptance(event, (), () if key is None else (key,), request)

    def tenant(self, name: str) -> Tenant:
        return Tenant(id=self.id(), name=name, created_at_ms=NOW, updated_at_ms=NOW)

    def attempt(self, delivery: Delivery, *, number: int = 1, success: bool = True) -> Attempt:
        return Attempt(
            id=self.id(),
            delivery_id=delivery.id,
            number=number,
            started_at_ms=NOW,
            duration_ms=12.5,
            success=success,
            status=200 if success else None,
            error=None if success else "timeout",
            detail=None if success else "no answer within 15 s",
            verdict="allow_public",
            address="203.0.113.7:443",
            request_head=b"POST /hook HTTP/1.1\r\nhost: example.com\r\n\r\n",
            response_head=b"HTTP/1.1 200 OK\r\n\r\n" if success else b"",
            response_body=b"\x00\xff" if success else b"",
            response_truncated=False,
            timings={"dns": 1.5, "connect": 2.25},
            webhook_version=number + 4,
        )

    def key(
        self, key: bytes = b"k", *, body: bytes = b"body", answer: bytes = b"first", ttl: int = DAY
    ) -> DedupeKey:
        return DedupeKey(1, "event", key, body, answer, NOW + ttl)


class Books:
    """A store with the bookkeeping that a test would repeat."""

    def __init__(self, store: Store, make: Maker) -> None:
        self.store = store
        self.make = make
        self.epochs: dict[int, int] = {}

    async def own(self) -> None:
        """Become the owner of every shard."""
        self.epochs = await self.store.claim_shards("node-1")

    async def version(self) -> int:
        return (await self.store.changes(1 << 60)).version

    async def webhook(self, name: str = "crm", *, tenant: int = 1) -> Webhook:
        return await self.store.save(self.make.webhook(name, tenant=tenant))

    async def accept(self, *acceptances: Acceptance) -> Committed:
        return await self.store.commit(Batch(await self.version(), accept=acceptances))

    async def answer(
        self,
        request_id: int,
        status: int,
        headers: tuple[tuple[str, str], ...] = (),
        body: bytes = b"",
        detail: str | None = None,
        *,
        tenant: int = 1,
    ) -> None:
        """Keep what a caller was answered, by the webhook ``wh_1``."""
        answer = RequestAnswer(
            tenant_id=tenant,
            request_id=request_id,
            status=status,
            headers=headers,
            body=body,
            answered_by="wh_1",
            detail=detail,
        )
        await self.store.commit(Batch(await self.version(), answers=[answer]))

    async def catch(self, *requests: CaughtRequest, ring: Ring | None = None) -> Committed:
        """Store requests that became no events."""
        return await self.accept(*(Acceptance(None, (), (), r, ring) for r in requests))

    async def owed(
        self, webhook: Webhook, *, payload: bytes = b"{}", due: int | None = None, at: int = NOW
    ) -> Delivery:
        """Store an event with one pending delivery to a webhook."""
        event = self.make.event(tenant=webhook.tenant_id, payload=payload, at=at)
        delivery = self.make.delivery(event, webhook.id, due=due)
        await self.accept(Acceptance(event, (delivery,)))
        return delivery

    def settlement(
        self,
        webhook: Webhook,
        delivery: Delivery,
        state: DeliveryState = DeliveryState.DELIVERED,
        *,
        attempt: Attempt | None = None,
        run: Run | None = None,
        due: int = 0,
        epoch: int | None = None,
        at: int = NOW + 1,
    ) -> Settlement:
        delivered = state is DeliveryState.DELIVERED
        return Settlement(
            delivery_id=delivery.id,
            webhook_id=webhook.id,
            shard=webhook.shard,
            epoch=self.epochs[webhook.shard] if epoch is None else epoch,
            state=state,
            due_ms=due,
            attempts=delivery.attempts + 1,
            last_status=200 if delivered else None,
            last_error=None if delivered else "timeout",
            at_ms=at,
            attempt=attempt,
            run=run,
        )

    async def settle(
        self, settlements: Sequence[Settlement], health: Sequence[HealthChange] = ()
    ) -> Committed:
        return await self.store.commit(
            Batch(await self.version(), settle=settlements, health=health)
        )

    def health(
        self,
        webhook: Webhook,
        health: Health,
        *,
        disable: bool = False,
        epoch: int | None = None,
    ) -> HealthChange:
        epoch = self.epochs[webhook.shard] if epoch is None else epoch
        return HealthChange(webhook.id, webhook.shard, epoch, health, disable)
