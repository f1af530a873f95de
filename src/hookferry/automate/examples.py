"""Examples to try a script with: a request or an event written as JSON, or one that was caught."""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from hookferry.domain.event import NO_META, Event, EventMeta
from hookferry.domain.request import Caught, CaughtRequest
from hookferry.engine.validation import explain_validation
from hookferry.errors import InvalidField
from hookferry.wire.bodies import first_value, form_of

MAX_BODY: Final = 5 * 1024 * 1024
TYPE: Final = "example"


class RequestExample(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A request to try a script with."""

    method: str = "POST"
    path: str = ""
    """Below the source's own address."""
    query: str | dict[str, str | list[str]] = ""
    headers: dict[str, str | list[str]] = {}
    body: str = ""
    """As text; a JSON body is a text too."""
    body_base64: str | None = None
    """The same as base64, for bytes that are no text."""
    client_ip: str = "203.0.113.7"


class EventExample(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """An event to try a script with."""

    type: str = TYPE
    data: Any = {}
    entity: str | None = None
    primary_key: str | int | None = None
    changes: list[str] | None = None


def of_request(document: object, now_ms: int) -> Event:
    """Return the event that a request written as JSON would become.

    Raises:
        InvalidField, UnknownField: it is none.
    """
    try:
        example = msgspec.convert(document, RequestExample)
    except msgspec.ValidationError as error:
        explain_validation(error, RequestExample)
    body = example.body.encode("utf-8", "replace")
    if example.body_base64 is not None:
        try:
            body = base64.b64decode(example.body_base64, validate=True)
        except (binascii.Error, ValueError):
            raise InvalidField("body_base64 is not base64", field="request.body_base64") from None
    if len(body) > MAX_BODY:
        raise InvalidField(f"a body has at most {MAX_BODY:,} bytes", field="request.body")
    query = (
        example.query if isinstance(example.query, str) else urlencode(example.query, doseq=True)
    )
    headers = tuple(
        (name.encode("latin-1", "replace"), text.encode("latin-1", "replace"))
        for name, value in example.headers.items()
        for text in ([value] if isinstance(value, str) else value)
    )
    caught = Caught(
        request_id=0,
        source_id=0,
        form=_form(headers, body),
        method=example.method.upper(),
        path=example.path.strip("/").encode(),
        query=query.removeprefix("?").encode(),
        client=example.client_ip,
        headers=headers,
    )
    return Event(0, 0, TYPE, body, now_ms, meta=EventMeta(caught=caught))


def of_caught(request: CaughtRequest) -> Event:
    """Return the event that a caught request would become."""
    path = request.path.split(b"/", 3)[3:]
    caught = Caught(
        request_id=request.id,
        source_id=request.source_id,
        form=_form(request.headers, request.body),
        method=request.method,
        path=path[0].strip(b"/") if path else b"",
        query=request.query,
        client=request.client,
        headers=request.headers,
    )
    meta = EventMeta(caught=caught)
    return Event(0, request.tenant_id, TYPE, request.body, request.received_at_ms, meta=meta)


def of_event(document: object, now_ms: int) -> Event:
    """Return an event written as JSON.

    Raises:
        InvalidField, UnknownField: it is none.
    """
    try:
        example = msgspec.convert(document, EventExample)
    except msgspec.ValidationError as error:
        explain_validation(error, EventExample)
    meta = NO_META
    if example.entity or example.primary_key is not None or example.changes:
        meta = EventMeta(
            entity=example.entity, primary_key=example.primary_key, changes=example.changes
        )
    return Event(0, 0, example.type, msgspec.json.encode(example.data), now_ms, meta=meta)


def _form(headers: tuple[tuple[bytes, bytes], ...], body: bytes) -> str:
    return form_of(
        first_value(headers, b"content-type"), body, first_value(headers, b"content-encoding")
    )


def placeholders_of(example: dict[str, Any]) -> dict[str, Any]:
    """Return placeholders given as they are, by their names.

    Raises:
        InvalidField: a name is none.
    """
    for name in example:
        if not name.isidentifier():
            raise InvalidField(
                f"{name[:64]!r} is no name of a placeholder: letters, digits and _",
                field="placeholders",
            )
    return example
