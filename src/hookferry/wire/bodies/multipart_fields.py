"""Bodies of ``multipart/form-data`` (RFC 7578): fields with values, and files described.

A file's bytes are in the event's payload, where the body is whole; data have its name, size and
SHA-256, so that a rule can look at them.
"""

from __future__ import annotations

import hashlib

import msgspec
from multipart import (  # type: ignore[import-untyped]
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
)

from hookferry.wire.bodies.form_fields import gathered
from hookferry.wire.bodies.media_types import MediaType

MAX_PARTS = 1_000
MAX_PART_HEADER = 1_024
"""Bytes of a part's header line."""
MAX_VALUE = 64 * 1024
"""Bytes of a field's value; what is longer, or not UTF-8, is described like a file."""
MAX_BOUNDARY = 70
"""Characters (RFC 2046 section 5.1.1)."""
_encode = msgspec.json.Encoder().encode


class _File(msgspec.Struct):
    name: str
    filename: str | None
    content_type: str | None
    size: int
    sha256: str


def read_multipart(body: bytes, media: MediaType) -> bytes | None:
    """Return ``{"fields": {...}, "files": [...]}``, or None where it does not end as it should."""
    boundary = media.boundary
    if boundary is None or not 1 <= len(boundary) <= MAX_BOUNDARY:
        return None
    fields: list[tuple[str, str]] = []
    files: list[_File] = []
    segment: MultipartSegment | None = None
    content = b""
    try:
        parser = PushMultipartParser(
            boundary.encode("latin-1"),
            max_header_size=MAX_PART_HEADER,
            max_segment_count=MAX_PARTS,
        )
        with parser:
            for part in parser.parse(body):
                if isinstance(part, MultipartSegment):
                    segment, content = part, b""
                elif part:
                    content += part
                elif segment is not None:
                    _take(segment, content, fields, files)
    except MultipartError:
        return None
    return _encode({"fields": gathered(fields), "files": files})


def _take(
    segment: MultipartSegment, content: bytes, fields: list[tuple[str, str]], files: list[_File]
) -> None:
    name, filename = segment.name or "", segment.filename
    if filename is None and len(content) <= MAX_VALUE:
        try:
            fields.append((name, content.decode()))
        except UnicodeDecodeError:
            pass
        else:
            return
    digest = hashlib.sha256(content).hexdigest()
    files.append(_File(name, filename, segment.header("Content-Type"), len(content), digest))
