"""Profile ``raw``: the payload as it came, signed as Standard Webhooks 1.0 says."""

from __future__ import annotations

from hookferry.domain.event import Event
from hookferry.domain.tenant import Tenant
from hookferry.domain.webhook import Webhook
from hookferry.wire.profiles.signing import StandardSigned, StandardSigning


class _Payload(StandardSigned):
    """The payload and nothing around it."""

    original = True

    def body(self, event: Event, event_id: str) -> bytes:
        """Return the payload."""
        return event.payload


_PAYLOAD = _Payload()


class Raw(StandardSigning):
    """For receivers that want the bytes of the publisher, or of the caught request, alone."""

    name = "raw"

    def rendering(self, webhook: Webhook, tenant: Tenant, origin: str) -> _Payload:
        """Return the rendering that all webhooks share."""
        return _PAYLOAD


RAW = Raw()
