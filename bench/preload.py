"""Fills a ledger ahead of a measurement, through the store's own port and in large batches."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from bench.load import STAMP_DIGITS, body_of
from hookferry.clock import SystemClock
from hookferry.domain.delivery import Attempt, Delivery, DeliveryState
from hookferry.domain.event import Event
from hookferry.domain.webhook import Webhook
from hookferry.ids import IdSource
from hookferry.store.ports import Acceptance, Batch, Settlement
from hookferry.store.sqlite import SqliteStore

_BATCH = 500


def fill(folder: Path, count: int, *, delivered: bool) -> None:
    """Add ``count`` events of 1 KB, one delivery each, over all webhooks in turn.

    Args:
        folder: data folder of a server that does not run.
        count: how many.
        delivered: settled, with an attempt each; else pending and due.
    """
    asyncio.run(_fill(folder, count, delivered))


async def _fill(folder: Path, count: int, delivered: bool) -> None:
    store = await SqliteStore.open(folder)
    try:
        changes = await store.changes(0)
        boot = await store.boot()
        ids = IdSource(SystemClock(), above=boot.greatest_id)
        epochs = await store.epochs()
        webhooks = sorted(changes.webhooks, key=lambda webhook: webhook.number)
        for start in range(0, count, _BATCH):
            chosen = [webhooks[n % len(webhooks)] for n in range(start, min(start + _BATCH, count))]
            accepted = [_acceptance(ids, webhook) for webhook in chosen]
            settled = (
                [
                    _settlement(ids, one.deliveries[0], webhook, epochs[webhook.shard])
                    for one, webhook in zip(accepted, chosen, strict=True)
                ]
                if delivered
                else []
            )
            await store.commit(Batch(config_version=changes.version, accept=accepted))
            if settled:
                await store.commit(Batch(config_version=changes.version, settle=settled))
    finally:
        await store.aclose()


def _acceptance(ids: IdSource, webhook: Webhook) -> Acceptance:
    now_ms = SystemClock().wall_ms()
    event_type = webhook.events[0]
    before, after = body_of(event_type)
    body = before + b"%0*d" % (STAMP_DIGITS, time.monotonic_ns()) + after
    payload = body[body.index(b'"data":') + 7 : -1]
    event = Event(ids.next(), webhook.tenant_id, event_type, payload, now_ms)
    delivery = Delivery(
        id=ids.next(),
        event_id=event.id,
        webhook_id=webhook.id,
        tenant_id=webhook.tenant_id,
        state=DeliveryState.PENDING,
        due_ms=now_ms,
        updated_at_ms=now_ms,
    )
    return Acceptance(event, (delivery,))


def _settlement(ids: IdSource, delivery: Delivery, webhook: Webhook, epoch: int) -> Settlement:
    now_ms = SystemClock().wall_ms()
    attempt = Attempt(
        id=ids.next(),
        delivery_id=delivery.id,
        number=1,
        started_at_ms=now_ms,
        duration_ms=2.0,
        success=True,
        status=200,
        error=None,
        detail=None,
        verdict="allow_configured",
        address="127.0.0.1:80",
        request_head=b"POST /hook HTTP/1.1\r\nhost: 127.0.0.1\r\n"
        + b"x-filling: 0123456789\r\n" * 12,
        response_head=b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        response_body=b"",
        response_truncated=False,
        timings={"first_byte": 1.5},
    )
    return Settlement(
        delivery_id=delivery.id,
        webhook_id=webhook.id,
        shard=webhook.shard,
        epoch=epoch,
        state=DeliveryState.DELIVERED,
        due_ms=now_ms,
        attempts=1,
        last_status=200,
        last_error=None,
        at_ms=now_ms,
        attempt=attempt,
    )
