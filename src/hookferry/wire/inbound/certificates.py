"""Signing certificates that a request names by their address: which are taken, and their keys.

Nothing is fetched here. The address comes from a stranger, so only the provider's own hosts count;
whoever fetches it judges it again.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from hookferry.errors import InvalidField
from hookferry.wire.inbound.keys import Key, public_key_for
from hookferry.wire.inbound.received import KeyNeeded
from hookferry.wire.verification import Reason, VerificationFailed

MAX_CERTIFICATE = 16_384
"""Bytes of a certificate in PEM."""


def certificate_key(
    url: str, allowed: re.Pattern[str], algorithm: str, now: float, keys: Mapping[str, bytes]
) -> Key:
    """Return the key of the certificate at an address.

    Args:
        url: as the request names it.
        allowed: what the provider's addresses look like, whole.
        algorithm: a public algorithm of ``keys``.
        now: Unix seconds, at which the certificate has to be valid.
        keys: certificates that were fetched, in PEM, by address.

    Raises:
        VerificationFailed: the address is not the provider's, or what was fetched is no valid
            certificate.
        KeyNeeded: it was not fetched yet.
    """
    if not allowed.fullmatch(url):
        raise _unavailable("the certificate's address is not one of the provider's")
    pem = keys.get(url)
    if pem is None:
        raise KeyNeeded(url)
    certificate = _certificate(pem)
    moment = datetime.fromtimestamp(now, UTC)
    if not certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc:
        raise _unavailable("the certificate is not valid at this time")
    try:
        return public_key_for(certificate.public_key(), algorithm)
    except (InvalidField, ValueError, UnsupportedAlgorithm):
        raise _unavailable("the certificate has no usable RSA key") from None


@functools.lru_cache(maxsize=32)
def _certificate(pem: bytes) -> x509.Certificate:
    if len(pem) > MAX_CERTIFICATE:
        raise _unavailable(f"the certificate has more than {MAX_CERTIFICATE:,} bytes")
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError:
        raise _unavailable("what is at the certificate's address is no certificate") from None


def _unavailable(why: str) -> VerificationFailed:
    return VerificationFailed(Reason.KEY_UNAVAILABLE, why)
