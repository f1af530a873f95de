"""What has to be undone before a body can be read: Content-Encoding (RFC 9110 section 8.4).

Only reading undoes it: the body is kept, verified and passed on as it came. Bounds are set while
inflating, since a few kilobytes can hold gigabytes.
"""

from __future__ import annotations

import zlib

MAX_DECODED = 5 * 1024 * 1024
"""Bytes that a body may have once it is decompressed: what one may have that is not compressed,
unless it is set otherwise."""
MAX_RATIO = 100
"""Bytes for each compressed one, beyond ``FREE``."""
FREE = 64 * 1024
"""Bytes that a body may have whatever its ratio."""
MAX_MEMBERS = 16
"""Parts that a gzip body may be made of (RFC 1952 section 2.2)."""

GZIP = "gzip"
DEFLATE = "deflate"
BOM = "bom"
"""A byte order mark before JSON, where none belongs (RFC 8259 section 8.1)."""
UTF8_BOM = b"\xef\xbb\xbf"

_NAMES = {"gzip": GZIP, "x-gzip": GZIP, "deflate": DEFLATE}
_ZLIB, _RAW, _GZIP = 15, -15, 31
"""Window bits, as zlib names its formats."""


class TooMuch(Exception):
    """A compressed body has more in it than is read."""


def coding_of(content_encoding: bytes | None) -> str | None:
    """Return the name of a body's one coding, or None where there is none that is undone."""
    if content_encoding is None:
        return None
    return _NAMES.get(content_encoding.decode("latin-1").strip().lower())


def undone(coding: str, body: bytes) -> bytes | None:
    """Return a body without a coding, or None where it does not have it.

    Args:
        coding: ``gzip``, ``deflate`` or ``bom``.
        body: with it.

    Raises:
        TooMuch: it is beyond what is read.
    """
    if coding == BOM:
        return body[len(UTF8_BOM) :] if body.startswith(UTF8_BOM) else None
    if coding == GZIP:
        return _inflated(body, _GZIP, MAX_MEMBERS)
    if coding == DEFLATE:
        plain = _inflated(body, _ZLIB, 1)
        # Meant is the zlib format; many send what is inside it (section 8.4.1.2).
        return _inflated(body, _RAW, 1) if plain is None else plain
    return None


def _inflated(body: bytes, format: int, members: int) -> bytes | None:
    most = min(MAX_DECODED, max(FREE, MAX_RATIO * len(body)))
    out = b""
    for _ in range(members):
        inflater = zlib.decompressobj(format)
        try:
            out += inflater.decompress(body, most - len(out) + 1)
        except zlib.error:
            return None
        if len(out) > most:
            raise TooMuch
        if not inflater.eof:
            return None
        body = inflater.unused_data
        if not body:
            return out
    if format == _GZIP and body.startswith(b"\x1f\x8b"):
        raise TooMuch
    return None
