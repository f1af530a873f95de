"""A timer in the whole program: what came due while it was off runs once it is on."""

from __future__ import annotations

import asyncio
from pathlib import Path

from api.real import serving
from hookferry.automate.automations import ON_TIMER, Automations
from hookferry.automate.timers import Timers
from hookferry.clock import SystemClock
from hookferry.engine.directory import Directory
from hookferry.ids import IdSource
from hookferry.store.ports import EventFilter, RunFilter
from hookferry.store.sqlite.store import SqliteStore

SCRIPT = "start:\n  return:\n    said: {{inputs.word}} of {{event.data.timer}}\n"


class ThreeHoursAgo(SystemClock):
    def wall_ms(self) -> int:
        return super().wall_ms() - 3 * 3_600_000


async def test_a_timer_that_came_due_while_the_server_was_off_runs_once(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path)
    clock, directory = ThreeHoursAgo(), Directory(store)
    parts = store, directory, IdSource(clock), clock
    automation = {"name": "example.tick", "extension_id": ON_TIMER, "script": SCRIPT}
    await Automations(*parts).create(1, automation)
    due = {"name": "hourly", "cron": "0 * * * *", "automation": "example.tick"}
    timer = await Timers(*parts).create(1, due | {"inputs": {"word": "{{7}}"}})
    await store.aclose()

    async with serving(tmp_path) as client, asyncio.timeout(30):
        while not (await client.get("/api/v1/runs")).json()["items"]:  # noqa: ASYNC110
            await asyncio.sleep(0.02)

    store = await SqliteStore.open(tmp_path)
    [event] = await store.events(EventFilter(tenant_id=1), limit=10)
    [listed] = await store.runs(RunFilter(tenant_id=1), limit=10)
    run = await store.run(1, listed.id)
    mark = (await store.changes(0)).timer_marks[timer.id]
    await store.aclose()
    assert run is not None
    assert (run.automation, run.event_id, run.error) == ("example.tick", event.id, None)
    assert run.returned == {"said": "{{7}} of hourly"}
    assert (mark.count, mark.event_id, mark.due_ms) == (1, event.id, timer.next_due_ms)
