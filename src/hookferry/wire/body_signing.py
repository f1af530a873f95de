"""HMAC over the body alone, keyed with a secret as typed: what SuperOffice and HappyFox do.

No time is signed, so a signature never grows old: receivers drop duplicates by the body's id.
"""

from __future__ import annotations

import binascii
import hmac
import re
from abc import ABC, abstractmethod
from typing import ClassVar

from hookferry.errors import InvalidField

MAX_SECRET_CHARACTERS = 256


class BodyKey(ABC):
    """A secret, prepared to sign bodies.

    Args:
        secret: as typed; its UTF-8 bytes are the key.
    """

    __slots__ = ("_keyed",)

    header: ClassVar[str]
    """The header that carries the signature."""
    algorithm: ClassVar[str]
    form: ClassVar[re.Pattern[str]]
    """What the header's value looks like."""
    shape: ClassVar[str]
    """The same, in words."""

    def __init__(self, secret: str) -> None:
        self._keyed = hmac.new(secret.encode(), digestmod=self.algorithm)

    def digest(self, body: bytes) -> bytes:
        """Return the HMAC of a body, byte for byte as sent."""
        signing = self._keyed.copy()
        signing.update(body)
        return signing.digest()

    @abstractmethod
    def sign(self, body: bytes) -> bytes:
        """Return the header's value for a body."""


class SuperOfficeKey(BodyKey):
    """HMAC-SHA256 in standard base64, nothing before it."""

    __slots__ = ()
    header = "X-SuperOffice-Signature"
    algorithm = "sha256"
    form = re.compile(r"[A-Za-z0-9+/]{43}=")
    shape = "the base64 of 32 bytes"

    def sign(self, body: bytes) -> bytes:
        """Return the header's value for a body."""
        return binascii.b2a_base64(self.digest(body), newline=False)


class HappyFoxKey(BodyKey):
    """HMAC-SHA1 in hexadecimal, after ``sha1=``."""

    __slots__ = ()
    header = "X-Webhook-Signature"
    algorithm = "sha1"
    form = re.compile(r"sha1=[0-9a-f]{40}")
    shape = "sha1= and 40 lower-case hexadecimal digits"

    def sign(self, body: bytes) -> bytes:
        """Return the header's value for a body."""
        return b"sha1=" + binascii.b2a_hex(self.digest(body))


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
            "this secret contains half of a surrogate pair, which is no character", field="secret"
        ) from None
