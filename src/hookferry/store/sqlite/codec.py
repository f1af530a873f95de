"""Rows to structs and back. No statements here."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from hookferry.domain.delivery import Attempt, Delivery, DeliveryState
from hookferry.domain.event import NO_META, Event, EventMeta, EventState
from hookferry.domain.request import CaughtRequest, Verdict
from hookferry.domain.run import LogLine, Run, RunExit, Step
from hookferry.domain.webhook import Health

EVENT_COLUMNS: Final = "id, tenant_id, type, payload, received_at, state, meta"
DELIVERY_COLUMNS: Final = (
    "id, event_id, webhook_id, tenant_id, state, due, attempts, last_status, last_error, updated_at"
)
REQUEST_COLUMNS: Final = (
    "id, tenant_id, source_id, received_at, verdict, status, method, path, query, client, reason,"
    " key, event_id, duplicate_of, document"
)
"""Without the body and what else may be its event's."""
RUN_COLUMNS: Final = (
    "id, tenant_id, automation_id, automation, event_id, delivery_id, source_id, started_at,"
    " duration, exit, error, steps_used"
)
"""Without the document."""

encode_meta = msgspec.msgpack.Encoder().encode
_decode_meta = msgspec.msgpack.Decoder(EventMeta).decode
_decode_json_meta = msgspec.json.Decoder(EventMeta).decode
_JSON: Final = ord("{")
"""How a meta begins that was written before schema 0003; no map of MessagePack does."""
_encode_document = msgspec.msgpack.Encoder().encode
_EVENT_STATES = tuple(EventState)
_DELIVERY_STATES = tuple(DeliveryState)
_VERDICTS = tuple(Verdict)


class _AttemptDocument(msgspec.Struct, array_like=True, frozen=True):
    """An attempt without its keys; new fields go at the end, with defaults."""

    number: int
    started_at_ms: int
    duration_ms: float
    success: bool
    status: int | None
    error: str | None
    detail: str | None
    verdict: str | None
    address: str | None
    request_head: bytes
    response_head: bytes
    response_body: bytes
    response_truncated: bool
    timings: dict[str, float]
    webhook_version: int = 0


_decode_document = msgspec.msgpack.Decoder(_AttemptDocument).decode


def attempt_document(attempt: Attempt) -> bytes:
    """Encode an attempt without its keys."""
    return _encode_document(
        (
            attempt.number,
            attempt.started_at_ms,
            attempt.duration_ms,
            attempt.success,
            attempt.status,
            attempt.error,
            attempt.detail,
            attempt.verdict,
            attempt.address,
            attempt.request_head,
            attempt.response_head,
            attempt.response_body,
            attempt.response_truncated,
            attempt.timings,
            attempt.webhook_version,
        )
    )


def attempt_from(row: tuple[int, int, bytes]) -> Attempt:
    """Build an attempt from (id, delivery_id, document)."""
    document = _decode_document(row[2])
    return Attempt(row[0], row[1], *msgspec.structs.astuple(document))


class _RequestDocument(msgspec.Struct, array_like=True, frozen=True):
    """What of a request no statement looks at; new fields go at the end, with defaults."""

    headers: tuple[tuple[bytes, bytes], ...] | None
    """None where the event that it became has them."""
    detail: str | None
    replay_of: int | None
    answer_headers: tuple[tuple[str, str], ...]
    answer_body: bytes
    answered_by: str | None


_decode_request_document = msgspec.msgpack.Decoder(_RequestDocument).decode


def request_document(request: CaughtRequest, *, with_headers: bool) -> bytes:
    """Encode what of a request is in no column."""
    return _encode_document(
        (
            request.headers if with_headers else None,
            request.detail,
            request.replay_of,
            request.answer_headers,
            request.answer_body,
            request.answered_by,
        )
    )


def answered_document(
    document: bytes,
    headers: tuple[tuple[str, str], ...],
    body: bytes,
    answered_by: str,
    detail: str | None,
) -> bytes:
    """Put an answer into a request's document."""
    before = _decode_request_document(document)
    return _encode_document(
        msgspec.structs.replace(
            before,
            detail=detail or before.detail,
            answer_headers=headers,
            answer_body=body,
            answered_by=answered_by,
        )
    )


def request_from(row: tuple[Any, ...]) -> CaughtRequest:
    """Build a request from REQUEST_COLUMNS, its body, and its event's meta if that has headers."""
    document = _decode_request_document(row[14])
    headers = document.headers
    if headers is None:
        caught = None if row[16] is None else _meta_from(row[16]).caught
        # With the event gone, so are they.
        headers = () if caught is None else caught.headers
    return CaughtRequest(
        id=row[0],
        tenant_id=row[1],
        source_id=row[2],
        received_at_ms=row[3],
        verdict=_VERDICTS[row[4]],
        status=row[5],
        method=row[6],
        path=row[7],
        query=row[8],
        client=row[9],
        reason=row[10],
        key=row[11],
        event_id=row[12],
        duplicate_of=row[13],
        headers=headers,
        detail=document.detail,
        replay_of=document.replay_of,
        answer_headers=document.answer_headers,
        answer_body=document.answer_body,
        answered_by=document.answered_by,
        body=row[15],
    )


class _RunDocument(msgspec.Struct, array_like=True, frozen=True):
    """What of a run no statement looks at; new fields go at the end, with defaults."""

    log: tuple[LogLine, ...]
    log_dropped: int
    steps: tuple[Step, ...]
    steps_dropped: int
    dictionary: Any
    returned: Any


_decode_run_document = msgspec.msgpack.Decoder(_RunDocument).decode


def run_row(run: Run) -> tuple[Any, ...]:
    """Return a run as RUN_COLUMNS and its document."""
    return (
        run.id,
        run.tenant_id,
        run.automation_id,
        run.automation,
        run.event_id,
        run.delivery_id,
        run.source_id,
        run.started_at_ms,
        run.duration_ms,
        run.exit.value,
        run.error,
        run.steps_used,
        bytearray(
            _encode_document(
                (
                    run.log,
                    run.log_dropped,
                    run.steps,
                    run.steps_dropped,
                    run.dictionary,
                    run.returned,
                )
            )
        ),
    )


def run_from(row: tuple[Any, ...]) -> Run:
    """Build a run from RUN_COLUMNS and, where it is to be whole, its document."""
    run = Run(
        id=row[0],
        tenant_id=row[1],
        automation_id=row[2],
        automation=row[3],
        event_id=row[4],
        delivery_id=row[5],
        source_id=row[6],
        started_at_ms=row[7],
        duration_ms=row[8],
        exit=RunExit(row[9]),
        error=row[10],
        steps_used=row[11],
    )
    if len(row) == len(RUN_COLUMNS.split(", ")):
        return run
    whole = _decode_run_document(row[12])
    return msgspec.structs.replace(
        run,
        log=whole.log,
        log_dropped=whole.log_dropped,
        steps=whole.steps,
        steps_dropped=whole.steps_dropped,
        dictionary=whole.dictionary,
        returned=whole.returned,
    )


def _meta_from(document: bytes) -> EventMeta:
    return (_decode_json_meta if document[0] == _JSON else _decode_meta)(document)


def event_from(row: tuple[Any, ...]) -> Event:
    """Build an event from EVENT_COLUMNS."""
    number, tenant_id, type_, payload, received_at, state, document = row
    meta = NO_META if document is None else _meta_from(document)
    return Event(
        number,
        tenant_id,
        type_,
        payload,
        received_at,
        _EVENT_STATES[state],
        meta,
    )


def delivery_from(row: tuple[Any, ...]) -> Delivery:
    """Build a delivery from DELIVERY_COLUMNS."""
    number, event_id, webhook_id, tenant_id, state, due, attempts, status, error, updated = row
    return Delivery(
        number,
        event_id,
        webhook_id,
        tenant_id,
        _DELIVERY_STATES[state],
        due,
        attempts,
        status,
        error,
        updated,
    )


def health_from(row: tuple[Any, ...]) -> Health:
    """Build a health from its columns, in the struct's order."""
    return Health(*row)
