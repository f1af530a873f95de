"""Intake: from a publication to a durable event.

Bounds what waits for its commit and matches at the moment of the commit. What a publication may
say is in ``publication``; what lives here must not know HTTP or SQL.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec
import structlog

from hookferry.clock import Clock, Timeline
from hookferry.domain.delivery import HELD, WAITED_FOR, Delivery
from hookferry.domain.event import Event, EventMeta, EventState
from hookferry.domain.request import CaughtRequest
from hookferry.domain.tenant import Tenant
from hookferry.domain.webhook import Mode, Webhook
from hookferry.engine.committer import Committer
from hookferry.engine.directory import Directory
from hookferry.engine.matching import MAX_HOPS, NOBODY, Matcher
from hookferry.engine.owing import Waiting, arrange, owed, unless_for
from hookferry.engine.publication import Publication, meta_of
from hookferry.engine.synchronous import Asked, Calls, Room, Verdict
from hookferry.engine.verdicts import asks
from hookferry.errors import (
    Conflict,
    Draining,
    HookferryError,
    IdempotencyConflict,
    InvalidField,
    Overloaded,
    PayloadTooLarge,
)
from hookferry.ids import IdSource, encode
from hookferry.match.facts import Facts
from hookferry.match.patterns import check_event_type
from hookferry.store.ports import Acceptance, DedupeKey, Ring
from hookferry.telemetry import Metrics
from hookferry.tracing import AcceptSpan, TraceContext, Tracing
from hookferry.wire.bodies import data_of

log = structlog.get_logger(__name__)

EVENT_ID_SECONDS = 72 * 3600
"""How long a publisher's own id makes an event idempotent (SEMANTICS section 5)."""
IDEMPOTENCY_KEY_SECONDS = 24 * 3600
SCOPE_EVENT_ID = "event"
SCOPE_IDEMPOTENCY_KEY = "key"


class Receipt(msgspec.Struct, frozen=True):
    """What a publisher is told after the commit."""

    event_id: int
    deliveries: int
    duplicate: bool = False
    request_id: int = 0
    """The caught request that the event was born from, or 0."""


class Cause(msgspec.Struct, frozen=True):
    """What of hookferry's own publishes an event."""

    hops: int = 0
    """Events that led to it."""
    timer: int | None = None
    """The timer that fires it."""
    addressed: int | None = None
    """The one webhook that is to get it."""
    own: bool = False
    """The event is of a type of hookferry's own, which is in no catalogue."""


NO_CAUSE = Cause()
Answer = Receipt | Verdict | HookferryError
Done = Callable[[Answer], None]


class _First(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """What is kept with a dedupe key, so that a repeat is answered as the first was."""

    event_id: int
    deliveries: int
    asked: tuple[Asked, ...] = ()
    before: bool = False
    request_id: int = 0


_first = msgspec.json.Decoder(_First)
_encoder = msgspec.json.Encoder()


class Hand(Protocol):
    """Who takes over deliveries that have just been committed."""

    def offer(self, event: Event, deliveries: Sequence[Delivery]) -> None:
        """Take what is pending."""
        ...


class Publishing(Protocol):
    """A publication under way."""

    def leave(self) -> None:
        """The publisher is gone and waits for no answer."""
        ...


class _Entry(msgspec.Struct, eq=False):
    """One publication on its way to the ledger (the committer's Entry)."""

    _intake: Intake
    tenant: Tenant
    type: str
    payload: bytes
    meta: EventMeta
    dedupe: tuple[DedupeKey, ...]
    done: Done
    _waits: bool
    span: AcceptSpan | None
    _request: CaughtRequest | None = None
    """The caught request that this event is born from; stored with it."""
    _stored: Callable[[], None] | None = None
    _ring: Ring | None = None
    _own: bool = False
    """Hookferry itself says it: such an event is in no catalogue."""
    _disabled: int | None = None
    """The webhook that this very event says is disabled: the directory may not know yet."""
    _gone: bool = False
    _room: Room | None = None
    _plan: Waiting | None = None
    _event: Event | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"  # what it holds has no place in a log

    def build(self) -> Acceptance:
        intake = self._intake
        tenant = intake.directory.tenant_by_id(self.tenant.id)
        meta = self.meta
        facts = Facts(self.type, data_of(self), meta)
        schema_error = None if self._own else intake.matcher.admit(tenant, facts)
        if meta.hops <= MAX_HOPS:
            selection = intake.matcher.select(tenant.id, facts)
        else:
            selection = NOBODY
            intake.metrics.hops_exceeded()
            log.error("hops_exceeded", tenant=tenant.name, type=self.type, hops=meta.hops)
        matched, errors = selection.webhooks, selection.errors
        if schema_error is not None or errors is not None:
            meta = msgspec.structs.replace(meta, schema_error=schema_error, match_errors=errors)
            if self._event is None:  # and not once more when the batch is matched again
                intake.metrics.matched_with_errors(schema_error is not None, len(errors or ()))
        if len(matched) > intake.max_deliveries:
            raise Conflict(
                f"{len(matched):,} webhooks subscribe to {self.type!r}; an event may have at most "
                f"{intake.max_deliveries:,} deliveries"
            )
        request = self._request
        if (
            request is None  # what a source caught is a fact, whatever it is called
            and not self._waits
            and asks(self.type, intake.directory.event_types(tenant.id).get(self.type))
        ):
            raise InvalidField(
                f"{self.type!r} asks before the fact, and a batch never waits for answers; "
                "publish it alone with POST /api/v1/events",
                field="type",
            )
        first = self._event
        if first is not None:
            number, received = first.id, first.received_at_ms
            self._plan = None
        else:
            number = intake.ids.next() if request is None else request.event_id or 0
            received = intake.clock.wall_ms()
        event = self._event = Event(
            number,
            tenant.id,
            self.type,
            self.payload,
            received,
            EventState.MATCHED if matched else EventState.UNMATCHED,
            meta,
        )
        deliveries = self._owed(event, matched, tenant) if matched else ()
        dedupe = self.dedupe
        if dedupe:
            dedupe = self._told_to_repeats(event.id, len(deliveries))
        return Acceptance(event, deliveries, dedupe, request, self._ring)

    def _owed(
        self, event: Event, matched: tuple[Webhook, ...], tenant: Tenant
    ) -> Sequence[Delivery]:
        """Return the deliveries; where the publisher waits for some, ``_plan`` says for which."""
        intake = self._intake
        due = intake.timeline.now_ms()
        owing = [owed(intake.ids.next(), event, w, tenant, due) for w in matched]
        if self._disabled is not None:
            owing = [unless_for(self._disabled, d) for d in owing]
        if self._waits and any(w.mode is not Mode.ASYNC for w in matched):
            if intake.calls.full:
                raise Overloaded("too many publishers wait for an answer; try again in a moment")
            before = asks(self.type, intake.directory.event_types(tenant.id).get(self.type))
            self._plan = arrange(matched, owing, before)
        return owing

    def _told_to_repeats(self, event_id: int, deliveries: int) -> tuple[DedupeKey, ...]:
        """Return the dedupe keys with what a repeat is told."""
        request, plan = self._request, self._plan
        request_id = 0 if request is None else request.id
        if plan is None:
            kept = _First(event_id, deliveries, request_id=request_id)
        else:
            kept = _First(event_id, deliveries, plan.asked, plan.before, request_id)
        answer = _encoder.encode(kept)
        return tuple([key.with_answer(answer) for key in self.dedupe])

    def committed(self, acceptance: Acceptance) -> None:
        intake = self._intake
        intake.release(len(self.payload))
        event, deliveries = acceptance.event, acceptance.deliveries
        assert event is not None  # as built above
        intake.metrics.accepted(1, 0 if deliveries else 1)
        if self.span is not None:
            self.span.accepted(encode("evt", event.id), len(deliveries), duplicate=False)
        plan = self._plan
        if plan is not None:
            if self._stored is not None:
                self._stored()
            self._begin(event, deliveries, plan)
            return
        self.done(Receipt(event.id, len(deliveries)))
        if deliveries:
            intake.hand.offer(event, deliveries)

    def _begin(self, event: Event, deliveries: Sequence[Delivery], waiting: Waiting) -> None:
        """Make the calls; asynchronous deliveries go now, unless they hang on the verdict."""
        intake = self._intake
        held = [d for d in deliveries if d.due_ms == HELD]
        room = self._room = Room(
            event,
            waiting.before,
            waiting.calls,
            waiting.asked,
            held,
            len(deliveries),
            self.done,
        )
        free = [d for d in deliveries if d.due_ms < WAITED_FOR]
        if free:
            intake.hand.offer(event, free)
        intake.calls.start(room, gone=self._gone)

    def leave(self) -> None:
        """The publisher does not wait any more; matters only where it waits for answers."""
        self._gone = True
        if self._room is not None:
            self._intake.calls.leave(self._room)

    def repeated(self, first: DedupeKey) -> None:
        self._intake.release(len(self.payload))
        mine = next(
            k for k in self.dedupe if k.scope == first.scope and k.key_hash == first.key_hash
        )
        if mine.body_hash != first.body_hash:
            if self._request is not None:
                self.done(
                    IdempotencyConflict(
                        f"request {encode('req', _first.decode(first.answer).request_id)} had the "
                        "same duplicate key and another body"
                    )
                )
                return
            what = "id" if first.scope == SCOPE_EVENT_ID else "Idempotency-Key"
            if self.span is not None:
                self.span.refused(IdempotencyConflict.code)
            self.done(
                IdempotencyConflict(
                    f"this {what} was used for another event; use a new one, or send exactly the "
                    "first event again",
                    field="id" if first.scope == SCOPE_EVENT_ID else None,
                )
            )
            return
        self._intake.metrics.duplicates()
        kept = _first.decode(first.answer)
        if self.span is not None:
            self.span.accepted(encode("evt", kept.event_id), kept.deliveries, duplicate=True)
        if kept.asked and self._waits and self._request is None:
            self._intake.calls.repeat(
                self.tenant.id, kept.event_id, kept.deliveries, kept.before, kept.asked, self.done
            )
            return
        self.done(Receipt(kept.event_id, kept.deliveries, True, kept.request_id))

    def failed(self, error: HookferryError) -> None:
        self._intake.release(len(self.payload))
        self._intake.metrics.refused(error.code)
        if self.span is not None:
            self.span.refused(error.code)
        self.done(error)


class Intake:
    """Takes publications, and what sources caught.

    Args:
        directory: whom events may concern.
        calls: makes the synchronous ones of an event's deliveries.
        committer: what makes them durable.
        hand: who is offered the deliveries after the commit.
        max_waiting: how many events may wait for their commit.
        max_waiting_bytes: and how many bytes of payload.
        payload_limit: bytes of one event's data.
        max_deliveries: how many webhooks one event may match.
        event_id_s: seconds for which a publisher's own id makes an event idempotent.
        idempotency_s: seconds for which an Idempotency-Key does.
        tracing: makes spans, where traces are exported.
    """

    def __init__(
        self,
        directory: Directory,
        committer: Committer,
        hand: Hand,
        calls: Calls,
        *,
        clock: Clock,
        timeline: Timeline,
        ids: IdSource,
        metrics: Metrics,
        max_waiting: int = 10_000,
        max_waiting_bytes: int = 64 * 1024 * 1024,
        payload_limit: int = 1024 * 1024,
        max_deliveries: int = 10_000,
        event_id_s: float = EVENT_ID_SECONDS,
        idempotency_s: float = IDEMPOTENCY_KEY_SECONDS,
        tracing: Tracing | None = None,
    ) -> None:
        self.directory = directory
        self.matcher = Matcher(directory)
        self.hand = hand
        self.calls = calls
        self.clock = clock
        self.timeline = timeline
        self.ids = ids
        self.metrics = metrics
        self.max_deliveries = max_deliveries
        self.payload_limit = payload_limit
        self._committer = committer
        self._tracing = tracing
        self._event_id_ms = int(event_id_s * 1000)
        self._idempotency_ms = int(idempotency_s * 1000)
        self._max_waiting = max_waiting
        self._max_waiting_bytes = max_waiting_bytes
        self._draining = False
        self.waiting = 0
        self.waiting_bytes = 0

    def drain(self) -> None:
        """Refuse everything from now on."""
        self._draining = True

    def check_room(self, size: int) -> None:
        """Raise Draining or Overloaded unless ``size`` more bytes may wait for their commit."""
        if self._draining:
            raise Draining("the server is shutting down; send again in a moment", retry_after=5)
        if self.waiting >= self._max_waiting or self.waiting_bytes + size > self._max_waiting_bytes:
            raise Overloaded("too many events wait to be stored; send again in a moment")

    def hold(self, size: int) -> None:
        """Count one more entry that waits for its commit."""
        self.waiting += 1
        self.waiting_bytes += size

    def release(self, size: int) -> None:
        """Give back what one entry held of the bound."""
        self.waiting -= 1
        self.waiting_bytes -= size

    def publish(
        self,
        tenant: Tenant,
        publication: Publication,
        done: Done,
        idempotency_key: str | None = None,
        *,
        waits: bool = True,
        trace: TraceContext | None = None,
        cause: Cause = NO_CAUSE,
    ) -> Publishing | None:
        """Queue a publication for the next commit.

        ``done`` is called once, later on the event loop: with the receipt after the commit, with
        the verdict of its synchronous webhooks, or with the error because of which nothing was
        stored or the event is not to be.

        Args:
            tenant: whose event it is.
            publication: the event.
            done: told what came of it.
            idempotency_key: the caller's, if any.
            waits: the publisher waits for synchronous webhooks; where it does not, they are
                asynchronous, and an event that asks is refused.
            trace: the publisher's trace, passed on with each attempt.
            cause: what of hookferry's own publishes it, where that is so.

        Returns:
            What the publisher can leave; None where ``done`` is given an error anyway.
        """
        span = None
        if self._tracing is not None:
            span = self._tracing.accept(trace, publication.type)
            trace = span.trace
        try:
            entry = self._entry(
                tenant, publication, done, idempotency_key, waits, trace, span, cause
            )
        except HookferryError as error:
            self.metrics.refused(error.code)
            if span is not None:
                span.refused(error.code)
            asyncio.get_running_loop().call_soon(done, error)
            return None
        self.hold(len(entry.payload))
        self._committer.accept(entry)
        return entry

    def catch(
        self,
        tenant: Tenant,
        type: str,
        payload: bytes,
        meta: EventMeta,
        request: CaughtRequest,
        dedupe: tuple[DedupeKey, ...],
        done: Done,
        *,
        waits: bool,
        stored: Callable[[], None] | None = None,
        trace: TraceContext | None = None,
        ring: Ring | None = None,
    ) -> None:
        """Queue a caught request and the event that it becomes for the next commit.

        Its caller has asked ``check_room`` for the body, and has not waited since.

        ``done`` is told as by ``publish``; where it is given an error that is no verdict, neither
        is stored. A repeat is told the first's receipt, whatever its webhooks said. What was caught
        is a fact: a type that asks does not make its publisher wait.

        Args:
            tenant: whose source caught it.
            type: the event's type.
            payload: the request's body.
            meta: what else is known of the event.
            request: with the ids of both already in it, without body and headers (they are the
                event's).
            dedupe: its duplicate key, and what else is claimed in the same commit.
            done: told what came of it.
            waits: its caller waits for synchronous webhooks.
            stored: called after the commit, where ``done`` is called only later.
            trace: the caller's trace, passed on with each attempt.
            ring: trimmed after the request is in.
        """
        span = None
        if self._tracing is not None:
            span = self._tracing.accept(trace, type)
            trace = span.trace
        if trace is not None:
            meta = msgspec.structs.replace(
                meta, traceparent=trace.traceparent, tracestate=trace.tracestate
            )
        entry = _Entry(
            self, tenant, type, payload, meta, dedupe, done, waits, span, request, stored, ring
        )
        self.hold(len(payload))
        self._committer.accept(entry)

    def cause(
        self,
        tenant: Tenant,
        type: str,
        payload: bytes,
        meta: EventMeta,
        *,
        disabled: int | None = None,
    ) -> None:
        """Queue an event that hookferry itself causes, also while it drains or memory is spent.

        There is one for each change of a webhook's state, so their number needs no bound of its
        own. Should the ledger not take it now, it is logged and not tried again: the change
        itself is on record.

        Args:
            tenant: whose event it is.
            type: its type.
            payload: its data.
            meta: what else it says, its hops among it.
            disabled: id of a webhook that is being disabled, and so does not get it.
        """

        def done(answer: Answer) -> None:
            if isinstance(answer, HookferryError):
                log.warning("own_event_not_stored", type=type, error=answer.detail)

        entry = _Entry(
            self, tenant, type, payload, meta, (), done, False, None, _own=True, _disabled=disabled
        )
        self.hold(len(payload))
        self._committer.accept(entry, early=False)  # a webhook's state is being changed

    def _entry(
        self,
        tenant: Tenant,
        p: Publication,
        done: Done,
        idempotency_key: str | None,
        waits: bool,
        trace: TraceContext | None,
        span: AcceptSpan | None,
        cause: Cause,
    ) -> _Entry:
        payload = bytes(p.data)
        if len(payload) > self.payload_limit:
            raise PayloadTooLarge(
                f"data has {len(payload):,} bytes; the limit is {self.payload_limit:,}",
                field="data",
            )
        self.check_room(len(payload))
        check_event_type(p.type)
        meta = meta_of(p)
        dedupe: tuple[DedupeKey, ...] = ()
        if p.id is not None or idempotency_key is not None:
            dedupe = self._dedupe(tenant, p, payload, meta, idempotency_key)
        if cause is not NO_CAUSE:
            meta = msgspec.structs.replace(
                meta, hops=cause.hops, timer=cause.timer, addressed=cause.addressed
            )
        if trace is not None:  # after the dedupe keys: a repeat of a publish has another trace
            meta = msgspec.structs.replace(
                meta, traceparent=trace.traceparent, tracestate=trace.tracestate
            )
        return _Entry(
            self, tenant, p.type, payload, meta, dedupe, done, waits, span, _own=cause.own
        )

    def _dedupe(
        self,
        tenant: Tenant,
        p: Publication,
        payload: bytes,
        meta: EventMeta,
        idempotency_key: str | None,
    ) -> tuple[DedupeKey, ...]:
        body = hashlib.blake2b(p.type.encode(), digest_size=16)
        body.update(b"\0" + payload + b"\0" + _encoder.encode(meta))
        now = self.clock.wall_ms()
        wanted = (
            (SCOPE_EVENT_ID, p.id, self._event_id_ms),
            (SCOPE_IDEMPOTENCY_KEY, idempotency_key, self._idempotency_ms),
        )
        return tuple(
            DedupeKey(
                tenant.id,
                scope,
                hashlib.blake2b(key.encode(), digest_size=16).digest(),
                body.digest(),
                b"",
                now + kept_ms,
            )
            for scope, key, kept_ms in wanted
            if key is not None
        )

    async def publish_one(
        self,
        tenant: Tenant,
        publication: Publication,
        idempotency_key: str | None = None,
        *,
        waits: bool = True,
        cause: Cause = NO_CAUSE,
    ) -> Receipt | Verdict:
        """As ``publish``, for callers that await; raises what ``done`` would be given."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.publish(
            tenant, publication, _resolve(future), idempotency_key, waits=waits, cause=cause
        )
        answer = await future
        if isinstance(answer, HookferryError):
            raise answer
        return answer

    async def publish_many(
        self,
        tenant_of: Callable[[Publication], Tenant],
        publications: Sequence[Publication | HookferryError],
        trace: TraceContext | None = None,
    ) -> list[Answer]:
        """Publish a batch; answer in order, each with its receipt or its error."""
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[Answer]] = []
        for publication in publications:
            future: asyncio.Future[Answer] = loop.create_future()
            futures.append(future)
            if isinstance(publication, HookferryError):
                future.set_result(publication)
                continue
            try:
                tenant = tenant_of(publication)
            except HookferryError as error:
                future.set_result(error)
                continue
            self.publish(tenant, publication, _resolve(future), waits=False, trace=trace)
        return [await future for future in futures]


def _resolve(future: asyncio.Future[Answer]) -> Done:
    def done(answer: Answer) -> None:
        if not future.done():  # the waiter may have been cancelled meanwhile
            future.set_result(answer)

    return done
