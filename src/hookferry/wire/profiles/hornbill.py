"""Profile ``hornbill``: what programs written for Hornbill's webhooks expect, in JSON and XML.

Source: Hornbill's pages on webhooks, which name the properties and show no sample:
docs/profiles/hornbill.md says what was chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec

from hookferry.domain.event import Event
from hookferry.domain.tenant import Tenant
from hookferry.domain.webhook import Retry, Webhook
from hookferry.errors import InvalidField
from hookferry.wire import xml
from hookferry.wire.json_text import without_nulls
from hookferry.wire.naming import split_type
from hookferry.wire.profiles.base import NO_RETRY, Profile, Rendering
from hookferry.wire.timestamps import rfc3339_ms

ROOT = "onEntityEvent"
_encode = msgspec.json.Encoder().encode


class _Json(Rendering):
    """``onEntityEvent`` in JSON."""

    content_type = "application/json; charset=utf-8"

    def body(self, event: Event, event_id: str) -> bytes:
        """Render the event, the publisher's data as the record."""
        return b'{"onEntityEvent":%b}' % _on_entity_event(event)

    def headers(
        self,
        event: Event,
        event_id: str,
        body: bytes,
        secrets: Sequence[Any],
        now_s: int,
        attempt: int,
    ) -> bytes:
        """Render none: nothing differs from request to request."""
        return b""


class _Xml(_Json):
    """``onEntityEvent`` in XML."""

    content_type = "application/xml; charset=utf-8"

    def body(self, event: Event, event_id: str) -> bytes:
        """Render the event, the publisher's data as the record."""
        return xml.from_json(_on_entity_event(event), ROOT)


_RENDERINGS = {"json": _Json(), "xml": _Xml()}


def _on_entity_event(event: Event) -> bytes:
    """Return the properties of an event, as a JSON object."""
    meta = event.meta
    table, verb = split_type(event.type)
    at = rfc3339_ms(event.time_ms)
    return (
        b'{"eventSource":"urn:webhook:entity:%b:%b","eventTime":"%b %bZ","actionBy":%b,'
        b'"actionByName":%b,"entity":%b,"table":"%b","record":%b}'
    ) % (
        table.encode(),
        verb.encode(),
        at[:10],
        at[11:19],
        _encode("" if meta.actor_id is None else str(meta.actor_id)),
        _encode(meta.actor_name or ""),
        _encode(meta.entity or table),
        table.encode(),
        without_nulls(event.payload),
    )


class Hornbill(Profile):
    """Hornbill's webhooks on entity events."""

    name = "hornbill"
    retry: ClassVar[Retry] = NO_RETRY
    failure_window = None
    gone_disables = False
    breaker = False
    secret_by_default = False
    formats = ("json", "xml")

    def succeeded(self, status: int) -> bool:
        """Tell whether a status is 200, the only success (behaviours D1)."""
        return status == 200

    def new_secret(self) -> None:
        """Make none: requests are not signed."""

    def check_secret(self, secret: str) -> None:
        """Refuse: requests are not signed."""
        raise InvalidField(
            "requests under profile 'hornbill' are not signed, so there is no secret; choose a "
            "credential to authenticate them with",
            field="secret",
        )

    def prepare_secret(self, secret: str) -> None:
        """Refuse: requests are not signed."""
        self.check_secret(secret)

    def rendering(self, webhook: Webhook, tenant: Tenant, origin: str) -> Rendering:
        """Return the rendering that all webhooks of a format share."""
        return _RENDERINGS[webhook.payload_format]


HORNBILL = Hornbill()
