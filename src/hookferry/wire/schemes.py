"""Every signing scheme by name, and the calls that users make: ``sign``, ``verify``, ``explain``.

A scheme that hookferry signs with is one module of this package plus one line in ``SCHEMES``. What
other senders sign with is ``hookferry.wire.inbound``: its presets are names here too.
"""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import urlsplit

from msgspec import UNSET, UnsetType

from hookferry.errors import InvalidField
from hookferry.wire import body_schemes, standard_webhooks
from hookferry.wire.inbound.definition import compile_verification, signs_url
from hookferry.wire.inbound.presets import PRESETS
from hookferry.wire.inbound.received import Explanation, Received
from hookferry.wire.inbound.signing import sign_request
from hookferry.wire.verification import (
    Headers,
    Reason,
    VerificationFailed,
    Verified,
    pairs_of,
)

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

DEFINITIONS: dict[str, dict[str, Any]] = {
    "standard": {"preset": "standard_webhooks"},
    "raw": {"preset": "standard_webhooks"},
    "cloudevents": {"preset": "standard_webhooks"},
    "superoffice": {"preset": "superoffice"},
    "happyfox": {
        "algorithm": "hmac-sha1",
        "signature": "header:X-Webhook-Signature",
        "prefix": "sha1=",
        "id": "body:uuid",
    },
    "hornbill": {"type": "basic"},
}
"""The same schemes as sources write them, for those that catch what hookferry sends."""


def sign(
    scheme: str | Mapping[str, Any],
    secret: str | Sequence[str],
    body: bytes,
    *,
    id: str,
    timestamp: int | None = None,
    method: str = "POST",
    url: str = "",
) -> dict[str, str]:
    """Sign a request's body.

    Args:
        scheme: a name of ``SCHEMES``, which are those of the profiles: ``standard`` (Standard
            Webhooks 1.0; ``raw`` and ``cloudevents`` are the same), ``superoffice``, ``happyfox``,
            ``hornbill``; or of a provider (``github``, ``stripe``), or a scheme written out, to
            sign as that does for a test. Only what is signed with a shared secret can be.
        secret: the secret, or several of them, newest first, while one is being rotated; the newest
            signs alone where the scheme has room for one signature. Under ``hornbill`` it is
            ``user:password``.
        body: the body, byte for byte as it will be sent.
        id: the message's id, the same for every retry of it; where the scheme signs one.
        timestamp: Unix seconds to sign with, where the scheme signs them; now, when left out.
        method: the request's, for schemes that sign it.
        url: the address as the receiver knows it, for schemes that sign it.

    Returns:
        The headers to send with the body.

    Raises:
        InvalidField: there is no such scheme, or ``secret`` or ``id`` can't sign under it.
    """
    secrets = _secrets(secret)
    if not secrets:
        raise InvalidField("a secret is needed to sign", field="secret")
    moment = int(time.time()) if timestamp is None else timestamp
    if not isinstance(scheme, str) or scheme not in SCHEMES:
        if isinstance(scheme, str):
            check_known(scheme)
            scheme = {"preset": scheme}
        return sign_request(
            scheme,
            secrets[0],
            _bytes(body),
            message_id=id,
            timestamp=moment,
            method=method,
            url=url,
        )
    return SCHEMES[scheme].sign(secrets, _bytes(body), message_id=id, timestamp=moment)


def verify(
    scheme: str | Mapping[str, Any],
    secret: str | Sequence[str],
    headers: Headers,
    body: bytes,
    *,
    now: float | None = None,
    tolerance: float | UnsetType | None = UNSET,
    method: str = "POST",
    url: str = "",
    keys: Mapping[str, bytes] | None = None,
) -> Verified:
    """Check that a request was signed with a secret, lately. Compares in constant time.

    Args:
        scheme: a name of ``SCHEMES``, as for ``sign``; or of a provider (``github``, ``stripe``:
            docs/verification.md has them all); or a scheme written out, as a source has it.
        secret: the secret or public key; or several, any of which may have signed.
        headers: the request's headers, as a mapping or as pairs; names in any case.
        body: the request's body, byte for byte as received: verify first, parse afterwards.
        now: Unix seconds; the machine's clock, when left out.
        tolerance: seconds a timestamp may be off, either way; the scheme's own when left out (300
            for those of ``SCHEMES``). None accepts any age, and so do schemes that sign no time.
        method: the request's, for schemes that sign it.
        url: the address as the sender knows it, for schemes that sign it.
        keys: certificates, in PEM, by address, for the two providers that sign with one.

    Returns:
        What the genuine request says of itself: its id, which is the same on every retry, and when
        it was signed.

    Raises:
        VerificationFailed: the request is not genuine; ``reason`` (``hookferry.Reason``) says why.
        InvalidField, UnknownField: there is no such scheme, or ``secret`` is not one of its
            secrets.
        KeyNeeded: ``keys`` lacks the certificate at its ``url``.
    """
    secrets = _secrets(secret)
    moment = time.time() if now is None else now
    named = SCHEMES.get(scheme) if isinstance(scheme, str) else None
    if named is None:
        definition = _definition(scheme, tolerance, url)
        request = _received(headers, _bytes(body), method, url)
        return compile_verification(definition, secrets).verify(request, moment, keys or {})
    if not secrets:
        raise VerificationFailed(
            Reason.NO_SECRET, "there is no secret to verify with, so nothing can be genuine"
        )
    return named.verify(
        secrets,
        headers,
        _bytes(body),
        now=moment,
        tolerance=DEFAULT_TOLERANCE_S if tolerance is UNSET else tolerance,
    )


def explain(
    scheme: str | Mapping[str, Any],
    secret: str | Sequence[str],
    headers: Headers,
    body: bytes,
    *,
    now: float | None = None,
    tolerance: float | UnsetType | None = UNSET,
    method: str = "POST",
    url: str = "",
    keys: Mapping[str, bytes] | None = None,
) -> Explanation:
    """Tell what ``verify`` does with a request: what it takes as signed, and why it fails.

    For who knows the secret, never for the caller. Parameters as of ``verify``.

    Raises:
        InvalidField, UnknownField: there is no such scheme, or ``secret`` is not one of its
            secrets.
        KeyNeeded: ``keys`` lacks the certificate at its ``url``.
    """
    request = _received(headers, _bytes(body), method, url)
    verifier = compile_verification(_definition(scheme, tolerance, url), _secrets(secret))
    return verifier.explain(request, time.time() if now is None else now, keys or {})


def _definition(
    scheme: str | Mapping[str, Any], tolerance: float | UnsetType | None, url: str
) -> dict[str, Any]:
    """Return a scheme as a source writes it."""
    if not isinstance(scheme, str):
        definition = dict(scheme)
    else:
        check_known(scheme)
        definition = dict(DEFINITIONS.get(scheme) or {"preset": scheme})
    if tolerance is not UNSET:
        definition["tolerance"] = tolerance
    if not url and signs_url(definition):
        raise InvalidField(
            "this scheme signs the address: give it as url, as the sender knows it", field="url"
        )
    return definition


def _received(headers: Headers, body: bytes, method: str, url: str) -> Received:
    try:
        parts = urlsplit(url)
    except ValueError:
        raise InvalidField("url is no address", field="url") from None
    return Received(
        method=method,
        url=url,
        path=_raw(parts.path),
        query=_raw(parts.query),
        headers=[(_raw(name.lower()), _raw(value)) for name, value in pairs_of(headers)],
        body=body,
    )


def _raw(text: str) -> bytes:
    """Return the bytes of a header as frameworks decode them, or of text that is none of theirs."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def check_known(name: str) -> None:
    """Raise InvalidField, with the nearest name, unless ``verify`` takes this one."""
    if name not in SCHEMES and name not in PRESETS:
        raise _no_scheme(name, (*SCHEMES, *PRESETS))


def _no_scheme(name: str, known: Iterable[str]) -> InvalidField:
    names = sorted(set(known))
    close = difflib.get_close_matches(name[:60], names, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else f"choose one of {', '.join(names)}"
    return InvalidField(f"there is no scheme {name[:40]!r}; {hint}", field="scheme")


def _secrets(secret: str | Sequence[str]) -> list[str]:
    return [one for one in ([secret] if isinstance(secret, str) else secret) if one]


def _bytes(body: bytes) -> bytes:
    if not isinstance(body, bytes | bytearray | memoryview):
        raise TypeError(
            f"body is {type(body).__name__}; give the bytes as they are on the wire, since text or "
            "parsed JSON may differ from what was signed"
        )
    return bytes(body)
