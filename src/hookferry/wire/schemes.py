"""Every signing scheme by name, and the two calls that users make: ``sign`` and ``verify``.

A scheme is one module of this package plus one line in ``SCHEMES``.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from hookferry.errors import InvalidField
from hookferry.wire import body_schemes, standard_webhooks
from hookferry.wire.verification import Headers, Reason, VerificationFailed, Verified

DEFAULT_TOLERANCE_S = standard_webhooks.TOLERANCE_S


class Scheme(Protocol):
    """One way of signing requests."""

    def sign(
        self, secrets: Sequence[str], body: bytes, *, message_id: str, timestamp: int
    ) -> dict[str, str]:
        """Return the headers that sign ``body``; parameters as of ``hookferry.sign``."""
        ...

    def verify(
        self,
        secrets: Sequence[str],
        headers: Headers,
        body: bytes,
        *,
        now: float,
        tolerance: float | None,
    ) -> Verified:
        """Check a request; parameters as of ``hookferry.verify``."""
        ...


class StandardScheme:
    """Standard Webhooks 1.0 on text secrets (``whsec_``, ``whsk_``, ``whpk_``)."""

    def sign(
        self, secrets: Sequence[str], body: bytes, *, message_id: str, timestamp: int
    ) -> dict[str, str]:
        """Return the three ``webhook-*`` headers."""
        standard_webhooks.check_message_id(message_id)
        keys = [standard_webhooks.parse_signing_key(secret) for secret in secrets]
        signature = standard_webhooks.sign(
            message_id.encode(), b"%d" % timestamp, body, keys
        ).decode()
        return {
            standard_webhooks.ID_HEADER: message_id,
            standard_webhooks.TIMESTAMP_HEADER: str(timestamp),
            standard_webhooks.SIGNATURE_HEADER: signature,
        }

    def verify(
        self,
        secrets: Sequence[str],
        headers: Headers,
        body: bytes,
        *,
        now: float,
        tolerance: float | None,
    ) -> Verified:
        """Check the three ``webhook-*`` headers."""
        keys = [standard_webhooks.parse_verifying_key(secret) for secret in secrets]
        return standard_webhooks.verify(keys, headers, body, now=now, tolerance=tolerance)


_STANDARD = StandardScheme()

SCHEMES: dict[str, Scheme] = {
    "standard": _STANDARD,
    "raw": _STANDARD,
    "cloudevents": _STANDARD,
    "superoffice": body_schemes.SUPEROFFICE,
    "happyfox": body_schemes.HAPPYFOX,
    "hornbill": body_schemes.BASIC,
}
"""By name; each profile's name is that of the scheme by which its receivers verify."""


def sign(
    scheme: str,
    secret: str | Sequence[str],
    body: bytes,
    *,
    id: str,
    timestamp: int | None = None,
) -> dict[str, str]:
    """Sign a request's body.

    Args:
        scheme: a name of ``SCHEMES``, which are those of the profiles: ``standard`` (Standard
            Webhooks 1.0; ``raw`` and ``cloudevents`` are the same), ``superoffice``, ``happyfox``,
            ``hornbill``.
        secret: the secret, or several of them, newest first, while one is being rotated; the newest
            signs alone where the scheme has room for one signature. Under ``hornbill`` it is
            ``user:password``.
        body: the body, byte for byte as it will be sent.
        id: the message's id, the same for every retry of it; where the scheme signs one.
        timestamp: Unix seconds to sign with, where the scheme signs them; now, when left out.

    Returns:
        The headers to send with the body.

    Raises:
        InvalidField: there is no such scheme, or ``secret`` or ``id`` can't sign under it.
    """
    secrets = _secrets(secret)
    if not secrets:
        raise InvalidField("a secret is needed to sign", field="secret")
    return _scheme(scheme).sign(
        secrets,
        _bytes(body),
        message_id=id,
        timestamp=int(time.time()) if timestamp is None else timestamp,
    )


def verify(
    scheme: str,
    secret: str | Sequence[str],
    headers: Headers,
    body: bytes,
    *,
    now: float | None = None,
    tolerance: float | None = DEFAULT_TOLERANCE_S,
) -> Verified:
    """Check that a request was signed with a secret, lately. Compares in constant time.

    Args:
        scheme: a name of ``SCHEMES``, as for ``sign``.
        secret: the secret or public key; or several, any of which may have signed.
        headers: the request's headers, as a mapping or as pairs; names in any case.
        body: the request's body, byte for byte as received: verify first, parse afterwards.
        now: Unix seconds; the machine's clock, when left out.
        tolerance: seconds a timestamp may be off, either way; None accepts any age, and so do
            schemes that sign no time.

    Returns:
        What the genuine request says of itself: its id, which is the same on every retry, and when
        it was signed.

    Raises:
        VerificationFailed: the request is not genuine; ``reason`` (``hookferry.Reason``) says why.
        InvalidField: there is no such scheme, or ``secret`` is not one of its secrets.
    """
    secrets = _secrets(secret)
    if not secrets:
        raise VerificationFailed(
            Reason.NO_SECRET, "there is no secret to verify with, so nothing can be genuine"
        )
    return _scheme(scheme).verify(
        secrets,
        headers,
        _bytes(body),
        now=time.time() if now is None else now,
        tolerance=tolerance,
    )


def _scheme(name: str) -> Scheme:
    try:
        return SCHEMES[name]
    except KeyError:
        raise InvalidField(
            f"there is no scheme {name[:40]!r}; choose one of {', '.join(sorted(SCHEMES))}",
            field="scheme",
        ) from None


def _secrets(secret: str | Sequence[str]) -> list[str]:
    return [one for one in ([secret] if isinstance(secret, str) else secret) if one]


def _bytes(body: bytes) -> bytes:
    if not isinstance(body, bytes | bytearray | memoryview):
        raise TypeError(
            f"body is {type(body).__name__}; give the bytes as they are on the wire, since text or "
            "parsed JSON may differ from what was signed"
        )
    return bytes(body)
