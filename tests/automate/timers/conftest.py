from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
import structlog

from sim.loop import SimLoop


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Every test of this folder runs on simulated time."""
    return {"simulated": SimLoop}


@pytest.fixture(autouse=True)
def _quiet_logs() -> object:
    with structlog.testing.capture_logs() as logs:
        yield logs
