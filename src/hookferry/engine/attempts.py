"""From an outcome to the line of the log: an attempt, whole, as people will look it up."""

from __future__ import annotations

import structlog

from hookferry.domain.delivery import Attempt
from hookferry.engine.dispatch import Plan, trace_of
from hookferry.engine.lane import Job
from hookferry.ids import encode
from hookferry.tracing import AttemptSpan, Tracing
from hookferry.transport.port import ErrorKind, Outcome

log = structlog.get_logger(__name__)


def span_of(tracing: Tracing, job: Job, plan: Plan) -> AttemptSpan:
    """Begin the span of a job's next try."""
    return tracing.attempt(
        trace_of(job.carrier.event),
        delivery_id=job.delivery_id,
        delivery=encode("dlv", job.delivery_id),
        event=job.carrier.text_id,
        webhook=encode("wh", job.lane.webhook.id),
        number=job.spent + 1,
        url=plan.url,
        host=plan.target.host,
        port=plan.target.port,
    )


def not_rendered(job: Job, error: Exception) -> Outcome:
    """Return the outcome of a try whose request could not be made: a profile's fault.

    Called in the handler of that error, which is logged here.
    """
    log.exception("render_failed", delivery=encode("dlv", job.delivery_id))
    job.logged_head = b""
    return Outcome(error=ErrorKind.INTERNAL, detail=f"rendering failed: {error}")


def attempt_of(attempt_id: int, job: Job, outcome: Outcome, *, success: bool) -> Attempt:
    """Return the log of a try.

    Args:
        attempt_id: its id.
        job: what was sent; ``spent`` is still that of before the try.
        outcome: what became of it.
        success: the profile's verdict on the status.
    """
    timings = {}
    if outcome.first_byte:
        timings["first_byte"] = outcome.first_byte * 1000
    if not outcome.reused:
        timings["dns"] = outcome.dns * 1000
        timings["connect"] = outcome.connect * 1000
        if outcome.tls:
            timings["tls"] = outcome.tls * 1000
    return Attempt(
        attempt_id,
        job.delivery_id,
        job.spent + 1,
        job.started_ms,
        outcome.duration * 1000,
        success,
        outcome.status,
        outcome.error,
        outcome.detail,
        outcome.verdict,
        outcome.address,
        job.logged_head,
        outcome.head,
        outcome.body,
        outcome.truncated,
        timings,
        job.version,
    )
