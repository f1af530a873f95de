"""What the SQLite ledger costs per event: accept with one delivery, settle with one attempt.

    python bench/micro_store.py [--events 20000] [--folder DIR]

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
from hookferry.domain.event import Event
from hookferry.domain.webhook import Webhook
from hookferry.ids import IdSource
from hookferry.store.ports import Acceptance, Batch, Settlement
from hookferry.store.sqlite import SqliteStore
from hookferry.store.sqlite.connection import FILE_NAME

BATCHES = (1, 10, 100, 500)
PAYLOAD = b'{"data":"' + b"x" * 1_013 + b'"}'
HEAD = b"POST /hook HTTP/1.1\r\nhost: example.com\r\nwebhook-id: evt_0123456789abc\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"
WEBHOOKS = 50


def make_batches(
    source: IdSource, webhooks: list[Webhook], epochs: dict[int, int], size: int, events: int
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
            accept.append(Acceptance(event, (delivery,)))
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


async def measure(folder: Path, size: int, events: int) -> tuple[float, float, float]:
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
    batches = make_batches(source, webhooks, epochs, size, events)
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
    arguments = parser.parse_args()
    print(f"{'batch':>6} {'CPU us':>8} {'wall us':>8} {'bytes':>8}   per event")
    for size in BATCHES:
        # A batch of one pays a whole commit per event: fewer of them tell as much.
        events = arguments.events if size > 1 else arguments.events // 10
        with (
            tempfile.TemporaryDirectory(dir=arguments.folder) as folder,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            cpu, wall, size_bytes = runner.run(measure(Path(folder), size, events))
        print(f"{size:>6} {cpu:>8.1f} {wall:>8.1f} {size_bytes:>8.0f}")


if __name__ == "__main__":
    main()
