from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from .kit import House, running_house


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with running_house(tmp_path) as running:
        yield running


@pytest.fixture(params=["below ASGI", "bare ASGI"])
async def hot_house(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[House]:
    """The same server with the hot routes on either side of the switch."""
    async with running_house(tmp_path, hot_asgi=request.param == "bare ASGI") as running:
        yield running
