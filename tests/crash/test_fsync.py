"""An event is on the disk before its publisher hears 202, and what was caught before its sender
hears 204: seen in the system calls of the server and of the process that writes its ledger."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crash import tracer

Step = dict[str, Any]
LOG = "ledger.sqlite3-wal"


@pytest.mark.parametrize("writer", ["process", "thread"])
@pytest.mark.parametrize("way", ["publish", "catch"])
async def test_the_event_is_written_and_synced_to_disk_between_its_request_and_its_answer(
    tmp_path: Path, way: str, writer: str
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *(tracer.__file__, str(tmp_path / "data"), way, writer),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(60):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, "the tracer failed; its message is above"
    steps: list[Step] = json.loads(output)

    asked = first(steps, 0, lambda s: s["call"] == "read" and s["marker"])
    written = first(steps, asked, lambda s: s["file"] == LOG and s.get("marker", False))
    begun = first(steps, written, lambda s: is_sync(s) and s["phase"] == "enter")
    ended = first(steps, begun, lambda s: is_sync(s) and s["phase"] == "exit")
    answered = first(steps, 0, lambda s: s.get("accepted", False))

    assert steps[ended]["ok"]
    assert asked < written < begun < ended < answered
    assert {steps[n]["by"] for n in (asked, answered)} == {"server"}
    writes = "writer" if writer == "process" else "server"
    assert {steps[n]["by"] for n in (written, begun, ended)} == {writes}


def is_sync(step: Step) -> bool:
    return step["call"] in ("fsync", "fdatasync") and step["file"] == LOG


def first(steps: list[Step], start: int, wanted: Callable[[Step], bool]) -> int:
    """Return the position of the first step from ``start`` that is wanted."""
    for position in range(start, len(steps)):
        if wanted(steps[position]):
            return position
    raise AssertionError(f"no such step after {start}: {json.dumps(steps, indent=1)}")
