"""Timers at work: when one is due, its event is published, once.

Due times are the wall clock's, as people read cron. What a clock does that is set is noticed: set
forward, each timer that is late fires once; set back, each goes on from the time that it now is. A
firing is published under an id of its own, so that one whose mark a crash kept from the ledger is
not published again.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final, Protocol

import msgspec
import structlog

from hookferry.automate.schedule import next_due
from hookferry.clock import Clock
from hookferry.domain.tenant import Tenant
from hookferry.domain.timer import Timer, TimerMark
from hookferry.engine.directory import Directory
from hookferry.engine.intake import Cause, Receipt
from hookferry.engine.publication import Publication
from hookferry.engine.synchronous import Verdict
from hookferry.errors import HookferryError, IdempotencyConflict, InvalidField, Unavailable
from hookferry.ids import encode
from hookferry.telemetry import Metrics
from hookferry.wire.timestamps import rfc3339_ms

FIRED: Final = "timer.fired"
"""The type of the event that a timer's automation runs on."""
LOOK_SECONDS: Final = 30.0
"""The longest sleep: after it, a clock that was set is noticed."""
AGAIN_SECONDS: Final = 2.0
"""After what was due could not be stored."""
AT_ONCE: Final = 50
"""Timers whose events are published side by side."""
_JUMP_MS: Final = 1_000

log = structlog.get_logger(__name__)
_encoder = msgspec.json.Encoder()


class Publishes(Protocol):
    """Who takes events (``hookferry.engine.intake.Intake``)."""

    async def publish_one(
        self,
        tenant: Tenant,
        publication: Publication,
        idempotency_key: str | None = None,
        *,
        waits: bool = True,
        cause: Cause = ...,
    ) -> Receipt | Verdict:
        """Publish an event and wait until it is durable."""
        ...


class Marks(Protocol):
    """Who keeps how far timers have come (``hookferry.store.ports.ConfigStore``)."""

    async def mark_timer(self, timer_id: int, mark: TimerMark) -> None:
        """Store a mark."""
        ...


class Ticking:
    """Fires timers.

    Args:
        directory: the timers there are.
        intake: takes their events.
        marks: keeps how far each has come.
        clock: whose wall time they are due by.
        metrics: counts firings.
    """

    def __init__(
        self,
        directory: Directory,
        intake: Publishes,
        marks: Marks,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._directory = directory
        self._intake = intake
        self._marks = marks
        self._clock = clock
        self._metrics = metrics
        self._due: dict[int, int] = {}
        """When each enabled timer is due, by its id."""
        self._wake = asyncio.Event()
        self._drift = self._drift_now()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        for timer in directory.all_timers():
            self._plan(timer)
        directory.on_timer(self._changed)

    # ------------------------------------------------------------------ the loop

    def start(self) -> None:
        """Begin; what came due while nothing ran fires once, now."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="timers")

    async def stop(self) -> None:
        """End; a firing under way is finished."""
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            if self._stopping:
                return
            stored = False
            try:
                stored = await self.tick()
            except Exception:  # a bug; without this task no timer would ever fire again
                log.exception("timers_failed")
            seconds = self._seconds() if stored else AGAIN_SECONDS
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), seconds)

    def _seconds(self) -> float | None:
        """Return how long there is nothing to do; None until some timer changes."""
        if not self._due:
            return None
        return min(LOOK_SECONDS, max(0.0, (self.next_due_ms() or 0) - self._clock.wall_ms()) / 1000)

    def next_due_ms(self) -> int | None:
        """Return when the next timer is due (Unix ms)."""
        return min(self._due.values(), default=None)

    async def tick(self) -> bool:
        """Fire what is due now; return whether all of it could be stored."""
        now = self._clock.wall_ms()
        self._notice_jump(now)
        due = sorted((at, number) for number, at in self._due.items() if at <= now)
        stored = True
        for start in range(0, len(due), AT_ONCE):
            chunk = due[start : start + AT_ONCE]
            results = await asyncio.gather(*(self._fire_due(number, at) for at, number in chunk))
            stored = stored and all(results)
        return stored

    # ------------------------------------------------------------------ when

    def _drift_now(self) -> float:
        return self._clock.wall_ms() - self._clock.monotonic() * 1000

    def _notice_jump(self, now: int) -> None:
        """Plan anew where the clock was set back: due times of a future that is gone would stall.

        A clock that was set forward needs nothing: what is late fires once.
        """
        drift = self._drift_now()
        if drift < self._drift - _JUMP_MS:
            log.info("clock_set_back", seconds=round((self._drift - drift) / 1000, 3))
            for timer in self._directory.all_timers():
                if timer.id in self._due:
                    self._put(timer, next_due(timer.cron, timer.timezone, now))
        self._drift = drift

    def _changed(self, timer: Timer) -> None:
        self._plan(timer)
        self._wake.set()

    def _plan(self, timer: Timer) -> None:
        if timer.deleted or not timer.enabled:
            self._due.pop(timer.id, None)
            return
        mark = self._directory.timer_mark(timer.id)
        served = mark is not None and mark.version == timer.version
        self._put(timer, mark.next_due_ms if mark is not None and served else timer.next_due_ms)

    def _put(self, timer: Timer, due_ms: int | None) -> None:
        if due_ms is None:
            self._due.pop(timer.id, None)
        else:
            self._due[timer.id] = due_ms

    # ------------------------------------------------------------------ firing

    async def fire(self, timer: Timer) -> int:
        """Publish a timer's event now, whatever its next due time; return the event's id.

        Raises:
            HookferryError: the event can't be taken.
        """
        receipt = await self._publish(timer, self._clock.wall_ms(), None)
        self._metrics.timer_fired("by_hand")
        return receipt.event_id

    async def _fire_due(self, timer_id: int, due_ms: int) -> bool:
        """Fire a timer for one due time, and keep that it was; return whether that is stored."""
        timer = self._directory.timer_by_id(timer_id)
        if timer is None:
            self._due.pop(timer_id, None)
            return True
        before = self._directory.timer_mark(timer_id)
        count = 1 if before is None else before.count + 1
        number = encode("tmr", timer_id)
        event_id: int | None = None
        error: str | None = None
        # Late times are passed over, but for one; those behind a firing of before a crash are not.
        since = max(due_ms, self._clock.wall_ms())
        try:
            receipt = await self._publish(timer, due_ms, f"{number}:{count}:{due_ms}")
            event_id = receipt.event_id
            if receipt.duplicate:
                since = due_ms
        except IdempotencyConflict:  # fired before a crash, and changed since
            since = due_ms
        except Unavailable as unavailable:
            log.warning("timer_postponed", timer=number, error=unavailable.detail)
            return False
        except HookferryError as refused:
            error = refused.detail
            log.warning("timer_not_fired", timer=number, code=refused.code, error=error)
        self._metrics.timer_fired("due" if error is None else "failed")
        mark = TimerMark(
            version=timer.version,
            due_ms=due_ms,
            fired_at_ms=self._clock.wall_ms(),
            next_due_ms=self._next(timer, since),
            event_id=event_id,
            error=error,
            count=count,
        )
        return await self._keep(timer, mark)

    def _next(self, timer: Timer, since_ms: int) -> int | None:
        try:
            return next_due(timer.cron, timer.timezone, since_ms)
        except InvalidField as error:  # a time zone that the system has no more
            log.warning("timer_ends", timer=encode("tmr", timer.id), error=error.detail)
            return None

    async def _keep(self, timer: Timer, mark: TimerMark) -> bool:
        self._directory.put_timer_mark(timer.id, mark)
        # It may have been changed meanwhile; then its next due time is its own.
        present = self._directory.timer_by_id(timer.id)
        if present is not None:
            self._plan(present)
        try:
            await self._marks.mark_timer(timer.id, mark)
        except Unavailable as error:
            # The event is stored: after a restart it would be published again, and found there.
            log.warning("timer_not_marked", timer=encode("tmr", timer.id), error=error.detail)
        return True

    async def _publish(self, timer: Timer, due_ms: int, id: str | None) -> Receipt:
        tenant = self._directory.tenant_by_id(timer.tenant_id)
        if timer.event_type is not None:
            publication = Publication(timer.event_type, _raw(timer.data), id=id)
            cause = Cause(timer=timer.id)
        else:
            own = self._directory.owned(timer.id)
            data = {"timer": timer.name, "due_at": rfc3339_ms(due_ms).decode()}
            publication = Publication(FIRED, _raw(data), id=id)
            cause = Cause(timer=timer.id, addressed=None if own is None else own.id, own=True)
        receipt = await self._intake.publish_one(tenant, publication, waits=False, cause=cause)
        assert isinstance(receipt, Receipt)  # where nobody waits there is no verdict
        return receipt


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(_encoder.encode(value))
