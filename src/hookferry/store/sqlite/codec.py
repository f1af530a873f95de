"""Rows to structs and back. No statements here."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from hookferry.domain.delivery import Attempt, Delivery, DeliveryState
from hookferry.domain.event import NO_META, Event, EventMeta, EventState
from hookferry.domain.webhook import Health

EVENT_COLUMNS: Final = "id, tenant_id, type, payload, received_at, state, meta"
DELIVERY_COLUMNS: Final = (
    "id, event_id, webhook_id, tenant_id, state, due, attempts, last_status, last_error, updated_at"
)

encode_meta = msgspec.json.Encoder().encode
_decode_meta = msgspec.json.Decoder(EventMeta).decode
_encode_document = msgspec.msgpack.Encoder().encode
_EVENT_STATES = tuple(EventState)
_DELIVERY_STATES = tuple(DeliveryState)


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


def event_from(row: tuple[Any, ...]) -> Event:
    """Build an event from EVENT_COLUMNS."""
    number, tenant_id, type_, payload, received_at, state, meta = row
    return Event(
        number,
        tenant_id,
        type_,
        payload,
        received_at,
        _EVENT_STATES[state],
        NO_META if meta is None else _decode_meta(meta),
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
