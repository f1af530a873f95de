"""An engine on simulated time for tests: a ledger in memory, receivers that answer by script.

Nothing here sleeps for real: ``rig.passes(3600)`` lets an hour go by at once. What a crash leaves
behind is the disk; ``rig.crash()`` and ``rig.boot()`` start another engine on it.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from doubles.transport import Behaviour, ScriptedTransport, always
from hookferry import ids
from hookferry.domain.delivery import Attempt, Delivery, DeliveryState
from hookferry.domain.tenant import Tenant
from hookferry.domain.webhook import Health, Retry, SealedSecret, Webhook, WebhookState
from hookferry.engine.engine import Engine, EngineLimits
from hookferry.engine.intake import Answer, Receipt
from hookferry.engine.lane import Lane
from hookferry.engine.lanes import LaneLimits
from hookferry.engine.publication import Publication
from hookferry.errors import HookferryError
from hookferry.store.ports import Batch, Committed, DeliveryFilter, EventFilter
from hookferry.telemetry import Metrics
from hookferry.tracing import Tracing
from hookferry.transport.port import Outcome, Request
from sim.disk import Disk
from sim.loop import SimClock, SimLoop
from sim.memory_store import MemoryStore

TENANT = 1
SECRET = b"whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
HANGS = always(delay=1e9)
EXACT = Retry((1.0, 4.0, 20.0), 0.0)
ONCE = Retry((), 0.0)


@dataclass(frozen=True)
class Sent:
    """One request as it left."""

    at: float
    head: bytes
    body: bytes

    def header(self, name: str) -> str:
        for line in self.head.decode().split("\r\n"):
            key, _, value = line.partition(":")
            if key.lower() == name:
                return value.strip()
        raise AssertionError(f"no header {name!r} in {self.head!r}")

    @property
    def event(self) -> int:
        return ids.decode("evt", self.header("webhook-id"))


def answers(*statuses: int, head: bytes = b"", then: int | None = None) -> Behaviour:
    """Answer the statuses in turn, then the last of them or ``then`` for ever."""
    left = list(statuses)

    def behave(_: Request) -> tuple[float, Outcome]:
        if len(left) > 1 or (left and then is not None):
            status = left.pop(0)
        else:
            status = left[0] if then is None else then
        return 0.0, Outcome(status=status, head=b"HTTP/1.1 %d X\r\n%b\r\n" % (status, head))

    return behave


def unseal(sealed: bytes, *, row: int, field: str) -> bytes:
    return sealed


class Ledger(MemoryStore):
    """A memory store whose commits can be made to fail, and are kept for inspection."""

    def __init__(self, disk: Disk) -> None:
        super().__init__(disk)
        self.refuse: Callable[[Batch], Exception | None] = lambda _: None
        self.held: asyncio.Event | None = None
        """Commits wait for it."""
        self.answered: asyncio.Event | None = None
        """What was committed is told only once this is set."""
        self.tried: list[Batch] = []

    def commit(self, batch: Batch) -> Awaitable[Committed]:
        self.tried.append(batch)  # when it is asked, as by a ledger beside the event loop
        return self._commit(batch)

    async def _commit(self, batch: Batch) -> Committed:
        if self.held is not None:
            await self.held.wait()
        error = self.refuse(batch)
        if error is not None:
            raise error
        result = await super().commit(batch)
        if self.answered is not None:
            await self.answered.wait()
        return result


class _Line:
    """The transport of one engine; what it has in the air at a crash ends unheard."""

    def __init__(self, inner: ScriptedTransport) -> None:
        self.inner = inner
        self.cut = False

    def send(self, request: Request, done: Callable[[Outcome], None]) -> None:
        if not self.cut:
            self.inner.send(request, lambda outcome: None if self.cut else done(outcome))

    async def aclose(self) -> None:
        await self.inner.aclose()


class Rig:
    """An engine and everything around it.

    Attributes:
        receivers: what each webhook's receiver does, by the webhook's name; 200 when not named.
        sent: what left for each, by the webhook's name.
    """

    def __init__(self) -> None:
        self.loop = cast(SimLoop, asyncio.get_running_loop())
        self.clock = SimClock(self.loop)
        self.disk = Disk()
        self.receivers: dict[str, Behaviour] = {}
        self.sent: dict[str, list[Sent]] = {}
        self.opens = unseal
        self.tracing: Tracing | None = None
        self.store: Ledger
        self.engine: Engine
        self.metrics: Metrics
        self._line: _Line

    # ------------------------------------------------------------------ life

    async def boot(self, limits: EngineLimits | None = None, **lanes: Any) -> Engine:
        """Start an engine; keyword arguments are ``LaneLimits``."""
        self.store = Ledger(self.disk)
        self.metrics = Metrics()
        self._line = _Line(ScriptedTransport(self._behave))
        self.engine = await Engine.start(
            store=self.store,
            transport=self._line,
            unseal=lambda sealed, *, row, field: self.opens(sealed, row=row, field=field),
            clock=self.clock,
            metrics=self.metrics,
            rng=random.Random(4),
            limits=limits or EngineLimits(lanes=LaneLimits(**lanes)),
            node="test",
            tracing=self.tracing,
        )
        return self.engine

    def crash(self) -> None:
        """Kill the engine: nothing of it runs on, nothing it has in the air is heard of."""
        self._line.cut = True
        self.store.crash()
        for task in asyncio.all_tasks():
            if task is not asyncio.current_task():
                task.cancel()

    def _behave(self, request: Request) -> tuple[float, Outcome]:
        name = request.target.host.removesuffix(".example")
        self.sent.setdefault(name, []).append(Sent(self.loop.time(), request.head, request.body))
        return self.receivers.get(name, always())(request)

    async def passes(self, seconds: float) -> None:
        """Let time go by."""
        await asyncio.sleep(seconds)

    async def quiet(self, within: float = 400_000.0) -> None:
        """Let time go by until nothing is owed and all is durable."""
        end = self.loop.time() + within
        pause = 0.01
        while await self.store.owing():
            assert self.loop.time() < end, f"still owed: {await self.store.owing()}"
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 600.0)
        await self.engine.committer.flush()

    async def until(self, holds: Callable[[], bool], within: float = 400_000.0) -> None:
        """Let time go by, a little at a time, until a condition holds."""
        end = self.loop.time() + within
        while not holds():
            assert self.loop.time() < end, "it never came to that"
            await asyncio.sleep(0.01)

    # ------------------------------------------------------------------ doing

    @property
    def tenant(self) -> Tenant:
        return self.engine.directory.tenant_by_id(TENANT)

    async def webhook(self, name: str = "crm", **fields: Any) -> Webhook:
        """Subscribe a receiver to everything."""
        made = Webhook(
            id=self.engine.ids.next(),
            tenant_id=TENANT,
            number=0,
            name=name,
            target_url=f"https://{name}.example/in",
            events=fields.pop("events", ("*",)),
            secrets=(SealedSecret(SECRET),),
            **fields,
        )
        saved = await self.store.save(made)
        await self.engine.directory.refresh()
        return saved

    async def change(self, webhook: Webhook, **fields: Any) -> Webhook:
        """Save a change of a webhook as it is in the ledger, and have the engine see it."""
        stored = self.stored(webhook)
        changed = await self.store.save(
            msgspec.structs.replace(stored, version=stored.version + 1, **fields)
        )
        await self.engine.directory.refresh()
        return changed

    async def change_tenant(self, **fields: Any) -> Tenant:
        tenant = msgspec.structs.replace(self.tenant, version=self.tenant.version + 1, **fields)
        await self.store.save(tenant)
        await self.engine.directory.refresh()
        return tenant

    async def publish(
        self, type: str = "contact.created", *, key: str | None = None, **fields: Any
    ) -> Receipt:
        """Publish one event; raise its error."""
        publication = Publication(type=type, data=fields.pop("data", msgspec.Raw(b"{}")), **fields)
        return await self.engine.intake.publish_one(self.tenant, publication, key)

    async def publish_many(self, count: int, type: str = "contact.created") -> list[int]:
        """Publish a number of events as batches; return their ids in order."""
        made: list[int] = []
        while len(made) < count:
            size = min(1000, count - len(made))
            batch = [Publication(type=type, data=msgspec.Raw(b"{}")) for _ in range(size)]
            told = await self.engine.intake.publish_many(lambda _: self.tenant, batch)
            made.extend(receipt_of(answer).event_id for answer in told)
        return made

    # ------------------------------------------------------------------ looking

    def stored(self, webhook: Webhook) -> Webhook:
        """The webhook as the ledger has it."""
        found: Webhook = self.disk.records[Webhook][webhook.id]
        return found

    def state(self, webhook: Webhook) -> WebhookState:
        return self.stored(webhook).state

    def health(self, webhook: Webhook) -> Health:
        return self.disk.health[webhook.id]

    def lane(self, webhook: Webhook) -> Lane:
        return self.engine.lanes._lanes[webhook.id]

    def times(self, name: str = "crm") -> list[float]:
        """When each request left, in seconds."""
        return [sent.at for sent in self.sent.get(name, [])]

    def waits(self, name: str = "crm") -> list[float]:
        """The seconds between one request and the next."""
        times = self.times(name)
        return [later - sooner for sooner, later in itertools.pairwise(times)]

    def events_at(self, name: str = "crm") -> list[int]:
        """The events of the requests, in the order they left."""
        return [sent.event for sent in self.sent.get(name, [])]

    async def deliveries(self, **where: Any) -> list[Delivery]:
        """Deliveries of the ledger, oldest first."""
        reader = MemoryStore(self.disk)
        found = await reader.deliveries(DeliveryFilter(tenant_id=TENANT, **where), limit=100_000)
        return found[::-1]

    async def delivery(self, **where: Any) -> Delivery:
        """The only delivery there is."""
        [only] = await self.deliveries(**where)
        return only

    async def states(self, **where: Any) -> list[str]:
        """The states of deliveries, oldest first."""
        return [d.state.name.lower() for d in await self.deliveries(**where)]

    async def attempts(self, delivery: Delivery) -> list[Attempt]:
        return await MemoryStore(self.disk).attempts(TENANT, delivery.id)

    async def event_states(self) -> list[str]:
        found = await MemoryStore(self.disk).events(EventFilter(tenant_id=TENANT), limit=100_000)
        return [event.state.name.lower() for event in found[::-1]]


def receipt_of(answer: Answer) -> Receipt:
    assert isinstance(answer, Receipt), answer
    return answer


def codes(told: Iterable[Answer]) -> list[str]:
    """The code of each error, ``ok`` for what was accepted."""
    return [a.code if isinstance(a, HookferryError) else "ok" for a in told]


def all_in(states: list[str], wanted: DeliveryState) -> bool:
    return set(states) == {wanted.name.lower()}
