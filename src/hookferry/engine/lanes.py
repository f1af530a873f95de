"""The lanes together: fair dispatch, refilling from the ledger, settling.

Driven by callbacks on the event loop: an offer after a commit, an outcome of the transport, an
alarm, a changed webhook. Each ends in ``_tend``, which works out what its lane needs next. No
task per delivery, no timer per delivery, and nothing here waits.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Protocol

import msgspec
import structlog

from hookferry.clock import Clock, Timeline
from hookferry.domain.delivery import Delivery, DeliveryState
from hookferry.domain.event import Event
from hookferry.domain.webhook import Webhook, WebhookState
from hookferry.engine.alarms import Alarms
from hookferry.engine.attempts import attempt_of, not_rendered, span_of
from hookferry.engine.committer import Committer
from hookferry.engine.directory import Directory
from hookferry.engine.dispatch import Carrier, policy_of
from hookferry.engine.dispatchers import Dispatcher
from hookferry.engine.lane import LOW_WATER, Job, Lane
from hookferry.engine.planner import Planner
from hookferry.engine.refills import Refills
from hookferry.engine.retry import GONE, decide, health_after, must_disable
from hookferry.errors import HookferryError
from hookferry.ids import IdSource, encode
from hookferry.store.ports import HealthChange, Ledger, Settlement
from hookferry.telemetry import Metrics
from hookferry.tracing import Tracing
from hookferry.transport.port import Outcome
from hookferry.wire.profiles import profile_named

log = structlog.get_logger(__name__)

_NAMES = {state: state.name.lower() for state in DeliveryState}
"""What states are called outside."""
PUMP_BURST = 64
"""Requests started before other callbacks of the loop get their turn."""
MAX_UNSETTLED = 4_000
"""Attempts that wait to be settled, beyond which nothing more is sent: what would be sent twice
after a crash stays bounded also when the ledger is full."""
_MIN_ALLOWANCE = 64 * 1024


class LaneLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of the sender (SEMANTICS section 11)."""

    lane_memory: int = 256
    lane_bytes: int = 4 * 1024 * 1024
    """Payload bytes waiting in one lane; less when there are many lanes."""
    lane_in_flight: int = 32
    in_flight: int = 1_000
    """In all; beyond it a lane may have one request in flight, up to twice this number."""
    memory_bytes: int = 64 * 1024 * 1024
    """Payload bytes waiting in the lanes."""


class Announce(Protocol):
    """Publishes that failures disabled a webhook."""

    def __call__(self, webhook: Webhook, *, error: str | None, event: Event) -> None:
        """Do it; ``event`` is the one whose delivery failed last."""
        ...


class Lanes:
    """Sends what is owed.

    Args:
        ledger: where what does not fit into memory waits.
        dispatcher: what sends.
        committer: what makes outcomes durable.
        directory: the webhooks.
        planner: says how each of them is sent.
        rng: where jitter comes from.
        announce: told of webhooks that their failures disable.
        tracing: makes spans, where traces are exported.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        dispatcher: Dispatcher,
        committer: Committer,
        directory: Directory,
        planner: Planner,
        clock: Clock,
        timeline: Timeline,
        ids: IdSource,
        metrics: Metrics,
        rng: random.Random,
        limits: LaneLimits,
        announce: Announce,
        tracing: Tracing | None = None,
    ) -> None:
        self._dispatcher = dispatcher
        self._tracing = tracing
        self._committer = committer
        self._directory = directory
        self._planner = planner
        self._clock = clock
        self._timeline = timeline
        self._ids = ids
        self._metrics = metrics
        self._rng = rng
        self._limits = limits
        self._announce = announce
        self._loop = asyncio.get_running_loop()
        self._epochs: dict[int, int] = {}
        self._lanes: dict[int, Lane] = {}
        self._share = 0
        """Payload bytes that one lane may hold while there is memory left."""
        self._broken: set[int] = set()
        self._ready: deque[Lane] = deque()
        self._parked: dict[Lane, None] = {}
        """Lanes that could send and have their share in flight, in the order they came: they wait
        for the total to fall, so that nobody looks at them in vain before those behind them."""
        self._pumping = False
        self._stopped = False
        self._alarms = Alarms(clock, self._tend)
        self._refills = Refills(
            ledger, clock, timeline, allowance=self._allowance, filled=self._filled
        )
        self._drained = asyncio.Event()
        """Stopped, and nothing is in flight any more."""
        self.in_flight = 0
        self.queued_bytes = 0
        directory.on_webhook(self.redefine)

    # ------------------------------------------------------------------ start and stop

    def own(self, epochs: Mapping[int, int]) -> None:
        """Take the shards this node owns, with their epochs."""
        self._epochs.update(epochs)

    def recover(self, owing: Mapping[int, int]) -> None:
        """Take up what the ledger owes: the earliest due time by webhook id."""
        for webhook_id, due_ms in owing.items():
            lane = self._lane(webhook_id)
            if lane is not None:
                lane.note_due(due_ms)
                self._tend(lane)

    async def stop(self, timeout: float) -> int:
        """Send nothing more; wait up to ``timeout`` seconds for what is in flight.

        Returns how many requests were still in flight; they are sent again after the next start.
        """
        self._stopped = True
        self._alarms.stop()
        if not self.in_flight:
            self._drained.set()
        try:
            await asyncio.wait_for(self._drained.wait(), timeout)
        except TimeoutError:
            log.warning("drain_timed_out", in_flight=self.in_flight)
        await self._refills.stop()
        return self.in_flight

    @property
    def count(self) -> int:
        """Lanes in memory."""
        return len(self._lanes)

    @property
    def held(self) -> int:
        """Deliveries in memory."""
        return sum(len(lane.held) for lane in self._lanes.values())

    # ------------------------------------------------------------------ what comes in

    def offer(self, event: Event, deliveries: Sequence[Delivery]) -> None:
        """Take over deliveries that were just committed."""
        carrier = Carrier(event)
        for delivery in deliveries:
            if delivery.state is not DeliveryState.PENDING:
                self._metrics.deliveries("skipped")
                continue
            lane = self._lane(delivery.webhook_id)
            if lane is None:
                continue  # deleted or broken meanwhile; the ledger has it
            job = Job(delivery.id, 0, carrier, lane)
            if lane.offer(job, self._allowance()):
                self.queued_bytes += job.size
                if not lane.listed:
                    self._tend(lane)
            elif not lane.refilling:
                self._tend(lane)

    def wake(self, webhook_ids: Iterable[int]) -> None:
        """Look into the ledger for these webhooks: something was made due there."""
        now = self._timeline.now_ms()
        for webhook_id in webhook_ids:
            lane = self._lane(webhook_id)
            if lane is not None:
                lane.note_due(now)
                if lane.refilling:
                    lane.missed = True
                self._tend(lane)

    def drop(self, deliveries: Mapping[int, int]) -> None:
        """Forget deliveries (by id, with their webhook) that were cancelled in the ledger."""
        by_webhook: dict[int, list[int]] = {}
        for delivery_id, webhook_id in deliveries.items():
            by_webhook.setdefault(webhook_id, []).append(delivery_id)
        for webhook_id, delivery_ids in by_webhook.items():
            lane = self._lanes.get(webhook_id)
            if lane is not None:
                self.queued_bytes -= lane.drop(delivery_ids)
                self._tend(lane)

    def redefine(self, webhook: Webhook) -> None:
        """Take over a saved change of a webhook (the directory's listener)."""
        was_broken = webhook.id in self._broken
        self._broken.discard(webhook.id)
        lane = self._lanes.get(webhook.id)
        if lane is not None and lane.webhook is webhook:
            self._replan(lane)
            return
        if webhook.state is WebhookState.ACTIVE:
            self._forgive(webhook, lane)
        if lane is None:
            if was_broken:
                self.wake([webhook.id])
            return
        if webhook.deleted:
            self._let_go(lane)
            return
        try:
            plan = self._planner.plan(webhook)
        except HookferryError as error:
            self._break(webhook, error)
            return
        newly_ordered = webhook.ordered and not lane.webhook.ordered
        was_sending = lane.sending
        lane.redefine(webhook, plan, self._limits.lane_in_flight, self._clock.monotonic())
        if not lane.sending or newly_ordered:
            self.queued_bytes -= lane.forget_queue()
        if newly_ordered or (lane.sending and not was_sending):
            lane.backlog = True
        self._tend(lane)

    def _replan(self, lane: Lane) -> None:
        """Send otherwise from now on: the webhook is as it was, its credential or tenant is not."""
        try:
            lane.plan = self._planner.plan(lane.webhook)
        except HookferryError as error:
            self._break(lane.webhook, error)

    def _forgive(self, webhook: Webhook, lane: Lane | None) -> None:
        """An active webhook that was disabled before starts its count of failures anew."""
        restarted = lane is not None and (
            lane.webhook.state is WebhookState.TOO_MANY_ERRORS or lane.stopping_at is not None
        )
        health = self._directory.health(webhook.id)
        try:
            policy = policy_of(webhook, profile_named(webhook.profile))
        except HookferryError:
            return  # its profile was a plugin's, and is gone: it is planned next, and says so
        over = must_disable(policy, health, None, self._clock.wall_ms())
        if (restarted or (lane is None and over)) and health.failing_since_ms is not None:
            self._directory.put_health(
                webhook.id,
                msgspec.structs.replace(health, consecutive_failures=0, failing_since_ms=None),
            )

    def _lane(self, webhook_id: int) -> Lane | None:
        lane = self._lanes.get(webhook_id)
        if lane is not None:
            return lane
        webhook = self._directory.webhook_by_id(webhook_id)
        if webhook is None or webhook_id in self._broken:
            return None
        epoch = self._epochs.get(webhook.shard)
        if epoch is None:
            return None
        try:
            plan = self._planner.plan(webhook)
        except HookferryError as error:
            self._break(webhook, error)
            return None
        lane = self._lanes[webhook_id] = Lane(
            webhook,
            plan,
            epoch,
            max_in_flight=self._limits.lane_in_flight,
            memory=self._limits.lane_memory,
        )
        self._share_out()
        # An ordered lane looks into the ledger first: something may be retrying there.
        lane.backlog = webhook.ordered
        return lane

    def _break(self, webhook: Webhook, error: HookferryError) -> None:
        """A webhook that can't be rendered sends nothing until it is saved again."""
        log.error("webhook_unusable", webhook=encode("wh", webhook.id), error=error.detail)
        self._broken.add(webhook.id)
        lane = self._lanes.get(webhook.id)
        if lane is not None:
            self._let_go(lane)

    def _let_go(self, lane: Lane) -> None:
        """Forget a lane; what it has in flight still settles."""
        lane.disown()
        self.queued_bytes -= lane.forget_queue()
        self._alarms.forget(lane)
        del self._lanes[lane.webhook.id]
        self._share_out()

    # ------------------------------------------------------------------ what a lane needs next

    def _tend(self, lane: Lane) -> None:
        if not lane.owned or self._stopped:
            return
        due = lane.next_due_ms
        if due is not None and not lane.refilling:
            now_ms = self._timeline.now_ms()
            if due <= now_ms:
                lane.next_due_ms = None
                lane.backlog = True
            elif lane.sending:
                self._alarms.set(lane, self._clock.monotonic() + (due - now_ms) / 1000)
        if (
            lane.backlog
            and not lane.refilling
            and lane.sending
            and lane.thirsty
            and (not lane.queue or lane.bytes * LOW_WATER <= self._allowance())
        ):
            self._refills.ask(lane)
        if not lane.listed and lane.room():
            lane.listed = True
            self._ready.append(lane)
            self._rouse()

    # ------------------------------------------------------------------ memory

    def _share_out(self) -> None:
        """Work out a lane's share anew: fair, so that no lane starves the others.

        Due after each change of their number.
        """
        share = self._limits.memory_bytes // max(1, len(self._lanes))
        self._share = min(self._limits.lane_bytes, max(_MIN_ALLOWANCE, share))

    def _allowance(self) -> int:
        """Payload bytes one lane may hold: its share.

        Once memory is spent, a lane holds one delivery at a time.
        """
        return 0 if self.queued_bytes >= self._limits.memory_bytes else self._share

    def _filled(self, lane: Lane, taken: int) -> None:
        self.queued_bytes += taken
        self._tend(lane)

    # ------------------------------------------------------------------ sending

    def _rouse(self) -> None:
        if not self._pumping:
            self._pumping = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        self._pumping = False
        if self._stopped or self._committer.unsettled >= MAX_UNSETTLED:
            return
        soft = self._limits.in_flight
        hard = 2 * soft
        ready = self._ready
        parked = self._parked
        now = self._clock.monotonic()
        for _ in range(min(len(parked), soft - self.in_flight)):
            self._unpark(next(iter(parked)))
        for _ in range(PUMP_BURST):
            if self.in_flight >= hard:
                return
            if not ready:
                if not parked or self.in_flight >= soft:
                    return
                self._unpark(next(iter(parked)))
            lane = ready.popleft()
            if self.in_flight >= soft and lane.in_flight:
                parked[lane] = None
                continue
            lane.listed = False
            if not lane.room():
                continue
            job = lane.take(now)
            if isinstance(job, Job):
                self._send(job)
                if lane.room():
                    lane.listed = True
                    ready.append(lane)
                elif lane.backlog:
                    self._tend(lane)
            else:
                self._alarms.set(lane, job)
        if ready:
            self._rouse()

    def _unpark(self, lane: Lane) -> None:
        del self._parked[lane]
        self._ready.append(lane)

    def _send(self, job: Job) -> None:
        lane = job.lane
        plan = lane.plan
        self.queued_bytes -= job.size
        self.in_flight += 1
        done = partial(self._done, job)
        if self._tracing is not None:
            job.span = span_of(self._tracing, job, plan)
        try:
            self._dispatcher.send(job, plan, plan.timeout, done)
        except Exception as error:  # a profile's bug must not take its lane down with it
            self._loop.call_soon(done, not_rendered(job, error))

    def _done(self, job: Job, outcome: Outcome) -> None:
        lane = job.lane
        plan = lane.plan
        self.in_flight -= 1
        lane.in_flight -= 1
        if self._stopped and not self.in_flight:
            self._drained.set()
        if self._parked and not lane.in_flight and lane in self._parked:
            self._unpark(lane)
        now_ms = self._clock.wall_ms()
        status = outcome.status
        success = plan.succeeded(outcome)
        decision = decide(
            plan.policy,
            success=success,
            status=status,
            head=outcome.head,
            spent=job.spent,
            slow_downs=0 if success else lane.slow_downs_before(self._clock.monotonic()),
            now_s=now_ms / 1000,
            rng=self._rng,
        )
        error = None if success else (outcome.error or f"status_{status}")
        due_ms = self._timeline.now_ms() + int(decision.wait_s * 1000)
        attempt = attempt_of(self._ids.next(), job, outcome, success=success)
        if not outcome.reused and outcome.verdict is not None:
            self._metrics.verdict(outcome.verdict)
        job.spent = decision.attempts
        if success:
            lane.succeeded()
        else:
            now = self._clock.monotonic()
            lane.failed(now, decision.lane_wait_s)
            if (
                lane.webhook.ordered
                and decision.state is DeliveryState.RETRYING
                and lane.sending
                and job.delivery_id not in lane.dropped
            ):
                lane.block(job, now + decision.wait_s)
            elif lane.webhook.ordered:
                lane.awaiting = job.delivery_id
        self._count_health(lane, job.carrier.event, success, error, status, now_ms)
        self._metrics.attempt(success, error, outcome.duration)
        if self._tracing is not None and job.span is not None:
            self._tracing.attempted(job.span, status, error)
        self._committer.settle(
            Settlement(
                job.delivery_id,
                lane.webhook.id,
                lane.webhook.shard,
                lane.epoch,
                decision.state,
                due_ms,
                decision.attempts,
                status,
                error,
                now_ms,
                attempt,
                outcome.run,
            )
        )
        if not lane.listed:
            self._tend(lane)
        if self._ready or self._parked:
            self._rouse()

    def _count_health(
        self,
        lane: Lane,
        event: Event,
        success: bool,
        error: str | None,
        status: int | None,
        now_ms: int,
        *,
        counts: bool = True,
    ) -> None:
        webhook_id = lane.webhook.id
        health = health_after(
            self._directory.health(webhook_id),
            success=success,
            reason=error,
            now_ms=now_ms,
            counts=counts and lane.stopping_at is None,
        )
        self._directory.put_health(webhook_id, health)
        if (
            not success
            and counts
            and lane.sending
            and must_disable(lane.plan.policy, health, status, now_ms)
        ):
            lane.disable()
            self.queued_bytes -= lane.forget_queue()
            self._metrics.webhook_disabled()
            log.warning(
                "webhook_disabled",
                webhook=encode("wh", webhook_id),
                failures=health.consecutive_failures,
                error=error,
            )
            self._announce(lane.webhook, error=error, event=event)

    # ------------------------------------------------------------------ synchronous calls

    def lane_of(self, webhook_id: int) -> Lane | None:
        """Return a webhook's lane; None when it is deleted, unusable or another node's."""
        return self._lane(webhook_id)

    def epoch_of(self, shard: int) -> int:
        """Return the epoch under which this node owns a shard; 0, which is none, where not."""
        return self._epochs.get(shard, 0)

    def count_call(
        self,
        lane: Lane,
        event: Event,
        *,
        success: bool,
        error: str | None,
        status: int | None,
        now_ms: int,
    ) -> None:
        """Count a synchronous call into its webhook's health.

        An answer that is not success is what the caller asked for, not a fault of the receiver:
        of those only 410 can disable the webhook. No answer counts like any failed attempt.
        """
        self._count_health(
            lane, event, success, error, status, now_ms, counts=status is None or status == GONE
        )

    # ------------------------------------------------------------------ settling (Owner)

    def health_of(self, settlements: Sequence[Settlement]) -> list[HealthChange]:
        """Return the health of the webhooks these settlements concern."""
        changes: dict[int, HealthChange] = {}
        for s in settlements:
            if s.webhook_id not in changes:
                lane = self._lanes.get(s.webhook_id)
                changes[s.webhook_id] = HealthChange(
                    s.webhook_id,
                    s.shard,
                    s.epoch,
                    self._directory.health(s.webhook_id),
                    lane is not None and lane.stopping_at is not None,
                )
        return list(changes.values())

    def settled(self, settlements: Sequence[Settlement], refused: frozenset[int]) -> None:
        """Let go of what is durable now; take back up what will be due again."""
        if refused:
            self._metrics.settles_refused(len(refused))
        if self._tracing is not None:
            for s in settlements:
                self._tracing.settled(
                    s.delivery_id, _NAMES[s.state], refused=s.delivery_id in refused
                )
        durable = [s.state for s in settlements if s.delivery_id not in refused]
        for state in set(durable):
            self._metrics.deliveries(_NAMES[state], durable.count(state))
        for s in settlements:
            lane = self._lanes.get(s.webhook_id)
            if s.delivery_id in refused:
                if lane is not None and lane.epoch == s.epoch:
                    self._lose(lane)
                continue
            if lane is None:
                continue
            if lane.awaiting == s.delivery_id:
                lane.awaiting = None
                self._tend(lane)
            if not lane.release(s.delivery_id):
                continue
            if s.state is DeliveryState.RETRYING:
                lane.note_due(s.due_ms)
                if not lane.listed:
                    self._tend(lane)
        if self._ready or self._parked:
            self._rouse()

    def _lose(self, lane: Lane) -> None:
        """Another node owns this lane's shard now."""
        log.error("shard_lost", webhook=encode("wh", lane.webhook.id), epoch=lane.epoch)
        self._let_go(lane)
        self._epochs.pop(lane.webhook.shard, None)
