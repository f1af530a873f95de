"""What people do to deliveries: resend, cancel, replay, recover. Long work is a job with progress
that survives a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

import msgspec
import structlog

from hookferry.clock import Clock, Timeline
from hookferry.domain.delivery import OWING, Delivery, DeliveryState
from hookferry.domain.event import Event
from hookferry.domain.webhook import Webhook, WebhookState
from hookferry.engine.directory import Directory
from hookferry.engine.lanes import Lanes
from hookferry.engine.matching import Matcher
from hookferry.errors import Conflict, NotFound, Unavailable
from hookferry.ids import IdSource, encode
from hookferry.match.facts import Facts
from hookferry.store.ports import Actions as ActionStore
from hookferry.store.ports import DeliveryFilter, Job, Jobs, Log
from hookferry.wire.bodies import data_of

log = structlog.get_logger(__name__)

CHUNK = 250
PAUSE_SECONDS = 0.02
_RETRY_SECONDS = 1.0
RESENDABLE = (
    DeliveryState.DELIVERED,
    DeliveryState.FAILED,
    DeliveryState.CANCELLED,
    DeliveryState.SKIPPED,
)
RESEND = "resend"


class ActionLedger(ActionStore, Jobs, Log, Protocol):
    """What actions need of the ledger."""


class Actions:
    """Acts on deliveries in the ledger, then tells the lanes."""

    def __init__(
        self,
        store: ActionLedger,
        directory: Directory,
        lanes: Lanes,
        *,
        clock: Clock,
        timeline: Timeline,
        ids: IdSource,
    ) -> None:
        self._store = store
        self._directory = directory
        self._matcher = Matcher(directory)
        self._lanes = lanes
        self._clock = clock
        self._timeline = timeline
        self._ids = ids
        self._running: dict[int, asyncio.Task[None]] = {}

    # ------------------------------------------------------------------ a few

    async def resend(self, tenant_id: int, delivery_ids: Sequence[int]) -> list[int]:
        """Make settled deliveries due again, each a new attempt on the same delivery.

        Returns the ids changed; those that still owe, and those of deleted webhooks, are not.
        """
        changed = await self._store.requeue(
            tenant_id, delivery_ids, self._timeline.now_ms(), self._clock.wall_ms()
        )
        self._lanes.wake(set(changed.values()))
        return list(changed)

    async def cancel(self, tenant_id: int, delivery_ids: Sequence[int]) -> list[int]:
        """Cancel deliveries that still owe; return the ids changed."""
        changed = await self._store.cancel(
            tenant_id, delivery_ids, "cancelled_by_hand", self._clock.wall_ms()
        )
        self._lanes.drop(changed)
        return list(changed)

    async def replay(
        self, tenant_id: int, event_id: int, webhook_ids: Sequence[int] | None
    ) -> list[Delivery]:
        """Deliver a stored event once more: new deliveries to the webhooks named.

        Args:
            tenant_id: whose event it is.
            event_id: the event.
            webhook_ids: to whom, also such that never subscribed; None means the webhooks that
                match it now.

        Raises:
            NotFound: no such event or webhook.
            Conflict: a webhook does not take events at the moment.
        """
        event = await self._store.event(tenant_id, event_id)
        if event is None:
            raise NotFound(f"there is no event {encode('evt', event_id)}")
        if webhook_ids is None:
            facts = Facts(event.type, data_of(event), event.meta)
            webhooks = list(self._matcher.select(tenant_id, facts).webhooks)
        else:
            webhooks = [self._directory.webhook(tenant_id, w) for w in dict.fromkeys(webhook_ids)]
        for webhook in webhooks:
            if webhook.state not in (WebhookState.ACTIVE, WebhookState.PAUSED):
                raise Conflict(
                    f"webhook {encode('wh', webhook.id)} is {webhook.state.label}; restart it "
                    "first, or name other webhooks"
                )
        deliveries = [self._owed(event, webhook) for webhook in webhooks]
        if deliveries:
            await self._store.add_deliveries(deliveries)
            self._lanes.wake({d.webhook_id for d in deliveries})
        return deliveries

    def _owed(self, event: Event, webhook: Webhook) -> Delivery:
        return Delivery(
            self._ids.next(),
            event.id,
            webhook.id,
            event.tenant_id,
            DeliveryState.PENDING,
            self._timeline.now_ms(),
            updated_at_ms=self._clock.wall_ms(),
        )

    # ------------------------------------------------------------------ many

    async def resend_where(self, where: DeliveryFilter) -> Job:
        """Start a job that resends every settled delivery a filter finds.

        Deliveries accepted after this moment are not looked at.
        """
        states = tuple(s for s in where.states or RESENDABLE if s not in OWING)
        now = self._clock.wall_ms()
        before = now + 1 if where.before_ms is None else min(where.before_ms, now + 1)
        spec = msgspec.structs.replace(where, states=states, before_ms=before)
        job = Job(
            id=self._ids.next(),
            tenant_id=where.tenant_id,
            kind=RESEND,
            state="running",
            spec=msgspec.json.encode(spec),
            created_at_ms=now,
            updated_at_ms=now,
        )
        await self._store.put_job(job)
        self._start(job)
        return job

    async def recover(self, webhook: Webhook, since_ms: int) -> Job:
        """Start a job that queues what a webhook missed: skipped or failed since a time."""
        return await self.resend_where(
            DeliveryFilter(
                tenant_id=webhook.tenant_id,
                webhook_id=webhook.id,
                states=(DeliveryState.SKIPPED, DeliveryState.FAILED),
                after_ms=since_ms,
            )
        )

    async def job(self, tenant_id: int, job_id: int) -> Job:
        """Return a job with its progress; raises NotFound."""
        job = await self._store.job(tenant_id, job_id)
        if job is None:
            raise NotFound(f"there is no job {encode('job', job_id)}")
        return job

    # ------------------------------------------------------------------ jobs

    async def resume(self) -> None:
        """Go on with the jobs that had not ended when the process did."""
        for job in await self._store.running_jobs():
            self._start(job)

    async def stop(self) -> None:
        """Interrupt the jobs; they go on after the next start."""
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    def _start(self, job: Job) -> None:
        task = asyncio.get_running_loop().create_task(self._run(job), name=f"job-{job.id}")
        self._running[job.id] = task
        task.add_done_callback(lambda _: self._running.pop(job.id, None))

    async def _run(self, job: Job) -> None:
        where = msgspec.json.decode(job.spec, type=DeliveryFilter)
        while job.state == "running":
            try:
                job = await self._step(job, where)
            except Unavailable as error:
                log.warning("job_postponed", job=encode("job", job.id), error=error.detail)
                await asyncio.sleep(_RETRY_SECONDS)
            except Exception:
                log.exception("job_failed", job=encode("job", job.id))
                job = msgspec.structs.replace(job, state="failed")
                await self._store.put_job(job)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _step(self, job: Job, where: DeliveryFilter) -> Job:
        found = await self._store.deliveries(where, limit=CHUNK, below_id=job.cursor)
        done = 0
        if found:
            done = len(await self.resend(job.tenant_id, [d.id for d in found]))
        # The cursor moves after the work: a crash between the two resends a chunk's deliveries
        # only if they were settled again meanwhile.
        job = msgspec.structs.replace(
            job,
            cursor=found[-1].id if found else job.cursor,
            done=job.done + done,
            state="running" if len(found) == CHUNK else "done",
            updated_at_ms=self._clock.wall_ms(),
        )
        await self._store.put_job(job)
        return job
