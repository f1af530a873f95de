"""One simulated world: an engine on a ledger that crashes and tears, receivers with bad habits,
publishers, an administrator, a wall clock that jumps. Everything follows from the seed.

``World(seed).run()`` plays it, heals everything, waits until nothing is owed, and returns the
promises that were broken (none, one hopes), found by observers that share no code with the engine:
they watch what the ledger made durable and what the receivers saw.
"""

from __future__ import annotations

import asyncio
import contextvars
import random
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from hookferry import ids as idtext
from hookferry.domain.delivery import OWING, Delivery, DeliveryState
from hookferry.domain.event import EventState
from hookferry.domain.webhook import Mode, RateLimit, Retry, SealedSecret, Webhook, WebhookState
from hookferry.engine.engine import Engine, EngineLimits
from hookferry.engine.intake import Receipt
from hookferry.engine.lanes import LaneLimits
from hookferry.engine.publication import Publication
from hookferry.engine.synchronous import Verdict
from hookferry.errors import HookferryError, StorageFull, SynchronousWebhookFailed
from hookferry.match.patterns import matches
from hookferry.store.ports import Batch, Committed, DeliveryFilter
from hookferry.telemetry import Metrics
from sim.loop import SimClock, SimLoop, run
from sim.memory_store import Disk, MemoryStore
from sim.network import Receipt as Seen
from sim.network import Receiver, SimTransport

TENANT = 1
SECRET = b"whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
HABITS = ["good", "flaky", "slow", "hangs", "busy", "dies", "loses_answers"]
TYPES = ["contact.created", "contact.update", "ticket.created", "ticket.note.added"]
"""The second asks: synchronous webhooks can refuse it."""
ASKS = "contact.update"
MODES = [Mode.ASYNC] * 4 + [Mode.SYNC, Mode.SYNC_CRITICAL]
REFUSALS = ("vetoed", "synchronous_webhook_failed", "caller_gone")
"""Why a delivery that waited for a verdict is cancelled."""
PATTERNS = [("*",), ("contact.*",), ("ticket.created",), ("ticket.*",), ("*.created",)]
QUIET_LIMIT_S = 3 * 86_400.0
"""Simulated time the healed world may take until nothing is owed: the longest wait of the default
schedule is a day."""

_incarnation: contextvars.ContextVar[int] = contextvars.ContextVar("incarnation", default=-1)


def unseal(sealed: bytes, *, row: int, field: str) -> bytes:
    return sealed


@dataclass
class Life:
    """One incarnation of the engine."""

    number: int
    store: SlowStore
    transport: SimTransport
    engine: Engine | None = None
    tasks: list[asyncio.Task[Any]] = field(default_factory=list)


@dataclass
class Trouble:
    """What this seed has in store."""

    crashes: int
    stalls: int
    full: bool
    jumps: int
    admin: int
    actions: int
    events: int


class SlowStore:
    """A memory store as one incarnation sees it: operations take time, in the order asked.

    A dead incarnation's operations never end; what was applied before stays applied, told or not:
    that is a torn commit.
    """

    def __init__(self, world: World, inner: MemoryStore) -> None:
        self._world = world
        self._inner = inner
        self._turn = asyncio.Lock()
        self.dead = False

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._inner, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            async with self._turn:
                await self._pause()
                if self._world.full and name == "commit":
                    raise StorageFull("the simulated disk is full")
                result = await method(*args, **kwargs)
                if name == "commit":
                    await self._world.watch(self._inner, args[0], result)
                await self._pause()
                return result

        if name == "commit" and self._world.beside:
            return lambda batch: asyncio.create_task(call(batch))
        return call

    async def _pause(self) -> None:
        rng = self._world.rng
        await asyncio.sleep(rng.choice([0.0, 0.0005, 0.002, rng.uniform(0.0, 0.05)]))
        if self.dead:
            await asyncio.Event().wait()


class World:
    """A world made from a seed.

    Args:
        seed: decides everything.
        store: the store class, or one with a planted bug.
        plant: breaks a freshly started engine, for tests of the simulation itself.
    """

    def __init__(
        self,
        seed: int,
        *,
        store: type[MemoryStore] = MemoryStore,
        plant: Callable[[Engine], None] | None = None,
    ) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.full = False
        self.beside = seed % 2 == 1
        """The ledger works beside the event loop: a commit begins when it is asked for."""
        self.broken: list[str] = []
        self.trace: list[str] = []
        self._store_class = store
        self._plant = plant
        self._loop = SimLoop()
        self._clock = SimClock(self._loop)
        self._disk = Disk()
        self._receivers: dict[str, Receiver] = {}
        self._hosts: dict[int, str] = {}
        self._lives: list[Life] = []
        self._acked: dict[int, str] = {}
        self._by_own_id: dict[str, set[int]] = defaultdict(set)
        self._expected: dict[int, set[int]] = {}
        self._touched: set[int] = set()
        self._types: dict[int, str] = {}
        self._verdicts: dict[int, bool] = {}
        """What publishers were told of events with synchronous webhooks: True if none refused."""
        rng = self.rng
        self._trouble = Trouble(
            crashes=rng.choice([0, 0, 1, 2, 4]),
            stalls=rng.choice([0, 0, 0, 1, 2]),
            full=rng.random() < 0.25,
            jumps=rng.choice([0, 0, 1, 2]),
            admin=rng.choice([0, 2, 6]),
            actions=rng.choice([0, 0, 4]),
            events=rng.randint(20, 90),
        )

    def run(self) -> list[str]:
        """Play the world; return the promises broken."""
        self._loop.set_task_factory(self._make_task)
        run(self._main(), self._loop)
        return self.broken

    def _make_task(self, loop: Any, coro: Any, **kwargs: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=loop, **kwargs)
        number = _incarnation.get()
        if number >= 0:
            self._lives[number].tasks.append(task)
        return task

    @property
    def history(self) -> dict[str, list[Seen]]:
        """What every receiver saw, by name."""
        return {name: receiver.receipts for name, receiver in self._receivers.items()}

    def say(self, what: str) -> None:
        """Add a line to the trace that a failing seed prints."""
        self.trace.append(f"{self._loop.time():10.4f} {what}")

    # ------------------------------------------------------------------ the play

    async def _main(self) -> None:
        await self._boot()
        for _ in range(self.rng.randint(1, 5)):
            await self._create_webhook()
        troubles = [
            *[self._crash] * self._trouble.crashes,
            *[self._stall] * self._trouble.stalls,
            *[self._jump] * self._trouble.jumps,
            *[self._administer] * self._trouble.admin,
            *[self._act] * self._trouble.actions,
            *[self._fill_up] * self._trouble.full,
        ]
        self.rng.shuffle(troubles)
        publishing = asyncio.ensure_future(self._publish_all())
        for trouble in troubles:
            await asyncio.sleep(self.rng.uniform(0.0, 1.5))
            await trouble()
        await publishing
        if self._trouble.stalls:
            # Whoever took over could not know whom the other one's callers were waiting for.
            await self._crash()
        self.say("heal")
        await self._heal()
        await self._wait_until_nothing_is_owed()
        await self._judge()

    @property
    def _engine(self) -> Engine:
        engine = self._lives[-1].engine
        assert engine is not None
        return engine

    async def _boot(self) -> None:
        number = len(self._lives)
        store = SlowStore(self, self._store_class(self._disk))
        transport = SimTransport(self._receivers)
        life = Life(number, store, transport)
        self._lives.append(life)
        self.say(f"boot {number}")
        token = _incarnation.set(number)
        try:
            life.engine = await Engine.start(
                store=store,  # type: ignore[arg-type]
                transport=transport,
                unseal=unseal,
                clock=self._clock,
                metrics=Metrics(),
                rng=random.Random(self.rng.random()),
                limits=EngineLimits(
                    lanes=LaneLimits(lane_memory=8, lane_in_flight=4, in_flight=12),
                    retention_days=3650,
                    calls=60,
                    ledger_beside=self.beside,
                ),
                node=f"life-{number}",
                number=number,
            )
        finally:
            _incarnation.reset(token)
        if self._plant is not None:
            self._plant(life.engine)

    def _kill(self, life: Life) -> None:
        life.store.dead = True
        life.transport.cut = True
        for task in life.tasks:
            task.cancel()

    async def _crash(self) -> None:
        self.say("crash")
        self._kill(self._lives[-1])
        await asyncio.sleep(self.rng.uniform(0, 2))
        await self._boot()

    async def _stall(self) -> None:
        """The owner stalls long enough to lose its shards, then goes on unaware."""
        old = self._lives[-1]
        self.say("stall: another takes over")
        await self._boot()
        await asyncio.sleep(self.rng.uniform(0, 3))
        self._kill(old)
        self._engine.lanes.wake(list(self._hosts))  # as a notification between nodes would

    async def _jump(self) -> None:
        hours = self.rng.choice([-5, -1, 1, 7])
        self.say(f"wall clock jumps {hours} h")
        self._clock.jump_ms += hours * 3_600_000

    async def _fill_up(self) -> None:
        self.say("disk full")
        self.full = True
        await asyncio.sleep(self.rng.uniform(0.1, 4))
        self.full = False
        self.say("disk has room")

    # ------------------------------------------------------------------ publishers

    async def _publish_all(self) -> None:
        waiting = []
        for number in range(self._trouble.events):
            await asyncio.sleep(self.rng.choice([0.0, 0.0, 0.01, self.rng.uniform(0, 0.3)]))
            waiting.append(asyncio.ensure_future(self._publish(number)))
        await asyncio.gather(*waiting)

    async def _publish(self, number: int) -> None:
        """Publish one event; with an id of our own, insist until it is acknowledged."""
        own_id = f"own-{number}" if self.rng.random() < 0.4 else None
        publication = Publication(
            type=self.rng.choice(TYPES), data=msgspec.Raw(b'{"n":%d}' % number), id=own_id
        )
        for _ in range(60):
            life = self._lives[-1]
            answer = await self._ask(life, publication)
            if isinstance(answer, SynchronousWebhookFailed):
                event_id = idtext.decode("evt", str(answer.extra["id"]))
                self._verdicts[event_id] = False
                self._acked[event_id] = publication.type
                return
            if isinstance(answer, Verdict):
                self._verdicts[answer.event_id] = True
            if isinstance(answer, (Receipt, Verdict)):
                self._acked[answer.event_id] = publication.type
                if own_id is not None:
                    self._by_own_id[own_id].add(answer.event_id)
                return
            if own_id is None:
                return
            await asyncio.sleep(self.rng.uniform(0.1, 1))
        self.broken.append(f"{own_id} was never acknowledged")

    async def _ask(
        self, life: Life, publication: Publication
    ) -> Receipt | Verdict | Exception | None:
        if life.engine is None or life.store.dead:
            return None
        future: asyncio.Future[Any] = self._loop.create_future()

        def done(answer: Any) -> None:
            # A connection to a process that died brings no answer.
            if not future.done() and not life.store.dead:
                future.set_result(answer)

        tenant = life.engine.directory.tenant_by_id(TENANT)
        publishing = life.engine.intake.publish(tenant, publication, done)
        try:
            return await asyncio.wait_for(future, 10)
        except TimeoutError:
            if publishing is not None and not life.store.dead and publication.id is None:
                publishing.leave()
            return None

    # ------------------------------------------------------------------ the administrator

    async def _create_webhook(self) -> None:
        rng = self.rng
        engine = self._engine
        webhook_id = engine.ids.next()
        host = f"r{len(self._receivers)}.example"
        self._receivers[host] = Receiver(
            host, rng.choice(HABITS), random.Random(rng.random()), healed=False
        )
        webhook = Webhook(
            id=webhook_id,
            tenant_id=TENANT,
            number=0,
            name=host,
            target_url=f"https://{host}/in",
            events=rng.choice(PATTERNS),
            profile=rng.choice(["standard", "raw"]),
            secrets=(SealedSecret(SECRET),),
            retry=rng.choice(
                [None, Retry((1.0, 4.0, 20.0), 0.0), Retry((0.5,) * 8, 0.2), Retry((), 0.0)]
            ),
            failure_limit=rng.choice([None, None, 5]),
            rate_limit=rng.choice([None, None, RateLimit(5, 2)]),
            max_in_flight=rng.choice([None, 1, 2]),
            ordered=rng.random() < 0.3,
            mode=rng.choice(MODES),
        )
        self._hosts[webhook_id] = host
        self.say(f"create {host} {self._receivers[host].habit} {webhook.events} {webhook.retry}")
        await self._save(webhook)

    async def _save(self, webhook: Webhook) -> None:
        life = self._lives[-1]
        try:
            await asyncio.wait_for(self._save_and_refresh(life, webhook), 10)
        except (HookferryError, TimeoutError) as error:
            self.say(f"save failed: {error}")

    async def _save_and_refresh(self, life: Life, webhook: Webhook) -> None:
        await life.store.save(webhook)
        # Between the two the engine's directory is stale, which the accept transaction must see.
        await asyncio.sleep(self.rng.choice([0.0, 0.05]))
        if life.engine is not None:
            await life.engine.directory.refresh()

    async def _administer(self) -> None:
        webhooks = list(self._engine.directory.webhooks(TENANT))
        if not webhooks or self.rng.random() < 0.3:
            await self._create_webhook()
            return
        webhook = self.rng.choice(webhooks)
        change: dict[str, Any] = self.rng.choice(
            [
                {"state": WebhookState.PAUSED},
                {"state": WebhookState.ACTIVE},
                {"state": WebhookState.STOPPED},
                {"events": self.rng.choice(PATTERNS)},
                {"deleted": True},
            ]
        )
        self.say(f"change {webhook.name}: {change}")
        await self._save(msgspec.structs.replace(webhook, version=webhook.version + 1, **change))

    async def _act(self) -> None:
        """Cancel or resend something."""
        life = self._lives[-1]
        reader = self._store_class(self._disk)
        found = await reader.deliveries(DeliveryFilter(tenant_id=TENANT), limit=100)
        if not found or life.engine is None:
            return
        chosen = [d.id for d in self.rng.sample(found, min(3, len(found)))]
        self._touched.update(chosen)
        act = self.rng.choice([life.engine.actions.cancel, life.engine.actions.resend])
        self.say(f"{act.__name__} {len(chosen)}")
        try:
            await asyncio.wait_for(act(TENANT, chosen), 10)
        except (HookferryError, TimeoutError) as error:
            self.say(f"failed: {error}")

    # ------------------------------------------------------------------ observers

    async def watch(self, store: MemoryStore, batch: Batch, result: Committed) -> None:
        """Look at a commit at the moment it became durable."""
        epochs = await store.epochs()
        for s in batch.settle:
            if s.delivery_id not in result.refused and s.epoch != epochs[s.shard]:
                self.broken.append(f"a settlement under epoch {s.epoch} of {epochs[s.shard]}")
        if result.stale:
            return
        config = await store.changes(0)
        live = [w for w in config.webhooks if not w.deleted]
        # What the same transaction disables was still active for what it accepts.
        falling = {h.webhook_id for h in batch.health if h.disable}
        for position, acceptance in enumerate(batch.accept):
            if position in result.repeated:
                continue
            event = acceptance.event
            wanting = {w.id: w for w in live if any(matches(p, event.type) for p in w.events)}
            should = {number: webhook.state for number, webhook in wanting.items()}
            got = {d.webhook_id: d for d in acceptance.deliveries}
            if set(should) != set(got):
                self.broken.append(f"event {event.id} matched {set(got)} instead of {set(should)}")
            for webhook_id, state in should.items():
                delivery = got.get(webhook_id)
                webhook = wanting[webhook_id]
                sends = state is WebhookState.ACTIVE or (
                    # Nobody can wait for the answer of one that is paused.
                    state is WebhookState.PAUSED
                    and (webhook.mode is Mode.ASYNC or event.type.startswith("webhook"))
                )
                if event.type == f"webhook{webhook.number}.errors":
                    continue  # it falls in this commit or in one beside it
                if (
                    delivery
                    and webhook_id not in falling
                    and (delivery.state is DeliveryState.PENDING) != sends
                ):
                    self.broken.append(f"{delivery.state!r} while its webhook was {state!r}")
            self._expected[event.id] = set(got)
            self._types[event.id] = event.type

    # ------------------------------------------------------------------ the end

    async def _heal(self) -> None:
        self.full = False
        for receiver in self._receivers.values():
            receiver.healed = True
        for _ in range(20):
            reader = self._store_class(self._disk)
            config = await reader.changes(0)
            held = [
                w for w in config.webhooks if not w.deleted and w.state is not WebhookState.ACTIVE
            ]
            if not held:
                break
            for webhook in held:
                await self._save(
                    msgspec.structs.replace(
                        webhook, version=webhook.version + 1, state=WebhookState.ACTIVE
                    )
                )
            await asyncio.sleep(1)
        else:
            self.broken.append("webhooks can't be restarted")

    async def _wait_until_nothing_is_owed(self) -> None:
        reader = self._store_class(self._disk)
        end = self._loop.time() + QUIET_LIMIT_S
        pause = 1.0
        while await reader.owing():
            if self._loop.time() > end:
                owed = [d for d in await self._deliveries() if d.state in OWING]
                self.broken.append(f"stuck: {len(owed)} owed for ever, first {owed[-1]}")
                return
            # A webhook that failed late, while all was being healed, is restarted again.
            await self._heal()
            await asyncio.sleep(pause)
            pause = min(3600.0, pause * 1.5)
        await self._engine.committer.flush()

    async def _deliveries(self) -> list[Delivery]:
        reader = self._store_class(self._disk)
        found: list[Delivery] = []
        below: int | None = None
        while True:
            page = await reader.deliveries(
                DeliveryFilter(tenant_id=TENANT), limit=200, below_id=below
            )
            found.extend(page)
            if len(page) < 200:
                return found
            below = page[-1].id

    async def _judge(self) -> None:
        reader = self._store_class(self._disk)
        deliveries = await self._deliveries()
        by_event: dict[int, list[Delivery]] = defaultdict(list)
        for delivery in deliveries:
            by_event[delivery.event_id].append(delivery)
        for event_id in self._acked:
            if await reader.event(TENANT, event_id) is None:
                self.broken.append(f"acknowledged event {event_id} is not in the ledger")
        for own_id, events in self._by_own_id.items():
            if len(events) != 1:
                self.broken.append(f"{own_id} became {len(events)} events")
        for event_id, webhooks in self._expected.items():
            states = Counter(d.webhook_id for d in by_event[event_id])
            if states != Counter(list(webhooks)):
                self.broken.append(f"event {event_id} does not balance: {states}")
        config = {w.id: w for w in (await reader.changes(0)).webhooks}
        for delivery in deliveries:
            webhook = config[delivery.webhook_id]
            if webhook.mode is Mode.ASYNC:
                await self._judge_delivery(reader, delivery, webhook)
                await self._judge_verdict(reader, delivery, webhook)
            else:
                await self._judge_call(reader, delivery, webhook)
        for webhook in config.values():
            self._judge_webhook(webhook, deliveries)

    async def _judge_delivery(
        self, reader: MemoryStore, delivery: Delivery, webhook: Webhook
    ) -> None:
        name = f"delivery {delivery.id} to {webhook.name}"
        receiver = self._receivers[webhook.name]
        event = idtext.encode("evt", delivery.event_id)
        answered = [r for r in receiver.receipts if r.event == event and r.status == 200]
        attempts = await reader.attempts(TENANT, delivery.id)
        succeeded = [a for a in attempts if a.success]
        if delivery.state is DeliveryState.DELIVERED:
            if not answered:
                self.broken.append(f"{name} is delivered but its receiver never saw it")
            if not succeeded:
                self.broken.append(f"{name} is delivered without a successful attempt")
        elif delivery.state is DeliveryState.FAILED:
            spent = [a for a in attempts if a.status != 503]
            schedule = webhook.retry.schedule if webhook.retry else (0.0,) * 9
            if delivery.id not in self._touched and len(spent) != len(schedule) + 1:
                self.broken.append(f"{name} failed after {len(spent)} attempts")
        elif delivery.state in OWING:
            self.broken.append(f"{name} is still owed")
        elif delivery.state is DeliveryState.SKIPPED and answered:
            self.broken.append(f"{name} was skipped and yet sent")
        # Each life may leave what it had in the air or unsettled behind, once.
        allowed = 1 + (len(self._lives) - 1)
        if delivery.id not in self._touched and len(succeeded) > 1:
            self.broken.append(f"{name} has {len(succeeded)} successful attempts")
        repeats = delivery.id in self._touched or receiver.habit == "loses_answers"
        if not repeats and len(answered) > allowed:
            self.broken.append(f"{name} arrived {len(answered)} times in {allowed} lives")

    async def _judge_call(self, reader: MemoryStore, delivery: Delivery, webhook: Webhook) -> None:
        """Judge a synchronous delivery: tried once, and never behind its caller's back.

        Nobody waits for what hookferry itself publishes: that goes to it like any other.
        """
        if self._types[delivery.event_id].startswith("webhook"):
            return
        name = f"synchronous delivery {delivery.id} to {webhook.name}"
        if delivery.state in OWING:
            self.broken.append(f"{name} is still owed")
        if delivery.id in self._touched:
            return
        event = idtext.encode("evt", delivery.event_id)
        seen = [r for r in self._receivers[webhook.name].receipts if r.event == event]
        attempts = await reader.attempts(TENANT, delivery.id)
        if len(seen) > 1 or len(attempts) > 1:
            self.broken.append(f"{name} was sent {len(seen)} times, {len(attempts)} logged")
        if delivery.state is DeliveryState.DELIVERED and not any(a.success for a in attempts):
            self.broken.append(f"{name} is delivered without a successful attempt")
        if delivery.state is DeliveryState.VETOED and (
            webhook.mode is not Mode.SYNC_CRITICAL or self._verdicts.get(delivery.event_id)
        ):
            self.broken.append(f"{name} vetoed what it has no say in, or what was told to stand")

    async def _judge_verdict(
        self, reader: MemoryStore, delivery: Delivery, webhook: Webhook
    ) -> None:
        """Judge what an asynchronous subscriber got of an event that asked."""
        event = await reader.event(TENANT, delivery.event_id)
        if event is None or event.type != ASKS or delivery.id in self._touched:
            return
        text = idtext.encode("evt", event.id)
        seen = [r for r in self._receivers[webhook.name].receipts if r.event == text]
        stands = self._verdicts.get(event.id)
        if stands is False and seen:
            self.broken.append(f"{webhook.name} was sent {text}, which was refused")
        if stands is True and delivery.last_error in REFUSALS:
            self.broken.append(f"{webhook.name} was not sent {text}, which was told to stand")
        if event.state is EventState.VETOED and stands is True:
            self.broken.append(f"{text} is vetoed, and its publisher was told otherwise")

    def _judge_webhook(self, webhook: Webhook, deliveries: list[Delivery]) -> None:
        receiver = self._receivers[webhook.name]
        cap = 1 if webhook.ordered else webhook.max_in_flight or 4
        if webhook.mode is not Mode.ASYNC:
            cap *= 2  # what people resend goes its own way beside the calls
        if receiver.most_in_flight > cap * len(self._lives):
            self.broken.append(f"{webhook.name} had {receiver.most_in_flight} in flight")
        if webhook.mode is not Mode.ASYNC:
            return  # its calls are its callers' doing
        if not webhook.ordered or self._trouble.stalls:
            # While two take in events at once, "in order" has no single meaning.
            return
        mine = {
            idtext.encode("evt", d.event_id): d.id
            for d in deliveries
            if d.webhook_id == webhook.id
            # What asks takes its place in the order when its verdict falls.
            and self._types.get(d.event_id) != ASKS
            and d.state is DeliveryState.DELIVERED
            and d.id not in self._touched
        }
        first: dict[str, int] = {}
        for receipt in receiver.receipts:
            if receipt.status == 200 and receipt.event in mine:
                first.setdefault(receipt.event, receipt.number)
        order = [mine[event] for event in sorted(first, key=first.__getitem__)]
        if order != sorted(order):
            self.broken.append(f"{webhook.name} is ordered and was not sent in order")
