"""What the API answers of events and deliveries, as structs.

Members that this version does not know are passed over.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one synchronous webhook, whose answer the publisher waited for."""

    webhook: str
    name: str
    delivery: str
    mode: str
    """``sync`` or ``sync_critical``."""
    outcome: str
    """``delivered``, ``failed``, ``vetoed``, ``no_answer``, ``skipped`` or ``caller_gone``."""
    status: int | None = None
    """What the receiver answered; None when it did not."""
    detail: str | None = None
    """The receiver's ``text/plain`` text, or why there was no answer."""
    duration_ms: float | None = None


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """An event that was accepted, durably."""

    id: str
    deliveries: int
    """To how many webhooks it goes."""
    duplicate: bool = False
    """It was accepted before, under the same id or Idempotency-Key; this is the first answer."""
    outcomes: tuple[Outcome, ...] = ()
    """What its synchronous webhooks said, none of whom refused; empty where there are none."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """An accepted event."""

    id: str
    type: str
    state: str
    """``matched``, ``unmatched`` or ``vetoed``."""
    received_at: datetime
    tenant: str | None = None
    data: Any = None
    """What was published; None in lists."""
    occurred_at: datetime | None = None
    """When it happened, if the publisher said so."""
    external_id: str | None = None
    """The publisher's own id."""
    application: str | None = None
    entity: str | None = None
    primary_key: str | int | None = None
    changes: list[str] | None = None
    actor: dict[str, str | int | None] | None = None
    channels: list[str] | None = None
    schema_error: str | None = None
    """How the data breaks its type's schema, where that is only a warning."""
    match_errors: dict[str, str] = {}
    """By webhook id: why its condition could not be evaluated, and so did not match."""
    request: str | None = None
    """The caught request that it was born from."""
    deliveries: dict[str, int] = {}
    """How many deliveries are in each state."""


class MatchStep(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that decides whether an event goes to a webhook."""

    name: str
    """Such as ``pattern``, ``channels``, ``condition`` or ``state``."""
    passed: bool
    detail: str


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """One comparison of a condition that was made, and what was seen."""

    at: str
    """Its position, such as ``condition.all[1]``."""
    op: str
    holds: bool
    there: bool = True
    """Whether the path led to a value."""
    path: str | None = None
    """None for an expression in CEL."""
    value: str | None = None
    """What it was compared with: JSON, cut."""
    seen: str | None = None
    """The value the path led to: JSON, cut."""


class MatchedDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """The delivery that an event and a webhook have on record."""

    id: str
    state: str
    attempts: int = 0
    last_status: int | None = None
    last_error: str | None = None


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """Why an event goes to a webhook or not, as both are now; and what is on record."""

    webhook: str
    name: str
    matches: bool
    """Whether the event would get a delivery to this webhook."""
    sends: bool
    """Whether that delivery would be sent, and not skipped."""
    steps: list[MatchStep] = []
    """What decides, in order; the first that did not pass is why not."""
    condition: list[Comparison] = []
    """The comparisons of the condition that were made; the last one decided."""
    webhook_changed_at: datetime | None = None
    """Set if the webhook was saved after the event: this need not be what was true then."""
    match_error: str | None = None
    """Why the condition could not be evaluated when the event was accepted."""
    delivery: MatchedDelivery | None = None
    """The newest delivery of the event to this webhook."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One event owed to one webhook."""

    id: str
    event: str
    webhook: str
    state: str
    """``pending``, ``retrying``, ``delivered``, ``failed``, ``cancelled``, ``skipped`` or
    ``vetoed``."""
    event_type: str | None = None
    webhook_name: str | None = None
    """Its present name, or the last of one that was deleted."""
    attempts: int = 0
    next_attempt_at: datetime | None = None
    """None when nothing is owed any more, and for what waits for something else than a time."""
    waiting_for: str | None = None
    """``answer`` while the publisher waits for this one, ``verdict`` while it waits for what the
    event's synchronous webhooks say."""
    last_status: int | None = None
    last_error: str | None = None
    """The last attempt's error kind, or why it was skipped or cancelled."""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class SentSignature(msgspec.Struct, frozen=True, kw_only=True):
    """The signature that a request carried, and how it was computed."""

    value: str
    header: str
    """The header that carried it."""
    scheme: str
    """Its name for ``hookferry.verify``."""
    algorithm: str
    encoding: str
    signed: str
    """What was signed, in words."""
    key: str
    """What it was signed with, in words."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One try at a delivery."""

    id: str
    number: int
    """1 for the first."""
    success: bool
    started_at: datetime | None = None
    duration_ms: float = 0.0
    status: int | None = None
    error: str | None = None
    """An error kind such as ``timeout``, when no usable answer came."""
    detail: str | None = None
    verdict: str | None = None
    """What the guard said of the address."""
    address: str | None = None
    webhook_version: int | None = None
    """The version of the webhook that the request was rendered from."""
    request_head: str = ""
    """Request line and headers as sent; credentials are masked."""
    request_body: str | None = None
    """As sent, its first 16 KB; ``deliveries.attempt_body`` has all of it, byte for byte."""
    request_body_truncated: bool = False
    request_body_missing: str | None = None
    """Why there is no ``request_body``."""
    signature: SentSignature | None = None
    """None where the request was not signed, or it is not known how."""
    response_head: str = ""
    response_body: str = ""
    response_truncated: bool = False
    timings: dict[str, float] = {}
    """Milliseconds by phase."""


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """The deliveries that an action changed, by their ids; the others' state did not allow it."""

    changed: list[str]
