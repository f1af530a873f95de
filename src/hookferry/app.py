"""The composition root: the one place where ports meet their implementations."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import stat
from collections.abc import Callable
from pathlib import Path
from typing import cast

import structlog
import uvloop

from hookferry import __version__
from hookferry.api.app import build_api
from hookferry.api.connections import WireLimits
from hookferry.api.server import HookferryServer
from hookferry.api.services import Services
from hookferry.api.wire import PageSizes
from hookferry.automate.actions.requests import MAX_ANSWER
from hookferry.automate.automating import Automating
from hookferry.automate.running import RunLimits
from hookferry.catch.catching import Catching
from hookferry.catch.definition import SourceLimits
from hookferry.catch.gate import GateLimits
from hookferry.catch.sources import Sources
from hookferry.clock import SystemClock
from hookferry.collector import spare_the_collector
from hookferry.domain.webhook import RateLimit
from hookferry.engine.credentials import Credentials
from hookferry.engine.definition import DefinitionLimits
from hookferry.engine.directory import Directory
from hookferry.engine.engine import Engine, EngineLimits
from hookferry.engine.keys import Keys, digest_of
from hookferry.engine.lanes import LaneLimits
from hookferry.engine.log_view import SentRequests
from hookferry.engine.pings import Pings
from hookferry.engine.sealing import (
    Sealer,
    new_master_key,
    open_secrets,
    open_source_secrets,
)
from hookferry.engine.tenants import Tenants
from hookferry.engine.webhooks import Webhooks
from hookferry.errors import BadSettings
from hookferry.settings import Settings
from hookferry.settings.model import MB
from hookferry.store.null import NullLedger
from hookferry.store.ports import Ring, Store
from hookferry.store.sqlite.child import Child
from hookferry.store.sqlite.store import SqliteStore
from hookferry.telemetry import Metrics
from hookferry.tracing import Tracing, tracing_of
from hookferry.transport.check import TargetChecker
from hookferry.transport.client import HttpTransport
from hookferry.transport.dns import Resolver
from hookferry.transport.guard import Guard
from hookferry.transport.limits import Limits
from hookferry.wire.client_address import Proxies

log = structlog.get_logger(__name__)

WRITER_LOST = 1
"""The exit code when the process that writes the ledger ended unasked."""
FIRST_KEY_NAME = "first administrator"
SETTINGS_KEY_NAME = "given by HOOKFERRY_API_KEY"


class App:
    """One server process.

    Args:
        settings: what it is told.
        child: the process that writes the ledger, if it has been started.

    Attributes:
        url: where it answers, once ``start`` has returned.
        new_api_key: the first API key, when this start made it.
    """

    def __init__(self, settings: Settings, child: Child | None = None) -> None:
        self.settings = settings
        self._child = child
        self.url = ""
        self.new_api_key: str | None = None
        self.metrics = Metrics()
        self._clock = SystemClock()
        self._draining = False
        self._tracing: Tracing | None = None

    async def serve(self, announce: Callable[[App], None]) -> None:
        """Start, call ``announce`` once connections are taken, serve until ``stop``, drain.

        Raises:
            StartupError: it can't start; the detail says what to do.
        """
        settings = self.settings
        self._tracing = tracing_of(os.environ, __version__)
        lost = self._writer_lost if settings.writer_process else None
        store = await SqliteStore.open(settings.data, writer_lost=lost, child=self._child)
        try:
            sealer = Sealer.from_setting(self._master_key())
            ledger = cast(Store, NullLedger(store)) if settings.null_engine else store
            await self._serve(ledger, sealer, announce)
        finally:
            await store.aclose()

    @staticmethod
    def _writer_lost() -> None:
        """End at once, as by a crash, which a restart recovers from: nothing can be stored any
        more, and each further attempt would be made once again after it."""
        log.critical("ledger_writer_lost", remedy="the process that writes the ledger was ended")
        os._exit(WRITER_LOST)

    @property
    def _origin(self) -> str:
        """The address under which receivers know this server."""
        settings = self.settings
        return settings.public_url or f"http://{settings.host}:{settings.port}"

    def _shown_origin(self) -> str:
        """Return the address that links and sources' addresses begin with."""
        return self.url or self._origin

    def stop(self) -> None:
        """Begin to shut down: take no new connections, let requests finish, drain the engine."""
        self._draining = True
        self._server.stop()

    async def _serve(self, store: Store, sealer: Sealer, announce: Callable[[App], None]) -> None:
        settings = self.settings
        clock = self._clock
        limits = Limits(
            connect=settings.connect_timeout,
            read=settings.response_read,
            keep=settings.response_kept,
        )
        guard = Guard(settings.allow_targets, allow_http=settings.allow_http)
        resolver = Resolver(
            clock.monotonic,
            nameservers=settings.nameservers or None,
            time_limit=settings.dns_timeout,
        )
        transport = HttpTransport(guard, resolver, clock, limits)
        # Scripts read whole answers, of which the log of deliveries keeps the beginning.
        calls = HttpTransport(
            guard,
            resolver,
            clock,
            Limits(connect=settings.connect_timeout, read=MAX_ANSWER + MB, keep=MAX_ANSWER),
        )
        automating: list[Automating] = []
        engine = await Engine.start(
            store=store,
            transport=transport,
            unseal=sealer.unseal,
            clock=clock,
            metrics=self.metrics,
            rng=random.Random(),  # noqa: S311 - jitter
            limits=self._engine_limits(),
            node=f"pid-{os.getpid()}",
            origin=self._origin,
            tracing=self._tracing,
            prepare=lambda engine: automating.append(
                Automating(engine, store, calls, self._run_limits())
            ),
        )
        try:
            directory = engine.directory
            check_master_key(directory, sealer, clock.wall_ms())
            keys = Keys(store, directory, engine.ids, clock)
            await self._first_key(keys, directory)
            check = TargetChecker(guard, resolver, clock, limits)
            pings = Pings(transport, engine.planner, engine.ids, clock, origin=self._origin)
            fields = SourceLimits(
                caught_limit=settings.caught_limit,
                retention_days=settings.retention_days,
                request_retention_days=settings.request_retention_days,
            )
            sources = Sources(
                store,
                directory,
                sealer,
                engine.ids,
                clock,
                self._shown_origin,
                limits=fields,
                rotation_overlap=settings.rotation_overlap_hours * 3600,
            )
            catching = Catching(
                engine,
                store=store,
                sources=sources,
                transport=transport,
                check=check,
                unseal=sealer.unseal,
                metrics=self.metrics,
                limits=GateLimits(
                    fields=fields,
                    unproven=Ring(True, settings.quarantine_requests, settings.quarantine_bytes),
                    unproven_rate=RateLimit(
                        per_second=settings.quarantine_rate,
                        burst=max(1, int(10 * settings.quarantine_rate)),
                    ),
                ),
                origin=self._shown_origin,
            )
            services = Services(
                store=store,
                clock=clock,
                ids=engine.ids,
                directory=directory,
                intake=engine.intake,
                actions=engine.actions,
                keys=keys,
                tenants=Tenants(store, directory, sealer, engine.ids, clock),
                webhooks=Webhooks(
                    store,
                    directory,
                    sealer,
                    engine.ids,
                    clock,
                    check,
                    pings,
                    engine.announcer.announce,
                    limits=DefinitionLimits(
                        attempt_timeout=settings.attempt_timeout_max,
                        headers=settings.header_limit,
                        header_bytes=settings.header_bytes,
                    ),
                    rotation_overlap=settings.rotation_overlap_hours * 3600,
                ),
                pings=pings,
                credentials=Credentials(store, directory, sealer, engine.ids, clock),
                sources=sources,
                catching=catching,
                simulator=automating[0].simulator,
                automations=automating[0].automations,
                timers=automating[0].timers,
                ticking=automating[0].ticking,
                plugins=automating[0].plugins,
                proxies=Proxies(settings.trusted_proxies),
                requests=SentRequests(store, directory, engine.planner),
                sealer=sealer,
                render_metrics=self.metrics.render,
                pages=PageSizes(usual=settings.page, most=settings.page_max),
                idempotency_s=settings.idempotency_hours * 3600,
                draining=lambda: self._draining,
            )
            self._gauges(engine)
            automating[0].ticking.start()
            await self._listen(services, announce)
        finally:
            await automating[0].ticking.stop()
            await engine.drain()
            await transport.aclose()
            await calls.aclose()
            await resolver.aclose()
            if self._tracing is not None:
                await self._tracing.aclose()

    async def _listen(self, services: Services, announce: Callable[[App], None]) -> None:
        settings = self.settings

        def started(host: str, port: int) -> None:
            shown = f"[{host}]" if ":" in host else host
            self.url = settings.public_url or f"http://{shown}:{port}"
            log.info("listening", url=self.url, pid=os.getpid())
            announce(self)

        # Half a second of pure construction; what is owed goes out meanwhile.
        app, routes = await asyncio.to_thread(build_api, services)
        spare_the_collector()
        self._server = HookferryServer(
            app,
            routes,
            host=settings.host,
            port=settings.port,
            limits=WireLimits(
                header_deadline=settings.head_timeout,
                body_deadline=settings.body_timeout,
                keep_alive=settings.idle_timeout,
                connections=settings.connections,
                body_bytes=settings.body_bytes,
            ),
            hot_asgi=settings.hot_asgi,
            on_started=started,
            on_stop=services.catching.close,
        )
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        try:
            await self._server.serve()
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def _engine_limits(self) -> EngineLimits:
        settings = self.settings
        return EngineLimits(
            lanes=LaneLimits(
                lane_memory=settings.lane_memory,
                lane_bytes=settings.lane_bytes,
                lane_in_flight=settings.lane_in_flight,
                in_flight=settings.in_flight,
            ),
            max_waiting=settings.intake_events,
            max_waiting_bytes=settings.intake_bytes,
            payload_limit=settings.payload_limit,
            max_deliveries=settings.deliveries_per_event,
            ledger_beside=settings.writer_process,
            event_id_s=settings.event_id_hours * 3600,
            idempotency_s=settings.idempotency_hours * 3600,
            retention_days=settings.retention_days,
            request_retention_days=settings.request_retention_days,
            drain_timeout=settings.drain_timeout,
            attempt_timeout=settings.attempt_timeout,
        )

    def _run_limits(self) -> RunLimits:
        settings = self.settings
        return RunLimits(
            seconds=settings.automation_timeout,
            max_seconds=settings.automation_timeout_max,
            steps=settings.automation_steps,
            memory=settings.automation_memory,
            shared_memory=settings.automations_memory,
        )

    def _gauges(self, engine: Engine) -> None:
        gauge = self.metrics.gauge
        gauge("hookferry_in_flight", lambda: engine.lanes.in_flight)
        gauge("hookferry_lanes", lambda: engine.lanes.count)
        gauge("hookferry_lane_deliveries", lambda: engine.lanes.held)
        gauge("hookferry_intake_queued", lambda: engine.intake.waiting)
        gauge("hookferry_webhooks", lambda: engine.directory.webhook_count)
        gauge("hookferry_draining", lambda: int(self._draining))

    # ------------------------------------------------------------------ keys

    def _master_key(self) -> str:
        """Return the master key: as given, else of the data folder, where it is made once."""
        settings = self.settings
        if settings.master_key:
            return settings.master_key
        path = settings.master_key_path
        if path.exists():
            if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise BadSettings(
                    f"{path} can be read by others; run: chmod 600 {path}", field="master_key"
                )
            return path.read_text().strip()
        key = new_master_key()
        write_private(path, key + "\n")
        return key

    async def _first_key(self, keys: Keys, directory: Directory) -> None:
        """See that there is an administrator's key (SEMANTICS section 12)."""
        given = self.settings.api_key
        if given:
            if directory.key_by_digest(digest_of(given)) is None:
                await keys.create(SETTINGS_KEY_NAME, token=given)
            return
        if any(key.tenant_id is None for key in keys.list()):
            return
        _, token = await keys.create(FIRST_KEY_NAME)
        write_private(self.settings.admin_key_path, token + "\n")
        self.new_api_key = token


def check_master_key(directory: Directory, sealer: Sealer, now_ms: int) -> None:
    """Raise UnsealFailed unless secrets open: one of each kind tells a wrong key from a right one.

    Args:
        directory: whose secrets they are.
        sealer: has the master keys that were given.
        now_ms: wall-clock Unix milliseconds.
    """
    for webhook in directory.all_webhooks():
        if open_secrets(sealer, webhook, now_ms):
            break
    for source in directory.all_sources():
        if open_source_secrets(sealer, source, now_ms):
            break


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read (mode 0600), durably."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(descriptor, 0o600)
        file.write(text)
        file.flush()
        os.fsync(descriptor)


def run(settings: Settings, announce: Callable[[App], None], child: Child | None) -> None:
    """Run a server until SIGTERM or SIGINT."""
    uvloop.run(App(settings, child).serve(announce))
