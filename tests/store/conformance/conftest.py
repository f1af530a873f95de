"""The engines that the suite runs against, behind one fixture. A new engine is one more entry."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import ModuleType
from typing import Protocol

import pytest

from hookferry.store.ports import Store
from hookferry.store.sqlite import SqliteStore
from sim.disk import Disk
from sim.memory_store import MemoryStore
from store.conformance.books import Books, Maker

Reopen = Callable[[], Awaitable[Store]]


class Lower(Protocol):
    """See the fixture ``lower``."""

    def __call__(self, name: str, limit: int, *modules: ModuleType) -> None: ...


@pytest.fixture(params=["sqlite", "sqlite apart", "memory"])
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def reopen(engine: str, tmp_path: Path) -> AsyncIterator[Reopen]:
    """Open the ledger; when called again, close it and open it anew, as a restart does."""
    disk = Disk()
    opened: list[Store] = []
    lost: list[str] = []

    async def open_again() -> Store:
        for store in opened:
            await store.aclose()
        store: Store
        match engine:
            case "sqlite":
                store = await SqliteStore.open(tmp_path / "data")
            case "sqlite apart":
                store = await SqliteStore.open(
                    tmp_path / "data", writer_lost=lambda: lost.append("it")
                )
            case _:
                store = MemoryStore(disk)
        opened[:] = [store]
        return store

    yield open_again
    for store in opened:
        await store.aclose()
    assert lost == [], "the process that writes the ledger ended unasked"


@pytest.fixture
async def store(reopen: Reopen) -> Store:
    return await reopen()


@pytest.fixture
def lower(engine: str, monkeypatch: pytest.MonkeyPatch) -> Lower:
    """Lower a limit, by its name, in the modules that hold it."""

    def lowered(name: str, limit: int, *modules: ModuleType) -> None:
        if engine == "sqlite apart":
            pytest.skip("the limit is that of another process")
        for module in modules:
            monkeypatch.setattr(module, name, limit)

    return lowered


@pytest.fixture
def make() -> Maker:
    return Maker()


@pytest.fixture
async def books(store: Store, make: Maker) -> Books:
    books = Books(store, make)
    await books.own()
    return books
