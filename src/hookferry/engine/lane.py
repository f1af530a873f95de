"""A lane: what one webhook has to send, in memory, and whether it may send now.

The lane is the unit of concurrency, rate, breaker, pause and order (DESIGN section 3). It holds a
bounded number of deliveries; the rest waits in the ledger (``backlog``). No I/O here: ``lanes``
drives it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from hookferry.domain.webhook import Webhook, WebhookState
from hookferry.engine.buckets import Bucket
from hookferry.engine.dispatch import Carrier, Plan
from hookferry.engine.retry import BREAKER_FAILURES, probe_wait
from hookferry.tracing import AttemptSpan

NEVER = float("inf")
LOW_WATER = 4
"""A lane asks for more when its queue is down to a fourth of its memory, in count and bytes."""


class Job:
    """A delivery in memory."""

    __slots__ = (
        "carrier",
        "delivery_id",
        "lane",
        "logged_head",
        "size",
        "span",
        "spent",
        "started_ms",
        "version",
    )

    def __init__(self, delivery_id: int, spent: int, carrier: Carrier, lane: Lane) -> None:
        self.delivery_id = delivery_id
        self.spent = spent
        """Attempts spent before the next one."""
        self.carrier = carrier
        self.lane = lane
        self.size = len(carrier.event.payload)
        self.logged_head = b""
        self.started_ms = 0
        self.version = 0
        """The webhook's version that the request was rendered from."""
        self.span: AttemptSpan | None = None
        """The try's own, where traces are exported."""


class Lane:
    """One webhook's lane.

    Args:
        webhook: the definition.
        plan: how it sends.
        epoch: under which its shard is owned.
        max_in_flight: where the webhook does not say.
        memory: how many deliveries may wait in memory.
    """

    __slots__ = (
        "_bucket",
        "_not_before",
        "awaiting",
        "backlog",
        "bytes",
        "dropped",
        "epoch",
        "failures",
        "head",
        "held",
        "in_flight",
        "listed",
        "max_in_flight",
        "memory",
        "missed",
        "next_due_ms",
        "owned",
        "plan",
        "queue",
        "refilling",
        "sending",
        "slow_downs",
        "stopping_at",
        "wake_at",
        "webhook",
    )

    def __init__(
        self, webhook: Webhook, plan: Plan, epoch: int, *, max_in_flight: int, memory: int
    ) -> None:
        self.webhook = webhook
        self.plan = plan
        self.epoch = epoch
        self.max_in_flight = 1 if webhook.ordered else webhook.max_in_flight or max_in_flight
        self.memory = memory
        self.owned = True
        self.stopping_at: int | None = None
        """The webhook's version when its failures disabled it; until the ledger's word is in."""
        self.queue: deque[Job] = deque()
        self.head: Job | None = None
        """The retrying delivery that blocks an ordered lane."""
        self.awaiting: int | None = None
        """The delivery that an ordered lane gave up: what is behind it waits until that is
        durable, or a crash could send it again after them."""
        self.held: dict[int, int] = {}
        """Deliveries that must not be read from the ledger now, with the number of reasons: being
        queued or in flight is one, each settlement that is not durable yet is one."""
        self.dropped: set[int] = set()
        """Deliveries of an ordered lane that were cancelled in flight: they must not block it."""
        self.bytes = 0
        self.in_flight = 0
        self.backlog = False
        """The ledger has deliveries that are due and not in memory."""
        self.missed = False
        """Something was left to the ledger while a refill was under way."""
        self.refilling = False
        self.next_due_ms: int | None = None
        """Due time of the earliest delivery that waits in the ledger and is not due yet."""
        self.listed = False
        """The lane stands in the round of lanes that are ready."""
        self.wake_at = NEVER
        """Monotonic time of the alarm set for this lane."""
        self.failures = 0
        """Failures in a row, for the breaker."""
        self.slow_downs = 0
        self._not_before = 0.0
        self._bucket: Bucket | None = None
        self.sending = False
        """The webhook's state lets deliveries out."""
        self._see_state()

    # ------------------------------------------------------------------ definition

    def _see_state(self) -> None:
        """Work out ``sending`` anew; due after each change of what it follows from."""
        self.sending = (
            self.owned and self.webhook.state is WebhookState.ACTIVE and self.stopping_at is None
        )

    def redefine(self, webhook: Webhook, plan: Plan, max_in_flight: int, now: float) -> None:
        """Take over a saved change of the webhook."""
        before, paced = self.webhook, self.plan.rate_limit
        self.webhook = webhook
        self.plan = plan
        self.max_in_flight = 1 if webhook.ordered else webhook.max_in_flight or max_in_flight
        limit = plan.rate_limit
        if limit != paced:
            self._bucket = None if limit is None else Bucket(limit, now)
        restarted = webhook.state is WebhookState.ACTIVE and before.state is not WebhookState.ACTIVE
        if self.stopping_at is not None and (
            webhook.state is not WebhookState.ACTIVE or webhook.version >= self.stopping_at + 2
        ):
            # Either the disabling itself is in, or it and a restart came in one look.
            restarted = restarted or webhook.state is WebhookState.ACTIVE
            self.stopping_at = None
        if restarted:
            self.failures = self.slow_downs = 0
            self._not_before = 0.0
        self._see_state()

    def disown(self) -> None:
        """Send nothing more: the lane is forgotten."""
        self.owned = False
        self._see_state()

    def disable(self) -> None:
        """Send nothing more: failures disable the webhook, which is not durable yet."""
        self.stopping_at = self.webhook.version
        self._see_state()

    # ------------------------------------------------------------------ what waits

    def offer(self, job: Job, allowance: int) -> bool:
        """Queue a delivery that was just accepted; False leaves it to the ledger.

        It is left there when older ones wait there (they go first), when the lane does not send,
        or when its memory is spent.
        """
        if (
            self.backlog
            or self.refilling
            or not self.sending
            or len(self.queue) >= self.memory
            or (self.queue and self.bytes + job.size > allowance)
        ):
            self.backlog = True
            self.missed = self.refilling
            return False
        self.push(job)
        return True

    def push(self, job: Job) -> None:
        """Queue a delivery at the end."""
        self.queue.append(job)
        self.held[job.delivery_id] = 1
        self.bytes += job.size

    def release(self, delivery_id: int) -> bool:
        """Take one reason to hold a delivery away; True when it was the last."""
        reasons = self.held.pop(delivery_id, 0)
        if reasons > 1:
            self.held[delivery_id] = reasons - 1
            return False
        if self.dropped:
            self.dropped.discard(delivery_id)
        return True

    def forget_queue(self) -> int:
        """Drop what is queued (it stays in the ledger); return the bytes set free."""
        freed = self.bytes
        dropped = bool(self.queue) or self.head is not None
        for job in self.queue:
            self.release(job.delivery_id)
        self.queue.clear()
        self.bytes = 0
        if self.head is not None:
            self.release(self.head.delivery_id)
            self.head = None
        self.backlog = self.backlog or dropped
        return freed

    def drop(self, delivery_ids: Iterable[int]) -> int:
        """Drop deliveries that no longer owe anything; return the bytes set free."""
        gone = self.held.keys() & set(delivery_ids)
        if not gone:
            return 0
        freed = 0
        if self.head is not None and self.head.delivery_id in gone:
            self.release(self.head.delivery_id)
            self.head = None
            self._not_before = 0.0
        kept: deque[Job] = deque()
        for job in self.queue:
            if job.delivery_id in gone:
                self.release(job.delivery_id)
                freed += job.size
            else:
                kept.append(job)
        self.queue = kept
        if self.in_flight and self.webhook.ordered:
            self.dropped.update(gone & self.held.keys())
        self.bytes -= freed
        return freed

    def note_due(self, due_ms: int) -> None:
        """Remember that the ledger has a delivery due at that time."""
        if self.next_due_ms is None or due_ms < self.next_due_ms:
            self.next_due_ms = due_ms

    @property
    def thirsty(self) -> bool:
        """It may be refilled: the queue is low. An ordered lane first finishes all it holds, so
        that nothing overtakes a delivery that turns out to be retrying."""
        if self.webhook.ordered:
            return not (self.queue or self.head or self.in_flight)
        return len(self.queue) * LOW_WATER <= self.memory

    # ------------------------------------------------------------------ may it send

    def room(self) -> bool:
        """Tell whether there is something to send and the in-flight cap allows it."""
        if not (self.queue or self.head):
            return False
        cap = 1 if self.failures >= BREAKER_FAILURES else self.max_in_flight
        return self.in_flight < cap and self.awaiting is None and self.sending

    def take(self, now: float) -> Job | float:
        """Take the next delivery to send; or return the monotonic time to ask again.

        Call only when ``room()``.
        """
        if now < self._not_before:
            return self._not_before
        limit = self.plan.rate_limit
        if limit is not None:
            if self._bucket is None:
                self._bucket = Bucket(limit, now)
            wait = self._bucket.take(now)
            if wait:
                return now + wait
        self.in_flight += 1
        if self.head is not None:
            job, self.head = self.head, None
            return job
        job = self.queue.popleft()
        self.bytes -= job.size
        return job

    # ------------------------------------------------------------------ what came of it

    def succeeded(self) -> None:
        """Close the breaker."""
        self.failures = self.slow_downs = 0

    def slow_downs_before(self, now: float) -> int:
        """Return the slow-downs in a row before the one that comes in now.

        Answers to requests that left together say one thing about the receiver: while the lane is
        delayed, a further one is the same slow-down.
        """
        return self.slow_downs - (self.slow_downs > 0 and now < self._not_before)

    def failed(self, now: float, lane_wait_s: float) -> None:
        """Count a failure; delay the lane where the answer asked for it or the breaker opens."""
        if lane_wait_s > 0:
            self.slow_downs = self.slow_downs_before(now) + 1
            self._not_before = max(self._not_before, now + lane_wait_s)
            return
        if not self.plan.policy.breaker:
            return
        if self.failures >= BREAKER_FAILURES and now < self._not_before:
            return  # it left before the breaker opened
        self.failures += 1
        if self.failures >= BREAKER_FAILURES:
            self._not_before = max(self._not_before, now + probe_wait(self.failures))

    def block(self, job: Job, until: float) -> None:
        """Keep a retrying delivery at the head of an ordered lane; one more reason to hold it."""
        self.head = job
        self.held[job.delivery_id] = self.held.get(job.delivery_id, 0) + 1
        self._not_before = max(self._not_before, until)
