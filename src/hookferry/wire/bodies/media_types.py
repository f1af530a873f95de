"""What a Content-Type says of how a body is to be read (RFC 9110 section 8.3)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

JSON = "json"
FORM = "form"
MULTIPART = "multipart"
XML = "xml"
TEXT = "text"
UNKNOWN = "unknown"
"""Nothing is said that could be relied on: text, or bytes."""
OPAQUE = "opaque"
"""Pictures, sound and the like: bytes, also where they could pass for text."""

MAX_CONTENT_TYPE = 1_024
"""Bytes of a Content-Type that is looked at."""
_TYPE = re.compile(r"[ \t]*([!#$%&'*+.^_`|~0-9a-z-]+/[!#$%&'*+.^_`|~0-9a-z-]+)[ \t]*(?:;|$)", re.I)
_PARAMETER = re.compile(
    r";[ \t]*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)=(?:([!#$%&\'*+.^_`|~0-9A-Za-z/:?=()@,\[\]{}<>-]+)"
    r'|"((?:[^"\\]|\\.)*)")'
)
"""A token may hold more here than the RFC allows: boundaries are often sent without quotes."""
_EXACT = {
    "application/json": JSON,
    "text/json": JSON,
    "application/x-json": JSON,
    "application/x-www-form-urlencoded": FORM,
    "multipart/form-data": MULTIPART,
    "application/xml": XML,
    "text/xml": XML,
}
_FAMILIES = (
    ("text/", TEXT),
    ("image/", OPAQUE),
    ("audio/", OPAQUE),
    ("video/", OPAQUE),
    ("font/", OPAQUE),
)


class MediaType(NamedTuple):
    """A Content-Type, read."""

    kind: str
    """One of the names above."""
    charset: str | None = None
    boundary: str | None = None
    given: bool = True
    """Whether there is one at all."""


_NONE = MediaType(UNKNOWN, given=False)


def media_type(content_type: bytes | None) -> MediaType:
    """Read a Content-Type; one that makes no sense is an unknown one."""
    return _NONE if content_type is None else _read(content_type[:MAX_CONTENT_TYPE])


@lru_cache(maxsize=256)  # few are in use at a time, and each takes a kilobyte at most
def _read(content_type: bytes) -> MediaType:
    text = content_type.decode("latin-1")
    found = _TYPE.match(text)
    if found is None:
        return MediaType(UNKNOWN)
    name = found[1].lower()
    kind = _EXACT.get(name)
    if kind is None:
        if name.endswith("+json"):
            kind = JSON
        elif name.endswith("+xml"):
            kind = XML
        else:
            kind = next((kind for start, kind in _FAMILIES if name.startswith(start)), UNKNOWN)
    if len(text) == len(found[0]):
        return MediaType(kind)
    said: dict[str, str] = {}
    for parameter in _PARAMETER.finditer(text, found.end() - 1):
        token, quoted = parameter[2], parameter[3]
        value = token if token is not None else re.sub(r"\\(.)", r"\1", quoted)
        said.setdefault(parameter[1].lower(), value)
    return MediaType(kind, said.get("charset"), said.get("boundary"))
