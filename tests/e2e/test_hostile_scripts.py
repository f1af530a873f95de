"""Hostile scripts in a real server under load: each fails alone, and nobody else waits for it.

A machine that does much else slows the load and the scripts alike, so what is held against each
other is the two of them: while a script runs, publishes are acknowledged all the time. How fast
both are on a quiet machine is for ``make bench`` to say.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from pathlib import Path

import httpx

from automate.hostile import HOSTILE, KNOWN
from crash.kit import API_KEY
from hookferry.testing import Receiver

from .kit import PATIENCE, serving

RATE = 500
SECONDS = 3.0
SILENCE = 0.6
"""The part of one of the longest runs in which nothing may be acknowledged. Under a script that
blocks the loop it is all of the run."""
LATE_SECONDS = 5.0
"""A tenth of it is much, for a run and for an acknowledgement."""
FINDS = "start:\n  set/known:\n" + "".join(f"    {name}@key: event:data:{name}\n" for name in KNOWN)
ALL = "commands:\n  all:\n    allow: yes\n"


class Line:
    """A connection that publishes, one request after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def publish(self, request: bytes) -> None:
        """Publish and wait until it is acknowledged."""
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 202"), head
        [length] = [
            line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
        ]
        await self._reader.readexactly(int(length.partition(b":")[2]))


async def paced(port: int, rate: int, seconds: float) -> tuple[list[float], float]:
    """Publish at a steady rate.

    Returns:
        When each was acknowledged, in order, and how late the latest was: from when it was due, so
        that what was held up counts (no coordinated omission).
    """
    body = json.dumps({"type": "load.paced", "data": {"a": 1}}).encode()
    request = (
        f"POST /api/v1/events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {API_KEY}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    lines: asyncio.Queue[Line] = asyncio.Queue()
    writers = []
    for _ in range(64):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writers.append(writer)
        lines.put_nowait(Line(reader, writer))

    async def one(due: float) -> tuple[float, float]:
        line = await lines.get()
        await line.publish(request)
        lines.put_nowait(line)
        now = time.perf_counter()
        return now, now - due

    begun = time.perf_counter()
    tasks = []
    for number in range(int(rate * seconds)):
        due = begun + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(one(due)))
    told = [await task for task in tasks]
    for writer in writers:
        writer.close()
    return sorted(now for now, _ in told), max(late for _, late in told)


def silence(acknowledged: list[float], begun: float, ended: float) -> float:
    """Return the longest time within an interval without an acknowledgement."""
    within = [begun, *(at for at in acknowledged if begun < at < ended), ended]
    return max(later - sooner for sooner, later in itertools.pairwise(within))


async def test_hostile_scripts_hold_nobody_up(tmp_path: Path) -> None:
    with Receiver() as receiver:
        async with serving(tmp_path / "data") as (process, calls):
            for name, script in HOSTILE.items():
                document = {
                    "name": f"hostile.{name}",
                    "extension_id": "cerb.trigger.webhook.respond",
                    "script": script.replace("start:\n", FINDS, 1),
                    "policy_kata": ALL,
                }
                answer = await calls.client.post("/api/v1/automations", json=document)
                assert answer.status_code == 201, answer.text
            urls = [
                await calls.source(name, respond={"automation": f"hostile.{name}", "deadline": 30})
                for name in HOSTILE
            ]
            await calls.subscribe("paced", receiver.url, events=["load.paced"])
            await paced(process.port, RATE, 0.3)  # what starts cold is no script's doing

            async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as stranger:
                load = asyncio.create_task(paced(process.port, RATE, SECONDS))
                answers, intervals = [], []
                for url in urls:
                    begun = time.perf_counter()
                    answers.append(await stranger.post(url, json=KNOWN))
                    intervals.append((begun, time.perf_counter()))
                answers += await asyncio.gather(*(stranger.post(u, json=KNOWN) for u in urls))
                acknowledged, late = await load

            for answer in answers:
                assert (answer.status_code, answer.content) == (500, b"")
                assert "x-evil" not in answer.headers
            assert late < LATE_SECONDS
            under_load = [(b, e) for b, e in intervals if e < acknowledged[-1]]
            for begun, ended in sorted(under_load, key=lambda pair: pair[0] - pair[1])[:3]:
                assert silence(acknowledged, begun, ended) < SILENCE * (ended - begun)

            page = await calls.client.get("/api/v1/runs", params={"limit": 250})
            runs = page.json()["items"]
            assert len(runs) == 2 * len(HOSTILE)
            assert {run["exit"] for run in runs} == {"error"}
            assert max(run["duration_ms"] for run in runs) < LATE_SECONDS * 1000
            published = int(RATE * 0.3) + int(RATE * SECONDS)
            await receiver.wait_for_async(published, PATIENCE)
