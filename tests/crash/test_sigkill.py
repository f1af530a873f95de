"""A server that is killed again and again under load loses nothing it acknowledged.

Real processes on a real disk. SIGKILL leaves what the kernel has, so this shows that the engine
recovers; that the disk has it too shows ``test_fsync``.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from pathlib import Path

import pytest

from crash.kit import Publishers, Receivers, Server

KILLS = int(os.environ.get("CRASH_KILLS", "20"))
"""``make faults`` kills oftener."""
RATE = 700.0
"""Events a second offered; at least 500 must be acknowledged."""
DELAY = 0.06
"""Seconds a receiver takes: at 1,000 requests a second some 60 are in flight."""
SEED = int(os.environ.get("CRASH_SEED", "1"))


@pytest.mark.timeout(120 + 10 * KILLS)
async def test_every_acknowledged_event_arrives_although_the_server_is_killed_under_load(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dice = random.Random(SEED)
    server = Server(tmp_path / "data")
    async with Receivers(DELAY) as receivers:
        await server.start()
        publishers = Publishers(server.port, RATE)
        webhooks = {}
        for path in ("/one", "/two"):
            webhooks[await server.subscribe(path[1:], receivers.url + path)] = path
        in_flight_at_kill: list[int] = []
        forgiven: Counter[tuple[str, str]] = Counter()
        for _ in range(KILLS):

            def strike() -> None:
                in_flight_at_kill.append(receivers.in_flight)
                server.kill()

            await publishers.run(dice.uniform(0.4, 1.2), strike)
            await server.gone()
            await receivers.quiet.wait()  # everything that was sent has been read
            # What a receiver has got and the ledger does not know of may come once more.
            for event, webhook in server.owed():
                what = (event, webhooks[webhook])
                if receivers.received[what]:
                    forgiven[what] += 1
            await server.start()

        wanted = {(event, path) for event in publishers.acked for path in webhooks.values()}
        async with asyncio.timeout(60):
            while missing := wanted - receivers.received.keys():
                receivers.arrived.clear()
                await receivers.arrived.wait()
        await server.stop()

    repeats = {what: n - 1 for what, n in receivers.received.items() if n > 1}
    unforgiven = {what: n for what, n in repeats.items() if n > forgiven[what]}
    rate = len(publishers.acked) / publishers.busy_seconds
    busy = sum(count > 20 for count in in_flight_at_kill)
    with capsys.disabled():
        print(
            f"\n  {KILLS} kills, {busy} with more than 20 in flight (median "
            f"{sorted(in_flight_at_kill)[KILLS // 2]}); {len(publishers.acked):,} events "
            f"acknowledged at {rate:,.0f}/s, {len(missing)} of {len(wanted):,} deliveries missing; "
            f"{sum(repeats.values()):,} duplicates, {sum(forgiven.values()):,} were in flight or "
            "unsettled at a kill"
        )
    assert not missing
    assert not unforgiven
    assert rate >= 500
    assert busy >= 0.75 * KILLS
