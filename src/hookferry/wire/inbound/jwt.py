"""JSON Web Tokens (RFC 7519) signed as JWS in compact form (RFC 7515).

The algorithm is the definition's; a token that names another is refused, ``none`` included. The
libraries read the clock themselves, and their signatures are those of ``keys``, so what is left of
the rules is here.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from hookferry.errors import InvalidField
from hookferry.wire.inbound.checking import Checking, mismatch, no_secret
from hookferry.wire.inbound.encodings import decode_base64url
from hookferry.wire.inbound.keys import PUBLIC_FORMS, SECRET_FORMS, parse_key
from hookferry.wire.inbound.reading import NOT_JSON, Reading
from hookferry.wire.inbound.received import Received, Trial
from hookferry.wire.inbound.template import compile_place
from hookferry.wire.verification import Reason, VerificationFailed, Verified

LEEWAY_S = 60.0
MAX_LEEWAY_S = 3_600.0
MAX_AGE_S = 31_536_000.0
MAX_TOKEN = 16_384
"""Bytes of a token."""

ALGORITHMS = {
    "HS256": "hmac-sha256",
    "HS384": "hmac-sha384",
    "HS512": "hmac-sha512",
    "RS256": "rsa-sha256",
    "RS384": "rsa-sha384",
    "RS512": "rsa-sha512",
    "ES256": "ecdsa-p256-sha256-fixed",
    "EdDSA": "ed25519",
}
"""Names of RFC 7518 section 3.1 and RFC 8037, and those of ``keys``."""


class JwtScheme(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A token in a header, or elsewhere. Only ``body_claim`` makes it vouch for the body."""

    type: str = "jwt"
    algorithm: str
    """One of ``ALGORITHMS``."""
    key: str | None = None
    """As in a signature scheme."""
    place: str = "header:Authorization"
    prefix: str | None = None
    """What stands before the token; ``Bearer`` and a blank in Authorization when left out."""
    issuer: str | None = None
    audience: str | None = None
    tolerance: float = LEEWAY_S
    """Seconds that clocks may differ by, when exp, nbf and iat are judged."""
    max_age: float | None = None
    """Seconds since iat; needed where tokens have no exp."""
    body_claim: str | None = None
    """The claim that has the hex SHA-256 of the body."""


class _Token(NamedTuple):
    signed: bytes
    raw: bytes
    text: str
    claims: dict[str, Any]


_object = msgspec.json.Decoder(dict[str, Any])


class JwtVerifier(Checking):
    """Checks a token.

    Args:
        scheme: the definition.
        secrets: keys, any of which may have signed.

    Raises:
        InvalidField: the definition or a key is not allowed.
    """

    def __init__(self, scheme: JwtScheme, secrets: Sequence[str]) -> None:
        if scheme.algorithm not in ALGORITHMS:
            raise InvalidField(f"algorithm is one of {', '.join(ALGORITHMS)}", field="algorithm")
        shared = scheme.algorithm.startswith("HS")
        forms = SECRET_FORMS if shared else PUBLIC_FORMS
        form = forms[0] if scheme.key is None else scheme.key
        if form not in forms:
            raise InvalidField(f"key is one of {', '.join(forms)}", field="key")
        if shared and any("-----BEGIN" in secret for secret in secrets):
            raise InvalidField(
                f"{scheme.algorithm} takes a shared secret, and this is a key in PEM, which "
                "anybody may know; the algorithm of public keys is RS256, ES256 or EdDSA",
                field="secret",
            )
        for field, value, least, most in (
            ("tolerance", scheme.tolerance, 0, MAX_LEEWAY_S),
            ("max_age", scheme.max_age, 1, MAX_AGE_S),
        ):
            if value is not None and not least <= value <= most:
                raise InvalidField(f"{field} is {least} to {most:,.0f} seconds", field=field)
        self.algorithm = scheme.algorithm
        self._scheme = scheme
        self._keys = [parse_key(one, ALGORITHMS[scheme.algorithm], form) for one in secrets]
        self._place = compile_place(scheme.place, "place")
        in_authorization = scheme.place.lower() == "header:authorization"
        prefix = scheme.prefix
        self._prefix = (
            ("Bearer " if in_authorization else "") if prefix is None else prefix
        ).encode()

    def verify(self, request: Received, now: float, keys: Mapping[str, bytes]) -> Verified:
        """Check a request; see ``Verifier``."""
        if not self._keys:
            raise no_secret()
        token = self._token(request)
        if not self._matches(token):
            raise mismatch("the token was not signed with this secret or key")
        claims = token.claims
        self._check_names(claims)
        issued = self._check_times(claims, now)
        if self._scheme.body_claim is not None:
            _check_body(claims.get(self._scheme.body_claim), request.body, self._scheme.body_claim)
        identity = claims.get("jti")
        return Verified(
            id=identity if isinstance(identity, str) else "",
            timestamp=None if issued is None else int(issued),
        )

    def trials(self, request: Received, now: float, keys: Mapping[str, bytes]) -> tuple[Trial, ...]:
        """Return the token's signed part."""
        token = self._token(request)
        given = token.text.rpartition(".")[2]
        return (Trial(signed=token.signed, given=(given,), matches=self._matches(token)),)

    def claimed(self, request: Received) -> float | None:
        """Return when the token says it was issued."""
        return _moment(self._token(request).claims, "iat")

    def _matches(self, token: _Token) -> bool:
        return any(key.matches(token.signed, (token.raw,)) for key in self._keys)

    def _token(self, request: Received) -> _Token:
        text = self._place(Reading(request))
        if text[: len(self._prefix)].lower() != self._prefix.lower():
            raise _bad(f"{self._scheme.place} does not begin with {self._prefix.decode()!r}")
        text = text[len(self._prefix) :].strip(b" ")
        parts = text.split(b".")
        if len(text) > MAX_TOKEN or len(parts) != 3:
            raise _bad(f"there are no three parts with dots between them, of at most {MAX_TOKEN:,}")
        head, body, signature = (decode_base64url(part) for part in parts)
        if not head or not body or not signature:
            raise _bad("its parts are not base64 for URLs")
        try:
            header, claims = _object.decode(head), _object.decode(body)
        except NOT_JSON:
            raise _bad("its header and claims are not JSON objects") from None
        if header.get("alg") != self._scheme.algorithm:
            raise _bad(f"its alg is not {self._scheme.algorithm}")
        if "crit" in header:
            raise _bad("it has critical header parameters, of which none is known")
        return _Token(b".".join(parts[:2]), signature, text.decode("latin-1"), claims)

    def _check_names(self, claims: dict[str, Any]) -> None:
        scheme = self._scheme
        if scheme.issuer is not None and claims.get("iss") != scheme.issuer:
            raise mismatch("the token is not of the issuer that the source takes")
        if scheme.audience is not None:
            audience = claims.get("aud")
            if scheme.audience not in (audience if isinstance(audience, list) else [audience]):
                raise mismatch("the token is not for the audience that the source is")

    def _check_times(self, claims: dict[str, Any], now: float) -> float | None:
        """Judge exp, nbf and iat (RFC 7519 section 4.1); return iat."""
        scheme = self._scheme
        expires, begins, issued = (_moment(claims, name) for name in ("exp", "nbf", "iat"))
        if expires is not None and now >= expires + scheme.tolerance:
            raise VerificationFailed(Reason.STALE, f"the token expired {now - expires:.0f} s ago")
        for name, moment in (("nbf", begins), ("iat", issued)):
            if moment is not None and moment > now + scheme.tolerance:
                raise VerificationFailed(
                    Reason.FUTURE, f"the token's {name} is {moment - now:.0f} s in the future"
                )
        if scheme.max_age is not None:
            if issued is None:
                raise _bad("it has no iat, and the source has a max_age")
            if now - issued > scheme.max_age + scheme.tolerance:
                raise VerificationFailed(
                    Reason.STALE, f"the token was issued {now - issued:.0f} s ago"
                )
        elif expires is None:
            raise _bad(
                "it has no exp, so that it would hold for ever; set max_age to judge its iat"
            )
        return issued


def _moment(claims: dict[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:
        raise _bad(f"its {name} is not a number of Unix seconds")
    return value


def _check_body(given: object, body: bytes, claim: str) -> None:
    right = hashlib.sha256(body).hexdigest().encode()
    shown = given.lower().encode("utf-8", "replace") if isinstance(given, str) else b""
    if not hmac.compare_digest(right, shown):
        raise VerificationFailed(
            Reason.DIGEST_MISMATCH,
            f"the token's {claim} is not the SHA-256 of the body as it was received",
        )


def _bad(why: str) -> VerificationFailed:
    return VerificationFailed(Reason.BAD_ENCODING, f"the token can't be read: {why}")
