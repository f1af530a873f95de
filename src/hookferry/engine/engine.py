"""The engine assembled: directory, committer, intake, lanes, actions, janitor; start and drain."""

from __future__ import annotations

import random
from collections.abc import Callable

import msgspec
import structlog

from hookferry.clock import Clock, Timeline
from hookferry.domain.event import Event
from hookferry.domain.source import Source
from hookferry.domain.webhook import Webhook, WebhookState
from hookferry.engine.actions import Actions
from hookferry.engine.announcements import ERRORS, Announcer
from hookferry.engine.committer import Committer
from hookferry.engine.directory import Directory
from hookferry.engine.dispatchers import Dispatchers, HttpDispatcher
from hookferry.engine.intake import EVENT_ID_SECONDS, IDEMPOTENCY_KEY_SECONDS, Intake
from hookferry.engine.janitor import Janitor
from hookferry.engine.keeping import Keeping
from hookferry.engine.lanes import LaneLimits, Lanes
from hookferry.engine.planner import Planner, Unseal
from hookferry.engine.synchronous import Calls
from hookferry.ids import IdSource
from hookferry.store.ports import Store
from hookferry.telemetry import Metrics
from hookferry.tracing import Tracing
from hookferry.transport.port import Transport

log = structlog.get_logger(__name__)


class EngineLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of the engine (SEMANTICS section 11)."""

    lanes: LaneLimits = LaneLimits()
    max_waiting: int = 10_000
    max_waiting_bytes: int = 64 * 1024 * 1024
    payload_limit: int = 1024 * 1024
    max_deliveries: int = 10_000
    event_id_s: float = EVENT_ID_SECONDS
    idempotency_s: float = IDEMPOTENCY_KEY_SECONDS
    retention_days: float = 30
    request_retention_days: float = 7
    ledger_beside: bool = False
    """The ledger works beside the event loop; see ``Committer``."""
    calls: int = 1_000
    """Synchronous calls that publishers wait for, in all."""
    drain_timeout: float = 30.0
    attempt_timeout: float = 15.0
    """Seconds of an attempt where a webhook does not say."""


class Engine:
    """One running engine. Made by ``Engine.start``.

    Attributes:
        directory: the configuration in memory.
        planner: how webhooks are sent.
        dispatchers: who sends them.
        intake: takes publications.
        keeping: keeps caught requests that become no event.
        lanes: sends what is owed.
        actions: what people do to deliveries.
        announcer: publishes changes of webhooks' states.
    """

    def __init__(
        self,
        *,
        store: Store,
        transport: Transport,
        unseal: Unseal,
        clock: Clock,
        timeline: Timeline,
        ids: IdSource,
        metrics: Metrics,
        rng: random.Random,
        limits: EngineLimits,
        origin: str,
        tracing: Tracing | None,
    ) -> None:
        self._store = store
        self._limits = limits
        self.clock = clock
        self.timeline = timeline
        self.ids = ids
        self.directory = Directory(store)
        self.planner = Planner(
            self.directory, unseal, default_timeout=limits.attempt_timeout, origin=origin
        )
        self.committer = Committer(
            store,
            lambda: self.directory.version,
            self.directory.refresh,
            timeline.now_ms,
            metrics,
            beside=limits.ledger_beside,
        )
        self.dispatchers = Dispatchers(HttpDispatcher(transport, clock))
        self.lanes = Lanes(
            ledger=store,
            dispatcher=self.dispatchers,
            committer=self.committer,
            directory=self.directory,
            planner=self.planner,
            clock=clock,
            timeline=timeline,
            ids=ids,
            metrics=metrics,
            rng=rng,
            limits=limits.lanes,
            announce=self._disabled,
            tracing=tracing,
        )
        self.calls = Calls(
            directory=self.directory,
            lanes=self.lanes,
            hand=self.lanes,
            dispatcher=self.dispatchers,
            committer=self.committer,
            store=store,
            clock=clock,
            timeline=timeline,
            ids=ids,
            metrics=metrics,
            limit=limits.calls,
            tracing=tracing,
        )
        self.intake = Intake(
            self.directory,
            self.committer,
            self.lanes,
            self.calls,
            clock=clock,
            timeline=timeline,
            ids=ids,
            metrics=metrics,
            max_waiting=limits.max_waiting,
            max_waiting_bytes=limits.max_waiting_bytes,
            payload_limit=limits.payload_limit,
            max_deliveries=limits.max_deliveries,
            event_id_s=limits.event_id_s,
            idempotency_s=limits.idempotency_s,
            tracing=tracing,
        )
        self.keeping = Keeping(self.intake, self.committer)
        self.announcer = Announcer(self.directory, self.intake)
        self.actions = Actions(
            store, self.directory, self.lanes, clock=clock, timeline=timeline, ids=ids
        )
        self.janitor = Janitor(
            store,
            clock=clock,
            timeline=timeline,
            metrics=metrics,
            retention_days=limits.retention_days,
            request_retention_days=limits.request_retention_days,
            sources=self.directory.all_sources,
            expire=self._expire,
        )

    async def _expire(self, source: Source) -> None:
        await self._store.save(
            msgspec.structs.replace(
                source.ended(), version=source.version + 1, updated_at_ms=self.clock.wall_ms()
            )
        )
        await self.directory.refresh()

    def _disabled(self, webhook: Webhook, *, error: str | None, event: Event) -> None:
        self.announcer.announce(
            webhook,
            ERRORS,
            state=WebhookState.TOO_MANY_ERRORS.label,
            error=error,
            event_id=event.id,
            hops=event.meta.hops,
        )

    @classmethod
    async def start(
        cls,
        *,
        store: Store,
        transport: Transport,
        unseal: Unseal,
        clock: Clock,
        metrics: Metrics,
        rng: random.Random,
        limits: EngineLimits,
        node: str,
        number: int = 0,
        origin: str = "",
        tracing: Tracing | None = None,
        prepare: Callable[[Engine], None] = lambda engine: None,
    ) -> Engine:
        """Take the ledger over from whoever ran before, and go on with what is owed.

        Args:
            store: the ledger; stays the caller's to close, after ``drain``.
            transport: what sends; the caller's to close too.
            unseal: opens the webhooks' secrets.
            node: names this process among the owners of shards.
            number: of this node, 0 to 1023: no two that live at once make the same id.
            origin: the address under which this hookferry is known, for receivers to see.
            tracing: makes spans; None where traces are not exported.
            prepare: called once the configuration is read and before anything is sent: adds
                dispatchers.
        """
        boot = await store.boot()
        engine = cls(
            store=store,
            transport=transport,
            unseal=unseal,
            clock=clock,
            timeline=Timeline(clock, boot.time_ms),
            ids=IdSource(clock, node=number, above=boot.greatest_id),
            metrics=metrics,
            rng=rng,
            limits=limits,
            origin=origin,
            tracing=tracing,
        )
        # Epochs first: from here on a predecessor that still lives can settle nothing.
        engine.lanes.own(await store.claim_shards(node))
        await engine.directory.refresh()
        prepare(engine)
        engine.committer.start(engine.lanes)
        await store.abandon_calls(clock.wall_ms())
        engine.lanes.recover(await store.owing())
        await engine.actions.resume()
        engine.janitor.start()
        return engine

    async def drain(self) -> None:
        """Stop in order: take nothing more, let what is in flight finish, make it durable."""
        self.intake.drain()
        await self.actions.stop()
        await self.janitor.stop()
        # Held deliveries may come free meanwhile: calls end before the lanes do.
        await self.calls.stop(self._limits.drain_timeout)
        left = await self.lanes.stop(self._limits.drain_timeout)
        await self.committer.stop()
        await self._store.remember_time(self.timeline.now_ms())
        log.info("drained", in_flight_left=left)
