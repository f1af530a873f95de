"""Profile ``cloudevents``: CloudEvents 1.0.2 over HTTP, structured or binary.

Sources: CloudEvents 1.0.2 (attributes, section 3), its JSON format, its HTTP protocol binding
(sections 3.1 and 3.2), and Web Hooks for Event Delivery (handshake). Signed as Standard Webhooks
1.0 says, since CloudEvents signs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote

import msgspec

from hookferry.domain.event import Event
from hookferry.domain.tenant import Tenant
from hookferry.domain.webhook import Webhook
from hookferry.wire.handshake import ORIGIN_HEADER, origin_name
from hookferry.wire.profiles.signing import StandardSigned, StandardSigning
from hookferry.wire.standard_webhooks import SigningKey
from hookferry.wire.timestamps import rfc3339_ms

_DATA_TYPE = "application/json"
_NO_STRING = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(chr(plane << 16 | end) for plane in range(17) for end in (0xFFFE, 0xFFFF))
    + "]"
)
"""What a CloudEvents string may not hold (section 3.1, type system)."""
_PLAIN = "".join(chr(c) for c in range(0x21, 0x7F) if chr(c) not in '%"')
"""What stays as it is in a header (HTTP binding, section 3.1.3.2)."""
_encode = msgspec.json.Encoder().encode


class _Structured(StandardSigned):
    """The event whole in the body.

    Args:
        source: the attribute ``source``.
        origin: the name by which hookferry introduces itself.
    """

    content_type = "application/cloudevents+json; charset=utf-8"

    def __init__(self, source: str, origin: str) -> None:
        self._source = source
        self._origin_line = f"{ORIGIN_HEADER}: {origin}\r\n".encode("ascii")

    def body(self, event: Event, event_id: str) -> bytes:
        """Render attributes and data; the data keeps its bytes."""
        return b'%b,"datacontenttype":"application/json","data":%b}' % (
            _encode(self._attributes(event, event_id))[:-1],
            event.payload,
        )

    def headers(
        self,
        event: Event,
        event_id: str,
        body: bytes,
        secrets: Sequence[SigningKey],
        now_s: int,
        attempt: int,
    ) -> bytes:
        """Render the signature, and who sends: a receiver that asked for a handshake wants it."""
        return self._origin_line + super().headers(event, event_id, body, secrets, now_s, attempt)

    def _attributes(self, event: Event, event_id: str) -> dict[str, str]:
        """Return the context attributes of an event, extensions included."""
        meta = event.meta
        attributes = {
            "specversion": "1.0",
            "id": event_id,
            "source": self._source,
            "type": event.type,
            "time": rfc3339_ms(event.time_ms).decode(),
        }
        optional = {
            "subject": meta.primary_key,
            "externalid": meta.external_id,
            "application": meta.application,
            "entity": meta.entity,
            "changes": ",".join(meta.changes or ()),
            "actorid": meta.actor_id,
            "actorname": meta.actor_name,
            "traceparent": meta.traceparent,
            "tracestate": meta.tracestate,
        }
        for name, value in optional.items():
            if value is not None and value != "":
                attributes[name] = _NO_STRING.sub("\ufffd", str(value))
        return attributes


class _Binary(_Structured):
    """The data in the body, the attributes in ``ce-`` headers."""

    content_type = _DATA_TYPE

    def body(self, event: Event, event_id: str) -> bytes:
        """Return the data."""
        return event.payload

    def headers(
        self,
        event: Event,
        event_id: str,
        body: bytes,
        secrets: Sequence[SigningKey],
        now_s: int,
        attempt: int,
    ) -> bytes:
        """Render the attributes, then the signature."""
        lines = "".join(
            f"ce-{name}: {quote(value, safe=_PLAIN)}\r\n"
            for name, value in self._attributes(event, event_id).items()
        )
        return lines.encode("ascii") + super().headers(
            event, event_id, body, secrets, now_s, attempt
        )


_RENDERINGS = {"json": _Structured, "binary": _Binary}


class CloudEvents(StandardSigning):
    """CloudEvents by HTTP web hook."""

    name = "cloudevents"
    formats = ("json", "binary")
    handshake = True
    own_headers = (*StandardSigning.own_headers, "ce-")

    def rendering(self, webhook: Webhook, tenant: Tenant, origin: str) -> _Structured:
        """Return how events of a tenant look in the webhook's content mode."""
        return _RENDERINGS[webhook.payload_format](
            f"{origin}/tenants/{tenant.name}", origin_name(origin)
        )


CLOUDEVENTS = CloudEvents()
