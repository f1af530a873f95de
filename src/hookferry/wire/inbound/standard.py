"""Standard Webhooks 1.0 as a scheme of sources; its rules are ``wire.standard_webhooks``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from hookferry.errors import InvalidField
from hookferry.wire import standard_webhooks
from hookferry.wire.inbound.checking import Checking, no_secret
from hookferry.wire.inbound.reading import one_header
from hookferry.wire.inbound.received import Received, Trial
from hookferry.wire.inbound.signature import tolerance_of
from hookferry.wire.inbound.template import header_name
from hookferry.wire.verification import VerificationFailed, Verified


class StandardScheme(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Standard Webhooks 1.0."""

    type: str = "standard_webhooks"
    prefix: str = "webhook-"
    """What the three headers begin with; ``svix-`` is the other in use."""
    tolerance: float | msgspec.UnsetType | None = msgspec.UNSET
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
        self._names = {
            header_name(scheme.prefix + name.removeprefix("webhook-"), "prefix"): name
            for name in (
                standard_webhooks.ID_HEADER,
                standard_webhooks.TIMESTAMP_HEADER,
                standard_webhooks.SIGNATURE_HEADER,
            )
        }

    def verify(self, request: Received, now: float, keys: Mapping[str, bytes]) -> Verified:
        """Check a request; see ``Verifier``."""
        if not self._keys:
            raise no_secret()
        return standard_webhooks.verify(
            self._keys, self._headers(request), request.body, now=now, tolerance=self._tolerance
        )

    def trials(self, request: Received, now: float, keys: Mapping[str, bytes]) -> tuple[Trial, ...]:
        """Return the one content that is signed."""
        headers = dict(self._headers(request))
        content = b"%b.%b.%b" % (
            headers[standard_webhooks.ID_HEADER].encode("latin-1"),
            headers[standard_webhooks.TIMESTAMP_HEADER].encode("latin-1"),
            request.body,
        )
        try:
            standard_webhooks.verify(
                self._keys, list(headers.items()), request.body, now=0.0, tolerance=None
            )
        except VerificationFailed:
            matches = False
        else:
            matches = True
        given = tuple(headers[standard_webhooks.SIGNATURE_HEADER].split(" "))
        return (Trial(signed=content, given=given, matches=matches),)

    def claimed(self, request: Received) -> float | None:
        """Return the Unix seconds that the request says it was signed at."""
        written = dict(self._headers(request))[standard_webhooks.TIMESTAMP_HEADER]
        return int(written) if written.isascii() and written.isdecimal() else None

    def _headers(self, request: Received) -> list[tuple[str, str]]:
        """Return the three headers by their standard names.

        Raises:
            VerificationFailed: one is missing, or there more than once.
        """
        return [
            (standard, one_header(request, name).decode("latin-1"))
            for name, standard in self._names.items()
        ]
