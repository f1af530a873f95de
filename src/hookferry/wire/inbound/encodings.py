"""Binary values as text, decoded strictly: one spelling for the same bytes, nothing skipped."""

from __future__ import annotations

import binascii

ENCODINGS = ("hex", "base64", "base64url")

_FROM_URL = bytes.maketrans(b"-_", b"+/")


def decode_hex(text: bytes) -> bytes | None:
    """Decode hexadecimal digits in either case; None when there is anything else."""
    try:
        return binascii.unhexlify(text)
    except binascii.Error:
        return None


def decode_base64(text: bytes) -> bytes | None:
    """Decode base64 in its one canonical, padded spelling (RFC 4648 section 3.5), or None."""
    try:
        raw = binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        return None
    return raw if binascii.b2a_base64(raw, newline=False) == text else None


def decode_base64url(text: bytes) -> bytes | None:
    """Decode base64 for URLs (RFC 4648 section 5), padded or not, or return None."""
    if b"+" in text or b"/" in text:
        return None
    bare = text.rstrip(b"=")
    padded = bare + b"=" * (-len(bare) % 4)
    return decode_base64(padded.translate(_FROM_URL)) if text in (bare, padded) else None


DECODERS = {"hex": decode_hex, "base64": decode_base64, "base64url": decode_base64url}
