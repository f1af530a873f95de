"""The engines that the suite runs against, behind one fixture. A new engine is one more entry."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from hookferry.store.ports import Store
from hookferry.store.sqlite import SqliteStore
from sim.disk import Disk
from sim.memory_store import MemoryStore
from store.conformance.books import Books, Maker

Reopen = Callable[[], Awaitable[Store]]


@pytest.fixture(params=["sqlite", "memory"])
async def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Reopen]:
    """Open the ledger; when called again, close it and open it anew, as a restart does."""
    disk = Disk()
    opened: list[Store] = []

    async def open_again() -> Store:
        for store in opened:
            await store.aclose()
        store: Store = (
            await SqliteStore.open(tmp_path / "data")
            if request.param == "sqlite"
            else MemoryStore(disk)
        )
        opened[:] = [store]
        return store

    yield open_again
    for store in opened:
        await store.aclose()


@pytest.fixture
async def store(reopen: Reopen) -> Store:
    return await reopen()


@pytest.fixture
def make() -> Maker:
    return Maker()


@pytest.fixture
async def books(store: Store, make: Maker) -> Books:
    books = Books(store, make)
    await books.own()
    return books
