"""The part that profiles signing by Standard Webhooks share: secrets and headers, no body."""

from __future__ import annotations

from collections.abc import Sequence

from hookferry.wire import standard_webhooks
from hookferry.wire.profiles.base import Profile


class StandardSigning(Profile):
    """A profile whose requests carry the three ``webhook-*`` headers of Standard Webhooks 1.0."""

    def new_secret(self) -> str:
        """Make a ``whsec_`` secret with 32 random bytes."""
        return standard_webhooks.new_secret()

    def check_secret(self, secret: str) -> None:
        """Raise InvalidField unless it is a ``whsec_`` of 24 to 75 bytes or a ``whsk_`` key."""
        standard_webhooks.parse_signing_key(secret)

    def prepare_secret(self, secret: str) -> standard_webhooks.SigningKey:
        """Decode a secret into a key that signs."""
        return standard_webhooks.parse_signing_key(secret)

    def headers(
        self,
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
