"""What a body says, as JSON: how a caught request's bytes are read as data.

A body is kept as it came; nothing here changes or refuses it. Its *form* says how it is read, and
is decided once, when it is caught: ``json``, ``form``, ``multipart``, ``xml``, ``text``, ``binary``
or ``empty``, after what has to be undone first, as in ``gzip+json``. A body that is not what its
content type says is read as text, and where it is none, as bytes. docs/forwarding.md has the rules
as users see them.

One module here for each kind of body. Which requests are caught, and what becomes of one that can't
be read, is not decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Protocol

import msgspec

from hookferry.domain.event import Event, EventMeta
from hookferry.wire.bodies import codings
from hookferry.wire.bodies.form_fields import MAX_FIELDS, MAX_FORM, read_form
from hookferry.wire.bodies.json_bodies import json_fault, opens_as_json
from hookferry.wire.bodies.media_types import (
    FORM,
    JSON,
    MULTIPART,
    OPAQUE,
    TEXT,
    UNKNOWN,
    XML,
    MediaType,
    media_type,
)
from hookferry.wire.bodies.multipart_fields import MAX_PARTS, read_multipart
from hookferry.wire.bodies.plain import read_binary, read_empty, read_text
from hookferry.wire.bodies.xml_elements import MAX_BYTES, MAX_NODES, read_xml

BINARY = "binary"
EMPTY = "empty"
MAX_GROWTH = 6
"""Data have at most so many bytes for each of the body once it is decompressed (a control character
of a text is ``\\u0000`` in JSON), and 64 beside."""
REMEMBERED = 16
"""Bodies whose data are remembered, since each is read several times: for its form, type and
duplicate key, for conditions, for a delivery."""
REMEMBERED_BYTES = 256 * 1024
"""The longest of them."""

_READERS: dict[str, Callable[[bytes, MediaType], bytes | None]] = {
    FORM: read_form,
    MULTIPART: read_multipart,
    XML: read_xml,
    TEXT: read_text,
    EMPTY: read_empty,
}
_PROMISES = {
    JSON: "JSON in UTF-8",
    FORM: f"a form in UTF-8 of {MAX_FIELDS:,} fields and {MAX_FORM // 1024:,} KB at most",
    MULTIPART: f"a multipart form (RFC 7578) of {MAX_PARTS:,} parts at most that is whole",
    XML: f"XML of {MAX_BYTES // 1024:,} KB and {MAX_NODES:,} elements and attributes at most, "
    "without a document type declaration",
    TEXT: "text in its charset, or else in UTF-8",
}


class Carrying(Protocol):
    """Whatever has an event's payload and what else is known of it, such as an event."""

    @property
    def payload(self) -> bytes:
        """The publisher's data as JSON, or a caught request's body."""
        ...

    @property
    def meta(self) -> EventMeta:
        """What is known beside it, the body's form among it."""
        ...


def data_of(event: Carrying) -> bytes:
    """Return the data of an event as JSON: the payload itself, wherever that is JSON."""
    caught = event.meta.caught
    if caught is None or caught.form == JSON:
        return event.payload
    return read(caught.form, first_value(caught.headers, b"content-type"), event.payload)


def as_data(event: Event) -> Event:
    """Return an event whose payload is its data: itself, wherever the payload is JSON."""
    caught = event.meta.caught
    if caught is None or caught.form == JSON:
        return event
    replace = msgspec.structs.replace
    meta = replace(event.meta, caught=replace(caught, form=JSON))
    return replace(event, payload=data_of(event), meta=meta)


def form_of(content_type: bytes | None, body: bytes, content_encoding: bytes | None = None) -> str:
    """Return how a body is read.

    Args:
        content_type: the value of that header, if there was one.
        body: as it came.
        content_encoding: the value of that header, if there was one.
    """
    return _examined(content_type, body, content_encoding)[0]


def unparseable(
    content_type: bytes | None, body: bytes, content_encoding: bytes | None = None
) -> str | None:
    """Return why a body is not what its headers say, in words; None where it is.

    Args:
        content_type: as ``form_of``.
        body: as ``form_of``.
        content_encoding: as ``form_of``.
    """
    return _examined(content_type, body, content_encoding)[1]


def read(form: str, content_type: bytes | None, body: bytes) -> bytes:
    """Return what a body says as JSON. Never fails, and always says the same of the same body.

    Args:
        form: what ``form_of`` said of it. The same bytes are returned for ``json``; where a body is
            not of any other form, it is read as text or bytes.
        content_type: the value of that header, if there was one.
        body: as it came.
    """
    media = media_type(content_type)
    *layers, form = form.split("+")
    for layer in layers:
        try:
            plain = codings.undone(layer, body)
        except codings.TooMuch:
            return read_binary(body)
        if plain is None:
            break
        body = plain
    else:
        if form == JSON:
            return body
        if form == BINARY:
            return read_binary(body)
        data = _data(form, media, body)
        if data is not None:
            return data
    return read_text(body, media) or read_binary(body)


def first_value(headers: Sequence[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    """Return the value of the first header of a name in lower case, or None."""
    for known, value in headers:
        if known.lower() == name:
            return value
    return None


def _data(form: str, media: MediaType, body: bytes) -> bytes | None:
    """Return what a body of a form says, or None where it is not of it."""
    if form not in _READERS:
        return None
    if len(body) > REMEMBERED_BYTES:
        return _READERS[form](body, media)
    return _remembered(form, media, body)


@lru_cache(maxsize=REMEMBERED)
def _remembered(form: str, media: MediaType, body: bytes) -> bytes | None:
    return _READERS[form](body, media)


def _examined(
    content_type: bytes | None, body: bytes, content_encoding: bytes | None
) -> tuple[str, str | None]:
    """Return a body's form, and why it is not what its headers say."""
    media = media_type(content_type)
    coding = None if content_encoding is None else codings.coding_of(content_encoding)
    if coding is None or not body:
        return _plain(media, body)
    try:
        plain = codings.undone(coding, body)
    except codings.TooMuch:
        return BINARY, (
            f"the body is compressed ({coding}) and has more than {codings.MAX_DECODED:,} bytes in "
            f"it, or more than {codings.MAX_RATIO} for each compressed one"
        )
    if plain is None:  # some proxies undo a coding and leave its header
        return _plain(media, body)[0], f"the body is not {coding}, as its Content-Encoding says"
    form, fault = _plain(media, plain)
    return f"{coding}+{form}", fault


def _plain(media: MediaType, body: bytes) -> tuple[str, str | None]:
    """As ``_examined``, of a body that is not compressed."""
    kind = media.kind
    if not body:
        promise = _PROMISES.get(kind)
        if promise is None or kind in (FORM, TEXT):  # which may well have nothing in them
            return EMPTY, None
        return EMPTY, f"the body is empty, and its Content-Type promises {promise}"
    fault = None
    # A form is what curl calls a body that it was not told of, and text what Amazon's SNS calls its
    # JSON.
    if kind == JSON or not media.given or (kind in (FORM, TEXT, UNKNOWN) and opens_as_json(body)):
        marked = body.startswith(codings.UTF8_BOM)
        fault = json_fault(body[len(codings.UTF8_BOM) :] if marked else body)
        if fault is None:
            return f"{codings.BOM}+{JSON}" if marked else JSON, None
    if _data(kind, media, body) is not None:
        return kind, None
    promise = _PROMISES.get(kind)
    if promise is not None:
        why = f": {fault}" if fault is not None else ""
        promise = f"the body is not what its Content-Type promises, {promise}{why}"
    if kind == OPAQUE or read_text(body, media) is None:
        return BINARY, promise
    return TEXT, promise
