"""What a script knows of the event that it runs on: its trigger's placeholders.

Of a caught request what Cerb's ``cerb.trigger.webhook.respond`` gives (behaviours 2b): names of
headers and parameters in lower case with ``_`` for ``-``, form fields among the parameters. Of any
event, what it is, also under the names that SuperOffice's scripts know (S-SO-07).

Bytes that are no UTF-8 stand as lone surrogates, as everywhere in scripts: a body is hashed,
compared and answered as it came.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from hookferry.domain.event import Event
from hookferry.domain.request import Caught
from hookferry.domain.webhook import Webhook
from hookferry.ids import encode
from hookferry.wire.bodies import data_of
from hookferry.wire.timestamps import rfc3339_ms

MAX_PARAMETERS: Final = 1_000
"""Parameters of a request that a script gets; what comes after them is not seen."""
MAX_DATA: Final = 1024 * 1024
MAX_ENTRIES: Final = 20_000
MAX_LEVELS: Final = 60
"""Bytes, values and levels of data beyond which ``event.data`` is null: every script would pay for
what few look at, or could not hold it. One that wants it reads ``request_body`` itself."""
_HIDDEN: Final = ("cookie",)
"""Headers that no script sees (S-CB-19)."""
_FORMS: Final = ("form", "multipart")
_LIST: Final = "[]"
_FOLDED: Final = str.maketrans("-. ", "___")
"""Dashes by Cerb's rule, dots and blanks by PHP's."""


def placeholders(event: Event, webhook: Webhook) -> dict[str, Any]:
    """Return what a script that runs on an event finds in its dictionary.

    Args:
        event: what happened.
        webhook: why it runs: its properties are there too, and never hide what the event says.
    """
    caught = event.meta.caught
    encoded = data_of(event)
    data = None
    if len(encoded) <= MAX_DATA or (caught is not None and _form(caught) in _FORMS):
        data = _decoded(encoded)
    known = _of_none(event) if caught is None else _of_request(caught, event.payload, data)
    if not _is_moderate(data):
        data = None
    return {**webhook.properties, **_of_event(event, data), **known}


def _decoded(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return _text(data)


def _is_moderate(value: Any) -> bool:
    """Tell whether a value is one that every script can be given."""
    entries, level = 0, [value]
    for _ in range(MAX_LEVELS):
        containers = [inner for inner in level if isinstance(inner, dict | list)]
        if not containers:
            return True
        entries += sum(map(len, containers))
        if entries > MAX_ENTRIES:
            return False
        level = [
            inner
            for outer in containers
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return False


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _of_event(event: Event, data: Any) -> dict[str, Any]:
    meta = event.meta
    described = {
        "id": encode("evt", event.id),
        "type": event.type,
        "data": data,
        "time": rfc3339_ms(event.time_ms).decode(),
        "entity": meta.entity,
        "primary_key": meta.primary_key,
        "changes": meta.changes or [],
        "actor": {"id": meta.actor_id, "name": meta.actor_name},
        "application": meta.application,
        "channels": meta.channels or [],
    }
    changed = data if isinstance(data, dict) else {}
    return {
        "event": described,
        "EventId": described["id"],
        "Event": event.type,
        "Entity": meta.entity,
        "PrimaryKey": meta.primary_key,
        "Timestamp": described["time"],
        "ChangedByAssociateId": meta.actor_id,
        "ContextIdentifier": meta.application,
        "Changes": {name: changed.get(name) for name in meta.changes or ()},
    }


def _of_request(caught: Caught, body: bytes, data: Any) -> dict[str, Any]:
    return {
        "request_method": caught.method.upper(),
        "request_path": _text(caught.path),
        "request_client_ip": caught.client,
        "request_headers": _headers(caught),
        "request_params": _parameters(caught, data),
        "request_body": _text(body),
    }


def _of_none(event: Event) -> dict[str, Any]:
    """Return the request of an event that none was caught for: so a script may serve both."""
    return {
        "request_method": "POST",
        "request_path": "",
        "request_client_ip": "",
        "request_headers": {"content_type": "application/json"},
        "request_params": {},
        "request_body": _text(event.payload),
    }


def _headers(caught: Caught) -> dict[str, str]:
    """Return the headers by folded name; several of a name are one, as RFC 9110 section 5.3."""
    headers: dict[str, str] = {}
    for raw, value in caught.headers:
        lowered = raw.decode("latin-1").lower()
        if lowered in _HIDDEN:
            continue
        name, text = fold(lowered), _text(value)
        headers[name] = f"{headers[name]}, {text}" if name in headers else text
    return headers


def _parameters(caught: Caught, data: Any) -> dict[str, Any]:
    """Return what the query says, then what a form says, which goes before."""
    query = parse_qsl(_text(caught.query), keep_blank_values=True, errors="surrogateescape")
    form = _form(caught)
    fields = data["fields"] if form == "multipart" else data if form == "form" else {}
    sent = (
        (name, one)
        for name, value in fields.items()  # what came several times is a list already
        for one in (value if isinstance(value, list) else [value])
    )
    return _folded([*query[:MAX_PARAMETERS], *islice(sent, MAX_PARAMETERS)])


def _form(caught: Caught) -> str:
    """Return how a body is read once its codings are undone."""
    return caught.form.rpartition("+")[2]


def _folded(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return parameters by folded name: of several the last; a list where names end in ``[]``."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if not name.endswith(_LIST):
            found[fold(name)] = value
            continue
        name = fold(name.removesuffix(_LIST))
        before = found.get(name)
        if isinstance(before, list):
            before.append(value)
        else:
            found[name] = [value]
    return found


def fold(name: str) -> str:
    """Return the name of a header or parameter as scripts write it: ``X-Shop`` is ``x_shop``."""
    return name.lower().translate(_FOLDED)
