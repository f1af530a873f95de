"""What survives a simulated crash: a ledger's state in memory, and the transactions on it.

Every function checks before it mutates, so each is all or nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from hookferry import ids
from hookferry.domain.automation import Automation, PluginState
from hookferry.domain.credential import Credential
from hookferry.domain.delivery import HELD, WAITED_FOR, Attempt, Delivery, DeliveryState
from hookferry.domain.event import Event, EventState
from hookferry.domain.package import ImportedPackage
from hookferry.domain.request import CaughtRequest, Verdict
from hookferry.domain.run import Run
from hookferry.domain.source import Source
from hookferry.domain.tenant import ApiKey, EventType, Tenant
from hookferry.domain.timer import Timer, TimerMark
from hookferry.domain.webhook import SHARDS, Health, Webhook, WebhookState
from hookferry.errors import Conflict, HookferryError, NameTaken, NotFound, VersionMismatch
from hookferry.store.ports import (
    VERSIONS_KEPT,
    Acceptance,
    Batch,
    Committed,
    DedupeKey,
    Job,
    Resolution,
    Ring,
)

replace = msgspec.structs.replace
UNPROVEN = (Verdict.QUARANTINED, Verdict.REJECTED)


class Disk:
    """The durable state: what a crash leaves behind. Mutated only by whole transactions."""

    def __init__(self) -> None:
        self.config_version = 1
        self.greatest_id = 1
        self.time_ms = 0
        self.epochs = dict.fromkeys(range(SHARDS), 0)
        self.records: dict[type[Any], dict[int, Any]] = {
            Tenant: {1: Tenant(id=1, name="default")},
            EventType: {},
            Webhook: {},
            ApiKey: {},
            Credential: {},
            Source: {},
            Automation: {},
            Timer: {},
            PluginState: {},
            ImportedPackage: {},
        }
        self.changed: dict[tuple[type[Any], int], int] = {(Tenant, 1): 1}
        """The configuration version of each record's last save, by its kind and id."""
        self.health: dict[int, Health] = {}
        self.versions: dict[tuple[int, int], tuple[int, Webhook]] = {}
        """When a webhook's version was replaced and what it was, by webhook and version."""
        self.events: dict[int, Event] = {}
        self.requests: dict[int, CaughtRequest] = {}
        self.deliveries: dict[int, Delivery] = {}
        self.attempts: dict[int, Attempt] = {}
        self.owing: dict[int, dict[int, int]] = {}
        """Due times of owing deliveries, by webhook and delivery id."""
        self.of_event: dict[int, list[int]] = {}
        self.of_delivery: dict[int, list[int]] = {}
        self.keys: dict[tuple[int, str, bytes], DedupeKey] = {}
        self.jobs: dict[int, Job] = {}
        self.runs: dict[int, Run] = {}
        self.values: dict[tuple[int, str], tuple[bytes, int | None]] = {}
        """What automations stored and when it expires, by tenant and key."""
        self.timer_marks: dict[int, TimerMark] = {}

    def put(self, delivery: Delivery) -> None:
        """Store a delivery, keeping what is known about who owes."""
        number = delivery.id
        if number not in self.deliveries:
            self.of_event.setdefault(delivery.event_id, []).append(number)
        self.deliveries[number] = delivery
        self.saw(number)
        if delivery.state < 2:
            self.owing.setdefault(delivery.webhook_id, {})[number] = delivery.due_ms
        else:
            backlog = self.owing.get(delivery.webhook_id)
            if backlog is not None and backlog.pop(number, None) is not None and not backlog:
                del self.owing[delivery.webhook_id]

    def saw(self, number: int) -> None:
        """Remember the greatest id ever stored."""
        self.greatest_id = max(self.greatest_id, number)


def apply_batch(disk: Disk, batch: Batch) -> Committed:
    stale = bool(batch.accept) and disk.config_version > batch.config_version
    repeated: dict[int, DedupeKey] = {}
    accepted: list[Acceptance] = []
    claimed: dict[tuple[int, str, bytes], DedupeKey] = {}
    for position, acceptance in enumerate(() if stale else batch.accept):
        first = _taken(disk.keys, claimed, acceptance)
        if first is not None:
            repeated[position] = first
            continue
        claimed.update((place_of(key), key) for key in acceptance.dedupe)
        accepted.append(acceptance)
    valid = [s for s in batch.settle if disk.epochs[s.shard] == s.epoch]
    refused = frozenset(s.delivery_id for s in batch.settle if disk.epochs[s.shard] != s.epoch)
    waited = {
        s.delivery_id
        for s in batch.answered
        if disk.owing.get(s.webhook_id, {}).get(s.delivery_id) == WAITED_FOR
    }
    refused |= {s.delivery_id for s in batch.answered if s.delivery_id not in waited}
    events = [a.event for a in accepted if a.event is not None]
    check_new(disk, events, [d for a in accepted for d in a.deliveries])
    attempts = [s.attempt for s in (*valid, *batch.answered) if s.attempt is not None]
    runs = [s.run for s in (*valid, *batch.answered) if s.run is not None]
    valid += [s for s in batch.answered if s.delivery_id in waited]
    _unique([attempt.id for attempt in attempts], disk.attempts, "attempt")
    check_new_runs(disk, runs)

    disk.time_ms = max(disk.time_ms, batch.now_ms)
    disk.keys.update(claimed)
    for acceptance in accepted:
        if acceptance.event is not None:
            disk.events[acceptance.event.id] = acceptance.event
            disk.saw(acceptance.event.id)
        if acceptance.request is not None:
            disk.requests[acceptance.request.id] = _whole(acceptance.request, acceptance.event)
            disk.saw(acceptance.request.id)
        for delivery in acceptance.deliveries:
            disk.put(delivery)
    for acceptance in accepted:
        if acceptance.request is not None and acceptance.ring is not None:
            _trim(disk, acceptance.request.source_id, acceptance.ring)
    for answer in batch.answers:
        asked = disk.requests.get(answer.request_id)
        if asked is not None and asked.tenant_id == answer.tenant_id:
            disk.requests[asked.id] = replace(
                asked,
                status=answer.status,
                answer_headers=answer.headers,
                answer_body=answer.body,
                answered_by=answer.answered_by,
                detail=answer.detail or asked.detail,
            )
    for attempt in attempts:
        disk.attempts[attempt.id] = attempt
        disk.of_delivery.setdefault(attempt.delivery_id, []).append(attempt.id)
        disk.saw(attempt.id)
    put_runs(disk, runs)
    for s in valid:
        d = disk.deliveries.get(s.delivery_id)
        if d is not None and d.state < 2:
            disk.put(
                replace(
                    d,
                    state=s.state,
                    due_ms=s.due_ms,
                    attempts=s.attempts,
                    last_status=s.last_status,
                    last_error=s.last_error,
                    updated_at_ms=s.at_ms,
                )
            )
    _put_health(disk, batch)
    for resolution in batch.resolve:
        if refused.isdisjoint(resolution.waited):
            _resolve(disk, resolution)
    return Committed(disk.config_version, stale, repeated, refused)


def _trim(disk: Disk, source_id: int, ring: Ring) -> None:
    count = size = 0
    for number in sorted(disk.requests, reverse=True):
        request = disk.requests[number]
        if request.source_id != source_id or (ring.unproven and request.verdict not in UNPROVEN):
            continue
        count += 1
        size += len(request.body)
        if count > 1 and (count > ring.count or size > ring.size):
            del disk.requests[number]


def _whole(request: CaughtRequest, event: Event | None) -> CaughtRequest:
    """Return a request with what its event has of it."""
    if event is None or event.meta.caught is None:
        return request
    return replace(request, body=event.payload, headers=event.meta.caught.headers)


def _put_health(disk: Disk, batch: Batch) -> None:
    disabled: list[Webhook] = []
    for change in batch.health:
        if disk.epochs[change.shard] != change.epoch:
            continue
        disk.health[change.webhook_id] = change.health
        webhook = disk.records[Webhook].get(change.webhook_id)
        if (
            change.disable
            and webhook is not None
            and webhook.state is WebhookState.ACTIVE
            and not webhook.deleted
        ):
            disabled.append(webhook)
    if disabled:
        disk.config_version += 1
    for webhook in disabled:
        _keep_version(disk, webhook, batch.now_ms)
        disk.records[Webhook][webhook.id] = replace(
            webhook, state=WebhookState.TOO_MANY_ERRORS, version=webhook.version + 1
        )
        disk.changed[Webhook, webhook.id] = disk.config_version


def _resolve(disk: Disk, r: Resolution) -> None:
    if r.vetoed and r.event_id in disk.events:
        disk.events[r.event_id] = replace(disk.events[r.event_id], state=EventState.VETOED)
    for d in deliveries_of(disk, r.event_id):
        if d.state >= 2 or d.due_ms != HELD:
            continue
        if r.release_due_ms is None:
            disk.put(
                replace(
                    d,
                    state=DeliveryState.CANCELLED,
                    last_error=r.reason,
                    updated_at_ms=r.at_ms,
                )
            )
        else:
            disk.put(replace(d, due_ms=r.release_due_ms, updated_at_ms=r.at_ms))


def abandon_calls(disk: Disk, at_ms: int) -> int:
    waiting = [
        number
        for backlog in disk.owing.values()
        for number, due in backlog.items()
        if due >= WAITED_FOR
    ]
    for number in waiting:
        d = disk.deliveries[number]
        failed = d.due_ms == WAITED_FOR
        disk.put(
            replace(
                d,
                state=DeliveryState.FAILED if failed else DeliveryState.CANCELLED,
                last_error="caller_gone",
                updated_at_ms=at_ms,
            )
        )
    return len(waiting)


def _keep_version(disk: Disk, webhook: Webhook, replaced_at_ms: int) -> None:
    disk.versions[webhook.id, webhook.version] = replaced_at_ms, webhook.without_sealed()
    disk.versions.pop((webhook.id, webhook.version - VERSIONS_KEPT), None)


def _taken(
    stored: Mapping[tuple[int, str, bytes], DedupeKey],
    claimed: Mapping[tuple[int, str, bytes], DedupeKey],
    acceptance: Acceptance,
) -> DedupeKey | None:
    for key in acceptance.dedupe:
        first = claimed.get(place_of(key)) or stored.get(place_of(key))
        if first is not None and first.expires_at_ms > acceptance.at_ms:
            return first
    return None


def check_new(disk: Disk, events: Sequence[Event], deliveries: Sequence[Delivery]) -> None:
    _unique([event.id for event in events], disk.events, "event")
    _unique([delivery.id for delivery in deliveries], disk.deliveries, "delivery")


def _unique(numbers: Sequence[int], stored: Mapping[int, object], noun: str) -> None:
    if len(set(numbers)) < len(numbers) or any(number in stored for number in numbers):
        raise ValueError(f"the id of an {noun} is in use")


def check_new_runs(disk: Disk, runs: Sequence[Run]) -> None:
    _unique([run.id for run in runs], disk.runs, "run")


def put_runs(disk: Disk, runs: Sequence[Run]) -> None:
    for run in runs:
        disk.runs[run.id] = run
        disk.saw(run.id)


def save_together(disk: Disk, records: Sequence[Any]) -> list[Any]:
    records_before = {kind: dict(those) for kind, those in disk.records.items()}
    before = records_before, dict(disk.changed), dict(disk.versions), disk.greatest_id
    version = disk.config_version
    saved = []
    for position, record in enumerate(records):
        disk.config_version = version
        try:
            saved.append(save_record(disk, record, unique=False))
        except HookferryError as error:
            disk.config_version = version
            disk.records, disk.changed, disk.versions, disk.greatest_id = before
            error.extra["record"] = position
            raise
    disk.config_version = version + 1
    return saved


def save_record(disk: Disk, record: Any, *, unique: bool) -> Any:
    kind = type(record)
    records = disk.records[kind]
    stored = records.get(record.id)
    if kind is not ApiKey:
        at = 0 if stored is None else stored.version
        if record.version != at + 1:
            raise VersionMismatch(f"{record.name!r} is at version {at}")
        if (kind is not Webhook or unique) and any(
            other.name == record.name
            and other.id != record.id
            and _live(other)
            and _live(record)
            and (kind in (Tenant, PluginState) or other.tenant_id == record.tenant_id)
            for other in records.values()
        ):
            raise NameTaken(f"the name {record.name!r} is taken", field="name")
    if kind is Source and not record.deleted:
        _check_guids(records.values(), record)
    if kind is Webhook and record.credential is not None and not record.deleted:
        named = disk.records[Credential].get(record.credential)
        if named is None or named.deleted or named.tenant_id != record.tenant_id:
            raise NotFound("this credential is gone", field="credential")
    if kind is Credential and record.deleted:
        live = [w for w in disk.records[Webhook].values() if not w.deleted]
        if record.id in [w.credential for w in live]:
            raise Conflict("a webhook uses this credential")
    if kind is Webhook and stored is None and record.number == 0:
        taken = [w.number for w in records.values() if w.tenant_id == record.tenant_id]
        record = replace(record, number=max(taken, default=0) + 1)
    if kind is Webhook and stored is not None:
        _keep_version(disk, stored, record.updated_at_ms)
    disk.config_version += 1
    records[record.id] = record
    disk.changed[kind, record.id] = disk.config_version
    disk.saw(record.id)
    return record


def _check_guids(sources: Iterable[Source], record: Source) -> None:
    now_ms = record.updated_at_ms
    taken: set[str] = set()
    for other in sources:
        if other.id != record.id and not other.deleted:
            taken |= _guids(other, now_ms)
    if not taken.isdisjoint(_guids(record, now_ms)):
        raise NameTaken("this guid leads to another source", field="guid")


def _guids(source: Source, now_ms: int) -> set[str]:
    return {source.guid, *(f.guid for f in source.former_guids if f.expires_at_ms > now_ms)}


def _live(record: Any) -> bool:
    return not (record.archived if isinstance(record, EventType) else record.deleted)


def cancel_delivery(disk: Disk, delivery_id: int, reason: str, at_ms: int) -> None:
    disk.put(
        replace(
            disk.deliveries[delivery_id],
            state=DeliveryState.CANCELLED,
            last_error=reason,
            updated_at_ms=at_ms,
        )
    )


def named(disk: Disk, tenant_id: int, delivery_ids: Sequence[int]) -> Iterator[Delivery]:
    for number in delivery_ids:
        delivery = disk.deliveries.get(number)
        if delivery is not None and delivery.tenant_id == tenant_id:
            yield delivery


def deliveries_of(disk: Disk, event_id: int) -> list[Delivery]:
    return [disk.deliveries[number] for number in disk.of_event.get(event_id, ())]


def forget_event(disk: Disk, event_id: int) -> int:
    deliveries = deliveries_of(disk, event_id)
    if any(d.state < 2 for d in deliveries):
        return 0
    for d in deliveries:
        for number in disk.of_delivery.pop(d.id, ()):
            del disk.attempts[number]
        del disk.deliveries[d.id]
    disk.of_event.pop(event_id, None)
    for number in [n for n, run in disk.runs.items() if run.event_id == event_id]:
        del disk.runs[number]
    payload = disk.events.pop(event_id).payload
    for number, request in disk.requests.items():
        if request.event_id == event_id and request.body == payload:
            disk.requests[number] = replace(request, body=b"", headers=())
    return 1


def forget_jobs(disk: Disk, before_ms: int) -> None:
    for number, job in list(disk.jobs.items()):
        if (
            job.state != "running"
            and job.updated_at_ms < before_ms
            and number < ids.lowest_at(before_ms)
        ):
            del disk.jobs[number]


def forget_runs(disk: Disk, before_ms: int) -> None:
    for number in [n for n in disk.runs if n < ids.lowest_at(before_ms)]:
        del disk.runs[number]


def forget_versions(disk: Disk, before_ms: int) -> None:
    for place, (replaced_at_ms, _) in list(disk.versions.items()):
        if replaced_at_ms < before_ms:
            del disk.versions[place]


def forget_requests(
    disk: Disk, before_ms: int, limit: int, source_id: int | None, spare: frozenset[int]
) -> int:
    def is_past(request: CaughtRequest) -> bool:
        if source_id is not None and request.source_id != source_id:
            return False
        source = disk.records[Source].get(request.source_id)
        if source_id is None and source is not None and source.deleted:
            return True
        return request.id < ids.lowest_at(before_ms) and request.source_id not in spare

    gone = [number for number, request in sorted(disk.requests.items()) if is_past(request)][:limit]
    for number in gone:
        del disk.requests[number]
    return len(gone)


def forget_sources(disk: Disk, before_ms: int) -> None:
    holding = {request.source_id for request in disk.requests.values()}
    for number, source in list(disk.records[Source].items()):
        if source.deleted and source.updated_at_ms < before_ms and number not in holding:
            del disk.records[Source][number]


def within(number: int, after_ms: int | None, before_ms: int | None, below_id: int | None) -> bool:
    return (
        (after_ms is None or number >= ids.lowest_at(after_ms))
        and (before_ms is None or number < ids.lowest_at(before_ms))
        and (below_id is None or number < below_id)
    )


def place_of(key: DedupeKey) -> tuple[int, str, bytes]:
    return key.tenant_id, key.scope, key.key_hash
