"""The engine keeps its promises in every world, and the worlds are able to catch one that does not.

``SIM_SEEDS=10000`` plays more worlds (``make simulate``); a failing seed prints its
story and plays again exactly with ``SIM_FIRST=<seed> SIM_SEEDS=1``.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import msgspec
import pytest
import structlog

from hookferry.engine.committer import _Begun, _Taken
from hookferry.engine.engine import Engine
from hookferry.engine.intake import Receipt
from hookferry.engine.synchronous import Room
from hookferry.store.ports import Batch, Committed
from sim.memory_store import MemoryStore
from sim.world import World

SEEDS = int(os.environ.get("SIM_SEEDS", "300"))
FIRST = int(os.environ.get("SIM_FIRST", "0"))
PLANTED_SEEDS = 1_000
CHUNKS = 10


@pytest.fixture(autouse=True)
def _quiet_logs() -> object:
    with structlog.testing.capture_logs() as logs:
        yield logs


def story(world: World) -> str:
    return "\n".join([f"seed {world.seed}", *world.trace, *world.broken])


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_no_promise_is_broken_in_any_world(chunk: int) -> None:
    for seed in range(FIRST + chunk, FIRST + SEEDS, CHUNKS):
        world = World(seed)
        assert not world.run(), story(world)


def test_a_seed_plays_the_same_story_twice() -> None:
    for seed in range(20):
        first, second = World(seed), World(seed)
        first.run()
        second.run()
        assert first.trace == second.trace
        assert first.history == second.history


class ForgetsEpochs(MemoryStore):
    """The planted bug "settle without epoch check": whoever settles is believed."""

    async def commit(self, batch: Batch) -> Committed:
        epochs = await self.epochs()
        believed = [msgspec.structs.replace(s, epoch=epochs[s.shard]) for s in batch.settle]
        return await super().commit(msgspec.structs.replace(batch, settle=believed))


def acknowledge_early(engine: Engine) -> None:
    """The planted bug "acknowledge before commit"."""
    committer = engine.committer
    begin = committer._begin

    def hasty(taken: _Taken) -> _Begun | None:
        for entry in taken.entries:
            acceptance = entry.build()
            entry.done(Receipt(acceptance.event.id, len(acceptance.deliveries)))
        return begin(taken)

    committer._begin = hasty  # type: ignore[method-assign]


def never_rematch(engine: Engine) -> None:
    """The planted bug "stale matching": the accept transaction is told the version is current."""
    ledger = engine.committer._ledger

    class Trusting:
        async def commit(self, batch: Batch) -> Committed:
            return await ledger.commit(msgspec.structs.replace(batch, config_version=2**40))

    engine.committer._ledger = Trusting()  # type: ignore[assignment]


def send_before_the_verdict(engine: Engine) -> None:
    """The planted bug "verdict not waited for": what an event that asks holds back is sent."""
    offer = engine.lanes.offer
    start = engine.calls.start

    def hasty(room: Room, *, gone: bool = False) -> None:
        offer(room.event, room.held)
        start(room, gone=gone)

    engine.calls.start = hasty  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("store", "plant", "symptom"),
    [
        (ForgetsEpochs, None, "epoch"),
        (MemoryStore, acknowledge_early, "not in the ledger"),
        (MemoryStore, never_rematch, "matched"),
        (MemoryStore, send_before_the_verdict, "which was refused"),
    ],
    ids=[
        "settle without epoch check",
        "acknowledge before commit",
        "stale matching",
        "verdict not waited for",
    ],
)
def test_a_planted_bug_is_found(
    store: type[MemoryStore], plant: Callable[[Engine], None] | None, symptom: str
) -> None:
    for seed in range(PLANTED_SEEDS):
        broken = World(seed, store=store, plant=plant).run()
        if any(symptom in promise for promise in broken):
            return
    pytest.fail(f"not found in {PLANTED_SEEDS} worlds")
