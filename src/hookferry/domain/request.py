"""A caught request: what came to a source, byte for byte, and what became of it."""

from __future__ import annotations

import enum

import msgspec


class Verdict(enum.IntEnum):
    """What the pipeline said of a request."""

    ACCEPTED = 0
    """Genuine, and an event."""
    DUPLICATE = 1
    """Genuine, and caught before."""
    QUARANTINED = 2
    """Not shown to be genuine; kept apart, and not run."""
    REJECTED = 3
    """Refused before it could be verified (method, address, rate, size, time), or unusable."""
    SAMPLE = 4
    """Caught by a draft."""
    HANDSHAKE = 5
    """A greeting, answered as its protocol says."""
    FILTERED = 6
    """Genuine, and its source's condition does not hold."""
    INSPECTED = 7
    """Caught by a bin."""
    RELEASED = 8
    """Was quarantined, and a person let it run: as another request, whose ``replay_of`` it is."""

    @property
    def label(self) -> str:
        """The name used on the outside face."""
        return self.name.lower()


class Caught(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an event keeps of the request that it was born from; its payload is the body."""

    request_id: int
    source_id: int
    form: str
    """How the body is read as data: a name of ``hookferry.wire.bodies``."""
    method: str = "POST"
    path: bytes = b""
    """Below the source's own address, as received, without the slashes around it."""
    query: bytes = b""
    client: str = ""
    """The caller's address, behind trusted proxies."""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    """As received: order, case and repeats."""


class CaughtRequest(msgspec.Struct, frozen=True):
    """One request as the ledger keeps it."""

    id: int
    tenant_id: int
    source_id: int
    received_at_ms: int
    verdict: Verdict
    method: str
    path: bytes
    """As received, percent-encoding and all, without the query."""
    query: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    """As received: order, case and repeats."""
    body: bytes
    client: str
    """The caller's address, behind trusted proxies."""
    reason: str | None = None
    """Why it is not accepted, as a stable name."""
    detail: str | None = None
    """Why, for a person."""
    event_id: int | None = None
    duplicate_of: int | None = None
    """The request that was first."""
    key: str | None = None
    """Its duplicate key."""
    replay_of: int | None = None
    """The request that this one repeats."""
    status: int = 0
    """What the caller was answered; 0 when that is not known (yet)."""
    answer_headers: tuple[tuple[str, str], ...] = ()
    answer_body: bytes = b""
    answered_by: str | None = None
    """Who gave the answer, where it was not the source itself."""
