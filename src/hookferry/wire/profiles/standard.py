"""Profile ``standard``: Standard Webhooks 1.0, body ``{"type", "timestamp", "data"}``."""

from __future__ import annotations

from hookferry.domain.event import Event
from hookferry.wire.profiles.signing import StandardSigning
from hookferry.wire.timestamps import rfc3339_ms


class Standard(StandardSigning):
    """What most receivers' libraries expect."""

    name = "standard"

    def body(self, event: Event) -> bytes:
        """Wrap the payload's bytes as they came; a type needs no escaping (its alphabet)."""
        return b'{"type":"%b","timestamp":"%b","data":%b}' % (
            event.type.encode(),
            rfc3339_ms(event.time_ms),
            event.payload,
        )


STANDARD = Standard()
