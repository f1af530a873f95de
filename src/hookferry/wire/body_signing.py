"""HMAC over the body alone, keyed with a secret as typed: what SuperOffice and HappyFox do.

No time is signed, so a signature never grows old: receivers drop duplicates by the body's id.
"""

from __future__ import annotations

import hmac

from hookferry.errors import InvalidField

MAX_SECRET_CHARACTERS = 256


class BodyKey:
    """A secret, prepared to sign bodies.

    Args:
        secret: as typed; its UTF-8 bytes are the key.
        algorithm: ``sha256`` or ``sha1``.
    """

    __slots__ = ("_keyed",)

    def __init__(self, secret: str, algorithm: str) -> None:
        self._keyed = hmac.new(secret.encode(), digestmod=algorithm)

    def digest(self, body: bytes) -> bytes:
        """Return the HMAC of a body, byte for byte as sent."""
        signing = self._keyed.copy()
        signing.update(body)
        return signing.digest()


def check_text_secret(secret: str) -> None:
    """Raise InvalidField unless a secret is 1 to 256 characters of Unicode."""
    if not 1 <= len(secret) <= MAX_SECRET_CHARACTERS:
        raise InvalidField(
            f"this secret has {len(secret)} characters; it may have 1 to {MAX_SECRET_CHARACTERS}",
            field="secret",
        )
    try:
        secret.encode()
    except UnicodeEncodeError:
        raise InvalidField(
            "this secret contains half of a surrogate pair, which is no character",
            field="secret",
        ) from None
