"""The whole ledger on SQLite: which call runs where. No SQL here.

One thread, or one process beside this one, writes; everything that must see the newest commit reads
there too. Two threads read for search and configuration, each call its own snapshot.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Concatenate, Final, ParamSpec, Self, TypeVar

from hookferry import ids
from hookferry.domain.delivery import Attempt, Delivery, DeliveryState
from hookferry.domain.event import Event
from hookferry.domain.request import CaughtRequest, Verdict
from hookferry.domain.run import Run
from hookferry.domain.timer import TimerMark
from hookferry.domain.webhook import Webhook
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
from hookferry.store.sqlite import (
    actions,
    calls,
    config,
    due,
    opening,
    requests,
    retention,
    runs,
    search,
    storage,
    upkeep,
)
from hookferry.store.sqlite.apart import ApartWriter
from hookferry.store.sqlite.child import Child
from hookferry.store.sqlite.owner import Owner
from hookferry.store.sqlite.worker import Worker
from hookferry.store.sqlite.writer import Writer

P = ParamSpec("P")
T = TypeVar("T")

READ_SECONDS: Final = 10.0
"""How long a search may run; one that finds little in a long log would hold a thread for ever."""
_READ_STEPS: Final = 50_000
"""SQLite's instructions between two looks at the clock: some milliseconds."""
BEYOND_IDS: Final = (1 << 63) - 1
"""No id is greater."""
KEYS_FORGOTTEN_AT_ONCE: Final = 500
"""Dedupe keys deleted in one transaction."""


class SqliteStore:
    """``hookferry.store.ports.Store`` on an SQLite file. Made by ``open``."""

    def __init__(
        self,
        owner: Owner,
        writer: Worker[Writer] | ApartWriter,
        readers: Worker[sqlite3.Connection],
    ) -> None:
        self._owner: Owner | None = owner
        self._writer = writer
        self._readers = readers
        self._sweep = retention.Sweep()
        self._read = readers.run

    def _write(
        self, call: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **_: P.kwargs
    ) -> asyncio.Future[T]:
        return self._writer.run(Writer.call, call, *args)

    # ------------------------------------------------------------------ the hot path

    def commit(self, batch: Batch) -> asyncio.Future[Committed]:
        """See ``Ledger.commit``."""
        return self._writer.run(Writer.commit, batch)

    async def read_due(
        self, webhook_id: int, now_ms: int, limit: int, max_bytes: int, skip: frozenset[int]
    ) -> DueBatch:
        """See ``Ledger.read_due``."""
        return await self._write(due.read_due, webhook_id, now_ms, limit, max_bytes, skip)

    async def retrying(self, webhook_id: int, skip: frozenset[int]) -> DueDelivery | None:
        """See ``Ledger.retrying``."""
        return await self._write(due.retrying, webhook_id, skip)

    async def owing(self) -> dict[int, int]:
        """See ``Ledger.owing``."""
        return await self._write(due.owing)

    async def abandon_calls(self, at_ms: int) -> int:
        """See ``Ledger.abandon_calls``."""
        abandoned = 0
        while chunk := await self._write(calls.abandon_calls, at_ms):
            abandoned += chunk
        return abandoned

    async def claim_shards(self, node: str) -> dict[int, int]:
        """See ``Ownership.claim_shards``."""
        return await self._write(upkeep.claim_shards, node)

    async def epochs(self) -> dict[int, int]:
        """See ``Ownership.epochs``."""
        return await self._write(upkeep.epochs)

    # ------------------------------------------------------------------ configuration

    async def changes(self, since_version: int) -> ConfigChanges:
        """See ``ConfigStore.changes``."""
        return await self._read(config.changes, since_version)

    async def save(self, record: R) -> R:
        """See ``ConfigStore.save``."""
        return await self._save(record, unique=False)

    async def save_webhook_unique(self, record: Webhook) -> Webhook:
        """See ``ConfigStore.save_webhook_unique``."""
        return await self._save(record, unique=True)

    async def save_together(self, records: Sequence[ConfigRecord]) -> list[ConfigRecord]:
        """See ``ConfigStore.save_together``."""
        stored = await self._write(config.save_together, records)
        for record in stored:
            if isinstance(record, Webhook) and record.deleted:
                await self._cancel_backlog(record.id, record.updated_at_ms)
        return stored

    async def mark_timer(self, timer_id: int, mark: TimerMark) -> None:
        """See ``ConfigStore.mark_timer``."""
        await self._write(config.mark_timer, timer_id, mark)

    async def _save(self, record: R, *, unique: bool) -> R:
        stored = await self._write(config.save, record, unique)
        if isinstance(stored, Webhook) and stored.deleted:
            await self._cancel_backlog(stored.id, stored.updated_at_ms)
        return stored

    async def _cancel_backlog(self, webhook_id: int, at_ms: int) -> None:
        while await self._write(config.cancel_backlog, webhook_id, at_ms):
            pass

    # ------------------------------------------------------------------ the log

    def _search(
        self, call: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **_: P.kwargs
    ) -> asyncio.Future[T]:
        return self._read(_limited, call, *args)

    async def event(self, tenant_id: int, event_id: int) -> Event | None:
        """See ``Log.event``."""
        return await self._search(search.event, tenant_id, event_id)

    async def events(
        self, where: EventFilter, *, limit: int, below_id: int | None = None
    ) -> list[Event]:
        """See ``Log.events``."""
        return await self._search(search.find_events, where, limit, below_id)

    async def delivery(self, tenant_id: int, delivery_id: int) -> Delivery | None:
        """See ``Log.delivery``."""
        return await self._search(search.delivery, tenant_id, delivery_id)

    async def deliveries(
        self, where: DeliveryFilter, *, limit: int, below_id: int | None = None
    ) -> list[Delivery]:
        """See ``Log.deliveries``."""
        return await self._search(search.find_deliveries, where, limit, below_id)

    async def webhook_at(self, tenant_id: int, webhook_id: int, version: int) -> Webhook | None:
        """See ``Log.webhook_at``."""
        return await self._search(config.webhook_at, tenant_id, webhook_id, version)

    async def webhook_names(self, tenant_id: int, webhook_ids: Sequence[int]) -> dict[int, str]:
        """See ``Log.webhook_names``."""
        return await self._search(search.webhook_names, tenant_id, webhook_ids)

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
        return await self._search(
            search.find_attempts, tenant_id, delivery_id, limit, newest, below_id
        )

    async def states(
        self, tenant_id: int, event_ids: Sequence[int]
    ) -> dict[int, dict[DeliveryState, int]]:
        """See ``Log.states``."""
        return await self._search(search.states, tenant_id, event_ids)

    async def event_types_of(self, tenant_id: int, event_ids: Sequence[int]) -> dict[int, str]:
        """See ``Log.event_types_of``."""
        return await self._search(search.event_types_of, tenant_id, event_ids)

    async def webhook_counts(
        self, tenant_id: int, webhook_id: int, since_ms: int
    ) -> dict[DeliveryState, int]:
        """See ``Log.webhook_counts``."""
        return await self._search(search.webhook_counts, tenant_id, webhook_id, since_ms)

    # ------------------------------------------------------------------ caught requests

    async def request(self, tenant_id: int, request_id: int) -> CaughtRequest | None:
        """See ``Requests.request``."""
        return await self._search(requests.request, tenant_id, request_id)

    async def requests(
        self, where: RequestFilter, *, limit: int, below_id: int | None = None, bodies: bool = False
    ) -> list[CaughtRequest]:
        """See ``Requests.requests``."""
        return await self._search(requests.find_requests, where, limit, below_id, bodies)

    async def requests_above(
        self, tenant_id: int, source_id: int, above_id: int, *, limit: int, max_bytes: int
    ) -> list[CaughtRequest]:
        """See ``Requests.requests_above``."""
        return await self._search(
            requests.requests_above, tenant_id, source_id, above_id, limit, max_bytes
        )

    async def newest_request(self, tenant_id: int, source_id: int) -> int:
        """See ``Requests.newest_request``."""
        return await self._search(requests.newest_request, tenant_id, source_id)

    async def request_counts(
        self, tenant_id: int, source_id: int, since_ms: int
    ) -> dict[Verdict, int]:
        """See ``Requests.request_counts``."""
        return await self._search(requests.request_counts, tenant_id, source_id, since_ms)

    # ------------------------------------------------------------------ automations

    async def put_runs(self, given: Sequence[Run]) -> None:
        """See ``Runs.put_runs``."""
        await self._write(runs.put_runs, given)

    async def run(self, tenant_id: int, run_id: int) -> Run | None:
        """See ``Runs.run``."""
        return await self._search(runs.run, tenant_id, run_id)

    async def runs(self, where: RunFilter, *, limit: int, below_id: int | None = None) -> list[Run]:
        """See ``Runs.runs``."""
        return await self._search(runs.find_runs, where, limit, below_id)

    async def value(self, tenant_id: int, key: str, now_ms: int) -> bytes | None:
        """See ``Storage.value``."""
        return await self._read(storage.value, tenant_id, key, now_ms)

    async def put_value(
        self, tenant_id: int, key: str, value: bytes, expires_at_ms: int | None, now_ms: int
    ) -> None:
        """See ``Storage.put_value``."""
        await self._write(storage.put_value, tenant_id, key, value, expires_at_ms, now_ms)

    async def drop_value(self, tenant_id: int, key: str, now_ms: int) -> bool:
        """See ``Storage.drop_value``."""
        return await self._write(storage.drop_value, tenant_id, key, now_ms)

    # ------------------------------------------------------------------ actions, jobs, answers

    async def requeue(
        self, tenant_id: int, delivery_ids: Sequence[int], due_ms: int, at_ms: int
    ) -> dict[int, int]:
        """See ``Actions.requeue``."""
        return await self._write(actions.requeue, tenant_id, delivery_ids, due_ms, at_ms)

    async def cancel(
        self, tenant_id: int, delivery_ids: Sequence[int], reason: str, at_ms: int
    ) -> dict[int, int]:
        """See ``Actions.cancel``."""
        return await self._write(actions.cancel, tenant_id, delivery_ids, reason, at_ms)

    async def add_deliveries(self, deliveries: Sequence[Delivery]) -> None:
        """See ``Actions.add_deliveries``."""
        await self._write(actions.add_deliveries, deliveries)

    async def put_job(self, job: Job) -> None:
        """See ``Jobs.put_job``."""
        await self._write(actions.put_job, job)

    async def job(self, tenant_id: int, job_id: int) -> Job | None:
        """See ``Jobs.job``."""
        return await self._read(actions.job, tenant_id, job_id)

    async def running_jobs(self) -> list[Job]:
        """See ``Jobs.running_jobs``."""
        return await self._read(actions.running_jobs)

    async def claim(self, key: DedupeKey, now_ms: int) -> DedupeKey | None:
        """See ``Answers.claim``."""
        return await self._write(actions.claim, key, now_ms)

    async def answer(self, key: DedupeKey) -> None:
        """See ``Answers.answer``."""
        await self._write(actions.answer, key)

    async def release(self, key: DedupeKey) -> None:
        """See ``Answers.release``."""
        await self._write(actions.release, key)

    # ------------------------------------------------------------------ upkeep

    async def forget(self, before_ms: int, limit: int) -> int:
        """See ``Upkeep.forget``."""
        await self._write(retention.forget_jobs, before_ms)
        await self._write(retention.forget_sources, before_ms)
        self._sweep.start(before_ms)
        forgotten = 0
        while forgotten < limit:
            after_id = self._sweep.after_id
            chunk = await self._write(
                retention.forget_events, after_id, before_ms, limit - forgotten
            )
            if chunk.reached is None:
                break
            self._sweep.reached(chunk.reached)
            forgotten += chunk.forgotten
        while await self._write(retention.forget_versions, before_ms):
            pass
        while await self._write(retention.forget_runs, before_ms):
            pass
        return forgotten

    async def forget_requests(
        self,
        before_ms: int,
        limit: int,
        *,
        source_id: int | None = None,
        spare: frozenset[int] = frozenset(),
    ) -> int:
        """See ``Upkeep.forget_requests``."""
        below = ids.lowest_at(before_ms)
        forgotten = 0
        if source_id is None:
            for deleted in await self._write(retention.deleted_sources):
                forgotten += await self._forget_requests(BEYOND_IDS, limit - forgotten, deleted)
        return forgotten + await self._forget_requests(below, limit - forgotten, source_id, spare)

    async def _forget_requests(
        self, below: int, limit: int, source_id: int | None, spare: frozenset[int] = frozenset()
    ) -> int:
        forgotten = 0
        while forgotten < limit:
            chunk = await self._writer.run(
                Writer.forget_requests, below, limit - forgotten, source_id, spare
            )
            if not chunk:
                break
            forgotten += chunk
        return forgotten

    async def forget_keys(self, now_ms: int, limit: int) -> int:
        """See ``Upkeep.forget_keys``."""
        forgotten = 0
        for expired in (retention.forget_keys, retention.forget_values):
            while forgotten < limit:
                part = min(limit - forgotten, KEYS_FORGOTTEN_AT_ONCE)
                gone = await self._write(expired, now_ms, part)
                forgotten += gone
                if gone < part:
                    break
        return forgotten

    async def remember_time(self, now_ms: int) -> None:
        """See ``Upkeep.remember_time``."""
        await self._write(upkeep.remember_time, now_ms)

    async def boot(self) -> Boot:
        """See ``Upkeep.boot``."""
        # A crash may have come between the chunks of a deletion.
        owing = list(await self.owing())
        for webhook_id, at_ms in await self._write(config.deleted_webhooks, owing):
            await self._cancel_backlog(webhook_id, at_ms)
        return await self._write(upkeep.boot)

    async def ping(self) -> None:
        """See ``Upkeep.ping``."""
        await self._read(upkeep.ping)

    # ------------------------------------------------------------------ opening and closing

    @classmethod
    async def open(
        cls,
        folder: Path,
        *,
        migrate: bool = True,
        writer_lost: Callable[[], None] | None = None,
        child: Child | None = None,
    ) -> Self:
        """Take ownership of a data folder and open its ledger, making both if need be.

        Args:
            folder: the data folder.
            migrate: bring an older schema up to date; without it an older one is refused.
            writer_lost: have a process of its own write, and call this if it ends unasked: what
                became of the commits that were under way is not known then, and only a restart
                finds out. Without this a thread writes.
            child: that process, if it has been started.

        Raises:
            LedgerOwned: another process has the folder.
            LedgerDamaged: the file is not a usable database; it was not touched.
            SchemaOutdated: the schema is newer than this build, or older and ``migrate`` is off.
            StartupError: this Python's SQLite is too old.
        """
        return cls(*await opening.opened(folder, migrate, writer_lost, child))

    async def aclose(self) -> None:
        """Finish what was asked for, fold the write-ahead log into the file, let go of both."""
        if self._owner is None:
            return
        owner, self._owner = self._owner, None
        await self._readers.aclose()
        await self._writer.aclose()  # The last one to close does the checkpoint.
        owner.release()


def _limited(connection: sqlite3.Connection, call: Callable[..., T], *args: object) -> T:
    """Make a call that SQLite breaks off when it takes longer than READ_SECONDS."""
    deadline = time.monotonic() + READ_SECONDS
    connection.set_progress_handler(lambda: time.monotonic() > deadline, _READ_STEPS)
    try:
        return call(connection, *args)
    finally:
        connection.set_progress_handler(None, 0)
