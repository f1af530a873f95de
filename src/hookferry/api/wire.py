"""Small conversions between the outside face and the inside: times, ids, JSON bodies, cursors."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

import msgspec

from hookferry import ids
from hookferry.engine.validation import explain_validation
from hookferry.errors import InvalidField, MalformedJson, NotFound

Moment = Annotated[dt.datetime, msgspec.Meta(tz=True)]
"""A time in a view; JSON shows it as RFC 3339."""
T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)


class Page(msgspec.Struct, Generic[T]):
    """One page of a list, newest first."""

    items: list[T]
    next: str | None
    """Cursor of the following page, or null at the end."""


def time_text(ms: int | None) -> dt.datetime | None:
    """Return Unix milliseconds as a UTC time, which JSON shows as RFC 3339."""
    return None if ms is None else dt.datetime.fromtimestamp(ms / 1000, tz=dt.UTC)


def time_ms(text: str | None, *, field: str) -> int | None:
    """Return the Unix milliseconds of an RFC 3339 time.

    Raises:
        InvalidField: it is not one, or has no time zone.
    """
    if text is None:
        return None
    try:
        moment = msgspec.convert(text, dt.datetime)
    except msgspec.ValidationError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InvalidField(
            f"{field} is a time with a zone, such as 2026-01-31T09:30:00Z (RFC 3339)", field=field
        )
    return int(moment.timestamp() * 1000)


def id_in_path(kind: str, text: str) -> int:
    """Return the integer behind an id in an address.

    Raises:
        NotFound: it is not the id of such a thing, so there is none.
    """
    try:
        return ids.decode(kind, text)
    except InvalidField as error:
        raise NotFound(error.detail) from None


def id_in(kind: str, text: str, *, field: str) -> int:
    """Return the integer behind an id in a query or body; raises InvalidField."""
    try:
        return ids.decode(kind, text)
    except InvalidField as error:
        raise InvalidField(error.detail, field=field) from None


def decode_json(body: bytes) -> Any:
    """Decode a JSON body into plain values.

    Raises:
        MalformedJson: it is not JSON.
    """
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedJson(f"the body is not valid JSON: {error}") from None


def decode_body(body: bytes, struct: type[S]) -> S:
    """Decode a JSON body into a struct; an empty body is an empty object.

    Raises:
        MalformedJson, UnknownField, InvalidField: as the names say.
    """
    document = decode_json(body) if body else {}
    try:
        return msgspec.convert(document, struct)
    except msgspec.ValidationError as error:
        explain_validation(error, struct)


def encode_cursor(position: int) -> str:
    """Return the opaque text of a position in a list."""
    return base64.urlsafe_b64encode(b"c1" + position.to_bytes(8, "big")).rstrip(b"=").decode()


def decode_cursor(cursor: str | None) -> int | None:
    """Return the position behind a cursor.

    Raises:
        InvalidField: it was not made here.
    """
    if cursor is None:
        return None
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != 10 or raw[:2] != b"c1" or raw[2] > 127:  # positions are signed integers
        raise InvalidField(
            "this cursor was not made here; pass on 'next' of the page before as it is",
            field="cursor",
        )
    return int.from_bytes(raw[2:], "big")


class PageSizes(msgspec.Struct, frozen=True, kw_only=True):
    """How many items a page of a list has."""

    usual: int = 50
    """Where the caller names no ``limit``."""
    most: int = 250
    """The highest ``limit`` that is taken."""

    def of(self, limit: int | None) -> int:
        """Return a page's size; raises InvalidField unless ``limit`` is 1 to the most."""
        if limit is None:
            return self.usual
        if not 1 <= limit <= self.most:
            raise InvalidField(f"limit is 1 to {self.most:,}", field="limit")
        return limit


V = TypeVar("V")


def page_of(
    found: Sequence[V], limit: int, view: Callable[[V], T], key: Callable[[V], int]
) -> Page[T]:
    """Make a page of up to ``limit + 1`` records read from a list.

    Args:
        found: what was read; one more than ``limit`` tells that there is a further page.
        limit: the page's size.
        view: shows a record.
        key: a record's position in the list.
    """
    more = len(found) > limit
    items = list(found[:limit])
    return Page([view(item) for item in items], encode_cursor(key(items[-1])) if more else None)


def page_in_memory(
    records: Sequence[V],
    limit: int,
    cursor: str | None,
    view: Callable[[V], T],
    key: Callable[[V], int],
) -> Page[T]:
    """Make a page of a list that is held in memory whole, by descending ``key``."""
    below = decode_cursor(cursor)
    rest = [r for r in records if below is None or key(r) < below]
    return page_of(rest[: limit + 1], limit, view, key)


def version_in(if_match: str | None) -> int | None:
    """Return the version in an ``If-Match`` header (RFC 9110 section 13.1.1), None for any.

    Raises:
        InvalidField: it is not an entity tag made here.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    digits = if_match.strip().strip('"')
    if not digits.isascii() or not digits.isdigit() or len(digits) > 18:
        raise InvalidField(
            'If-Match is the ETag of an earlier answer, such as "3", or *', field="If-Match"
        )
    return int(digits)
