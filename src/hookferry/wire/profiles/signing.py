"""The part that profiles signing by Standard Webhooks share: secrets and headers, no body."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from hookferry.domain.event import Event
from hookferry.wire import standard_webhooks
from hookferry.wire.profiles.base import Profile, Rendering, SignatureNote


class StandardSigned(Rendering):
    """A rendering whose requests carry the three ``webhook-*`` headers."""

    content_type = "application/json"

    def headers(
        self,
        event: Event,
        event_id: str,
        body: bytes,
        secrets: Sequence[standard_webhooks.SigningKey],
        now_s: int,
        attempt: int,
    ) -> bytes:
        """Render id, timestamp and signatures; a retry keeps the id and signs the new time."""
        message_id = event_id.encode()
        timestamp = b"%d" % now_s
        return b"webhook-id: %b\r\nwebhook-timestamp: %b\r\nwebhook-signature: %b\r\n" % (
            message_id,
            timestamp,
            standard_webhooks.sign(message_id, timestamp, body, secrets),
        )


class StandardSigning(Profile):
    """A profile whose requests are signed as Standard Webhooks 1.0 says."""

    own_headers: ClassVar[tuple[str, ...]] = ("webhook-",)
    signature: ClassVar[SignatureNote | None] = SignatureNote(
        scheme="standard",
        header="webhook-signature",
        algorithm="HMAC-SHA256 (v1) or Ed25519 (v1a), one of each key that signs",
        encoding="base64",
        signed="webhook-id, a full stop, webhook-timestamp, a full stop, the body as sent",
        key="the webhook's secret: what follows whsec_ or whsk_, base64-decoded",
    )

    def new_secret(self) -> str:
        """Make a ``whsec_`` secret with 32 random bytes."""
        return standard_webhooks.new_secret()

    def check_secret(self, secret: str) -> None:
        """Raise InvalidField unless it is a ``whsec_`` of 24 to 75 bytes or a ``whsk_`` key."""
        standard_webhooks.parse_signing_key(secret)

    def prepare_secret(self, secret: str) -> standard_webhooks.SigningKey:
        """Decode a secret into a key that signs."""
        return standard_webhooks.parse_signing_key(secret)
