"""Standard Webhooks 1.0 as a scheme of sources; its rules are ``wire.standard_webhooks``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from hookferry.errors import InvalidField
from hookferry.wire import standard_webhooks
from hookferry.wire.inbound.checking import Checking, no_secret
from hookferry.wire.inbound.moments import parse_moment
from hookferry.wire.inbound.reading import one_header
from hookferry.wire.inbound.received import Received, Trial
from hookferry.wire.inbound.signature_scheme import Tolerance, tolerance_of
from hookferry.wire.inbound.template import header_name
from hookferry.wire.verification import VerificationFailed, Verified


class StandardScheme(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Standard Webhooks 1.0."""

    type: str = "standard_webhooks"
    prefix: str = "webhook-"
    """What the three headers begin with; ``svix-`` is the other in use."""
    tolerance: Tolerance = msgspec.UNSET
    """Seconds the time may be off, either way; 300 when it is left out, null for any."""


class StandardVerifier(Checking):
    """Checks the three headers.

    Args:
        scheme: the definition.
        secrets: ``whsec_`` secrets or ``whpk_`` public keys, any of which may have signed.

    Raises:
        InvalidField: the definition or a secret is not allowed.
    """

    algorithm = "standard-webhooks"

    def __init__(self, scheme: StandardScheme, secrets: Sequence[str]) -> None:
        self._keys = [standard_webhooks.parse_verifying_key(secret) for secret in secrets]
        self._tolerance = tolerance_of(scheme.tolerance, standard_webhooks.TOLERANCE_S, timed=True)
        if not scheme.prefix.endswith("-"):
            raise InvalidField(
                "prefix is what the three headers begin with, such as 'webhook-' or 'svix-'",
                field="prefix",
            )
        self._names = tuple(
            header_name(scheme.prefix + name, "prefix") for name in ("id", "timestamp", "signature")
        )

    def verify(self, request: Received, now: float, keys: Mapping[str, bytes]) -> Verified:
        """Check a request; see ``Verifier``."""
        if not self._keys:
            raise no_secret()
        return standard_webhooks.verify_parts(
            self._keys, self._parts(request), request.body, now=now, tolerance=self._tolerance
        )

    def trials(self, request: Received, now: float, keys: Mapping[str, bytes]) -> tuple[Trial, ...]:
        """Return the one content that is signed."""
        parts = self._parts(request)
        try:
            standard_webhooks.verify_parts(self._keys, parts, request.body, now=now, tolerance=None)
        except VerificationFailed:
            matches = False
        else:
            matches = True
        message_id, timestamp, listed = parts
        content = f"{message_id}.{timestamp}.".encode("latin-1") + request.body
        return (Trial(signed=content, given=tuple(listed.split(" ")), matches=matches),)

    def claimed(self, request: Received) -> float | None:
        """Return the Unix seconds that the request says it was signed at."""
        return parse_moment(self._parts(request)[1].encode("latin-1"), "s")

    def _parts(self, request: Received) -> tuple[str, str, str]:
        """Return the values of the three headers.

        Raises:
            VerificationFailed: one is missing, or there more than once.
        """
        message_id, timestamp, listed = (
            one_header(request, name).decode("latin-1") for name in self._names
        )
        return message_id, timestamp, listed
