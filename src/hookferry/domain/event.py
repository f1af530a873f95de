"""An event: a fact with bytes attached."""

from __future__ import annotations

import enum

import msgspec

from hookferry.domain.request import Caught


class EventState(enum.IntEnum):
    """What matching said of an event (SEMANTICS section 1)."""

    UNMATCHED = 0
    MATCHED = 1
    VETOED = 2


class EventMeta(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a publisher may say about an event beside its type and data; all optional."""

    external_id: str | None = None
    """The publisher's own id."""
    application: str | None = None
    entity: str | None = None
    primary_key: str | int | None = None
    changes: list[str] | None = None
    actor_id: str | int | None = None
    actor_name: str | None = None
    occurred_at_ms: int | None = None
    channels: list[str] | None = None
    hops: int = 0
    """How many of hookferry's own events led to this one."""
    traceparent: str | None = None
    """W3C Trace Context of the publish, passed on with each attempt."""
    tracestate: str | None = None
    schema_error: str | None = None
    """How the data breaks its type's schema, where that is only a warning."""
    match_errors: dict[str, str] | None = None
    """By webhook id (``wh_...``): why its condition could not be evaluated and did not match."""
    caught: Caught | None = None
    """The request that it was born from; None for an event that was published."""
    timer: int | None = None
    """The timer that fired it."""
    addressed: int | None = None
    """The webhook that a script sent it to: no other one gets it."""

    @property
    def owner(self) -> int | None:
        """The source or timer that it comes from, whose own webhook gets it."""
        return self.timer if self.caught is None else self.caught.source_id


NO_META = EventMeta()


class Event(msgspec.Struct, frozen=True):
    """One accepted event.

    ``payload`` is the publisher's ``data``, byte for byte; or the body of the caught request, which
    ``hookferry.wire.bodies.data_of`` reads as JSON.
    """

    id: int
    tenant_id: int
    type: str
    payload: bytes
    received_at_ms: int
    state: EventState = EventState.MATCHED
    meta: EventMeta = NO_META

    @property
    def time_ms(self) -> int:
        """When it happened, as the publisher says, else when it was received (Unix ms)."""
        occurred = self.meta.occurred_at_ms
        return self.received_at_ms if occurred is None else occurred
