"""The receiver's half of profiles that sign the body alone (``superoffice``, ``happyfox``) or
nothing at all (``hornbill``).

What the products of these names send verifies here too, where it is signed the same way.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence
from typing import Any

import msgspec

from hookferry.errors import InvalidField
from hookferry.wire.body_signing import BodyKey, HappyFoxKey, SuperOfficeKey, check_text_secret
from hookferry.wire.verification import (
    Headers,
    Reason,
    VerificationFailed,
    Verified,
    header,
)


class BodyScheme:
    """HMAC of the body in one header. No time is signed, so no age is checked.

    Args:
        key: makes a key of a secret.
        id_member: where a body has its id.
    """

    def __init__(self, key: type[BodyKey], id_member: str) -> None:
        self._key = key
        # Only the body's id counts: it is signed, and a header's is not.
        body = msgspec.defstruct("Body", [("id", str, msgspec.field(name=id_member, default=""))])
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(body)

    def sign(
        self, secrets: Sequence[str], body: bytes, *, message_id: str, timestamp: int
    ) -> dict[str, str]:
        """Return the header; there is room for one signature, so the first secret signs alone."""
        check_text_secret(secrets[0])
        return {self._key.header: self._key(secrets[0]).sign(body).decode()}

    def verify(
        self,
        secrets: Sequence[str],
        headers: Headers,
        body: bytes,
        *,
        now: float,
        tolerance: float | None,
    ) -> Verified:
        """Check the header."""
        for secret in secrets:
            check_text_secret(secret)
        name = self._key.header
        value = header(headers, name.lower())
        if not self._key.form.fullmatch(value):
            raise VerificationFailed(Reason.BAD_ENCODING, f"{name} is not {self._key.shape}")
        given = value.encode()
        if not any(hmac.compare_digest(self._key(s).sign(body), given) for s in secrets):
            raise VerificationFailed(
                Reason.MISMATCH,
                f"{name} was not made over this body with this secret: compare the secrets, and "
                "verify the body's bytes as received, before any parsing",
            )
        return Verified(id=self._id_in(body), timestamp=None)

    def _id_in(self, body: bytes) -> str:
        try:
            found: str = self._decoder.decode(body).id
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return ""  # genuine all the same
        return found


SUPEROFFICE = BodyScheme(SuperOfficeKey, "EventId")
HAPPYFOX = BodyScheme(HappyFoxKey, "uuid")


class BasicScheme:
    """HTTP Basic (RFC 7617), all that a Hornbill webhook has: nothing vouches for the body.

    The secret is ``user:password``.
    """

    def sign(
        self, secrets: Sequence[str], body: bytes, *, message_id: str, timestamp: int
    ) -> dict[str, str]:
        """Return the header ``Authorization``."""
        pair = base64.b64encode(_user_and_password(secrets[0])).decode()
        return {"Authorization": f"Basic {pair}"}

    def verify(
        self,
        secrets: Sequence[str],
        headers: Headers,
        body: bytes,
        *,
        now: float,
        tolerance: float | None,
    ) -> Verified:
        """Check the header ``Authorization``; of the body nothing can be said."""
        pairs = [_user_and_password(secret) for secret in secrets]
        scheme, _, encoded = header(headers, "authorization").partition(" ")
        try:
            given = base64.b64decode(encoded.strip(" "), validate=True)
        except (binascii.Error, ValueError):
            given = b""
        if scheme.lower() != "basic" or b":" not in given:
            raise VerificationFailed(
                Reason.BAD_ENCODING, "Authorization is not 'Basic' and the base64 of user:password"
            )
        if not any(hmac.compare_digest(pair, given) for pair in pairs):
            raise VerificationFailed(
                Reason.MISMATCH, "user name and password are not those of the secret"
            )
        return Verified(id="", timestamp=None)


BASIC = BasicScheme()


def _user_and_password(secret: str) -> bytes:
    try:
        pair = secret.encode()
    except UnicodeEncodeError:
        pair = b""
    if b":" not in pair:
        raise InvalidField(
            "under scheme 'hornbill' the secret is user:password, as in the webhook's credential",
            field="secret",
        )
    return pair
