"""Catching assembled: reception, pipeline, the callers who wait, and what it calls out for."""

from __future__ import annotations

from collections.abc import Callable

from hookferry.catch.gate import GateLimits
from hookferry.catch.outgoing import Outgoing
from hookferry.catch.pipeline import Pipeline
from hookferry.catch.reception import Reception
from hookferry.catch.sources import Sources
from hookferry.catch.waiting import Listeners, Waiting
from hookferry.engine.engine import Engine
from hookferry.engine.planner import Unseal
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
        unseal: opens sources' secrets.
        limits: bounds of every source.
        origin: tells the address under which this server is known, without a trailing slash.

    Attributes:
        reception: finds the gate of an address.
        pipeline: takes requests.
        listeners: programs that answer for sources.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        store: Store,
        sources: Sources,
        transport: Transport,
        unseal: Unseal,
        metrics: Metrics,
        limits: GateLimits,
        origin: Callable[[], str],
    ) -> None:
        self._watchers: list[Callable[[int], None]] = []
        self.listeners = Listeners()
        self.reception = Reception(engine.directory, unseal, engine.clock, limits)
        outgoing = Outgoing(transport, engine.directory, sources, engine.clock)
        self.pipeline = Pipeline(
            directory=engine.directory,
            intake=engine.intake,
            waiting=Waiting(store, engine.actions, self.listeners),
            keys=outgoing,
            confirming=outgoing,
            adopting=outgoing,
            caught=self._caught,
            clock=engine.clock,
            ids=engine.ids,
            metrics=metrics,
            origin=origin,
        )

    def on_caught(self, watcher: Callable[[int], None]) -> None:
        """Call ``watcher`` with the source of every request that is durable."""
        self._watchers.append(watcher)

    def _caught(self, source_id: int) -> None:
        for watcher in self._watchers:
            watcher(source_id)
