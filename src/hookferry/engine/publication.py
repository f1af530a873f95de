"""A publication: the body of a publish, decoded and checked as far as it can be on its own.

Decodes the envelope only; the data stays the raw bytes that were sent. What an event needs of the
house (tenant, matching, memory) is in ``intake``.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence

import msgspec

from hookferry.domain.event import NO_META, EventMeta
from hookferry.engine.validation import explain_validation
from hookferry.errors import (
    HookferryError,
    InvalidField,
    InvalidInput,
    MalformedJson,
    PayloadTooLarge,
)

MAX_BATCH = 1_000
MAX_META_BYTES = 16 * 1024
"""Of everything beside the data, as stored."""

PRINTABLE_ID = re.compile(r"[\x21-\x7e]{1,255}")


class Actor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who caused an event."""

    id: str | int | None = None
    name: str | None = None


class Publication(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a publish (CONTRACT, "Publishing")."""

    type: str
    data: msgspec.Raw
    id: str | None = None
    tenant: str | None = None
    application: str | None = None
    entity: str | None = None
    primary_key: str | int | None = None
    changes: list[str] | None = None
    actor: Actor | None = None
    occurred_at: dt.datetime | None = None
    channels: list[str] | None = None


_publication = msgspec.json.Decoder(Publication)
_raw_list = msgspec.json.Decoder(list[msgspec.Raw])
_encoder = msgspec.json.Encoder()


def decode_publication(body: bytes | msgspec.Raw) -> Publication:
    """Decode a publish body.

    Raises:
        MalformedJson, UnknownField, InvalidField: as the names say, naming the field.
    """
    raw = bytes(body)
    try:
        if not raw.isascii():
            raw.decode()  # raw data is passed on unseen: nobody else would notice broken UTF-8
        publication = _publication.decode(raw)
    except UnicodeDecodeError as error:
        raise MalformedJson(
            f"the body is not valid UTF-8 (byte {error.start}); JSON is UTF-8 (RFC 8259)"
        ) from None
    except msgspec.ValidationError as error:
        explain_validation(error, Publication)
    except (msgspec.DecodeError, RecursionError) as error:
        raise MalformedJson(f"the body is not valid JSON: {error}") from None
    if not publication.data:
        raise InvalidField("data is required; it may be any JSON value", field="data")
    return publication


def decode_batch(body: bytes, *, ndjson: bool) -> list[Publication | HookferryError]:
    """Decode a batch; a bad element becomes its error, the others stand.

    Raises:
        MalformedJson: the body is not an array (or not lines) at all.
        PayloadTooLarge: more than 1,000 events.
    """
    items: Sequence[bytes | msgspec.Raw]
    if ndjson:
        items = [line for line in body.split(b"\n") if line.strip()]
    else:
        try:
            items = _raw_list.decode(body)
        except (msgspec.DecodeError, msgspec.ValidationError, RecursionError) as error:
            raise MalformedJson(
                f"the body must be a JSON array of events: {error}; for one event a line send "
                "Content-Type: application/x-ndjson"
            ) from None
    if len(items) > MAX_BATCH:
        raise PayloadTooLarge(
            f"a batch holds at most {MAX_BATCH:,} events, this one {len(items):,}; split it"
        )
    decoded: list[Publication | HookferryError] = []
    for item in items:
        try:
            decoded.append(decode_publication(item))
        except InvalidInput as error:
            decoded.append(error)
    return decoded


def meta_of(p: Publication) -> EventMeta:
    """Return what a publication says beside its type and data.

    Raises:
        InvalidField, PayloadTooLarge: it says something impossible, or too much.
    """
    actor = p.actor
    if (
        actor is None
        and p.id is None
        and p.application is None
        and p.entity is None
        and p.primary_key is None
        and p.changes is None
        and p.occurred_at is None
        and p.channels is None
    ):
        return NO_META
    if p.id is not None and not PRINTABLE_ID.fullmatch(p.id):
        raise InvalidField("id is 1 to 255 printable ASCII characters without spaces", field="id")
    occurred_ms = None
    if p.occurred_at is not None:
        if p.occurred_at.tzinfo is None:
            raise InvalidField(
                "occurred_at needs a time zone, as in 2026-01-31T09:30:00Z (RFC 3339)",
                field="occurred_at",
            )
        occurred_ms = int(p.occurred_at.timestamp() * 1000)
    meta = EventMeta(
        external_id=p.id,
        application=p.application,
        entity=p.entity,
        primary_key=p.primary_key,
        changes=p.changes,
        actor_id=actor.id if actor else None,
        actor_name=actor.name if actor else None,
        occurred_at_ms=occurred_ms,
        channels=p.channels,
    )
    if len(_encoder.encode(meta)) > MAX_META_BYTES:
        raise PayloadTooLarge(
            f"the fields beside data come to more than {MAX_META_BYTES:,} bytes; put what is "
            "large into data"
        )
    return meta
