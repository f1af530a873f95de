"""A webhook's signing secrets: given, made, rotated with an overlap, taken away. Saves nothing."""

from __future__ import annotations

import msgspec

from hookferry.clock import Clock
from hookferry.domain.webhook import SealedSecret, Webhook
from hookferry.engine.sealing import SECRET_FIELD, Sealer, open_secrets
from hookferry.errors import Conflict, InvalidField
from hookferry.wire.profiles import profile_named

MAX_OVERLAP = 7 * 86_400.0
MAX_SIGNING = 5
"""Secrets that may sign at once: the newest and those rotated away that still overlap."""


class WebhookSecrets:
    """Seals secrets into webhooks that somebody else saves.

    Args:
        sealer: seals them.
        clock: when those rotated away expire.
        overlap: seconds that replaced secrets go on signing, where a rotation does not say.
    """

    def __init__(self, sealer: Sealer, clock: Clock, *, overlap: float) -> None:
        self._sealer = sealer
        self._clock = clock
        self._overlap = overlap

    def newest(self, webhook: Webhook) -> str:
        """Return the newest secret of a webhook that has one; raises UnsealFailed."""
        return open_secrets(self._sealer, webhook, self._clock.wall_ms())[0]

    def first(self, webhook: Webhook, given: str | None) -> tuple[Webhook, str | None]:
        """Give a new webhook its secret: the one given, else one its profile makes by default.

        Raises:
            InvalidField: the one given can't sign under the profile.
        """
        profile = profile_named(webhook.profile)
        secret = given
        if secret is None and profile.secret_by_default:
            secret = profile.new_secret()
        return (webhook if secret is None else self.replaced(webhook, secret)), secret

    def replaced(self, webhook: Webhook, secret: str) -> Webhook:
        """Put a secret in place of all that there are; raises InvalidField."""
        profile_named(webhook.profile).check_secret(secret)
        return msgspec.structs.replace(
            webhook, secrets=(self._sealed(webhook, secret),), secret_read=False
        )

    def removed(self, webhook: Webhook) -> Webhook:
        """Take the secrets away; raises InvalidField where the profile signs every request."""
        if profile_named(webhook.profile).secret_by_default:
            raise InvalidField(
                f"the profile {webhook.profile!r} signs every request; POST to "
                "/api/v1/webhooks/<id>/secret makes another secret",
                field="secret",
            )
        return msgspec.structs.replace(webhook, secrets=(), secret_read=False)

    def under_new_profile(self, webhook: Webhook) -> Webhook:
        """Check the present secret under a new profile, or make one where there was none.

        A profile that has no use for a webhook's own secret lets go of it.

        Raises:
            InvalidField: the present secret can't sign under the new profile.
        """
        profile = profile_named(webhook.profile)
        if not webhook.secrets:
            return self.first(webhook, None)[0]
        try:
            profile.check_secret(self.newest(webhook))
        except InvalidField as error:
            if profile.tenant_key or profile.signature is None:
                return msgspec.structs.replace(webhook, secrets=(), secret_read=False)
            raise InvalidField(
                f"the present secret does not fit the profile {profile.name!r}: "
                f"{error.detail}; rotate to one that does first, or make a new webhook",
                field="profile",
            ) from None
        return webhook

    def rotated(
        self, webhook: Webhook, secret: str | None, overlap: float | None
    ) -> tuple[Webhook, str]:
        """Give a webhook a new secret; the present ones sign beside it for a while.

        Args:
            webhook: which.
            secret: the new one, or None to have it made.
            overlap: seconds during which the present secrets go on signing, 0 to 7 days;
                0 takes them away at once, for one that leaked; None is as the operator set it.

        Raises:
            InvalidField: the secret or the overlap is not allowed, or the profile has no secrets.
            Conflict: too many still overlap.
        """
        profile = profile_named(webhook.profile)
        if overlap is None:
            overlap = self._overlap
        if not 0 <= overlap <= MAX_OVERLAP:
            raise InvalidField(f"overlap is 0 to {MAX_OVERLAP:,g} seconds", field="overlap")
        if secret is None:
            secret = profile.new_secret()
            if secret is None:
                raise InvalidField(
                    f"webhooks of the profile {profile.name!r} have no secret of their own",
                    field="secret",
                )
        else:
            profile.check_secret(secret)
        now = self._clock.wall_ms()
        until = now + int(overlap * 1000)
        kept = [
            SealedSecret(
                s.sealed, until if s.expires_at_ms is None else min(s.expires_at_ms, until)
            )
            for s in webhook.secrets
            if overlap and (s.expires_at_ms is None or s.expires_at_ms > now)
        ]
        if len(kept) >= MAX_SIGNING:
            raise Conflict(
                f"{MAX_SIGNING} secrets of this webhook still sign; wait until one expires, or "
                "rotate with overlap 0"
            )
        newest = self._sealed(webhook, secret)
        rotated = msgspec.structs.replace(webhook, secrets=(newest, *kept), secret_read=False)
        return rotated, secret

    def _sealed(self, webhook: Webhook, secret: str) -> SealedSecret:
        return SealedSecret(self._sealer.seal(secret.encode(), row=webhook.id, field=SECRET_FIELD))
