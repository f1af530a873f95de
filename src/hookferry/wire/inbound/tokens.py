"""Shared secrets that a request shows as they are: Basic, bearer, a header, a query member.

Nothing is signed, so nothing vouches for the body; the comparison takes constant time.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence

import msgspec

from hookferry.errors import InvalidField
from hookferry.wire.inbound.checking import Checking, mismatch, no_secret
from hookferry.wire.inbound.keys import secret_bytes
from hookferry.wire.inbound.reading import Reading, one_header
from hookferry.wire.inbound.received import Received
from hookferry.wire.inbound.template import compile_place
from hookferry.wire.verification import Reason, VerificationFailed, Verified


class BasicScheme(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """HTTP Basic (RFC 7617); a secret is ``user:password``."""

    type: str = "basic"


class BearerScheme(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A bearer token (RFC 6750 section 2.1)."""

    type: str = "bearer"


class TokenScheme(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A token in a place of its own."""

    type: str = "token"
    place: str
    """Where it is: ``header:NAME``, ``query:NAME``, ``body:PATH`` or ``form:NAME``."""
    prefix: str = ""
    """What stands before it, and has to."""


class TokenVerifier(Checking):
    """Compares what a request shows with the secrets.

    Args:
        scheme: what is shown, and where.
        secrets: any of them may be shown.

    Raises:
        InvalidField: a secret can't be one.
    """

    def __init__(
        self, scheme: BasicScheme | BearerScheme | TokenScheme, secrets: Sequence[str]
    ) -> None:
        self.algorithm = scheme.type
        self._scheme = scheme
        self._secrets = [secret_bytes(secret, "raw") for secret in secrets]
        if isinstance(scheme, BasicScheme) and any(b":" not in one for one in self._secrets):
            raise InvalidField("under basic the secret is user:password", field="secret")
        if isinstance(scheme, TokenScheme):
            if scheme.place.startswith("field:"):
                raise InvalidField(
                    "place says where the token is, such as 'header:X-Token' or 'query:token'",
                    field="place",
                )
            self._place = compile_place(scheme.place, "place")

    def verify(self, request: Received, now: float, keys: Mapping[str, bytes]) -> Verified:
        """Check a request; see ``Verifier``."""
        if not self._secrets:
            raise no_secret()
        shown = self._shown(request)
        if not any(hmac.compare_digest(secret, shown) for secret in self._secrets):
            raise mismatch("what the request shows is not the secret")
        return Verified(id="", timestamp=None)

    def _shown(self, request: Received) -> bytes:
        scheme = self._scheme
        if isinstance(scheme, TokenScheme):
            shown = self._place(Reading(request))
            prefix = scheme.prefix.encode()
            if not shown.startswith(prefix):
                raise VerificationFailed(
                    Reason.BAD_ENCODING, f"{scheme.place} does not begin with {scheme.prefix!r}"
                )
            return shown[len(prefix) :]
        kind, _, shown = one_header(request, b"authorization").partition(b" ")
        if kind.lower() != scheme.type.encode():
            raise VerificationFailed(
                Reason.BAD_ENCODING, f"Authorization does not begin with {scheme.type.title()}"
            )
        shown = shown.strip(b" ")
        if isinstance(scheme, BearerScheme):
            return shown
        try:
            return base64.b64decode(shown, validate=True)
        except (binascii.Error, ValueError):
            raise VerificationFailed(
                Reason.BAD_ENCODING, "Authorization is not the base64 of user:password"
            ) from None
