"""Bodies without a structure: text, bytes, nothing."""

from __future__ import annotations

import base64

import msgspec

from hookferry.wire.bodies import charsets
from hookferry.wire.bodies.media_types import MediaType

_encode = msgspec.json.Encoder().encode


def read_text(body: bytes, media: MediaType) -> bytes | None:
    """Return a text as a JSON string, or None where the body is not one."""
    text = charsets.decode(body, media.charset)
    return None if text is None else _encode(text)


def read_binary(body: bytes) -> bytes:
    """Return ``{"base64": ...}`` (RFC 4648 section 4); of any body."""
    return b'{"base64":"%b"}' % base64.b64encode(body)


def read_empty(body: bytes, media: MediaType) -> bytes | None:
    """Return JSON's null."""
    return None if body else b"null"
