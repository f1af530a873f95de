"""What a ledger does, whichever engine is behind it.

Every implementation passes ``tests/store/conformance`` whole. Nothing here knows SQL. All times
are integers in milliseconds. Unless a method says otherwise it raises ``StorageFull`` or
``StorageDown`` (``hookferry.errors``) when the engine can't do it now; nothing of a call that
raised was stored.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Protocol, TypeVar

import msgspec

from hookferry.domain.automation import Automation, PluginState
from hookferry.domain.credential import Credential
from hookferry.domain.delivery import Attempt, Delivery, DeliveryState
from hookferry.domain.event import Event, EventState
from hookferry.domain.package import ImportedPackage
from hookferry.domain.request import CaughtRequest, Verdict
from hookferry.domain.run import Run, RunExit
from hookferry.domain.source import Source
from hookferry.domain.tenant import ApiKey, EventType, Tenant
from hookferry.domain.timer import Timer, TimerMark
from hookferry.domain.webhook import Health, Webhook

ConfigRecord = (
    Tenant
    | EventType
    | Webhook
    | ApiKey
    | Credential
    | Source
    | Automation
    | Timer
    | PluginState
    | ImportedPackage
)
R = TypeVar("R", bound=ConfigRecord)

# --------------------------------------------------------------------------- the hot path


class DedupeKey(msgspec.Struct, frozen=True):
    """A claim that something was done once (SEMANTICS section 5)."""

    tenant_id: int
    scope: str
    """``event`` for the publisher's id, ``key`` for an Idempotency-Key, a source's id, ..."""
    key_hash: bytes
    body_hash: bytes
    answer: bytes
    """What the first was answered; given back for a repeat."""
    expires_at_ms: int

    def with_answer(self, answer: bytes) -> DedupeKey:
        """Return the claim with what the first is answered."""
        return DedupeKey(
            self.tenant_id, self.scope, self.key_hash, self.body_hash, answer, self.expires_at_ms
        )


class Ring(msgspec.Struct, frozen=True):
    """A bound on what a source keeps: the newest requests, so many and so large at most."""

    unproven: bool
    """Only quarantined and rejected requests count and go; else all of the source's."""
    count: int
    size: int
    """Bytes of their bodies together; the newest stays, whatever its size."""


class Acceptance(msgspec.Struct, frozen=True):
    """An event, a caught request, or both, and everything that must be stored with them, or not at
    all."""

    event: Event | None
    deliveries: Sequence[Delivery] = ()
    dedupe: tuple[DedupeKey, ...] = ()
    request: CaughtRequest | None = None
    """Stored in place of one with the same id (released from quarantine). Where it became the
    event, its body is the event's payload and its headers are those of ``EventMeta.caught``: those
    of the request itself are not looked at, and neither is stored twice."""
    ring: Ring | None = None
    """Trimmed after the request is in."""

    @property
    def at_ms(self) -> int:
        """When it came (wall-clock Unix milliseconds)."""
        if self.event is not None:
            return self.event.received_at_ms
        return 0 if self.request is None else self.request.received_at_ms


class Settlement(msgspec.Struct, frozen=True):
    """What became of one attempt."""

    delivery_id: int
    webhook_id: int
    shard: int
    epoch: int
    """The epoch under which the settling node owns the shard; an older one is refused."""
    state: DeliveryState
    due_ms: int
    attempts: int
    last_status: int | None
    last_error: str | None
    at_ms: int
    attempt: Attempt | None
    run: Run | None = None
    """Of the automation that the delivery went to; stored where the attempt is."""


class HealthChange(msgspec.Struct, frozen=True):
    """A webhook's health after the settlements of the same batch."""

    webhook_id: int
    shard: int
    epoch: int
    health: Health
    disable: bool = False
    """Move an active webhook to too_many_errors (and count up the configuration version)."""


class Resolution(msgspec.Struct, frozen=True):
    """What the synchronous answers to an event lead to (SEMANTICS section 4).

    Their settlements are in the same batch (``Batch.answered``); this is what becomes of the event
    itself and of its deliveries that were ``HELD`` meanwhile. Held deliveries that no longer owe
    stay as they are. Nothing of it is stored when one of those settlements is refused.
    """

    event_id: int
    at_ms: int
    vetoed: bool = False
    """Store the event as vetoed."""
    release_due_ms: int | None = None
    """The held deliveries become due at this time; None cancels them."""
    reason: str | None = None
    """Why they are cancelled."""
    waited: tuple[int, ...] = ()
    """The synchronous deliveries whose answers it rests on."""


class RequestAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller was answered that was not known when its request was stored."""

    tenant_id: int
    request_id: int
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    answered_by: str
    detail: str | None = None
    """Why it is not what was wanted."""


class Batch(msgspec.Struct, frozen=True):
    """What one commit stores: all of it, durably, or nothing."""

    config_version: int
    """The configuration under which ``accept`` was matched."""
    accept: Sequence[Acceptance] = ()
    settle: Sequence[Settlement] = ()
    health: Sequence[HealthChange] = ()
    now_ms: int = 0
    """The engine's time, remembered as by ``Upkeep.remember_time`` unless it is earlier than what
    is remembered: due times must never lie in the past of a timeline that a crash cut short."""
    resolve: Sequence[Resolution] = ()
    answered: Sequence[Settlement] = ()
    """Settlements of synchronous deliveries, which belong to whoever has their caller: no epoch
    guards them, but the delivery itself, which must still be ``WAITED_FOR``. Where it is not
    (abandoned by a boot, cancelled), the settlement is refused and its attempt is kept."""
    answers: Sequence[RequestAnswer] = ()
    """Of requests stored earlier; one of a request that is there no more is dropped."""


class Committed(msgspec.Struct, frozen=True):
    """What a commit found out."""

    config_version: int
    """The ledger's configuration version in that transaction."""
    stale: bool = False
    """The ledger's configuration is newer than the batch's: ``accept`` was NOT stored and must
    be matched again. ``settle``, ``health`` and ``resolve`` were stored."""
    repeated: Mapping[int, DedupeKey] = {}
    """Acceptances (by position) that were NOT stored because a dedupe key of theirs was taken,
    by an unexpired row of the ledger or by an earlier acceptance of the same batch; the value is
    the first claim."""
    refused: frozenset[int] = frozenset()
    """Delivery ids whose settlement was NOT stored: its epoch is stale, or nobody waits for the
    synchronous answer any more."""


class DueDelivery(msgspec.Struct, frozen=True):
    """A delivery that is due, with its event."""

    delivery: Delivery
    event: Event


class DueBatch(msgspec.Struct, frozen=True):
    """The answer to ``Ledger.read_due``."""

    rows: Sequence[DueDelivery]
    """Due deliveries by (due_ms, id)."""
    more: bool
    """Further deliveries are due now."""
    next_due_ms: int | None
    """When ``more`` is false: due time of the earliest delivery that is not due yet."""


class Ledger(Protocol):
    """What the engine's hot path needs."""

    def commit(self, batch: Batch) -> Awaitable[Committed]:
        """Store a batch in ONE durable transaction.

        What is returned is done only after the data is on stable storage; the commit may begin
        before that is awaited. Settling does nothing to a delivery that no longer owes anything (it
        was cancelled meanwhile), but its attempt is kept.

        Raises:
            Exception: anything but StorageFull and StorageDown means that some row of the batch
                can't be stored at all; the caller splits the batch to find it.
        """
        ...

    async def read_due(
        self, webhook_id: int, now_ms: int, limit: int, max_bytes: int, skip: frozenset[int]
    ) -> DueBatch:
        """Read up to ``limit`` owing deliveries of a webhook that are due at ``now_ms``.

        Ordered by (due_ms, id). Deliveries in ``skip`` (those the caller holds) are passed over.
        Stops early once the payloads read exceed ``max_bytes``, but reads at least one.
        Neither they nor their due times are in the answer, nor are those that wait for or of a
        synchronous call (``WAITED_FOR``, ``HELD``). Sees every commit that was asked for before
        it.
        """
        ...

    async def retrying(self, webhook_id: int, skip: frozenset[int]) -> DueDelivery | None:
        """Return the webhook's oldest (lowest id) delivery in state retrying, due or not.

        It blocks those behind it where order was asked for. Deliveries in ``skip`` (those the
        caller holds) are passed over. Reads owing deliveries only, never the whole log. Sees
        every commit that was asked for before it.
        """
        ...

    async def owing(self) -> dict[int, int]:
        """Return the earliest due time of every webhook that owes deliveries, by webhook id."""
        ...

    async def abandon_calls(self, at_ms: int) -> int:
        """End what a process that died was waiting for; return how many deliveries that were.

        Those due ``WAITED_FOR`` become failed, those ``HELD`` cancelled, both with the reason
        ``caller_gone``: nobody learned what their event's synchronous webhooks said, and nothing
        is sent behind a caller's back. For a boot, before ``owing``.
        """
        ...


class Ownership(Protocol):
    """Who may dispatch which shard."""

    async def claim_shards(self, node: str) -> dict[int, int]:
        """Take over the shards that are free; return the new epoch of each shard taken.

        On an embedded ledger the one process takes all, and each epoch grows by one.
        """
        ...

    async def epochs(self) -> dict[int, int]:
        """Return the present epoch of every shard."""
        ...


# --------------------------------------------------------------------------- configuration


class ConfigChanges(msgspec.Struct, frozen=True):
    """Configuration records changed since a version, deleted ones included (as tombstones)."""

    version: int
    tenants: Sequence[Tenant]
    event_types: Sequence[EventType]
    webhooks: Sequence[Webhook]
    api_keys: Sequence[ApiKey]
    credentials: Sequence[Credential]
    sources: Sequence[Source]
    health: Mapping[int, Health]
    """Only of the webhooks in ``webhooks``."""
    automations: Sequence[Automation] = ()
    timers: Sequence[Timer] = ()
    plugins: Sequence[PluginState] = ()
    timer_marks: Mapping[int, TimerMark] = {}
    """Only of the timers in ``timers``."""
    packages: Sequence[ImportedPackage] = ()


class ConfigStore(Protocol):
    """Tenants, event types, webhooks, API keys, credentials, sources, automations, timers, plugins,
    packages.

    Each save counts up the configuration version.
    """

    async def changes(self, since_version: int) -> ConfigChanges:
        """Return every record whose last save is newer than ``since_version`` (0: all)."""
        ...

    async def save(self, record: R) -> R:
        """Insert a record (``version`` 1) or update it (``version`` one above the stored one).

        A webhook inserted with ``number`` 0 gets the next free number of its tenant.
        A webhook saved with ``deleted`` has its owing deliveries cancelled (reason
        ``webhook_deleted``) in chunks, before the call returns.

        Returns the record as stored.

        Raises:
            NameTaken: a live tenant, event type, credential, automation, timer, plugin, package,
                source (its guids too, among those of every tenant that lead somewhere, rotated ones
                until they expire) or (where the caller asks for unique names by
                ``save_webhook_unique``) webhook has this name;
                deleted and archived ones are not live.
            VersionMismatch: the stored record's version is not ``record.version - 1``.
            NotFound: a live webhook names a credential that its tenant does not have (any more).
            Conflict: a credential saved with ``deleted`` is one that a live webhook names.
        """
        ...

    async def save_webhook_unique(self, record: Webhook) -> Webhook:
        """As ``save``, and refuse a name that another live webhook of the tenant has."""
        ...

    async def save_together(self, records: Sequence[ConfigRecord]) -> list[ConfigRecord]:
        """Save several records, all of them or none, in their order and as one change.

        The configuration version grows by one. A record may rest on an earlier one.

        Returns the records as stored, in the same order.

        Raises:
            NameTaken, VersionMismatch, NotFound, Conflict: as ``save``; ``extra["record"]`` is the
                position of the record that can't be saved.
        """
        ...

    async def mark_timer(self, timer_id: int, mark: TimerMark) -> None:
        """Keep how far a timer has come; counts nothing up."""
        ...


# --------------------------------------------------------------------------- the log


class EventFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which events; None everywhere means all."""

    tenant_id: int
    type: str | None = None
    state: EventState | None = None
    external_id: str | None = None
    after_ms: int | None = None
    before_ms: int | None = None


class DeliveryFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which deliveries; None everywhere means all. Times are those of acceptance."""

    tenant_id: int
    event_id: int | None = None
    webhook_id: int | None = None
    event_type: str | None = None
    states: tuple[DeliveryState, ...] | None = None
    status: int | None = None
    """The last attempt's HTTP status."""
    after_ms: int | None = None
    before_ms: int | None = None
    text: str | None = None
    """A substring of the event's payload (compared as bytes) or of the last error."""


VERSIONS_KEPT = 1_000
"""Versions of one webhook that are kept beside the present one, however often it is saved."""
ATTEMPTS_READ = 250
"""Attempts of a delivery that one call reads where the caller names no limit."""


class Log(Protocol):
    """Search; every method is scoped to one tenant. Lists are newest first.

    Times are compared with those inside the ids (``hookferry.ids``); ``after_ms`` is included,
    ``before_ms`` is not. A search that takes too long raises StorageDown.
    """

    async def event(self, tenant_id: int, event_id: int) -> Event | None:
        """Return one event."""
        ...

    async def events(
        self, where: EventFilter, *, limit: int, below_id: int | None = None
    ) -> list[Event]:
        """Return up to ``limit`` events with ids below ``below_id``."""
        ...

    async def delivery(self, tenant_id: int, delivery_id: int) -> Delivery | None:
        """Return one delivery."""
        ...

    async def deliveries(
        self, where: DeliveryFilter, *, limit: int, below_id: int | None = None
    ) -> list[Delivery]:
        """Return up to ``limit`` deliveries with ids below ``below_id``."""
        ...

    async def webhook_at(self, tenant_id: int, webhook_id: int, version: int) -> Webhook | None:
        """Return a webhook as it was at a version, deleted ones too; None once forgotten.

        Every save and every disabling keeps the version before it, until retention forgets it or
        there are ``VERSIONS_KEPT`` later ones. Sealed values are left out: a log shows none.
        """
        ...

    async def webhook_names(self, tenant_id: int, webhook_ids: Sequence[int]) -> dict[int, str]:
        """Return the name of each of the webhooks that exists, deleted ones too."""
        ...

    async def attempts(
        self,
        tenant_id: int,
        delivery_id: int,
        *,
        limit: int = ATTEMPTS_READ,
        newest: bool = False,
        below_id: int | None = None,
    ) -> list[Attempt]:
        """Return up to ``limit`` of a delivery's attempts, of those with ids below ``below_id``.

        The first ones, first attempt first; or with ``newest`` the last ones, last attempt first.
        There can be thousands: a slow-down spends none.
        """
        ...

    async def states(
        self, tenant_id: int, event_ids: Sequence[int]
    ) -> dict[int, dict[DeliveryState, int]]:
        """Count the deliveries of each event by state."""
        ...

    async def event_types_of(self, tenant_id: int, event_ids: Sequence[int]) -> dict[int, str]:
        """Return the type of each of the events that exists."""
        ...

    async def webhook_counts(
        self, tenant_id: int, webhook_id: int, since_ms: int
    ) -> dict[DeliveryState, int]:
        """Count a webhook's deliveries accepted since ``since_ms`` by state."""
        ...


class RequestFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which caught requests; None everywhere means all. Times are those of reception."""

    tenant_id: int
    source_id: int | None = None
    verdicts: tuple[Verdict, ...] | None = None
    reason: str | None = None
    method: str | None = None
    status: int | None = None
    """What the caller was answered."""
    client: str | None = None
    key: str | None = None
    """The duplicate key."""
    duplicate_of: int | None = None
    after_ms: int | None = None
    before_ms: int | None = None
    path: str | None = None
    """A substring of path and query."""
    header: tuple[str, str] | None = None
    """A header's name in any case, and a substring of one of its values."""
    text: str | None = None
    """A substring of the body (compared as bytes)."""


class Requests(Protocol):
    """What sources caught; scoped to one tenant. Lists are newest first."""

    async def request(self, tenant_id: int, request_id: int) -> CaughtRequest | None:
        """Return one request, with its body."""
        ...

    async def requests(
        self, where: RequestFilter, *, limit: int, below_id: int | None = None, bodies: bool = False
    ) -> list[CaughtRequest]:
        """Return up to ``limit`` requests with ids below ``below_id``; bodies empty unless asked
        for, and then at most 64 MB of them: the list ends earlier."""
        ...

    async def requests_above(
        self, tenant_id: int, source_id: int, above_id: int, *, limit: int, max_bytes: int
    ) -> list[CaughtRequest]:
        """Return a source's next requests after an id, oldest first, with their bodies.

        Ends early once the bodies exceed ``max_bytes``, but has at least one if there is one. Sees
        every commit that was acknowledged before the call.
        """
        ...

    async def newest_request(self, tenant_id: int, source_id: int) -> int:
        """Return the id of a source's newest request; 0 where there is none."""
        ...

    async def request_counts(
        self, tenant_id: int, source_id: int, since_ms: int
    ) -> dict[Verdict, int]:
        """Count a source's requests received since ``since_ms`` by verdict."""
        ...


class RunFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs; None everywhere means all."""

    tenant_id: int
    automation_id: int | None = None
    exit: RunExit | None = None
    event_id: int | None = None
    delivery_id: int | None = None
    source_id: int | None = None
    after_ms: int | None = None
    before_ms: int | None = None


class Runs(Protocol):
    """Runs of automations; scoped to one tenant. Lists are newest first."""

    async def put_runs(self, runs: Sequence[Run]) -> None:
        """Store runs that no settlement brings (``Settlement.run``), durably."""
        ...

    async def run(self, tenant_id: int, run_id: int) -> Run | None:
        """Return one run, whole."""
        ...

    async def runs(self, where: RunFilter, *, limit: int, below_id: int | None = None) -> list[Run]:
        """Return up to ``limit`` runs with ids below ``below_id``, as ``Run.summary``."""
        ...


VALUES_KEPT = 10_000
"""Values that one tenant's automations store at a time."""


class Storage(Protocol):
    """What automations keep between runs: values by key, each tenant's its own."""

    async def value(self, tenant_id: int, key: str, now_ms: int) -> bytes | None:
        """Return a value that has not expired. Sees every put and drop that was acknowledged."""
        ...

    async def put_value(
        self, tenant_id: int, key: str, value: bytes, expires_at_ms: int | None, now_ms: int
    ) -> None:
        """Store a value, durably, in place of one that has the key.

        Raises:
            Conflict: ``VALUES_KEPT`` others that have not expired are there.
        """
        ...

    async def drop_value(self, tenant_id: int, key: str, now_ms: int) -> bool:
        """Forget a value, durably; return whether there was one that had not expired."""
        ...


class Actions(Protocol):
    """What people do to deliveries."""

    async def requeue(
        self, tenant_id: int, delivery_ids: Sequence[int], due_ms: int, at_ms: int
    ) -> dict[int, int]:
        """Make settled deliveries (delivered, failed, cancelled, skipped) due again: retrying.

        Those of deleted webhooks and those that still owe are left as they are.
        Returns the webhook id of each delivery changed, by delivery id.
        """
        ...

    async def cancel(
        self, tenant_id: int, delivery_ids: Sequence[int], reason: str, at_ms: int
    ) -> dict[int, int]:
        """Cancel those that owe; return the webhook id of each changed, by delivery id."""
        ...

    async def add_deliveries(self, deliveries: Sequence[Delivery]) -> None:
        """Store further deliveries of stored events (replay to other webhooks).

        One that owes to a webhook deleted meanwhile is stored as cancelled.
        """
        ...


JOB_STATES = ("running", "done", "failed")


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A long piece of work with progress that survives a restart."""

    id: int
    tenant_id: int
    kind: str
    state: str
    """One of ``JOB_STATES``."""
    spec: bytes
    """What to do, as its kind encodes it."""
    cursor: int | None = None
    done: int = 0
    created_at_ms: int = 0
    updated_at_ms: int = 0


class Jobs(Protocol):
    """Jobs, kept until retention forgets them."""

    async def put_job(self, job: Job) -> None:
        """Insert or replace a job."""
        ...

    async def job(self, tenant_id: int, job_id: int) -> Job | None:
        """Return one job."""
        ...

    async def running_jobs(self) -> list[Job]:
        """Return the jobs that have not ended, of every tenant."""
        ...


class Answers(Protocol):
    """Idempotency keys of management calls, whose work is no accept; in a scope of their own."""

    async def claim(self, key: DedupeKey, now_ms: int) -> DedupeKey | None:
        """Store ``key`` unless an unexpired row has it; return that row, or None if stored."""
        ...

    async def answer(self, key: DedupeKey) -> None:
        """Put the answer and expiry of a claimed key."""
        ...

    async def release(self, key: DedupeKey) -> None:
        """Forget a claim whose call failed, so that it may be tried again."""
        ...


class Upkeep(Protocol):
    """What keeps a ledger healthy."""

    async def forget(self, before_ms: int, limit: int) -> int:
        """Delete up to ``limit`` events received before ``before_ms`` that owe nothing.

        Their deliveries and attempts go with them, and jobs that ended before. Returns how many
        events went; fewer than ``limit`` means that there are no more for now. An event that
        still owed is looked at again once ``before_ms`` has moved on by an hour. Versions of
        webhooks that were replaced before then go too, sources that were deleted before then and
        hold no requests any more, and runs: those of the events, and all from before then.
        """
        ...

    async def forget_requests(
        self,
        before_ms: int,
        limit: int,
        *,
        source_id: int | None = None,
        spare: frozenset[int] = frozenset(),
    ) -> int:
        """Delete up to ``limit`` caught requests received before ``before_ms``; return how many.

        Args:
            before_ms: wall-clock Unix milliseconds.
            limit: how many at most.
            source_id: only this source's.
            spare: sources whose requests stay (their retention is their own).

        The events that requests became stay, and keep the bodies. Without a ``source_id``, those of
        deleted sources go first, whatever their age.
        """
        ...

    async def forget_keys(self, now_ms: int, limit: int) -> int:
        """Delete up to ``limit`` expired dedupe keys and stored values; return how many went.

        Keys may stay until the hour in which they expired is over.
        """
        ...

    async def remember_time(self, now_ms: int) -> None:
        """Store the engine's time, so that a clock set back during downtime is noticed."""
        ...

    async def boot(self) -> Boot:
        """Return what a booting engine must know, after finishing deletions cut short."""
        ...

    async def ping(self) -> None:
        """Succeed when the ledger can be read."""
        ...


class Boot(msgspec.Struct, frozen=True):
    """What a booting engine must know."""

    greatest_id: int
    """No id above it was ever stored."""
    time_ms: int
    """The last time remembered."""


class Store(
    Ledger,
    Ownership,
    ConfigStore,
    Log,
    Requests,
    Runs,
    Storage,
    Actions,
    Jobs,
    Answers,
    Upkeep,
    Protocol,
):
    """A whole ledger: what ``hookferry.app`` opens and hands out port by port."""

    async def aclose(self) -> None:
        """Finish what was asked for and close."""
        ...
