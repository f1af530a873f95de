"""What GitHub sends is caught once and forwarded byte for byte, whatever is killed meanwhile.

Real payloads, real processes, a real disk. Each delivery is sent twice, and again until it is
answered, as senders do.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from pathlib import Path

import pytest

from crash.caught import VERIFY, Delivery, Senders, book_of, deliveries, each_twice
from crash.kit import Receivers, Server
from shared import Payload

KILLS = max(1, int(os.environ.get("CRASH_KILLS", "20")) // 4)
"""``make faults`` kills oftener."""
SEED = int(os.environ.get("CRASH_SEED", "1"))
PER_KILL = 60
"""Deliveries between two kills."""


async def curl(folder: Path, url: str, row: list[Delivery]) -> list[str]:
    """Send deliveries with one curl process, one after the other; return the statuses."""
    parts = []
    for number, delivery in enumerate(row):
        body = folder / f"{number}.json"
        body.write_bytes(delivery.body)
        lines = [f'url = "{url}"', f'data-binary = "@{body}"', 'write-out = "%{http_code}\\n"']
        lines += [f'header = "{name}: {value}"' for name, value in delivery.headers]
        parts.append("\n".join([*lines, "silent", "show-error", 'output = "-"']))
    config = folder / "curl.config"
    config.write_text("\nnext\n".join(parts))
    process = await asyncio.create_subprocess_exec(
        *("curl", "--disable", "--noproxy", "*", "--config", str(config)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode().split()


async def mirrored(server: Server, receivers: Receivers) -> str:
    """Make a source for GitHub, and a webhook that sends on what it catches as it came."""
    await server.subscribe(
        "mirror", receivers.url + "/in", profile="raw", forward_headers=["X-GitHub-Delivery"]
    )
    return await server.source("github", verify=VERIFY)


def forwarded(receivers: Receivers) -> Counter[tuple[str, bytes]]:
    """Count what arrived, by GitHub's id and the body."""
    found: Counter[tuple[str, bytes]] = Counter()
    for copies in receivers.kept.values():
        for head, body in copies:
            [line] = [x for x in head.split(b"\r\n") if x.startswith(b"X-GitHub-Delivery: ")]
            found[line.split(b": ")[1].decode(), body] += 1
    return found


async def test_real_payloads_sent_twice_by_curl_and_by_eight_clients_are_one_event_each(
    tmp_path: Path, real_payloads: list[Payload]
) -> None:
    by_curl = deliveries(real_payloads, len(real_payloads))
    by_clients = deliveries(real_payloads, len(real_payloads))
    server = Server(tmp_path / "data")
    async with Receivers(0.0, keep=True) as receivers:
        await server.start()
        url = await mirrored(server, receivers)
        curling = curl(tmp_path, url, [d for d in by_curl for _ in range(2)])
        statuses, _ = await asyncio.gather(
            curling, Senders(url).send(each_twice(by_clients, random.Random(SEED)))
        )
        everything = by_curl + by_clients
        async with asyncio.timeout(20):
            while len(receivers.received) < len(everything):
                receivers.arrived.clear()
                await receivers.arrived.wait()
        await server.stop()
    assert statuses == ["204"] * (2 * len(by_curl))
    book = await book_of(server.data)
    assert [book.check(delivery) for delivery in everything] == [1] * len(everything)
    assert len(book.events) == len(everything)
    assert forwarded(receivers) == Counter((d.id, d.body) for d in everything)


@pytest.mark.timeout(60 + 10 * KILLS)
async def test_nothing_is_lost_or_run_twice_although_the_server_is_killed_while_it_catches(
    tmp_path: Path, real_payloads: list[Payload], capsys: pytest.CaptureFixture[str]
) -> None:
    dice = random.Random(SEED)
    sent = deliveries(real_payloads, PER_KILL * KILLS)
    row = each_twice(sent, dice)
    kill_at = [int(len(row) / KILLS * (n + dice.random())) for n in range(KILLS)]
    server = Server(tmp_path / "data")
    forgiven: Counter[str] = Counter()
    in_flight: list[int] = []
    struck = asyncio.Event()
    async with Receivers(0.01, keep=True) as receivers:
        await server.start()
        senders = Senders(await mirrored(server, receivers))

        def watch(answered: int) -> None:
            if kill_at and answered > kill_at[0]:
                kill_at.pop(0)
                in_flight.append(receivers.in_flight)
                server.kill()
                struck.set()

        senders.watch = watch
        sending = asyncio.create_task(senders.send(row))
        for _ in range(KILLS):
            await struck.wait()
            struck.clear()
            await server.gone()
            await receivers.quiet.wait()  # everything that was sent has been read
            # What a receiver has got and the ledger does not know of may come once more.
            for event, _ in server.owed():
                if receivers.received[event, "/in"]:
                    forgiven[event] += 1
            await server.start()
        await sending
        async with asyncio.timeout(60):
            while len(receivers.received) < len(sent):
                receivers.arrived.clear()
                await receivers.arrived.wait()
        await server.stop()

    book = await book_of(server.data)
    repeats = [book.check(delivery) for delivery in sent]
    arrived = forwarded(receivers)
    again = {event: n - 1 for (event, _), n in receivers.received.items() if n > 1}
    with capsys.disabled():
        print(
            f"\n  {KILLS} kills (median {sorted(in_flight)[KILLS // 2]} in flight); "
            f"{len(sent):,} deliveries sent twice, and {senders.repeated} requests again because "
            f"they were not answered: {len(book.events):,} events, {sum(repeats):,} requests known "
            f"for repeats; {sum(again.values())} duplicates at the receiver, "
            f"{sum(forgiven.values())} were in flight or unsettled at a kill"
        )
    assert set(arrived) == {(d.id, d.body) for d in sent}
    assert len(book.events) == len(sent)
    assert min(repeats) >= 1
    assert sum(repeats) <= len(sent) + senders.repeated
    assert not {event: n for event, n in again.items() if n > forgiven[event]}
