"""What synchronous answers mean: the table of SEMANTICS section 4, as pure decisions."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hookferry.domain.tenant import EventType
from hookferry.domain.webhook import Mode
from hookferry.errors import SynchronousWebhookFailed, Vetoed
from hookferry.ids import encode
from hookferry.transport.port import Outcome

DELIVERED = "delivered"
FAILED = "failed"
"""The receiver answered, and not with success."""
VETOED = "vetoed"
NO_ANSWER = "no_answer"
SKIPPED = "skipped"
"""The webhook takes no events at the moment (stopped, disabled, or its tenant is off)."""
CALLER_GONE = "caller_gone"
"""The publisher left, or the server ended, before there was an answer."""
OUTCOMES = frozenset({DELIVERED, FAILED, VETOED, NO_ANSWER, SKIPPED, CALLER_GONE})

_ASKING = frozenset(("create", "update", "delete"))


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one synchronous delivery."""

    webhook_id: int
    name: str
    delivery_id: int
    mode: Mode
    status: int | None = None
    success: bool = False
    error: str | None = None
    """Why there is no answer (an error kind), or why nothing was sent."""
    text: str | None = None
    """What the receiver said in ``text/plain``, cleaned."""
    skipped: bool = False
    duration_ms: float | None = None
    outcome: Outcome | None = None
    """The answer whole, for who waits in this process; None where it was read back or not sent."""


class CallOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a publisher is told of one synchronous webhook."""

    webhook: str
    name: str
    delivery: str
    mode: str
    outcome: str
    """``delivered``, ``failed``, ``vetoed``, ``no_answer``, ``skipped`` or ``caller_gone``."""
    status: int | None = None
    detail: str | None = None
    """The receiver's ``text/plain`` text, or why there was no answer."""
    duration_ms: float | None = None


class Judgement(msgspec.Struct, frozen=True):
    """What follows for the event and for its publisher."""

    outcomes: tuple[CallOutcome, ...]
    error: SynchronousWebhookFailed | None
    """What the publisher is answered instead of success."""

    @property
    def vetoed(self) -> bool:
        """The event was refused before the fact."""
        return isinstance(self.error, Vetoed)


def asks(event_type: str, registered: EventType | None) -> bool:
    """Tell whether an event is of phase ``before``: it asks, and can be refused.

    As its type is registered; else by its name: ``*.create``, ``*.update`` and ``*.delete``.
    """
    if registered is not None and not registered.archived and registered.phase is not None:
        return registered.phase == "before"
    return event_type.rpartition(".")[2] in _ASKING and "." in event_type


def outcome_of(report: Report, *, before: bool) -> str:
    """Return the outcome of one synchronous delivery."""
    if report.skipped:
        return SKIPPED
    if report.success:
        return DELIVERED
    if report.error == CALLER_GONE:
        return CALLER_GONE
    if before and report.mode is Mode.SYNC_CRITICAL:
        return VETOED
    return NO_ANSWER if report.status is None else FAILED


def judge(event_id: int, reports: Sequence[Report], *, before: bool) -> Judgement:
    """Say what the answers to an event come to.

    Args:
        event_id: the event.
        reports: one for each synchronous delivery.
        before: the event's phase.
    """
    outcomes = []
    vetoes: list[Report] = []
    failures: list[Report] = []
    for report in reports:
        outcome = outcome_of(report, before=before)
        outcomes.append(
            CallOutcome(
                webhook=encode("wh", report.webhook_id),
                name=report.name,
                delivery=encode("dlv", report.delivery_id),
                mode=report.mode.value,
                outcome=outcome,
                status=report.status,
                detail=report.text or report.error,
                duration_ms=report.duration_ms,
            )
        )
        if outcome == VETOED:
            vetoes.append(report)
        elif outcome in (FAILED, CALLER_GONE) or (
            outcome == NO_ANSWER and report.mode is Mode.SYNC_CRITICAL
        ):
            failures.append(report)
    found = vetoes or failures
    error = None
    if found:
        kind = Vetoed if vetoes else SynchronousWebhookFailed
        first = min(found, key=lambda r: (r.name, r.delivery_id))
        error = kind(_message(first), id=encode("evt", event_id), outcomes=outcomes)
    return Judgement(tuple(outcomes), error)


def _message(report: Report) -> str:
    """Return what the publisher may show: the receiver's own text where it sent one."""
    if report.text is not None:
        return report.text
    if report.status is not None:
        return f"the webhook {report.name!r} answered {report.status}"
    if report.error == CALLER_GONE:
        return (
            f"the caller left before the webhook {report.name!r} had answered; nothing is sent "
            "again by itself"
        )
    return f"the webhook {report.name!r} gave no answer ({report.error})"
