"""Events that hookferry itself publishes: a webhook was started, stopped, or disabled by errors.

``webhook<number>.started``, ``.stopped`` and ``.errors`` (SuperOffice's state events, S-SO-15) are
events like any other: stored, matched, delivered and tried again. One hop further than what caused
them, so that they cannot go round for ever.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from hookferry.domain.event import EventMeta
from hookferry.domain.tenant import Tenant
from hookferry.domain.webhook import Webhook
from hookferry.engine.directory import Directory
from hookferry.errors import NotFound
from hookferry.ids import encode

STARTED = "started"
STOPPED = "stopped"
ERRORS = "errors"

_encoder = msgspec.json.Encoder()


class Publisher(Protocol):
    """Who takes an event that hookferry causes (``hookferry.engine.intake.Intake``)."""

    def cause(
        self,
        tenant: Tenant,
        type: str,
        payload: bytes,
        meta: EventMeta,
        *,
        disabled: int | None = None,
    ) -> None:
        """Queue it for the next commit."""
        ...


class StateData(msgspec.Struct, frozen=True):
    """The data of a state event."""

    webhook: str
    number: int
    name: str
    state: str
    error: str | None = None
    """Of ``.errors``: the last failure."""
    event: str | None = None
    """Of ``.errors``: the event whose delivery failed last."""


class Announcer:
    """Publishes state events.

    Args:
        directory: the webhooks' tenants.
        publisher: takes the events.
    """

    def __init__(self, directory: Directory, publisher: Publisher) -> None:
        self._directory = directory
        self._publisher = publisher

    def announce(
        self,
        webhook: Webhook,
        what: str,
        *,
        state: str | None = None,
        error: str | None = None,
        event_id: int | None = None,
        hops: int = 0,
    ) -> None:
        """Publish a webhook's change of state.

        Args:
            webhook: which.
            what: ``started``, ``stopped`` or ``errors``.
            state: its state, where the webhook at hand does not have it yet.
            error: why it was disabled.
            event_id: the event whose delivery failed last.
            hops: of that event.
        """
        try:
            tenant = self._directory.tenant_by_id(webhook.tenant_id)
        except NotFound:
            return  # a tenant deleted meanwhile has nobody to tell
        data = StateData(
            encode("wh", webhook.id),
            webhook.number,
            webhook.name,
            state or webhook.state.label,
            error,
            None if event_id is None else encode("evt", event_id),
        )
        meta = EventMeta(entity="webhook", primary_key=webhook.number, hops=hops + 1)
        self._publisher.cause(
            tenant,
            f"webhook{webhook.number}.{what}",
            _encoder.encode(data),
            meta,
            disabled=webhook.id if what == ERRORS else None,
        )
