"""Bodies of ``application/x-www-form-urlencoded``: names with values."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import parse_qsl

import msgspec

from hookferry.wire.bodies.media_types import MediaType

MAX_FIELDS = 10_000
MAX_FORM = 1024 * 1024
"""Bytes of a form; each that is escaped costs a step of Python."""
_encode = msgspec.json.Encoder().encode


def read_form(body: bytes, media: MediaType) -> bytes | None:
    """Return a form as an object, or None where it is not UTF-8 or too much.

    As browsers' forms are read (WHATWG URL standard, section 5.1): UTF-8 whatever is declared,
    ``+`` is a blank, percent-encoded bytes that are not UTF-8 become U+FFFD.
    """
    if len(body) > MAX_FORM:
        return None
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, errors="replace", max_num_fields=MAX_FIELDS
        )
    except ValueError:
        return None
    return _encode(gathered(pairs))


def gathered(pairs: Iterable[tuple[str, str]]) -> dict[str, str | list[str]]:
    """Return values by name; those of a name that comes again are a list, in order."""
    fields: dict[str, str | list[str]] = {}
    for name, value in pairs:
        known = fields.get(name)
        if known is None:
            fields[name] = value
        elif isinstance(known, list):
            known.append(value)
        else:
            fields[name] = [known, value]
    return fields
