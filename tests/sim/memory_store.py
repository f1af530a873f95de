"""The whole Store port in memory: deterministic, without threads, for simulations and tests.

``Disk`` is what survives a crash; ``MemoryStore`` is the ledger opened on it. A simulated crash is
``store.crash()`` and a new ``MemoryStore`` on the same disk. It passes the conformance suite like
a real engine, so that what a simulation finds is about the engine's rules and not about a double.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import msgspec

from hookferry import ids
from hookferry.domain.automation import Automation, PluginState
from hookferry.domain.credential import Credential
from hookferry.domain.delivery import WAITED_FOR, Attempt, Delivery, DeliveryState
from hookferry.domain.event import Event
from hookferry.domain.package import ImportedPackage
from hookferry.domain.request import CaughtRequest, Verdict
from hookferry.domain.run import Run
from hookferry.domain.source import Source
from hookferry.domain.tenant import ApiKey, EventType, Tenant
from hookferry.domain.timer import Timer, TimerMark
from hookferry.domain.webhook import Webhook
from hookferry.errors import StorageDown
from hookferry.store.ports import (
    ATTEMPTS_READ,
    Batch,
    Boot,
    Committed,
    ConfigChanges,
    ConfigRecord,
    DedupeKey,
    DeliveryFilter,
    DueBatch,
    DueDelivery,
    EventFilter,
    Job,
    R,
    RequestFilter,
    RunFilter,
)
from sim.automated import drop_expired, is_wanted_run, put_value
from sim.caught import BODIES_BYTES, first_of, is_wanted, requests_of
from sim.disk import (
    Disk,
    abandon_calls,
    apply_batch,
    cancel_delivery,
    check_new,
    check_new_runs,
    deliveries_of,
    forget_event,
    forget_jobs,
    forget_requests,
    forget_runs,
    forget_sources,
    forget_versions,
    named,
    place_of,
    put_runs,
    save_record,
    save_together,
    within,
)

Hook = Callable[[], Awaitable[None]]
T = TypeVar("T")

replace = msgspec.structs.replace
CANCEL_CHUNK = 500
RESWEEP_MS = 3_600_000


async def _at_once() -> None:
    """Do nothing: the default hook."""


class MemoryStore:
    """``hookferry.store.ports.Store`` on a Disk.

    Args:
        disk: what the ledger is opened on.
        before_commit: awaited before each transaction; an error it raises means "not stored".
        after_commit: awaited between a transaction and its answer; an error it raises, or a
            crash meanwhile, is a commit whose answer was lost.
    """

    def __init__(
        self, disk: Disk, *, before_commit: Hook = _at_once, after_commit: Hook = _at_once
    ) -> None:
        self.disk = disk
        self.before_commit = before_commit
        self.after_commit = after_commit
        # Fair, so that calls are served in the order they were asked, as by a writer's thread.
        self._turn = asyncio.Lock()
        self._closed = False
        self._swept = 0
        self._sweep_began_ms = 0

    def crash(self) -> None:
        """Stop here: no transaction of this store happens from now on."""
        self._closed = True

    async def aclose(self) -> None:
        """Finish what was asked for and close."""
        async with self._turn:
            self._closed = True

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[Disk]:
        async with self._turn:
            self._check_open()
            yield self.disk

    async def _transact(self, change: Callable[[Disk], T]) -> T:
        """Run one transaction; ``change`` must raise before it mutates, or not at all."""
        self._check_open()
        async with self._turn:
            await self.before_commit()
            self._check_open()
            result = change(self.disk)
            await self.after_commit()
            self._check_open()
            return result

    def _check_open(self) -> None:
        if self._closed:
            raise StorageDown("the ledger is closed")

    # ------------------------------------------------------------------ the hot path

    async def commit(self, batch: Batch) -> Committed:
        """See ``Ledger.commit``."""
        return await self._transact(lambda disk: apply_batch(disk, batch))

    async def read_due(
        self, webhook_id: int, now_ms: int, limit: int, max_bytes: int, skip: frozenset[int]
    ) -> DueBatch:
        """See ``Ledger.read_due``."""
        async with self._reading() as disk:
            backlog = sorted(
                (due, number)
                for number, due in disk.owing.get(webhook_id, {}).items()
                if number not in skip
            )
            rows: list[DueDelivery] = []
            size = 0
            for due, number in backlog:
                if due > now_ms:
                    return DueBatch(rows, False, due if due < WAITED_FOR else None)
                if len(rows) == limit or size > max_bytes:
                    return DueBatch(rows, True, None)
                delivery = disk.deliveries[number]
                event = disk.events[delivery.event_id]
                size += len(event.payload)
                rows.append(DueDelivery(delivery, event))
            return DueBatch(rows, False, None)

    async def retrying(self, webhook_id: int, skip: frozenset[int]) -> DueDelivery | None:
        """See ``Ledger.retrying``."""
        async with self._reading() as disk:
            for number in sorted(disk.owing.get(webhook_id, {})):
                delivery = disk.deliveries[number]
                if delivery.state is DeliveryState.RETRYING and number not in skip:
                    return DueDelivery(delivery, disk.events[delivery.event_id])
            return None

    async def owing(self) -> dict[int, int]:
        """See ``Ledger.owing``."""
        async with self._reading() as disk:
            first = {number: min(backlog.values()) for number, backlog in disk.owing.items()}
            return {number: due for number, due in first.items() if due < WAITED_FOR}

    async def abandon_calls(self, at_ms: int) -> int:
        """See ``Ledger.abandon_calls``."""
        return await self._transact(lambda disk: abandon_calls(disk, at_ms))

    async def claim_shards(self, node: str) -> dict[int, int]:
        """See ``Ownership.claim_shards``."""

        def claim(disk: Disk) -> dict[int, int]:
            for shard in disk.epochs:
                disk.epochs[shard] += 1
            return dict(disk.epochs)

        return await self._transact(claim)

    async def epochs(self) -> dict[int, int]:
        """See ``Ownership.epochs``."""
        async with self._reading() as disk:
            return dict(disk.epochs)

    # ------------------------------------------------------------------ configuration

    async def changes(self, since_version: int) -> ConfigChanges:
        """See ``ConfigStore.changes``."""
        async with self._reading() as disk:
            found = {
                kind: [
                    record
                    for number, record in sorted(records.items())
                    if disk.changed[kind, number] > since_version
                ]
                for kind, records in disk.records.items()
            }
            return ConfigChanges(
                disk.config_version,
                found[Tenant],
                found[EventType],
                found[Webhook],
                found[ApiKey],
                found[Credential],
                found[Source],
                {w.id: disk.health[w.id] for w in found[Webhook] if w.id in disk.health},
                found[Automation],
                found[Timer],
                found[PluginState],
                {t.id: disk.timer_marks[t.id] for t in found[Timer] if t.id in disk.timer_marks},
                found[ImportedPackage],
            )

    async def save(self, record: R) -> R:
        """See ``ConfigStore.save``."""
        return await self._save(record, unique=False)

    async def save_webhook_unique(self, record: Webhook) -> Webhook:
        """See ``ConfigStore.save_webhook_unique``."""
        return await self._save(record, unique=True)

    async def save_together(self, records: Sequence[ConfigRecord]) -> list[ConfigRecord]:
        """See ``ConfigStore.save_together``."""
        stored = await self._transact(lambda disk: save_together(disk, records))
        for record in stored:
            if isinstance(record, Webhook) and record.deleted:
                await self._cancel_backlog(record)
        return stored

    async def mark_timer(self, timer_id: int, mark: TimerMark) -> None:
        """See ``ConfigStore.mark_timer``."""
        await self._transact(lambda disk: disk.timer_marks.update({timer_id: mark}))

    async def _save(self, record: R, *, unique: bool) -> R:
        stored: R = await self._transact(lambda disk: save_record(disk, record, unique=unique))
        if isinstance(stored, Webhook) and stored.deleted:
            await self._cancel_backlog(stored)
        return stored

    async def _cancel_backlog(self, webhook: Webhook) -> None:
        def chunk(disk: Disk) -> bool:
            numbers = sorted(disk.owing.get(webhook.id, ()))[:CANCEL_CHUNK]
            for number in numbers:
                cancel_delivery(disk, number, "webhook_deleted", webhook.updated_at_ms)
            return len(numbers) == CANCEL_CHUNK

        while await self._transact(chunk):
            pass

    # ------------------------------------------------------------------ the log

    async def event(self, tenant_id: int, event_id: int) -> Event | None:
        """See ``Log.event``."""
        async with self._reading() as disk:
            event = disk.events.get(event_id)
            return event if event is not None and event.tenant_id == tenant_id else None

    async def events(
        self, where: EventFilter, *, limit: int, below_id: int | None = None
    ) -> list[Event]:
        """See ``Log.events``."""
        async with self._reading() as disk:
            found = [
                event
                for event in disk.events.values()
                if event.tenant_id == where.tenant_id
                and within(event.id, where.after_ms, where.before_ms, below_id)
                and where.type in (None, event.type)
                and where.state in (None, event.state)
                and where.external_id in (None, event.meta.external_id)
            ]
            return sorted(found, key=lambda event: -event.id)[:limit]

    async def delivery(self, tenant_id: int, delivery_id: int) -> Delivery | None:
        """See ``Log.delivery``."""
        async with self._reading() as disk:
            found = disk.deliveries.get(delivery_id)
            return found if found is not None and found.tenant_id == tenant_id else None

    async def deliveries(
        self, where: DeliveryFilter, *, limit: int, below_id: int | None = None
    ) -> list[Delivery]:
        """See ``Log.deliveries``."""
        async with self._reading() as disk:
            found = [
                d
                for d in disk.deliveries.values()
                if d.tenant_id == where.tenant_id
                and within(d.id, where.after_ms, where.before_ms, below_id)
                and where.event_id in (None, d.event_id)
                and where.webhook_id in (None, d.webhook_id)
                and (where.states is None or d.state in where.states)
                and where.status in (None, d.last_status)
                and (where.event_type in (None, disk.events[d.event_id].type))
                and (
                    where.text is None
                    or where.text in (d.last_error or "")
                    or where.text.encode() in disk.events[d.event_id].payload
                )
            ]
            return sorted(found, key=lambda delivery: -delivery.id)[:limit]

    async def webhook_at(self, tenant_id: int, webhook_id: int, version: int) -> Webhook | None:
        """See ``Log.webhook_at``."""
        async with self._reading() as disk:
            webhook: Webhook | None = disk.records[Webhook].get(webhook_id)
            if webhook is not None and webhook.version != version:
                _, webhook = disk.versions.get((webhook_id, version), (0, None))
            if webhook is None or webhook.tenant_id != tenant_id:
                return None
            return webhook.without_sealed()

    async def webhook_names(self, tenant_id: int, webhook_ids: Sequence[int]) -> dict[int, str]:
        """See ``Log.webhook_names``."""
        async with self._reading() as disk:
            found = [disk.records[Webhook].get(number) for number in webhook_ids]
            return {w.id: w.name for w in found if w is not None and w.tenant_id == tenant_id}

    async def attempts(
        self,
        tenant_id: int,
        delivery_id: int,
        *,
        limit: int = ATTEMPTS_READ,
        newest: bool = False,
        below_id: int | None = None,
    ) -> list[Attempt]:
        """See ``Log.attempts``."""
        if await self.delivery(tenant_id, delivery_id) is None:
            return []
        async with self._reading() as disk:
            numbers = sorted(disk.of_delivery.get(delivery_id, ()), reverse=newest)
            below = [n for n in numbers if below_id is None or n < below_id]
            return [disk.attempts[n] for n in below[:limit]]

    async def states(
        self, tenant_id: int, event_ids: Sequence[int]
    ) -> dict[int, dict[DeliveryState, int]]:
        """See ``Log.states``."""
        async with self._reading() as disk:
            counts: dict[int, dict[DeliveryState, int]] = {}
            for event_id in event_ids:
                states = [
                    d.state for d in deliveries_of(disk, event_id) if d.tenant_id == tenant_id
                ]
                if states:
                    counts[event_id] = {state: states.count(state) for state in set(states)}
            return counts

    async def event_types_of(self, tenant_id: int, event_ids: Sequence[int]) -> dict[int, str]:
        """See ``Log.event_types_of``."""
        async with self._reading() as disk:
            found = [disk.events[number] for number in event_ids if number in disk.events]
            return {event.id: event.type for event in found if event.tenant_id == tenant_id}

    async def webhook_counts(
        self, tenant_id: int, webhook_id: int, since_ms: int
    ) -> dict[DeliveryState, int]:
        """See ``Log.webhook_counts``."""
        async with self._reading() as disk:
            counts: dict[DeliveryState, int] = {}
            for d in disk.deliveries.values():
                if (
                    d.tenant_id == tenant_id
                    and d.webhook_id == webhook_id
                    and d.id >= ids.lowest_at(since_ms)
                ):
                    counts[d.state] = counts.get(d.state, 0) + 1
            return counts

    # ------------------------------------------------------------------ caught requests

    async def request(self, tenant_id: int, request_id: int) -> CaughtRequest | None:
        """See ``Requests.request``."""
        async with self._reading() as disk:
            found = disk.requests.get(request_id)
            return found if found is not None and found.tenant_id == tenant_id else None

    async def requests(
        self, where: RequestFilter, *, limit: int, below_id: int | None = None, bodies: bool = False
    ) -> list[CaughtRequest]:
        """See ``Requests.requests``."""
        async with self._reading() as disk:
            newest_first = sorted(disk.requests.items(), reverse=True)
            found = [r for _, r in newest_first if is_wanted(r, where, below_id)]
            if not bodies:
                return [replace(r, body=b"") for r in found[:limit]]
            return first_of(found, limit, BODIES_BYTES)

    async def requests_above(
        self, tenant_id: int, source_id: int, above_id: int, *, limit: int, max_bytes: int
    ) -> list[CaughtRequest]:
        """See ``Requests.requests_above``."""
        async with self._reading() as disk:
            mine = requests_of(disk, tenant_id, source_id)
            return first_of([r for r in mine if r.id > above_id], limit, max_bytes)

    async def newest_request(self, tenant_id: int, source_id: int) -> int:
        """See ``Requests.newest_request``."""
        async with self._reading() as disk:
            return max((r.id for r in requests_of(disk, tenant_id, source_id)), default=0)

    async def request_counts(
        self, tenant_id: int, source_id: int, since_ms: int
    ) -> dict[Verdict, int]:
        """See ``Requests.request_counts``."""
        async with self._reading() as disk:
            since = ids.lowest_at(since_ms)
            mine = requests_of(disk, tenant_id, source_id)
            return dict(Counter(r.verdict for r in mine if r.id >= since))

    # ------------------------------------------------------------------ automations

    async def put_runs(self, runs: Sequence[Run]) -> None:
        """See ``Runs.put_runs``."""

        def change(disk: Disk) -> None:
            check_new_runs(disk, runs)
            put_runs(disk, runs)

        await self._transact(change)

    async def run(self, tenant_id: int, run_id: int) -> Run | None:
        """See ``Runs.run``."""
        async with self._reading() as disk:
            found = disk.runs.get(run_id)
            return found if found is not None and found.tenant_id == tenant_id else None

    async def runs(self, where: RunFilter, *, limit: int, below_id: int | None = None) -> list[Run]:
        """See ``Runs.runs``."""
        async with self._reading() as disk:
            newest_first = sorted(disk.runs.items(), reverse=True)
            found = [run for _, run in newest_first if is_wanted_run(run, where, below_id)]
            return [run.summary() for run in found[:limit]]

    async def value(self, tenant_id: int, key: str, now_ms: int) -> bytes | None:
        """See ``Storage.value``."""
        async with self._reading() as disk:
            value, expires = disk.values.get((tenant_id, key), (None, None))
            return value if expires is None or expires > now_ms else None

    async def put_value(
        self, tenant_id: int, key: str, value: bytes, expires_at_ms: int | None, now_ms: int
    ) -> None:
        """See ``Storage.put_value``."""
        place = tenant_id, key
        await self._transact(lambda disk: put_value(disk, place, value, expires_at_ms, now_ms))

    async def drop_value(self, tenant_id: int, key: str, now_ms: int) -> bool:
        """See ``Storage.drop_value``."""

        def change(disk: Disk) -> bool:
            value, expires = disk.values.pop((tenant_id, key), (None, None))
            return value is not None and (expires is None or expires > now_ms)

        return await self._transact(change)

    # ------------------------------------------------------------------ actions, jobs, answers

    async def requeue(
        self, tenant_id: int, delivery_ids: Sequence[int], due_ms: int, at_ms: int
    ) -> dict[int, int]:
        """See ``Actions.requeue``."""

        def change(disk: Disk) -> dict[int, int]:
            changed = {}
            for d in named(disk, tenant_id, delivery_ids):
                webhook = disk.records[Webhook].get(d.webhook_id)
                if webhook is not None and webhook.deleted:
                    continue
                if DeliveryState.DELIVERED <= d.state <= DeliveryState.SKIPPED:
                    changed[d.id] = d.webhook_id
                    disk.put(
                        replace(d, state=DeliveryState.RETRYING, due_ms=due_ms, updated_at_ms=at_ms)
                    )
            return changed

        return await self._transact(change)

    async def cancel(
        self, tenant_id: int, delivery_ids: Sequence[int], reason: str, at_ms: int
    ) -> dict[int, int]:
        """See ``Actions.cancel``."""

        def change(disk: Disk) -> dict[int, int]:
            changed = {}
            for d in named(disk, tenant_id, delivery_ids):
                if d.state < 2:
                    changed[d.id] = d.webhook_id
                    cancel_delivery(disk, d.id, reason, at_ms)
            return changed

        return await self._transact(change)

    async def add_deliveries(self, deliveries: Sequence[Delivery]) -> None:
        """See ``Actions.add_deliveries``."""

        def change(disk: Disk) -> None:
            check_new(disk, (), deliveries)
            for d in deliveries:
                disk.put(d)
                webhook = disk.records[Webhook].get(d.webhook_id)
                if webhook is not None and webhook.deleted and d.state < 2:
                    cancel_delivery(disk, d.id, "webhook_deleted", d.updated_at_ms)

        await self._transact(change)

    async def put_job(self, job: Job) -> None:
        """See ``Jobs.put_job``."""

        def change(disk: Disk) -> None:
            disk.jobs[job.id] = job
            disk.saw(job.id)

        await self._transact(change)

    async def job(self, tenant_id: int, job_id: int) -> Job | None:
        """See ``Jobs.job``."""
        async with self._reading() as disk:
            job = disk.jobs.get(job_id)
            return job if job is not None and job.tenant_id == tenant_id else None

    async def running_jobs(self) -> list[Job]:
        """See ``Jobs.running_jobs``."""
        async with self._reading() as disk:
            return [job for _, job in sorted(disk.jobs.items()) if job.state == "running"]

    async def claim(self, key: DedupeKey, now_ms: int) -> DedupeKey | None:
        """See ``Answers.claim``."""

        def change(disk: Disk) -> DedupeKey | None:
            first = disk.keys.get(place_of(key))
            if first is not None and first.expires_at_ms > now_ms:
                return first
            disk.keys[place_of(key)] = key
            return None

        return await self._transact(change)

    async def answer(self, key: DedupeKey) -> None:
        """See ``Answers.answer``."""

        def change(disk: Disk) -> None:
            claimed = disk.keys.get(place_of(key))
            if claimed is not None:
                disk.keys[place_of(key)] = replace(
                    claimed, answer=key.answer, expires_at_ms=key.expires_at_ms
                )

        await self._transact(change)

    async def release(self, key: DedupeKey) -> None:
        """See ``Answers.release``."""
        await self._transact(lambda disk: disk.keys.pop(place_of(key), None))

    # ------------------------------------------------------------------ upkeep

    async def forget(self, before_ms: int, limit: int) -> int:
        """See ``Upkeep.forget``."""

        def change(disk: Disk) -> int:
            if before_ms - self._sweep_began_ms >= RESWEEP_MS:
                self._swept, self._sweep_began_ms = 0, before_ms
            forget_jobs(disk, before_ms)
            gone = 0
            for event_id in sorted(disk.events):
                if event_id <= self._swept:
                    continue
                if event_id >= ids.lowest_at(before_ms) or gone == limit:
                    break
                self._swept = event_id
                gone += forget_event(disk, event_id)
            forget_versions(disk, before_ms)
            forget_sources(disk, before_ms)
            forget_runs(disk, before_ms)
            return gone

        return await self._transact(change)

    async def forget_requests(
        self,
        before_ms: int,
        limit: int,
        *,
        source_id: int | None = None,
        spare: frozenset[int] = frozenset(),
    ) -> int:
        """See ``Upkeep.forget_requests``."""
        return await self._transact(
            lambda disk: forget_requests(disk, before_ms, limit, source_id, spare)
        )

    async def forget_keys(self, now_ms: int, limit: int) -> int:
        """See ``Upkeep.forget_keys``."""

        def change(disk: Disk) -> int:
            expired = [place for place, k in disk.keys.items() if k.expires_at_ms <= now_ms]
            for place in expired[:limit]:
                del disk.keys[place]
            gone = len(expired[:limit])
            return gone + drop_expired(disk, now_ms, limit - gone)

        return await self._transact(change)

    async def remember_time(self, now_ms: int) -> None:
        """See ``Upkeep.remember_time``."""
        await self._transact(lambda disk: setattr(disk, "time_ms", now_ms))

    async def boot(self) -> Boot:
        """See ``Upkeep.boot``."""
        for webhook_id in await self.owing():
            webhook = self.disk.records[Webhook].get(webhook_id)
            if webhook is not None and webhook.deleted:
                await self._cancel_backlog(webhook)
        async with self._reading() as disk:
            return Boot(disk.greatest_id, disk.time_ms)

    async def ping(self) -> None:
        """See ``Upkeep.ping``."""
        self._check_open()
