"""A whole server for tests: real sockets, real SQLite, the real engine; receivers are scripted."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from hookferry.api.app import build_api
from hookferry.api.catching import CatchRoute
from hookferry.api.connections import WireLimits
from hookferry.api.hotroute import AsgiApp, HotRoute, Receive, Scope, Send
from hookferry.api.server import HookferryServer
from hookferry.api.services import Services
from hookferry.automate.automating import Automating
from hookferry.automate.running import RunLimits
from hookferry.catch.catching import Catching
from hookferry.catch.gate import GateLimits
from hookferry.catch.sources import Sources
from hookferry.clock import SystemClock
from hookferry.domain.event import Event
from hookferry.domain.tenant import DEFAULT_TENANT
from hookferry.engine.credentials import Credentials
from hookferry.engine.engine import Engine, EngineLimits
from hookferry.engine.keys import Keys
from hookferry.engine.log_view import SentRequests
from hookferry.engine.pings import Pings
from hookferry.engine.sealing import Sealer, new_master_key
from hookferry.engine.tenants import Tenants, TenantSettings
from hookferry.engine.webhooks import Webhooks
from hookferry.errors import InvalidField, TargetRefused
from hookferry.store.ports import Batch, Committed, EventFilter
from hookferry.store.sqlite.store import SqliteStore
from hookferry.telemetry import Metrics
from hookferry.transport.port import Outcome, Request
from hookferry.wire.client_address import Proxies

ADMIN = "hf_test_administrator_key_0123456789"
TARGET = "https://receiver.example/hook"


EVENT = {"type": "contact.created", "data": {"id": 7}}


class OwnedClock:
    """A wall clock that tests set; the monotonic one is the machine's."""

    def __init__(self) -> None:
        self._system = SystemClock()
        self.ahead_ms = 0

    def wall_ms(self) -> int:
        return self._system.wall_ms() + self.ahead_ms

    def monotonic(self) -> float:
        return self._system.monotonic()


class ScriptedTransport:
    """Records requests and answers each with what ``outcome`` says."""

    def __init__(self) -> None:
        self.sent: list[Request] = []
        self.outcome: Callable[[Request], Outcome] = lambda _: Outcome(status=200)

    def send(self, request: Request, done: Callable[[Outcome], None]) -> None:
        self.sent.append(request)
        asyncio.get_running_loop().call_soon(done, self.outcome(request))

    async def aclose(self) -> None:
        return None


@dataclass
class TargetCheck:
    """Stands for the guard: refuses what a test says, and remembers what it was asked."""

    refused: dict[str, Exception] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)

    async def __call__(self, url: str, **way: Any) -> None:
        self.asked.append({"url": url, **way})
        if not url.startswith("https://"):
            raise InvalidField("target_url must be https", field="target_url")
        if url in self.refused:
            raise self.refused[url]
        if "10.0.0.1" in url:
            raise TargetRefused("private", field="target_url", verdict="deny_private")


async def until(holds: Callable[[], bool]) -> None:
    """Let the loop run until a condition holds."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.001)


@dataclass
class House:
    """A running server and what a test may want to look into."""

    client: httpx.AsyncClient
    port: int
    services: Services
    engine: Engine
    store: SqliteStore
    transport: ScriptedTransport
    targets: TargetCheck
    clock: OwnedClock
    server: HookferryServer
    held: list[asyncio.Event] = field(default_factory=list)
    """What a test holds back; released at the end, also when it fails."""

    async def events(self, tenant: str = DEFAULT_TENANT) -> list[Event]:
        """A tenant's events, newest first."""
        owner = self.services.directory.tenant(tenant)
        return await self.store.events(EventFilter(tenant_id=owner.id), limit=1000)

    async def webhook(self, name: str = "crm", **fields: Any) -> dict[str, Any]:
        """Create a webhook over HTTP."""
        body = {"name": name, "target_url": TARGET, "events": ["*"], **fields}
        answer = await self.client.post("/api/v1/webhooks", json=body)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def publish(self, **fields: Any) -> dict[str, Any]:
        """Publish an event over HTTP."""
        answer = await self.client.post("/api/v1/events", json=EVENT | fields)
        assert answer.status_code == 202, answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def key_for(self, tenant: str) -> dict[str, str]:
        """Create a tenant and a key bound to it; return the key's headers."""
        assert (await self.client.put(f"/api/v1/tenants/{tenant}", json={})).status_code == 200
        made = await self.client.post("/api/v1/keys", json={"name": "bound", "tenant": tenant})
        return {"Authorization": f"Bearer {made.json()['key']}"}

    def hold_commits(self) -> asyncio.Event:
        """Let nothing be committed until the event returned is set."""
        released = asyncio.Event()
        self.held.append(released)
        commit = self.store.commit

        async def held(batch: Batch) -> Committed:
            await released.wait()
            return await commit(batch)

        self.store.commit = held  # type: ignore[method-assign]
        return released

    def let_pass(self, seconds: float) -> None:
        """Tell the server's connections that this much time has passed."""
        now = asyncio.get_running_loop().time()
        self.server.watch.sweep(now + seconds, self.server.server_state.connections)

    async def reading(self, phase: str) -> None:
        """Wait until some connection of the server waits for this part of a request."""
        await until(
            lambda: any(c.reading.name == phase for c in self.server.server_state.connections)
        )

    async def raw(self, *chunks: bytes) -> bytes:
        """Send bytes over a fresh connection; return all that comes until it closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            for chunk in chunks:
                writer.write(chunk)
                await writer.drain()
            return await asyncio.wait_for(reader.read(), 10)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    def head(self, body_length: int | None = None, *more: str, method: str = "POST") -> bytes:
        """Return the head of a publish request."""
        lines = [
            f"{method} /api/v1/events HTTP/1.1",
            "Host: hookferry.test",
            f"Authorization: Bearer {ADMIN}",
            *more,
        ]
        if body_length is not None:
            lines.append(f"Content-Length: {body_length}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def nothing_there(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer 404 to everything: an application without doors."""
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@contextlib.asynccontextmanager
async def running_house(
    folder: Path,
    *,
    hot_asgi: bool = False,
    limits: WireLimits | None = None,
    engine_limits: EngineLimits | None = None,
    doors: bool = True,
    gate_limits: GateLimits | None = None,
) -> AsyncIterator[House]:
    """Run a server on a free port for as long as the context lasts.

    Without doors it only catches, and starts in a tenth of the time.
    """
    clock = OwnedClock()
    sealer = Sealer.from_setting(new_master_key())
    transport = ScriptedTransport()
    store = await SqliteStore.open(folder)
    metrics = Metrics()
    automating: list[Automating] = []
    engine = await Engine.start(
        store=store,
        transport=transport,
        unseal=sealer.unseal,
        clock=clock,
        metrics=metrics,
        rng=random.Random(1),
        limits=engine_limits or EngineLimits(),
        node="test",
        prepare=lambda engine: automating.append(Automating(engine, store, transport, RunLimits())),
    )
    directory, ids = engine.directory, engine.ids
    targets = TargetCheck()
    pings = Pings(transport, engine.planner, ids, clock)
    sources = Sources(store, directory, sealer, ids, clock, lambda: "https://hooks.example")
    catching = Catching(
        engine,
        store=store,
        sources=sources,
        transport=transport,
        check=targets,
        unseal=sealer.unseal,
        metrics=metrics,
        limits=gate_limits or GateLimits(),
        origin=lambda: "https://hooks.example",
    )
    services = Services(
        store=store,
        clock=clock,
        ids=ids,
        directory=directory,
        intake=engine.intake,
        actions=engine.actions,
        keys=Keys(store, directory, ids, clock),
        tenants=Tenants(store, directory, sealer, ids, clock),
        webhooks=Webhooks(
            store, directory, sealer, ids, clock, targets, pings, engine.announcer.announce
        ),
        pings=pings,
        credentials=Credentials(store, directory, sealer, ids, clock),
        sources=sources,
        catching=catching,
        simulator=automating[0].simulator,
        automations=automating[0].automations,
        timers=automating[0].timers,
        ticking=automating[0].ticking,
        plugins=automating[0].plugins,
        proxies=Proxies(),
        requests=SentRequests(store, directory, engine.planner),
        sealer=sealer,
        render_metrics=metrics.render,
    )
    await services.tenants.put(DEFAULT_TENANT, TenantSettings())
    await services.keys.create("admin", token=ADMIN)
    app: AsgiApp = nothing_there
    routes: Sequence[HotRoute] = [
        CatchRoute(catching.reception, catching.pipeline, services.proxies, clock)
    ]
    if doors:
        app, routes = build_api(services)
    started = asyncio.Event()
    server = HookferryServer(
        app,
        routes,
        port=0,
        limits=limits,
        hot_asgi=hot_asgi,
        on_started=lambda host, port: started.set(),
        on_stop=catching.close,
        drain_seconds=5,
    )
    serving = asyncio.create_task(server.serve())
    waiting = asyncio.create_task(started.wait())
    await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if serving.done():
        serving.result()
    try:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{server.port}",
            headers={"Authorization": f"Bearer {ADMIN}"},
            timeout=30,  # a machine that does much else
            trust_env=False,
        ) as client:
            house = House(
                client, server.port, services, engine, store, transport, targets, clock, server
            )
            try:
                yield house
            finally:
                for released in house.held:
                    released.set()
    finally:
        server.stop()
        await serving
        await engine.drain()
        await store.aclose()
