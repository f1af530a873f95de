"""Catching assembled: reception, pipeline, the callers who wait, what it calls out for, and the
inspector of what was caught."""

from __future__ import annotations

from collections.abc import Callable

from hookferry.catch.again import Again
from hookferry.catch.gate import GateLimits
from hookferry.catch.inspection import Inspector
from hookferry.catch.outgoing import Outgoing
from hookferry.catch.pipeline import Pipeline
from hookferry.catch.reception import Reception
from hookferry.catch.records import Records
from hookferry.catch.replays import Replays
from hookferry.catch.sources import Sources
from hookferry.catch.stream import Streams
from hookferry.catch.waiting import Listeners, Waiting
from hookferry.engine.engine import Engine
from hookferry.engine.planner import Unseal
from hookferry.engine.webhooks import TargetCheck
from hookferry.store.ports import Store
from hookferry.telemetry import Metrics
from hookferry.transport.port import Transport


class Catching:
    """The receiving half of one server.

    Args:
        engine: takes what is caught.
        store: requests and attempts.
        sources: the rules for sources.
        transport: calls out.
        check: asks the guard about an address before it is called for somebody.
        unseal: opens sources' secrets.
        limits: bounds of every source.
        origin: tells the address under which this server is known, without a trailing slash.

    Attributes:
        reception: finds the gate of an address.
        outgoing: what it calls out for.
        pipeline: takes requests.
        listeners: programs that answer for sources.
        inspector: finds requests.
        streams: whoever watches sources live.
        replays: takes and sends requests again.
        origin: as given.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        store: Store,
        sources: Sources,
        transport: Transport,
        check: TargetCheck,
        unseal: Unseal,
        metrics: Metrics,
        limits: GateLimits,
        origin: Callable[[], str],
    ) -> None:
        self._watchers: list[Callable[[int], None]] = []
        self.listeners = Listeners()
        self.reception = Reception(engine.directory, unseal, engine.clock, limits)
        self.outgoing = Outgoing(transport, engine.directory, sources, engine.clock)
        self.pipeline = Pipeline(
            directory=engine.directory,
            intake=engine.intake,
            records=Records(
                engine.keeping, self._caught, clock=engine.clock, ids=engine.ids, metrics=metrics
            ),
            waiting=Waiting(
                store,
                engine.committer,
                engine.actions,
                self.listeners,
                engine.directory.owned,
            ),
            keys=self.outgoing,
            confirming=self.outgoing,
            adopting=self.outgoing,
            clock=engine.clock,
            ids=engine.ids,
            origin=origin,
        )
        self.inspector = Inspector(store)
        self.streams = Streams(store)
        self.on_caught(self.streams.caught)
        engine.directory.on_source(self.streams.changed)
        again = Again(self.reception, self.pipeline, self.outgoing, engine.keeping, engine.clock)
        self.replays = Replays(engine.directory, again, transport, check)
        self.origin = origin

    def close(self) -> None:
        """End what would not end by itself, for a server that stops: the live streams."""
        self.streams.close()

    def on_caught(self, watcher: Callable[[int], None]) -> None:
        """Call ``watcher`` with the source of every request that is durable."""
        self._watchers.append(watcher)

    def _caught(self, source_id: int) -> None:
        for watcher in self._watchers:
            watcher(source_id)
