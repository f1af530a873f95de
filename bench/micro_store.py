"""What the SQLite ledger costs per event: accept with one delivery, settle with one attempt.

    python bench/micro_store.py [--events 20000] [--folder DIR] [--kind published]

With ``--kind caught`` each event was born from a caught request, which is stored with it and with
its duplicate key; with ``quarantined`` there are requests alone, in a full ring.

The cycle is the engine's: the settlements of one batch travel in the commit of the next. CPU is
that of the whole process (event loop, hand-over to the writer's thread, SQLite) and excludes
making the records.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import tempfile
import time
from pathlib import Path

import uvloop

from hookferry.clock import SystemClock
from hookferry.domain.delivery import Attempt, Delivery, DeliveryState
from hookferry.domain.event import Event, EventMeta
from hookferry.domain.request import Caught, CaughtRequest, Verdict
from hookferry.domain.webhook import Webhook
from hookferry.ids import IdSource
from hookferry.store.ports import Acceptance, Batch, DedupeKey, Ring, Settlement
from hookferry.store.sqlite import SqliteStore
from hookferry.store.sqlite.connection import FILE_NAME

BATCHES = (1, 10, 100, 500)
PAYLOAD = b'{"data":"' + b"x" * 1_013 + b'"}'
HEAD = b"POST /hook HTTP/1.1\r\nhost: example.com\r\nwebhook-id: evt_0123456789abc\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"
WEBHOOKS = 50
SOURCE = 7
HEADERS = (
    (b"Host", b"hooks.example.com"),
    (b"User-Agent", b"Example-Hookshot/1.0"),
    (b"Content-Length", b"1024"),
    (b"Accept", b"*/*"),
    (b"Content-Type", b"application/json; charset=utf-8"),
    (b"X-Example-Signature", b"t=1800000000,v1=" + b"a" * 64),
    (b"X-Example-Delivery", b"72d3162e-cc78-11e3-81ab-4c9367dc0958"),
    (b"Accept-Encoding", b"gzip"),
    (b"X-Forwarded-For", b"203.0.113.9"),
    (b"X-Forwarded-Proto", b"https"),
)
RING = Ring(True, 500, 50 * 1024 * 1024)
KINDS = ("published", "caught", "quarantined")


def make_request(number: int, event: Event | None, verdict: Verdict, now: int) -> CaughtRequest:
    """Make what a source caught, as an event or without one."""
    return CaughtRequest(
        id=number,
        tenant_id=1,
        source_id=SOURCE,
        received_at_ms=now,
        verdict=verdict,
        method="POST",
        path=b"/webhooks/" + b"a" * 40,
        query=b"",
        headers=HEADERS,
        body=PAYLOAD,
        client="203.0.113.9",
        reason=None if event is not None else "bad_signature",
        event_id=None if event is None else event.id,
        key=None if event is None else str(number),
        status=204,
    )


def born(source: IdSource, now: int) -> tuple[Event, CaughtRequest, DedupeKey]:
    """Make an event, the request that it was born from, and its duplicate key."""
    number = source.next()
    caught = Caught(request_id=number, source_id=SOURCE, form="json", headers=HEADERS)
    meta = EventMeta(caught=caught)
    event = Event(source.next(), 1, "contact.created", PAYLOAD, now, meta=meta)
    digest = number.to_bytes(32, "big")
    key = DedupeKey(1, f"source:{SOURCE}", digest, b"", b"{}", now + 86_400_000)
    return event, make_request(number, event, Verdict.ACCEPTED, now), key


def quarantined(source: IdSource, size: int, events: int) -> list[Batch]:
    """Make batches of requests that became nothing."""
    now = SystemClock().wall_ms()
    return [
        Batch(
            1 << 40,
            [
                Acceptance(
                    None,
                    request=make_request(source.next(), None, Verdict.QUARANTINED, now),
                    ring=RING,
                )
                for _ in range(size)
            ],
        )
        for _ in range(max(20, events // size))
    ]


def make_batches(
    source: IdSource,
    webhooks: list[Webhook],
    epochs: dict[int, int],
    size: int,
    events: int,
    kind: str,
) -> list[Batch]:
    """Make the batches of one run; each settles the deliveries of the one before."""
    now = SystemClock().wall_ms()
    batches: list[Batch] = []
    settle: list[Settlement] = []
    for _ in range(max(20, events // size)):
        accept = []
        settling = settle
        settle = []
        for position in range(size):
            webhook = webhooks[position % len(webhooks)]
            event = Event(source.next(), 1, "contact.created", PAYLOAD, now)
            request = None
            dedupe: tuple[DedupeKey, ...] = ()
            if kind == "caught":
                event, request, key = born(source, now)
                dedupe = (key,)
            delivery = Delivery(
                source.next(),
                event.id,
                webhook.id,
                1,
                DeliveryState.PENDING,
                now,
                0,
                None,
                None,
                now,
            )
            accept.append(Acceptance(event, (delivery,), dedupe, request))
            attempt = Attempt(
                source.next(),
                delivery.id,
                1,
                now,
                1.25,
                True,
                200,
                None,
                None,
                "allow_public",
                "203.0.113.7:443",
                HEAD,
                ANSWER,
                b"ok",
                False,
                {"dns": 0.1, "connect": 0.5, "tls": 0.0, "first_byte": 1.1},
            )
            settle.append(
                Settlement(
                    delivery.id,
                    webhook.id,
                    webhook.shard,
                    epochs[webhook.shard],
                    DeliveryState.DELIVERED,
                    now,
                    1,
                    200,
                    None,
                    now,
                    attempt,
                )
            )
        batches.append(Batch(1 << 40, accept, settling))
    return batches


async def measure(folder: Path, size: int, events: int, kind: str) -> tuple[float, float, float]:
    """Return CPU microseconds, wall microseconds and file bytes per event."""
    store = await SqliteStore.open(folder)
    source = IdSource(SystemClock())
    epochs = await store.claim_shards("bench")
    webhooks = [
        await store.save(
            Webhook(
                id=source.next(),
                tenant_id=1,
                number=0,
                name=f"w{number}",
                target_url="https://example.com/",
                events=("*",),
            )
        )
        for number in range(WEBHOOKS)
    ]
    if kind == "quarantined":
        batches = quarantined(source, size, events)
    else:
        batches = make_batches(source, webhooks, epochs, size, events, kind)
    gc.collect()
    gc.freeze()
    cpu, wall = time.process_time(), time.perf_counter()
    for batch in batches:
        await store.commit(batch)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    await store.aclose()
    stored = sum(len(batch.accept) for batch in batches)
    return cpu / stored * 1e6, wall / stored * 1e6, (folder / FILE_NAME).stat().st_size / stored


def main() -> None:
    """Print one row per batch size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--kind", choices=KINDS, default="published")
    arguments = parser.parse_args()
    print(f"{'batch':>6} {'CPU us':>8} {'wall us':>8} {'bytes':>8}   per event")
    for size in BATCHES:
        # A batch of one pays a whole commit per event: fewer of them tell as much.
        events = arguments.events if size > 1 else arguments.events // 10
        with (
            tempfile.TemporaryDirectory(dir=arguments.folder) as folder,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            cpu, wall, size_bytes = runner.run(measure(Path(folder), size, events, arguments.kind))
        print(f"{size:>6} {cpu:>8.1f} {wall:>8.1f} {size_bytes:>8.0f}")


if __name__ == "__main__":
    main()
