"""The calls that publish: one event, or many at once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from hookferry.client.calls import AsyncResource, Call, Resource, SyncResource, operation, reader
from hookferry.client.errors import ApiError, error_of_document
from hookferry.client.log_answers import Published


class NewEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An event to publish."""

    type: str
    """Such as ``contact.created``."""
    data: Any
    """Anything that JSON can say. ``bytes`` are taken for JSON text and go out as they are."""
    id: str | None = None
    """Your own id, which makes publishing it idempotent for three days."""
    tenant: str | None = None
    """Whose event it is, where the client's ``tenant`` does not say."""
    application: str | None = None
    entity: str | None = None
    primary_key: str | int | None = None
    changes: list[str] | None = None
    """Names of the fields that changed."""
    actor: dict[str, str | int] | None = None
    """Who did it: ``id`` and ``name``."""
    occurred_at: datetime | None = None
    """When it happened (with a zone); when it was received, if left out."""
    channels: list[str] | None = None


_published = reader(Published)
_rows = reader(list[dict[str, Any]])


class _Publishing(Resource):
    """Publishing events."""

    @operation
    def publish(
        self,
        type: str,
        data: Any,
        *,
        id: str | None = None,
        tenant: str | None = None,
        application: str | None = None,
        entity: str | None = None,
        primary_key: str | int | None = None,
        changes: list[str] | None = None,
        actor: dict[str, str | int] | None = None,
        occurred_at: datetime | None = None,
        channels: list[str] | None = None,
    ) -> Call[Published]:
        """Publish an event. When this returns, the event is stored durably.

        With synchronous webhooks it returns when all of them have answered, or their time is up.
        A publish that is repeated because its connection broke does not publish twice, and asks
        no receiver twice. The parameters are the fields of ``NewEvent``.

        Raises:
            Vetoed: what the event asks must not happen; ``detail`` says why, for people to read.
            SynchronousWebhookFailed: the event stands, but a synchronous webhook failed.
        """
        event = NewEvent(
            type=type,
            data=data,
            id=id,
            tenant=tenant,
            application=application,
            entity=entity,
            primary_key=primary_key,
            changes=changes,
            actor=actor,
            occurred_at=occurred_at,
            channels=channels,
        )
        return Call("POST", "events", _published, body=_encode(event), asks_receivers=True)

    @operation
    def publish_batch(self, events: Iterable[NewEvent]) -> Call[list[Published | ApiError]]:
        """Publish up to 1,000 events at once; a batch waits for no synchronous webhook.

        Returns:
            For each event, in order, what ``publish`` would have returned or raised: some may be
            refused while others are accepted.
        """
        body = b"[" + b",".join(map(_encode, events)) + b"]"
        return Call("POST", "events/batch", _batch, body=body)


class Publishing(_Publishing, SyncResource):
    """Publishing, on a ``Client``."""


class AsyncPublishing(_Publishing, AsyncResource):
    """Publishing, on an ``AsyncClient``."""


def _encode(event: NewEvent) -> bytes:
    if isinstance(event.data, bytes):
        event = msgspec.structs.replace(event, data=msgspec.Raw(event.data))
    return msgspec.json.encode(event)


def _batch(body: bytes) -> list[Published | ApiError]:
    return [
        error_of_document(row) if "code" in row else msgspec.convert(row, Published)
        for row in _rows(body)
    ]
