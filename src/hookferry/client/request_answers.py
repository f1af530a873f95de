"""What the API answers of caught requests, as structs. Members that this version does not know are
passed over."""

from __future__ import annotations

from datetime import datetime

import msgspec


class CaughtSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A caught request in a list."""

    id: str
    source: str
    source_name: str | None = None
    """None once the source is deleted."""
    received_at: datetime | None = None
    verdict: str
    """``accepted``, ``duplicate``, ``quarantined``, ``rejected``, ``sample``, ``handshake``,
    ``filtered``, ``inspected`` or ``released``."""
    reason: str | None = None
    """Why it was not accepted, as a stable name."""
    detail: str | None = None
    method: str
    path: str = ""
    """Below the source's own address, one character a byte."""
    query: str = ""
    client: str = ""
    """The caller's address."""
    status: int | None = None
    """What the caller was answered."""
    answered_by: str | None = None
    key: str | None = None
    """Its duplicate key."""
    event: str | None = None
    duplicate_of: str | None = None
    replay_of: str | None = None


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """A header as it was received."""

    name: str
    value: str
    """One character a byte."""
    base64: str | None = None
    """The value's bytes, where they are not ASCII."""


class CaughtRequest(CaughtSummary, frozen=True, kw_only=True):
    """A caught request."""

    headers: list[Header] = []
    """In order, with case and repeats."""
    body: str | None = None
    """None where it is not text."""
    body_base64: str | None = None
    body_size: int = 0
    body_truncated: bool = False
    """Only its beginning is here; ``raw`` has all of it."""
    answer_headers: list[Header] = []
    answer_body: str = ""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Something that one request has and another has not, or has otherwise."""

    at: str
    """A name, or in JSON a pointer (RFC 6901)."""
    change: str
    """``added``, ``removed`` or ``changed``."""
    before: str | None = None
    after: str | None = None


class BodyComparison(msgspec.Struct, frozen=True, kw_only=True):
    """How two bodies differ."""

    same: bool
    form: str
    """``json``, ``text`` or ``binary``."""
    sizes: tuple[int, int]
    changes: list[Change] = []
    """Of JSON."""
    diff: str | None = None
    """Of text."""
    offset: int | None = None
    """The first byte that differs."""
    before: str | None = None
    after: str | None = None
    truncated: bool = False


class RequestComparison(msgspec.Struct, frozen=True, kw_only=True):
    """How two caught requests differ."""

    same: bool
    request_line: list[Change] = []
    query: list[Change] = []
    headers: list[Change] = []
    body: BodyComparison


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One content that verification took as signed."""

    note: str = ""
    signed: str | None = None
    """None where it is not text."""
    signed_base64: str
    given: tuple[str, ...] = ()
    """The signatures that the request carries."""
    matches: bool


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """What verification made of a request."""

    genuine: bool
    reason: str | None = None
    detail: str = ""
    """What is wrong, and its likely cause."""
    algorithm: str = ""
    timestamp: int | None = None
    trials: list[Trial] = []


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a request that was taken or sent again."""

    request: str
    made: str | None = None
    """The new request, where it went through the pipeline."""
    verdict: str | None = None
    reason: str | None = None
    event: str | None = None
    status: int | None = None
    """What its caller would have been answered, or what the URL answered."""
    error: str | None = None
    """An error kind, where a URL gave no usable answer."""
    detail: str | None = None
    address: str | None = None
    duration_ms: float | None = None
    answer_head: str = ""
    answer_body: str = ""
    answer_truncated: bool = False


class ManyReplayed(msgspec.Struct, frozen=True, kw_only=True):
    """What came of several, oldest first."""

    items: list[Replayed]
    next: str | None = None
    """What ``cursor`` has to be for those that are older; None where none is."""
