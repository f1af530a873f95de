"""Profile ``standard``: Standard Webhooks 1.0, body ``{"type", "timestamp", "data"}``."""

from __future__ import annotations

from hookferry.domain.event import Event
from hookferry.domain.tenant import Tenant
from hookferry.domain.webhook import Webhook
from hookferry.wire.profiles.signing import StandardSigned, StandardSigning
from hookferry.wire.timestamps import rfc3339_ms


class _Envelope(StandardSigned):
    """The payload's bytes as they came, wrapped."""

    def body(self, event: Event, event_id: str) -> bytes:
        """Wrap the payload; a type needs no escaping (its alphabet)."""
        return b'{"type":"%b","timestamp":"%b","data":%b}' % (
            event.type.encode(),
            rfc3339_ms(event.time_ms),
            event.payload,
        )


_ENVELOPE = _Envelope()


class Standard(StandardSigning):
    """What most receivers' libraries expect."""

    name = "standard"

    def rendering(self, webhook: Webhook, tenant: Tenant, origin: str) -> _Envelope:
        """Return the rendering that all webhooks share."""
        return _ENVELOPE


STANDARD = Standard()
