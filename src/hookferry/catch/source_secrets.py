"""A source's secrets: given, replaced, rotated with an overlap, added. Saves nothing.

Unlike a webhook's, they are never made here: the sender has them first, or shows them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from hookferry.clock import Clock
from hookferry.domain.source import Source, Verification
from hookferry.domain.webhook import SealedSecret
from hookferry.engine.masking import refuse_mask
from hookferry.engine.sealing import (
    SOURCE_SECRET_FIELD,
    VERIFY_TOKEN_FIELD,
    Sealer,
    open_source_secrets,
)
from hookferry.engine.webhook_secrets import MAX_OVERLAP
from hookferry.errors import Conflict, InvalidField, UnknownField
from hookferry.wire.inbound.definition import MAX_SECRETS, compile_verification

MAX_SECRET: Final = 16 * 1024
"""Bytes of one: room for a public key or a certificate in PEM."""
_SCHEME_NAMES: Final = frozenset(("preset", "type", "signature"))
"""Members of which a scheme has at least one."""


def parts_of(verify: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...] | None]:
    """Take the ``verify`` of a definition apart: the scheme, and the secrets if any are given.

    Raises:
        InvalidField: a secret is not one.
    """
    scheme = {name: value for name, value in verify.items() if name not in ("secret", "secrets")}
    if "secret" in verify and "secrets" in verify:
        raise InvalidField(
            "verify has both secret and secrets; give one of them", field="verify.secrets"
        )
    if "secret" in verify:
        _check(verify["secret"], "verify.secret")
        return scheme, (verify["secret"],)
    if "secrets" not in verify:
        return scheme, None
    given = verify["secrets"]
    if not isinstance(given, list) or not 1 <= len(given) <= MAX_SECRETS:
        raise InvalidField(
            f"verify.secrets is a list of 1 to {MAX_SECRETS} texts, newest first",
            field="verify.secrets",
        )
    for position, secret in enumerate(given):
        _check(secret, f"verify.secrets[{position}]")
    if len(set(given)) != len(given):
        raise InvalidField("verify.secrets has a secret twice", field="verify.secrets")
    return scheme, tuple(given)


def replaces_scheme(verify: object) -> bool:
    """Tell whether the ``verify`` of a patch is a scheme of its own.

    What it leaves out is then its default, and not what the scheme before it said: merged, the two
    would verify in a way that nobody wrote down. Any other patch changes members of the scheme.
    """
    return isinstance(verify, dict) and not _SCHEME_NAMES.isdisjoint(verify)


def _check(secret: object, field: str) -> None:
    if not isinstance(secret, str) or not 1 <= len(secret.encode()) <= MAX_SECRET:
        raise InvalidField(f"{field} is a text of 1 to {MAX_SECRET:,} bytes", field=field)
    refuse_mask(secret, field)


def _judge(scheme: Mapping[str, Any], secrets: Sequence[str], at: str = "verify.") -> None:
    """Raise InvalidField or UnknownField, of a field below ``at``, unless a verifier comes out."""
    try:
        compile_verification(scheme, secrets, beside=("secret", "secrets"))
    except (InvalidField, UnknownField) as error:
        field = f"{at}{error.field or ''}".strip(".")
        raise type(error)(error.detail, field=field or None) from None


class SourceSecrets:
    """Seals secrets into verifications that somebody else saves.

    Args:
        sealer: seals them.
        clock: when those rotated away expire.
        overlap: seconds that replaced secrets go on verifying, where a rotation does not say.
    """

    def __init__(self, sealer: Sealer, clock: Clock, *, overlap: float) -> None:
        self._sealer = sealer
        self._clock = clock
        self._overlap = overlap

    def verification(self, source: Source, verify: Mapping[str, Any]) -> Verification:
        """Return what a source verifies by, after a definition that says ``verify``.

        Secrets that it gives replace the present ones, at once; one that gives none keeps them.

        Args:
            source: as it is; ``verify`` is None in a new one.
            verify: a scheme, with or without secrets.

        Raises:
            InvalidField, UnknownField: the scheme is none, or the secrets don't fit it.
        """
        scheme, given = parts_of(verify)
        if given is None:
            present = tuple(open_source_secrets(self._sealer, source, self._clock.wall_ms()))
            sealed = source.verify.secrets if source.verify is not None else ()
        else:
            present = given
            sealed = tuple(self._sealed(source, secret) for secret in given)
        _judge(scheme, present)
        return Verification(scheme=scheme, secrets=sealed)

    def rotated(
        self, source: Source, secret: str, overlap: float | None, *, beside: bool
    ) -> Verification:
        """Return a source's verification with a new secret; the present ones go on for a while.

        Args:
            source: which; it verifies.
            secret: the new one.
            overlap: seconds during which the present ones still verify, 0 to 7 days; 0 takes them
                away at once, for one that leaked; None is as the operator set it.
            beside: the present ones stay for good.

        Raises:
            InvalidField: the secret or the overlap is not allowed.
            Conflict: the source does not verify, has this secret, or has too many.
        """
        before = source.verify
        if before is None:
            raise Conflict(
                "this source takes anybody's requests, so a secret would do nothing; PATCH it "
                "with verify first"
            )
        _check(secret, "secret")
        if overlap is None:
            overlap = self._overlap
        elif beside:
            raise InvalidField(
                "overlap is for a secret that replaces others; with beside they stay as they are",
                field="overlap",
            )
        if not 0 <= overlap <= MAX_OVERLAP:
            raise InvalidField(f"overlap is 0 to {MAX_OVERLAP:,g} seconds", field="overlap")
        now = self._clock.wall_ms()
        if secret in open_source_secrets(self._sealer, source, now):
            raise Conflict("this source has this secret already; nothing was changed")
        kept = _live(before.secrets, now)
        if not beside:
            until = now + int(overlap * 1000)
            ending = [SealedSecret(s.sealed, _earlier(s.expires_at_ms, until)) for s in kept]
            kept = ending if overlap else []
        if len(kept) >= MAX_SECRETS:
            raise Conflict(
                f"{MAX_SECRETS} secrets of this source still verify; wait until one expires, or "
                "rotate with overlap 0"
            )
        _judge(before.scheme, (secret,), at="")
        return Verification(scheme=before.scheme, secrets=(self._sealed(source, secret), *kept))

    def seal_token(self, source: Source, token: str | None) -> bytes | None:
        """Seal what a source's subscriptions must name."""
        if token is None:
            return None
        return self._sealer.seal(token.encode(), row=source.id, field=VERIFY_TOKEN_FIELD)

    def token_of(self, source: Source) -> str | None:
        """Return what a source's subscriptions must name."""
        if source.verify_token is None:
            return None
        sealed = source.verify_token
        return self._sealer.unseal(sealed, row=source.id, field=VERIFY_TOKEN_FIELD).decode()

    def _sealed(self, source: Source, secret: str) -> SealedSecret:
        sealed = self._sealer.seal(secret.encode(), row=source.id, field=SOURCE_SECRET_FIELD)
        return SealedSecret(sealed)


def _live(secrets: Sequence[SealedSecret], now_ms: int) -> list[SealedSecret]:
    return [s for s in secrets if s.expires_at_ms is None or s.expires_at_ms > now_ms]


def _earlier(one_ms: int | None, other_ms: int) -> int:
    return other_ms if one_ms is None else min(one_ms, other_ms)
