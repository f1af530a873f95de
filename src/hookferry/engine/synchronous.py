"""Synchronous calls: webhooks whose answer the publisher waits for (SEMANTICS section 4).

An event's calls start once it is committed, side by side, each within its webhook's timeout. When
all have ended, what they came to is stored in one commit, and then the publisher is told. Nothing
here is ever sent a second time: what a crash or a caller who left interrupts is failed.

What the answers mean is ``verdicts``; how a request is made and logged is shared with the lanes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import msgspec
import structlog

from hookferry.clock import Clock, Timeline
from hookferry.domain.delivery import Attempt, Delivery, DeliveryState
from hookferry.domain.event import Event
from hookferry.domain.run import Run
from hookferry.domain.webhook import AUTOMATION, Mode, Webhook
from hookferry.engine.attempts import attempt_of, not_rendered, span_of
from hookferry.engine.committer import Committer, Resolve
from hookferry.engine.directory import Directory
from hookferry.engine.dispatch import Carrier
from hookferry.engine.dispatchers import Dispatcher
from hookferry.engine.lane import Job, Lane
from hookferry.engine.lanes import Lanes
from hookferry.engine.verdicts import (
    CALLER_GONE,
    VETOED,
    CallOutcome,
    Report,
    judge,
    outcome_of,
)
from hookferry.errors import (
    CallEnded,
    HookferryError,
    IdempotencyInProgress,
    SynchronousWebhookFailed,
    Unavailable,
    Vetoed,
)
from hookferry.ids import IdSource, encode
from hookferry.store.ports import DeliveryFilter, Resolution, Settlement
from hookferry.telemetry import Metrics
from hookferry.tracing import Tracing
from hookferry.transport.port import Outcome
from hookferry.wire.plaintext import readable_text

log = structlog.get_logger(__name__)

MAX_CALLS_PER_EVENT = 50
"""Synchronous webhooks that one event may wait for."""
REPEAT_WAIT_SECONDS = 5.0
"""How long a repeat of a publish waits for the first one's answer (SEMANTICS section 5)."""
_NOT_TO_BE = (CALLER_GONE, SynchronousWebhookFailed.code, Vetoed.code)
"""Why deliveries are cancelled that waited for a verdict."""
CANCELLED_READ = 250
"""Cancelled deliveries of an event looked at for those that waited for its verdict."""
QUEUE_FACTOR = 3
"""Calls that may wait for a busy receiver, as a multiple of those it may have in flight. Not of a
source's automation, which runs here: who waits for that is bounded by ``Calls.full`` alone."""
UNUSABLE = "webhook_unusable"
BUSY = "receiver_busy"
"""Earlier calls kept the receiver busy until the timeout, or too many waited already."""
PAUSED = "webhook_paused"
"""Why a synchronous delivery to a paused webhook failed at once: nobody can wait for that."""


class Verdict(msgspec.Struct, frozen=True):
    """What a publisher is told when nobody refused."""

    event_id: int
    deliveries: int
    outcomes: tuple[CallOutcome, ...]
    duplicate: bool = False
    reports: tuple[Report, ...] = ()
    """What each of them answered, whole; for who waits in this process."""


Told = Callable[[Verdict | HookferryError], None]


class CallLog(Protocol):
    """What is read to answer a repeated publish."""

    async def delivery(self, tenant_id: int, delivery_id: int) -> Delivery | None:
        """Return one delivery."""
        ...

    async def attempts(self, tenant_id: int, delivery_id: int) -> list[Attempt]:
        """Return a delivery's attempts, first attempt first."""
        ...

    async def deliveries(self, where: DeliveryFilter, *, limit: int) -> list[Delivery]:
        """Return deliveries, newest first."""
        ...


class Hand(Protocol):
    """Who takes over deliveries that were held and may go now."""

    def offer(self, event: Event, deliveries: Sequence[Delivery]) -> None:
        """Take what is pending."""
        ...


class Asked(msgspec.Struct, frozen=True, array_like=True):
    """One synchronous delivery, as an answer to a repeat has to know it."""

    delivery_id: int
    webhook_id: int
    mode: Mode
    skipped: str | None = None
    """Why it was not sent at all."""


class _Call:
    """One synchronous delivery on its way."""

    __slots__ = ("deadline", "delivery", "job", "lane", "report", "room", "settlement", "webhook")

    def __init__(self, room: Room, webhook: Webhook, delivery: Delivery) -> None:
        self.room = room
        self.webhook = webhook
        self.delivery = delivery
        self.lane: Lane | None = None
        self.job: Job | None = None
        self.deadline: asyncio.TimerHandle | None = None
        """Set while it waits for its turn at a busy receiver."""
        self.report: Report | None = None
        self.settlement: Settlement | None = None


class Room:
    """An event whose publisher waits."""

    __slots__ = (
        "asked",
        "before",
        "calls",
        "carrier",
        "closed",
        "deliveries",
        "event",
        "held",
        "open",
        "told",
    )

    def __init__(
        self,
        event: Event,
        before: bool,
        calls: Sequence[tuple[Webhook, Delivery]],
        asked: Sequence[Asked],
        held: Sequence[Delivery],
        deliveries: int,
        told: Told,
    ) -> None:
        self.event = event
        self.before = before
        self.asked = asked
        self.held = held
        self.deliveries = deliveries
        self.told: list[Told] = [told]
        """The publisher, and those who repeat the publish meanwhile."""
        self.carrier = Carrier(event)
        self.calls = [_Call(self, webhook, delivery) for webhook, delivery in calls]
        self.open = len(self.calls)
        self.closed = False
        """What it came to is decided; answers that still come are only logged."""


class Calls:
    """Makes synchronous calls.

    Args:
        directory: the webhooks' names.
        lanes: how each webhook sends, and its health.
        hand: who is given what was held.
        store: what is read for a repeat.
        limit: calls that may wait for an answer, in all.
        tracing: makes spans, where traces are exported.
    """

    def __init__(
        self,
        *,
        directory: Directory,
        lanes: Lanes,
        hand: Hand,
        dispatcher: Dispatcher,
        committer: Committer,
        store: CallLog,
        clock: Clock,
        timeline: Timeline,
        ids: IdSource,
        metrics: Metrics,
        limit: int = 1_000,
        tracing: Tracing | None = None,
    ) -> None:
        self._directory = directory
        self._tracing = tracing
        self._lanes = lanes
        self._hand = hand
        self._dispatcher = dispatcher
        self._committer = committer
        self._store = store
        self._clock = clock
        self._timeline = timeline
        self._ids = ids
        self._metrics = metrics
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self._rooms: dict[int, Room] = {}
        self._in_flight: dict[int, int] = {}
        self._queues: dict[int, deque[_Call]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self.waiting = 0
        """Calls that have not ended."""

    @property
    def full(self) -> bool:
        """No further publish may wait at the moment."""
        return self.waiting >= self._limit

    async def stop(self, timeout: float) -> None:
        """Wait up to ``timeout`` seconds for the calls under way.

        What has not ended then is failed by the next start.
        """
        try:
            await asyncio.wait_for(self._idle.wait(), timeout)
        except TimeoutError:
            log.warning("synchronous_calls_cut_off", waiting=self.waiting)
        for task in self._tasks:
            task.cancel()

    # ------------------------------------------------------------------ a publish

    def start(self, room: Room, *, gone: bool = False) -> None:
        """Make the calls of an event that was just committed.

        Args:
            room: the event and its calls.
            gone: the publisher has left meanwhile: nothing is sent.
        """
        self._rooms[room.event.id] = room
        self.waiting += room.open
        self._idle.clear()
        if gone:
            self.leave(room)
            return
        if not room.open:
            self._conclude(room)
        for call in room.calls:
            lane = call.lane = self._lanes.lane_of(call.webhook.id)
            if lane is None:
                self._loop.call_soon(self._unsent, call, UNUSABLE)
            elif self._in_flight.get(call.webhook.id, 0) >= lane.max_in_flight:
                self._enqueue(call, lane)
            else:
                self._send(call, lane, lane.plan.timeout)

    def _enqueue(self, call: _Call, lane: Lane) -> None:
        """Let a call wait for its turn, for as long as its webhook's timeout.

        Behind a bounded number of others: one slow receiver must not use up the calls of all. A
        source's own automation is no receiver, and its callers' requests are taken already.
        """
        queue = self._queues.setdefault(call.webhook.id, deque())
        if call.webhook.owner is None and len(queue) >= QUEUE_FACTOR * lane.max_in_flight:
            self._loop.call_soon(self._unsent, call, BUSY)
            return
        queue.append(call)
        call.deadline = self._loop.call_later(lane.plan.timeout, self._unsent, call, BUSY)

    def leave(self, room: Room) -> None:
        """The publisher is gone: what was not answered yet is failed, and stays so."""
        if room.closed or room.event.id not in self._rooms:
            return
        for call in room.calls:
            if call.report is None:
                call.report = self._report(call, error=CALLER_GONE)
                call.settlement = self._settlement(
                    call, DeliveryState.FAILED, 1 if call.job is not None else 0, None
                )
        self._conclude(room)

    def _send(self, call: _Call, lane: Lane, timeout: float) -> None:
        webhook_id = call.webhook.id
        self._in_flight[webhook_id] = self._in_flight.get(webhook_id, 0) + 1
        job = call.job = Job(call.delivery.id, 0, call.room.carrier, lane)
        done = partial(self._done, call)
        plan = lane.plan
        if self._tracing is not None:
            job.span = span_of(self._tracing, job, plan)
        try:
            self._dispatcher.send(job, plan, timeout, done)
        except Exception as error:  # as in the lanes: a profile's bug is this call's alone
            self._loop.call_soon(done, not_rendered(job, error))

    def _next(self, webhook_id: int) -> None:
        """A receiver has room again: whoever waits for it is next."""
        left = self._in_flight[webhook_id] - 1
        if left:
            self._in_flight[webhook_id] = left
        else:
            del self._in_flight[webhook_id]
        queue = self._queues.get(webhook_id)
        while queue:
            call = queue.popleft()
            if not queue:
                del self._queues[webhook_id]
            deadline, lane = call.deadline, call.lane
            call.deadline = None
            if deadline is None or call.room.closed or lane is None:
                continue  # its time was up, or its caller left
            deadline.cancel()
            remaining = deadline.when() - self._loop.time()
            if remaining > 0:
                self._send(call, lane, remaining)
                return
            self._unsent(call, BUSY)

    # ------------------------------------------------------------------ answers

    def _unsent(self, call: _Call, reason: str) -> None:
        """Nothing was sent and nothing will be."""
        call.deadline = None
        if call.report is None:
            call.report = self._report(call, error=reason)
            self._end(call, 0, None)

    def _done(self, call: _Call, outcome: Outcome) -> None:
        lane, job = call.lane, call.job
        assert lane is not None
        assert job is not None
        now_ms = self._clock.wall_ms()
        status = outcome.status
        success = lane.plan.succeeded(outcome)
        attempt = attempt_of(self._ids.next(), job, outcome, success=success)
        error = None if success else (outcome.error or f"status_{status}")
        if outcome.verdict is not None and not outcome.reused:
            self._metrics.verdict(outcome.verdict)
        self._metrics.attempt(success, error, outcome.duration)
        if self._tracing is not None and job.span is not None:
            self._tracing.attempted(job.span, status, error)
        self._lanes.count_call(
            lane, call.room.event, success=success, error=error, status=status, now_ms=now_ms
        )
        if call.report is None:
            call.report = Report(
                webhook_id=call.webhook.id,
                name=call.webhook.name,
                delivery_id=call.delivery.id,
                mode=call.webhook.mode,
                status=status,
                success=success,
                error=outcome.error,
                text=None if success else _text_of(call.webhook, outcome.head, outcome.body),
                duration_ms=round(outcome.duration * 1000, 3),
                outcome=outcome,
            )
            self._end(call, 1, attempt)
        else:  # its caller left: the answer is kept in the log, and changes nothing
            late = self._settlement(
                call, DeliveryState.FAILED, 1, attempt, status=status, run=outcome.run
            )
            self._committer.resolve(Resolve([late], None, partial(self._noted_late, late)))
        self._next(call.webhook.id)

    def _noted_late(self, late: Settlement, _: HookferryError | None) -> None:
        """An answer that nobody waits for is in the log; it settled nothing."""
        if self._tracing is not None:
            self._tracing.settled(late.delivery_id, late.state.name.lower(), refused=True)

    def _end(self, call: _Call, attempts: int, attempt: Attempt | None) -> None:
        room, report = call.room, call.report
        assert report is not None
        outcome = outcome_of(report, before=room.before)
        state = DeliveryState.FAILED
        if report.success:
            state = DeliveryState.DELIVERED
        elif outcome == VETOED:
            state = DeliveryState.VETOED
        call.settlement = self._settlement(call, state, attempts, attempt, status=report.status)
        room.open -= 1
        if not room.open:
            self._conclude(room)

    def _report(self, call: _Call, *, error: str) -> Report:
        return Report(
            webhook_id=call.webhook.id,
            name=call.webhook.name,
            delivery_id=call.delivery.id,
            mode=call.webhook.mode,
            error=error,
        )

    def _settlement(
        self,
        call: _Call,
        state: DeliveryState,
        attempts: int,
        attempt: Attempt | None,
        *,
        status: int | None = None,
        run: Run | None = None,
    ) -> Settlement:
        report = call.report
        assert report is not None
        error = None
        if not report.success:
            error = report.error or f"status_{status}"
        return Settlement(
            call.delivery.id,
            call.webhook.id,
            call.webhook.shard,
            self._lanes.epoch_of(call.webhook.shard),
            state,
            0,
            attempts,
            status,
            error,
            self._clock.wall_ms(),
            attempt,
            run or (None if report.outcome is None else report.outcome.run),
        )

    def _name_of(self, webhook_id: int) -> str:
        webhook = self._directory.webhook_by_id(webhook_id)
        return "" if webhook is None else webhook.name

    # ------------------------------------------------------------------ the verdict

    def _conclude(self, room: Room) -> None:
        room.closed = True
        reports = [call.report for call in room.calls if call.report is not None]
        reports += [
            Report(
                webhook_id=asked.webhook_id,
                name=self._name_of(asked.webhook_id),
                delivery_id=asked.delivery_id,
                mode=asked.mode,
                error=asked.skipped,
                skipped=asked.skipped != PAUSED,
            )
            for asked in room.asked
            if asked.skipped is not None
        ]
        judgement = judge(room.event.id, reports, before=room.before)
        refused = room.before and judgement.error is not None
        due_ms = self._timeline.now_ms()
        resolution = None
        if room.held or judgement.vetoed:
            resolution = Resolution(
                room.event.id,
                self._clock.wall_ms(),
                vetoed=judgement.vetoed,
                release_due_ms=None if refused else due_ms,
                reason=judgement.error.code if refused and judgement.error is not None else None,
                waited=tuple(call.delivery.id for call in room.calls),
            )
        answer: Verdict | HookferryError = judgement.error or Verdict(
            room.event.id, room.deliveries, judgement.outcomes, reports=tuple(reports)
        )
        if judgement.error is not None:
            judgement.error.reports = tuple(reports)

        settlements = [c.settlement for c in room.calls if c.settlement is not None]

        def stored(error: HookferryError | None) -> None:
            for settlement in settlements:
                self._note(settlement, error)
            if error is None and room.held and not refused:
                self._hand.offer(
                    room.event, [msgspec.structs.replace(d, due_ms=due_ms) for d in room.held]
                )
            if isinstance(error, CallEnded) and room.held:
                self._let_go(room)
            if room.event.id in self._rooms:  # else it was told an error, and is stored only now
                self._tell(room, answer if error is None else error)

        self._committer.resolve(Resolve(settlements, resolution, stored))

    def _let_go(self, room: Room) -> None:
        """Cancel what was held for a verdict that is not to be: its caller is told of none."""
        cancelled = Resolution(room.event.id, self._clock.wall_ms(), reason=CALLER_GONE)
        self._committer.resolve(Resolve([], cancelled, lambda _: None))

    def _note(self, settlement: Settlement, error: HookferryError | None) -> None:
        """Count a settlement that is durable; end its span either way."""
        state = settlement.state.name.lower()
        if error is None:
            self._metrics.deliveries(state)
        if self._tracing is not None:
            self._tracing.settled(settlement.delivery_id, state, refused=error is not None)

    def _tell(self, room: Room, answer: Verdict | HookferryError) -> None:
        del self._rooms[room.event.id]
        self.waiting -= len(room.calls)
        if not self._rooms:
            self._idle.set()
        for told in room.told:
            told(answer)

    # ------------------------------------------------------------------ repeats

    def repeat(
        self,
        tenant_id: int,
        event_id: int,
        deliveries: int,
        before: bool,
        asked: Sequence[Asked],
        told: Told,
    ) -> None:
        """Answer a publish that was made before: as the first was, once that is known.

        Args:
            tenant_id: whose event it is.
            event_id: the first one's event.
            deliveries: how many it has.
            before: its phase.
            asked: its synchronous deliveries.
            told: given the first answer, or IdempotencyInProgress after five seconds.
        """
        room = self._rooms.get(event_id)
        if room is None:
            task = self._loop.create_task(
                self._recall(tenant_id, event_id, deliveries, before, asked, told)
            )
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return

        def late() -> None:
            waiting.remove(answered)
            told(
                IdempotencyInProgress(
                    f"the first publish of this event ({encode('evt', event_id)}) still waits for "
                    "its synchronous webhooks; ask again in a moment"
                )
            )

        def answered(answer: Verdict | HookferryError) -> None:
            timer.cancel()
            if isinstance(answer, Verdict):
                answer = msgspec.structs.replace(answer, duplicate=True)
            told(answer)

        waiting = room.told
        timer = self._loop.call_later(REPEAT_WAIT_SECONDS, late)
        waiting.append(answered)

    async def _recall(
        self,
        tenant_id: int,
        event_id: int,
        deliveries: int,
        before: bool,
        asked: Sequence[Asked],
        told: Told,
    ) -> None:
        """Read the first answer back from the log."""
        try:
            reports = [await self._recorded(tenant_id, one) for one in asked]
            judgement = judge(event_id, reports, before=before)
            if before and judgement.error is None and await self._given_up(tenant_id, event_id):
                # A resend by hand was answered with success since: too late for the others.
                judgement = judge(event_id, [_gone(report) for report in reports], before=before)
        except Unavailable as error:
            told(error)
            return
        told(judgement.error or Verdict(event_id, deliveries, judgement.outcomes, duplicate=True))

    async def _given_up(self, tenant_id: int, event_id: int) -> bool:
        """Tell whether deliveries that waited for the verdict were cancelled, not released."""
        where = DeliveryFilter(
            tenant_id=tenant_id, event_id=event_id, states=(DeliveryState.CANCELLED,)
        )
        found = await self._store.deliveries(where, limit=CANCELLED_READ)
        return any(delivery.last_error in _NOT_TO_BE for delivery in found)

    async def _recorded(self, tenant_id: int, asked: Asked) -> Report:
        report = Report(
            webhook_id=asked.webhook_id,
            name=self._name_of(asked.webhook_id),
            delivery_id=asked.delivery_id,
            mode=asked.mode,
            error=asked.skipped,
            skipped=asked.skipped not in (None, PAUSED),
        )
        if asked.skipped is not None:
            return report
        delivery = await self._store.delivery(tenant_id, asked.delivery_id)
        if (
            delivery is None
            or delivery.last_error == CALLER_GONE
            # It was ended while its caller waited, so whatever its receiver said decided nothing.
            or delivery.state is DeliveryState.CANCELLED
        ):
            return msgspec.structs.replace(report, error=CALLER_GONE)
        # The first attempt: a resend by hand later says nothing about what was answered then.
        attempts = await self._store.attempts(tenant_id, asked.delivery_id)
        if not attempts:
            return msgspec.structs.replace(report, error=delivery.last_error)
        first = attempts[0]
        text = None
        if not first.success:
            webhook = self._directory.webhook_by_id(asked.webhook_id)
            text = _text_of(webhook, first.response_head, first.response_body)
        return msgspec.structs.replace(
            report,
            status=first.status,
            success=first.success,
            error=first.error,
            text=text,
            duration_ms=round(first.duration_ms, 3),
        )


def _text_of(webhook: Webhook | None, head: bytes, body: bytes) -> str | None:
    """Return what was said for people to read; a script's body is text unless it says otherwise."""
    scripted = webhook is not None and webhook.type == AUTOMATION
    return readable_text(head, body, untyped=scripted)


def _gone(report: Report) -> Report:
    """Return a report of what was asked in vain."""
    return msgspec.structs.replace(
        report, status=None, success=False, error=CALLER_GONE, text=None, duration_ms=None
    )
