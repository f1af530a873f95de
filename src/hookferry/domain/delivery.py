"""A delivery: one event owed to one webhook; and its attempts."""

from __future__ import annotations

import enum

import msgspec


class DeliveryState(enum.IntEnum):
    """The states of SEMANTICS section 1. The two that still owe something come first."""

    PENDING = 0
    RETRYING = 1
    DELIVERED = 2
    FAILED = 3
    CANCELLED = 4
    SKIPPED = 5
    VETOED = 6


OWING = (DeliveryState.PENDING, DeliveryState.RETRYING)

WAITED_FOR = 1 << 62
"""The due time of a synchronous delivery while its caller waits: a lane never finds it due."""
HELD = WAITED_FOR + 1
"""The due time of an asynchronous delivery that waits for what the synchronous ones say."""


class Delivery(msgspec.Struct, frozen=True):
    """One event owed to one webhook, as the ledger keeps it."""

    id: int
    event_id: int
    webhook_id: int
    tenant_id: int
    state: DeliveryState
    due_ms: int
    """When the next attempt is due (on the engine's timeline); meaningful while it owes."""
    attempts: int = 0
    last_status: int | None = None
    last_error: str | None = None
    """The last attempt's error kind, or why the delivery was skipped or cancelled."""
    updated_at_ms: int = 0


class Attempt(msgspec.Struct, frozen=True):
    """One try, logged whole."""

    id: int
    delivery_id: int
    number: int
    """1 for the first."""
    started_at_ms: int
    duration_ms: float
    success: bool
    status: int | None
    error: str | None
    """An error kind of ``hookferry.transport.port.ErrorKind``, or None when an answer came."""
    detail: str | None
    """What exactly went wrong, for a person."""
    verdict: str | None
    """The guard's verdict on the address called."""
    address: str | None
    request_head: bytes
    """Request line and headers as sent, credentials masked. The body is the event's, rendered."""
    response_head: bytes
    response_body: bytes
    response_truncated: bool
    timings: dict[str, float]
    """Milliseconds by phase: dns, connect, tls, first_byte."""
    webhook_version: int = 0
    """The webhook's version that the request was rendered from; 0 in logs of older builds."""
