"""Hostile scripts, driven as a server drives them: they end in an error, and others get turns.

What the loop's others get is counted in turns and in this thread's own time: a test that asked the
wall clock would measure what else the machine does. ``tests/e2e`` has them under load.
"""

from __future__ import annotations

import asyncio
import time

import pytest
import structlog

from automate.hostile import HOSTILE, KNOWN
from automate.stage import Stage
from hookferry.domain.run import RunExit
from hookferry.kata.fuel import STEPS

STEPS_BETWEEN_TURNS = 10_000
"""A script gets 2 ms, which are 2,000 steps or so; what one call of C does can be much more."""
LONG_SLICE_MS = 10
LONGEST = 0.25
"""Seconds of this thread's time between turns of others; what they take is a tenth of that."""


class Others:
    """Whatever else is on the loop: takes a turn whenever it gets one."""

    def __init__(self) -> None:
        self.turns = 0
        self.longest = 0.0

    async def live(self) -> None:
        while True:
            begun = time.thread_time()
            await asyncio.sleep(0)
            self.turns += 1
            self.longest = max(self.longest, time.thread_time() - begun)


@pytest.fixture
async def stage() -> Stage:
    stage = Stage()
    for name, script in HOSTILE.items():
        await stage.saves(script, f"hostile.{name}")
    return stage


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_script_ends_in_an_error_and_others_get_turns(
    stage: Stage, name: str
) -> None:
    others = Others()
    living = asyncio.create_task(others.live())
    with structlog.testing.capture_logs() as logs:
        ended = await stage.runs(f"hostile.{name}", scope=KNOWN)
    living.cancel()
    assert (ended.record.exit, ended.answer) == (RunExit.ERROR, None), ended.record
    assert "unexpectedly" not in (ended.record.error or "")
    assert logs == []
    slices = ended.record.duration_ms / LONG_SLICE_MS  # steps may be paid for what takes no time
    assert others.turns >= min(ended.record.steps_used, STEPS) // STEPS_BETWEEN_TURNS or slices < 1
    assert others.longest < LONGEST
    assert stage.running._pool.held == 0


async def test_hostile_scripts_at_once_leave_turns_to_others(stage: Stage) -> None:
    others = Others()
    living = asyncio.create_task(others.live())
    runs = [asyncio.create_task(stage.runs(f"hostile.{name}", scope=KNOWN)) for name in HOSTILE]
    with structlog.testing.capture_logs():
        ended = [(await run).record.exit for run in runs]
    living.cancel()
    assert set(ended) == {RunExit.ERROR}
    assert others.turns > 200
    assert others.longest < LONGEST
