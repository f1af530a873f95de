"""Profile ``raw``: the payload as it came, signed as Standard Webhooks 1.0 says."""

from __future__ import annotations

from hookferry.domain.event import Event
from hookferry.wire.profiles.signing import StandardSigning


class Raw(StandardSigning):
    """For receivers that want the publisher's own bytes and nothing around them."""

    name = "raw"

    def body(self, event: Event) -> bytes:
        """Return the payload."""
        return event.payload


RAW = Raw()
