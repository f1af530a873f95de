"""What the ledger keeps of runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from hookferry.clock import Clock
from hookferry.domain.event import Event
from hookferry.domain.run import (
    KEPT_BYTES,
    MESSAGE_CHARACTERS,
    LogLine,
    Run,
    RunExit,
    kept,
    kept_log,
    kept_steps,
)
from hookferry.domain.tenant import Tenant
from hookferry.engine.masking import MASK, is_credential
from hookferry.kata.fuel import Fuel
from hookferry.kata.result import Result


class Note:
    """What is known of a run from its beginning.

    Args:
        id: the run's.
        tenant: whose.
        event: what it runs on, if anything.
        at_ms: when it began (wall-clock Unix milliseconds).
        begun: the same on the monotonic clock, in seconds.
        fuel: its budget.

    Attributes:
        automation: the name of what runs, once that is known.
        automation_id: and its id.
    """

    __slots__ = ("at_ms", "automation", "automation_id", "begun", "event", "fuel", "id", "tenant")

    def __init__(
        self, id: int, tenant: Tenant, event: Event | None, at_ms: int, begun: float, fuel: Fuel
    ) -> None:
        self.id = id
        self.tenant = tenant
        self.event = event
        self.at_ms = at_ms
        self.begun = begun
        self.fuel = fuel
        self.automation = ""
        self.automation_id: int | None = None


def record(note: Note, clock: Clock, result: Result | None, error: str | None) -> Run:
    """Return what is kept of a script's run.

    Args:
        note: what is known from its beginning.
        clock: when it ended.
        result: how it ended; None where it never began.
        error: why it failed; also where its answer can't be one.
    """
    if result is None:
        lines = [] if error is None else [LogLine("error", "", error, _elapsed_ms(note, clock))]
        return msgspec.structs.replace(_begun(note, clock, error), log=kept_log(lines))
    lines = list(result.log)
    if error is not None and result.error is None:
        lines.append(LogLine("error", "return", error, _elapsed_ms(note, clock)))
    log, steps = kept_log(lines), kept_steps(result.steps)
    return msgspec.structs.replace(
        _begun(note, clock, error),
        exit=RunExit(result.exit) if error is None else RunExit.ERROR,
        log=log,
        log_dropped=result.log_dropped + len(lines) - len(log),
        steps=steps,
        steps_dropped=result.steps_dropped + len(result.steps) - len(steps),
        dictionary=_whole_or_kept(_without_credentials(result.dictionary), note.fuel.held),
        returned=_whole_or_kept(result.returned, note.fuel.held),
    )


def plugin_record(
    note: Note, clock: Clock, lines: Sequence[LogLine], returned: Any, error: str | None
) -> Run:
    """Return what is kept of a run of a plugin's function."""
    said = list(lines)
    exit_ = RunExit.EXIT if returned is None else RunExit.RETURN
    if error is not None:
        said.append(LogLine("error", "", error, _elapsed_ms(note, clock)))
        exit_ = RunExit.ERROR
    log = kept_log(said)
    return msgspec.structs.replace(
        _begun(note, clock, error),
        exit=exit_,
        log=log,
        log_dropped=len(said) - len(log),
        returned=kept(returned),
    )


def _without_credentials(dictionary: dict[str, Any]) -> dict[str, Any]:
    """Return a dictionary in which the caller's headers show no credentials: it is a log."""
    headers = dictionary.get("request_headers")
    if not isinstance(headers, dict):
        return dictionary
    secret = [name for name in headers if is_credential(name.replace("_", "-"))]
    if not secret:
        return dictionary
    return {**dictionary, "request_headers": {**headers, **dict.fromkeys(secret, MASK)}}


def _whole_or_kept(value: Any, held: int) -> Any:
    """Return a value of a run as it is, where it is small and can be written; else what is kept.

    Args:
        value: its dictionary or what it returned.
        held: bytes of all its values, as they would be written out.
    """
    if held <= KEPT_BYTES:
        try:
            msgspec.msgpack.encode(value)  # as the ledger will; some texts and numbers can not be
        except (ValueError, OverflowError, TypeError, RecursionError):
            return kept(value)
        return value
    return kept(value)


def _elapsed_ms(note: Note, clock: Clock) -> float:
    return round((clock.monotonic() - note.begun) * 1000, 3)


def _begun(note: Note, clock: Clock, error: str | None) -> Run:
    event = note.event
    caught = None if event is None else event.meta.caught
    return Run(
        id=note.id,
        tenant_id=note.tenant.id,
        automation_id=note.automation_id,
        automation=note.automation,
        event_id=None if event is None else event.id,
        source_id=None if caught is None else caught.source_id,
        started_at_ms=note.at_ms,
        duration_ms=_elapsed_ms(note, clock),
        exit=RunExit.ERROR if error is not None else RunExit.EXIT,
        error=None if error is None else error[:MESSAGE_CHARACTERS],
        steps_used=note.fuel.used,
    )
