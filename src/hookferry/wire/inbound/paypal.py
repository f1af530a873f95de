"""PayPal: a signature over the transmission's id and time, the webhook's id and the body's CRC-32.

A CRC is no digest: who has one signed request can make another body with the same one, so repeats
are to be told by their id as well. From PayPal's documentation as remembered; unverified.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence

import msgspec

from hookferry.errors import InvalidField
from hookferry.wire.inbound.certificates import certificate_key
from hookferry.wire.inbound.checking import MAX_SIGNATURE, Checking, mismatch
from hookferry.wire.inbound.encodings import decode_base64
from hookferry.wire.inbound.moments import parse_moment
from hookferry.wire.inbound.reading import one_header
from hookferry.wire.inbound.received import Received, Trial
from hookferry.wire.inbound.signature_scheme import Tolerance, tolerance_of
from hookferry.wire.verification import Reason, VerificationFailed, Verified, check_age

TOLERANCE_S = 3_600.0

_CERTIFICATE = re.compile(
    r"https://(?:[a-z0-9-]{1,40}\.){1,3}paypal\.com/v1/notifications/certs/[A-Za-z0-9_-]{1,200}"
)


class PaypalScheme(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """PayPal webhooks."""

    type: str = "paypal"
    webhook_id: str
    """The webhook's id, from PayPal's dashboard; it is part of what is signed."""
    tolerance: Tolerance = msgspec.UNSET
    """Seconds that the transmission's time may be off; an hour when left out, null for any."""


class PaypalVerifier(Checking):
    """Checks PayPal's five headers.

    Args:
        scheme: the definition.
        secrets: none; they would play no part.

    Raises:
        InvalidField: the definition is not allowed, or there is a secret.
    """

    algorithm = "rsa-sha256"

    def __init__(self, scheme: PaypalScheme, secrets: Sequence[str]) -> None:
        if secrets:
            raise InvalidField(
                "paypal has no secret; leave it out and give webhook_id", field="secret"
            )
        if not 1 <= len(scheme.webhook_id) <= 100 or not scheme.webhook_id.isascii():
            raise InvalidField(
                "webhook_id is the webhook's id in PayPal's dashboard", field="webhook_id"
            )
        self._webhook_id = scheme.webhook_id.encode()
        self._tolerance = tolerance_of(scheme.tolerance, TOLERANCE_S, timed=True)

    def verify(self, request: Received, now: float, keys: Mapping[str, bytes]) -> Verified:
        """Check a request; see ``Verifier``."""
        [trial] = self.trials(request, now, keys)
        if not trial.matches:
            raise mismatch()
        moment = self.claimed(request)
        check_age(moment, now, self._tolerance)
        return Verified(
            id=one_header(request, b"paypal-transmission-id").decode("latin-1"),
            timestamp=int(moment),
        )

    def trials(self, request: Received, now: float, keys: Mapping[str, bytes]) -> tuple[Trial, ...]:
        """Return the one content that is signed."""
        if one_header(request, b"paypal-auth-algo").upper() != b"SHA256WITHRSA":
            raise VerificationFailed(Reason.BAD_ENCODING, "paypal-auth-algo is not SHA256withRSA")
        given = one_header(request, b"paypal-transmission-sig")
        signature = decode_base64(given[: MAX_SIGNATURE + 1])
        if not signature:
            raise VerificationFailed(Reason.BAD_ENCODING, "paypal-transmission-sig is not base64")
        content = b"%b|%b|%b|%d" % (
            one_header(request, b"paypal-transmission-id"),
            one_header(request, b"paypal-transmission-time"),
            self._webhook_id,
            zlib.crc32(request.body),
        )
        url = one_header(request, b"paypal-cert-url").decode("latin-1")
        key = certificate_key(url, _CERTIFICATE, "rsa-sha256", now, keys)
        return (
            Trial(
                signed=content,
                given=(given.decode("latin-1"),),
                matches=key.matches(content, (signature,)),
            ),
        )

    def claimed(self, request: Received) -> float:
        """Return the time of the transmission."""
        return parse_moment(one_header(request, b"paypal-transmission-time"), "iso")
