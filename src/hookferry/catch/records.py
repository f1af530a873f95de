"""The record that each request leaves, and the answer that goes out once it is durable.

Which of them it is, is decided by ``hookferry.catch.pipeline``.
"""

from __future__ import annotations

from collections.abc import Callable

from hookferry.catch.arrival import Arrival, Outcome
from hookferry.catch.defaults import REFUSE_STATUS
from hookferry.catch.gate import Gate
from hookferry.catch.replies import Answer
from hookferry.clock import Clock
from hookferry.domain.request import Verdict
from hookferry.engine.keeping import Keeping
from hookferry.errors import HookferryError, Unavailable
from hookferry.ids import IdSource
from hookferry.store.ports import Acceptance, Ring
from hookferry.telemetry import Metrics

# RFC 9110 section 11.6.1: a 401 names a scheme; this one says nothing about the source's own.
_CHALLENGE = (("www-authenticate", 'Webhook realm="hookferry"'),)


class Records:
    """Keeps requests that become no event, and answers them; counts and shows all.

    Args:
        keeping: makes them durable.
        caught: told the source of every request that is durable.
    """

    def __init__(
        self,
        keeping: Keeping,
        caught: Callable[[int], None],
        *,
        clock: Clock,
        ids: IdSource,
        metrics: Metrics,
    ) -> None:
        self._keeping = keeping
        self._caught = caught
        self._clock = clock
        self._ids = ids
        self._metrics = metrics

    def show(self, gate: Gate) -> None:
        """Show a durable request to those who watch its source."""
        self._caught(gate.source.id)

    def taken(self, gate: Gate) -> None:
        """Count an accepted request, and show it to those who watch."""
        self._metrics.caught(gate.label, "accepted", None)
        self._caught(gate.source.id)

    def filtered(
        self, gate: Gate, arrival: Arrival, answer: Answer, reason: str, detail: str | None
    ) -> None:
        """Keep a genuine request that is not run."""
        self.keep(gate, arrival, Verdict.FILTERED, answer, reason=reason, detail=detail)

    def quarantine(self, gate: Gate, arrival: Arrival, reason: str, detail: str) -> None:
        """Keep a request apart that was not shown to be genuine."""
        status = gate.refuse_status
        answer = Answer(status, _CHALLENGE if status == REFUSE_STATUS else ())
        if arrival.releases is not None:  # it is in quarantine, and stays there
            arrival.told(Outcome(answer=answer, verdict=Verdict.QUARANTINED, reason=reason))
            return
        self.keep_unproven(gate, arrival, Verdict.QUARANTINED, answer, reason, detail)

    def keep_unproven(
        self,
        gate: Gate,
        arrival: Arrival,
        verdict: Verdict,
        answer: Answer,
        reason: str,
        detail: str | None,
    ) -> None:
        """Keep a request that anybody may have sent; beyond their rate they are only counted."""
        if gate.keeps_unproven(self._clock.monotonic()):
            ring = gate.unproven_ring
            self.keep(gate, arrival, verdict, answer, reason=reason, detail=detail, ring=ring)
            return
        self._metrics.caught(gate.label, verdict.label, reason)
        answer = gate.with_cors(answer, arrival.headers)
        arrival.told(Outcome(answer=answer, verdict=verdict, reason=reason))

    def refused(self, gate: Gate, arrival: Arrival, reason: str, detail: str, status: int) -> None:
        """Keep a request that was refused before its body was there, if there is room for it."""
        self._metrics.caught(gate.label, Verdict.REJECTED.label, reason)
        if not gate.keeps_unproven(self._clock.monotonic()):
            return
        request = arrival.record(
            self._ids.next(),
            gate.source,
            Verdict.REJECTED,
            reason=reason,
            detail=detail,
            answer=Answer(status),
        )

        def done(error: HookferryError | None) -> None:
            if error is None:
                self._caught(gate.source.id)

        try:
            self._keeping.keep(Acceptance(None, request=request, ring=gate.unproven_ring), done)
        except Unavailable:
            return  # it was counted, and its caller is answered anyway

    def keep(
        self,
        gate: Gate,
        arrival: Arrival,
        verdict: Verdict,
        answer: Answer,
        *,
        request_id: int | None = None,
        reason: str | None = None,
        detail: str | None = None,
        duplicate_of: int | None = None,
        event_id: int | None = None,
        key: str | None = None,
        ring: Ring | None = None,
    ) -> None:
        """Make a request durable that becomes no event, then answer it."""
        answer = gate.with_cors(answer, arrival.headers)
        request = arrival.record(
            self._ids.next() if request_id is None else request_id,
            gate.source,
            verdict,
            reason=reason,
            detail=detail,
            event_id=event_id,
            duplicate_of=duplicate_of,
            key=key,
            answer=answer,
        )

        def done(error: HookferryError | None) -> None:
            if error is not None:
                arrival.told(unavailable(error))
                return
            self._metrics.caught(gate.label, verdict.label, reason)
            self._caught(gate.source.id)
            arrival.told(arrival.outcome(request, answer))

        try:
            self._keeping.keep(Acceptance(None, request=request, ring=ring or gate.ring), done)
        except Unavailable as error:
            done(error)


def unavailable(error: HookferryError) -> Outcome:
    """Return the outcome of a request that could not be stored: nothing is acknowledged."""
    wait = error.retry_after if isinstance(error, Unavailable) else 1
    return Outcome(
        answer=Answer(503, (("retry-after", str(wait)),)),
        verdict=Verdict.REJECTED,
        reason=error.code,
    )
