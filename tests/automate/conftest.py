from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from api.kit import House, running_house


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with running_house(tmp_path) as running:
        yield running
