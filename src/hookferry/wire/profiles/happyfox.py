"""Profile ``happyfox``: what programs written for HappyFox's webhooks expect.

Source: HappyFox's article on webhooks, which shows its sample and its signature's header in
pictures only: docs/profiles/happyfox.md says what was chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from hookferry.domain.event import Event
from hookferry.domain.tenant import Tenant
from hookferry.domain.webhook import Retry, Webhook
from hookferry.errors import InvalidField
from hookferry.wire.body_signing import HappyFoxKey, check_text_secret
from hookferry.wire.profiles.base import (
    NO_RETRY,
    Profile,
    Rendering,
    SignatureNote,
    check_any_name,
)
from hookferry.wire.timestamps import rfc3339_ms
from hookferry.wire.uuids import uuid_of


class _TicketEvent(Rendering):
    """The requests of one webhook.

    Args:
        number: the webhook's number, which makes the uuid its own.
    """

    content_type = "application/json"

    def __init__(self, number: int) -> None:
        self._number = number

    def body(self, event: Event, event_id: str) -> bytes:
        """Render uuid, kind of event, and the publisher's data as the ticket."""
        kind = event.type.replace(".", "_")
        return b'{"uuid":"%b","event":"%b","type":"%b","timestamp":"%b","ticket":%b}' % (
            uuid_of(event.id, self._number).encode(),
            kind.encode(),
            event.type.encode(),
            rfc3339_ms(event.time_ms),
            event.payload,
        )

    def headers(
        self,
        event: Event,
        event_id: str,
        body: bytes,
        secrets: Sequence[HappyFoxKey],
        now_s: int,
        attempt: int,
    ) -> bytes:
        """Render the signature; the same on every attempt. Without a key there is none."""
        if not secrets:
            return b""
        return b"X-Webhook-Signature: %b\r\n" % secrets[0].sign(body)


class HappyFox(Profile):
    """HappyFox's ticket webhooks."""

    name = "happyfox"
    retry: ClassVar[Retry] = NO_RETRY
    failure_window = None
    gone_disables = False
    breaker = False
    secret_by_default = False
    unique_name = False
    tenant_key = True
    own_headers = (HappyFoxKey.header.lower(),)
    signature: ClassVar[SignatureNote | None] = SignatureNote(
        scheme="happyfox",
        header=HappyFoxKey.header,
        algorithm="HMAC-SHA1",
        encoding="lower-case hexadecimal after sha1=",
        signed="the body as sent, its uuid included",
        key="the tenant's webhook key as typed, in UTF-8",
    )

    def check_name(self, name: str) -> None:
        """Raise InvalidField unless it is 1 to 100 characters; spaces inside are allowed."""
        check_any_name(self.name, name)

    def new_secret(self) -> None:
        """Make none: the tenant's webhook key signs."""

    def check_secret(self, secret: str) -> None:
        """Refuse: webhooks have no secret of their own."""
        raise InvalidField(
            "a webhook under profile 'happyfox' has no secret of its own; the tenant's webhook_key "
            "signs",
            field="secret",
        )

    def prepare_secret(self, secret: str) -> HappyFoxKey:
        """Return the key that signs, from the tenant's webhook key."""
        check_text_secret(secret)
        return HappyFoxKey(secret)

    def rendering(self, webhook: Webhook, tenant: Tenant, origin: str) -> _TicketEvent:
        """Return the requests of a webhook."""
        return _TicketEvent(webhook.number)


HAPPYFOX = HappyFox()
