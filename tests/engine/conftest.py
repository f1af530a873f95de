from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import structlog

from sim.loop import SimLoop

from .kit import Rig


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Every test of this folder runs on simulated time."""
    return {"simulated": SimLoop}


@pytest.fixture(autouse=True)
def _quiet_logs() -> object:
    with structlog.testing.capture_logs() as logs:
        yield logs


@pytest.fixture
async def bare() -> AsyncIterator[Rig]:
    """A rig without an engine yet, for tests that choose its limits."""
    rig = Rig()
    yield rig
    rig.crash()


@pytest.fixture
async def rig(bare: Rig) -> Rig:
    await bare.boot()
    return bare
