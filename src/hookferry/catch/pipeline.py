"""What happens to a request between its arrival and its answer, in this order:

handshake, signature and timestamp, what it says (parse, condition, event type, duplicate key),
durable write, answer, run. Route, method, address and rate come before, as soon as the headers are
there: ``Gate.refuses``. Nothing is answered as taken before the commit, and nothing that is not
shown to be genuine claims a duplicate key. The record of a request that becomes no event, and its
answer, are ``hookferry.catch.records``'s; how answers that are waited for come about is
``hookferry.catch.waiting``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Protocol

from hookferry.catch.arrival import Arrival, Outcome
from hookferry.catch.gate import Gate
from hookferry.catch.records import Records, unavailable
from hookferry.catch.replies import Answer
from hookferry.catch.waiting import Wait, Waiting
from hookferry.clock import Clock
from hookferry.domain.event import EventMeta
from hookferry.domain.request import CaughtRequest, Verdict
from hookferry.domain.source import Source
from hookferry.engine import synchronous
from hookferry.engine.directory import Directory
from hookferry.engine.intake import Intake, Receipt
from hookferry.errors import (
    ConditionError,
    HookferryError,
    SynchronousWebhookFailed,
    Unavailable,
)
from hookferry.ids import IdSource
from hookferry.match.conditions import Condition
from hookferry.match.facts import Facts
from hookferry.store.ports import DedupeKey
from hookferry.tracing import TRACEPARENT, read_trace
from hookferry.wire.bodies import read, unparseable
from hookferry.wire.bodies.media_types import JSON
from hookferry.wire.greetings import Greeting, greet
from hookferry.wire.hops import HOPS_HEADER, hops_in
from hookferry.wire.inbound.received import KeyNeeded, Received
from hookferry.wire.verification import VerificationFailed

SCOPE_RELEASE = "release"
_STORED = (Receipt, synchronous.Verdict, SynchronousWebhookFailed)
"""What tells that a request is durable."""
HOPS = HOPS_HEADER.lower().encode()
RELEASE_MS = 366 * 86_400_000
"""How long it is known that a quarantined request was released: longer than requests are kept."""


class Keys(Protocol):
    """Fetches what verification needs beside the request (signing certificates)."""

    @property
    def known(self) -> Mapping[str, bytes]:
        """What was fetched, by address."""
        ...

    def fetch(self, url: str, then: Callable[[bool], None]) -> None:
        """Fetch what is at an address; call ``then`` with whether it is known now."""
        ...


class Confirming(Protocol):
    """Calls an address that a handshake asks to be called."""

    def confirm(self, source_id: int, url: str) -> None:
        """Call it, once, without waiting for the outcome."""
        ...


class Adopting(Protocol):
    """Takes over a secret that a provider hands out in its handshake."""

    def adopt(self, source: Source, secret: str, then: Callable[[bool], None]) -> None:
        """Make it the source's secret, if it has none; call ``then`` with whether it is."""
        ...


class Pipeline:
    """Takes requests.

    Args:
        directory: tenants.
        intake: makes requests and events durable.
        records: keeps and answers requests that become no event.
        waiting: answers that are waited for.
        keys: what verification needs.
        confirming: handshakes' calls.
        adopting: handshakes' secrets.
        origin: tells the address under which this server is known, without a trailing slash.

    Attributes:
        records: as given.
        waiting: as given.
    """

    def __init__(
        self,
        *,
        directory: Directory,
        intake: Intake,
        records: Records,
        waiting: Waiting,
        keys: Keys,
        confirming: Confirming,
        adopting: Adopting,
        clock: Clock,
        ids: IdSource,
        origin: Callable[[], str],
    ) -> None:
        self._directory = directory
        self._intake = intake
        self.records = records
        self.waiting = waiting
        self._keys = keys
        self._confirming = confirming
        self._adopting = adopting
        self._clock = clock
        self._ids = ids
        self._origin = origin

    # ------------------------------------------------------------------ the steps

    def take(self, gate: Gate, arrival: Arrival) -> None:
        """Take a request through all steps; what became of it is told to the arrival.

        Raises:
            Unavailable: it can't be taken now; nothing of it is stored.
        """
        source = gate.source
        if gate.cors is not None:
            preflight = gate.cors.preflight(arrival.method, arrival.headers, source.methods)
            if preflight is not None:
                arrival.told(Outcome(answer=preflight, verdict=Verdict.HANDSHAKE))
                return
        self._intake.check_room(len(arrival.body))
        received = self.received(gate, arrival)
        try:
            if arrival.replay_of is None:  # else nobody is there to be greeted any more
                if gate.handshakes and self._greets(gate, arrival, received):
                    return
                if not gate.takes(arrival.method):
                    self._wrong_method(gate, arrival)
                    return
            self._verify(gate, arrival, received)
        except KeyNeeded as needed:
            self._keys.fetch(needed.url, lambda there: self._fetched(gate, arrival, there))
        except VerificationFailed as failed:
            self.records.quarantine(gate, arrival, failed.reason, failed.detail)
        else:
            self._genuine(gate, arrival)

    def received(self, gate: Gate, arrival: Arrival) -> Received:
        """Return a request as verification sees it."""
        return arrival.received(gate.source, self._origin())

    def _verify(self, gate: Gate, arrival: Arrival, received: Received) -> None:
        verifier = gate.verifier(arrival.at_ms)
        if verifier is not None and not arrival.vouched:
            as_of = arrival.at_ms if arrival.verified_ms is None else arrival.verified_ms
            verifier.verify(received, as_of / 1000, self._keys.known)

    def _fetched(self, gate: Gate, arrival: Arrival, there: bool) -> None:
        """Go on with a request whose certificate was fetched, or could not be."""
        try:
            if there:
                self.take(gate, arrival)
            else:
                detail = "what it is signed with could not be fetched; verify it again later"
                self.records.quarantine(gate, arrival, "key_unavailable", detail)
        except Unavailable as error:
            arrival.told(unavailable(error))

    def _greets(self, gate: Gate, arrival: Arrival, received: Received) -> bool:
        """Answer a handshake; tell whether the request was one."""

        def genuine() -> bool:
            try:
                self._verify(gate, arrival, received)
            except VerificationFailed:
                return False
            return True

        greeting = greet(
            gate.handshakes,
            received,
            secrets=gate.secrets,
            genuine=genuine,
            token=gate.verify_token,
            per_minute=gate.per_minute,
        )
        if greeting is None:
            return False
        if greeting.adopt_secret is not None:
            self._adopting.adopt(
                gate.source,
                greeting.adopt_secret,
                lambda adopted: self._greeted(
                    gate, arrival, greeting if adopted else _not_again(greeting)
                ),
            )
        else:
            self._greeted(gate, arrival, greeting)
        return True

    def _greeted(self, gate: Gate, arrival: Arrival, greeting: Greeting) -> None:
        if greeting.confirm is not None and gate.source.verify is not None:
            # Where anybody's requests are taken, anybody could have any address called.
            self._confirming.confirm(gate.source.id, greeting.confirm)
        self.records.keep_unproven(
            gate,
            arrival,
            Verdict.HANDSHAKE if greeting.reason is None else Verdict.REJECTED,
            Answer(greeting.status, greeting.headers, greeting.body),
            greeting.reason or greeting.name,
            greeting.detail,
        )

    def _wrong_method(self, gate: Gate, arrival: Arrival) -> None:
        """Refuse a request that came by a greeting's method and is none."""
        error = gate.wrong_method()
        answer = Answer(405, (("allow", str(error.extra["allow"])),))
        self.records.keep_unproven(
            gate, arrival, Verdict.REJECTED, answer, error.code, error.detail
        )

    # ------------------------------------------------------------------ genuine requests

    def _genuine(self, gate: Gate, arrival: Arrival) -> None:
        source = gate.source
        if source.parse == "require":
            first = arrival.headers.first
            wrong = unparseable(
                first.get(b"content-type"), arrival.body, first.get(b"content-encoding")
            )
            if wrong is not None:
                answer = Answer(400)
                self.records.filtered(gate, arrival, answer, "unparseable", wrong)
                return
        facts = self._read(gate, arrival)
        if source.draft or source.bin:
            verdict = Verdict.SAMPLE if source.draft else Verdict.INSPECTED
            answer = gate.reply.answer(facts)
            self.records.keep(gate, arrival, verdict, answer, request_id=_id_in(facts))
        elif gate.condition is None or self._holds(gate, arrival, gate.condition, facts):
            self._publish(gate, arrival, facts)

    def _read(self, gate: Gate, arrival: Arrival) -> Facts:
        """Return what a request says, under the id that it is kept with (its event: the next)."""
        headers = arrival.headers
        caught = arrival.caught(self._ids.block(2), gate.source.id)
        hops = hops_in(headers) if HOPS in headers.first else 0
        data = arrival.body
        if caught.form != JSON:
            data = read(caught.form, headers.first.get(b"content-type"), data)
        facts = Facts("", data, EventMeta(caught=caught, hops=hops), headers.first)
        facts.type = gate.event_type.of(facts)
        return facts

    def _publish(self, gate: Gate, arrival: Arrival, facts: Facts) -> None:
        """Make a request and its event durable, then answer."""
        key = None if gate.duplicate_key is None else gate.duplicate_key.of(facts, arrival.body)
        waits = self.waiting.wanted(gate)
        answer: Answer | None = None
        if not waits:
            answer = gate.with_cors(gate.reply.answer(facts), arrival.headers)
        request_id = _id_in(facts)
        request = arrival.record(
            request_id,
            gate.source,
            Verdict.ACCEPTED,
            born=request_id + 1,
            key=key,
            answer=answer,
        )
        wait = self.waiting.begin(gate, arrival, request, facts) if waits else None
        try:
            self._intake.catch(
                self._directory.tenant_by_id(request.tenant_id),
                facts.type,
                arrival.body,
                facts.meta,
                request,
                self._claims(gate, arrival, key),
                functools.partial(self._told, gate, arrival, request, answer, wait),
                waits=gate.waits,
                stored=None if wait is None else functools.partial(self._stored, gate, wait),
                trace=read_trace(arrival.headers) if TRACEPARENT in arrival.headers.first else None,
                ring=gate.ring,
            )
        except HookferryError:
            if wait is not None:
                wait.give_up()
            raise

    def _told(
        self,
        gate: Gate,
        arrival: Arrival,
        request: CaughtRequest,
        answer: Answer | None,
        wait: Wait | None,
        told: Receipt | synchronous.Verdict | HookferryError,
    ) -> None:
        """Take what the intake says of a request.

        Args:
            gate: its source.
            arrival: the request.
            request: the record of it.
            answer: what its caller is answered; None where it waits for that.
            wait: its caller's wait, if any.
            told: what came of it.
        """
        if type(told) is Receipt and told.duplicate:
            if wait is not None:
                wait.give_up()
            self._duplicate(gate, arrival, told, request.key, answer)
        elif isinstance(told, _STORED):
            self.records.taken(gate)
            if answer is not None:
                arrival.told(arrival.outcome(request, answer))
            elif wait is not None:
                self.waiting.heard(wait, gate, told)
        else:  # nothing is stored
            if wait is not None:
                wait.give_up()
            if isinstance(told, Unavailable):
                arrival.told(unavailable(told))
            else:
                self.records.filtered(gate, arrival, Answer(422), told.code, told.detail)

    def _stored(self, gate: Gate, wait: Wait) -> None:
        """Show a request to those who watch, while its caller still waits."""
        wait.stored()
        self.records.show(gate)

    def _holds(self, gate: Gate, arrival: Arrival, condition: Condition, facts: Facts) -> bool:
        detail = None
        try:
            if condition.holds(facts):
                return True
        except ConditionError as error:  # it can't be evaluated: fail closed
            detail = error.detail
        # SEMANTICS section 10; an asynchronous caller is not told what a source is interested in.
        answer = Answer(422) if gate.waits else gate.reply.answer(facts)
        self.records.keep(
            gate,
            arrival,
            Verdict.FILTERED,
            answer,
            request_id=_id_in(facts),
            reason="condition",
            detail=detail,
        )
        return False

    def _claims(self, gate: Gate, arrival: Arrival, key: str | None) -> tuple[DedupeKey, ...]:
        """Return what is claimed in the commit: the duplicate key, and a release."""
        claims: tuple[DedupeKey, ...] = ()
        if key is not None and (arrival.replay_of is None or arrival.releases is not None):
            claim = DedupeKey(
                gate.source.tenant_id,
                gate.label,
                blake2b(key.encode(), digest_size=16).digest(),
                blake2b(arrival.body, digest_size=16).digest(),
                b"",
                arrival.at_ms + gate.window_ms,
            )
            claims = (claim,)
        if arrival.releases is not None:  # once, whoever clicks twice
            claim = DedupeKey(
                gate.source.tenant_id,
                SCOPE_RELEASE,
                arrival.releases.to_bytes(8, "big"),
                b"",
                b"",
                arrival.at_ms + RELEASE_MS,
            )
            claims = (*claims, claim)
        return claims

    def _duplicate(
        self,
        gate: Gate,
        arrival: Arrival,
        first: Receipt,
        key: str | None,
        answer: Answer | None,
    ) -> None:
        """Answer a repeat as the first was answered, and keep it beside the first."""

        def answered(answer: Answer) -> None:
            self.records.keep(
                gate,
                arrival,
                Verdict.DUPLICATE,
                answer,
                duplicate_of=first.request_id,
                event_id=first.event_id,
                key=key,
            )

        if answer is not None:
            answered(answer)
        else:
            self.waiting.repeat(gate, first.request_id, first.event_id, answered)


def _id_in(facts: Facts) -> int:
    caught = facts.meta.caught
    assert caught is not None  # as _read made it
    return caught.request_id


def _not_again(greeting: Greeting) -> Greeting:
    return Greeting(name=greeting.name, status=403, reason="secret_known")
