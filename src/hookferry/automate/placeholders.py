"""What a script knows of the event that it runs on: its trigger's placeholders.

Of a caught request what Cerb's ``cerb.trigger.webhook.respond`` gives (behaviours 2b): names of
headers and parameters in lower case with ``_`` for ``-``, form fields among the parameters. Of any
event, what it is, also under the names that SuperOffice's scripts know (S-SO-07).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
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
_HIDDEN: Final = ("cookie",)
"""Headers that no script sees (S-CB-19)."""
_FORMS: Final = ("form", "multipart")
_NO_NAME = re.compile(r"[^a-z0-9_]")


def placeholders(event: Event, webhook: Webhook) -> dict[str, Any]:
    """Return what a script that runs on an event finds in its dictionary.

    Args:
        event: what happened.
        webhook: why it runs: its properties are there too, and never hide what the event says.
    """
    data = _decoded(data_of(event))
    caught = event.meta.caught
    known = _of_request(caught, event.payload, data) if caught is not None else _of_none(event)
    return {**webhook.properties, **_of_event(event, data), **known}


def _decoded(data: bytes) -> Any:
    """Return data as a script's value; numbers beyond JSON's own are no integers there either."""
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError:
        return data.decode("utf-8", "replace")


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
    pairs = parse_qsl(caught.query.decode("latin-1"), keep_blank_values=True, errors="replace")[
        :MAX_PARAMETERS
    ]
    parameters = _folded(pairs)
    form = caught.form.rpartition("+")[2]
    if form in _FORMS and isinstance(data, dict):
        fields = data.get("fields", {}) if form == "multipart" else data
        parameters.update(_folded(list(fields.items())[:MAX_PARAMETERS]))
    return {
        "request_method": caught.method.upper(),
        "request_path": caught.path.decode("utf-8", "replace"),
        "request_client_ip": caught.client,
        "request_headers": _headers(caught),
        "request_params": parameters,
        "request_body": body.decode("utf-8", "replace"),
    }


def _of_none(event: Event) -> dict[str, Any]:
    """Return the request of an event that none was caught for: so a script may serve both."""
    return {
        "request_method": "POST",
        "request_path": "",
        "request_client_ip": "",
        "request_headers": {"content_type": "application/json"},
        "request_params": {},
        "request_body": event.payload.decode("utf-8", "replace"),
    }


def _headers(caught: Caught) -> dict[str, str]:
    """Return the headers by folded name; several of a name are one, as RFC 9110 section 5.3."""
    headers: dict[str, str] = {}
    for raw, value in caught.headers:
        lowered = raw.decode("latin-1").lower()
        if lowered in _HIDDEN:
            continue
        name, text = fold(lowered), value.decode("latin-1")
        headers[name] = f"{headers[name]}, {text}" if name in headers else text
    return headers


def _folded(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return parameters by folded name; of several the last, and a list for a name with ``[]``."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name.endswith("[]"):
            name = fold(name[:-2])
            before = found.get(name)
            found[name] = [*before, value] if isinstance(before, list) else [value]
        else:
            found[fold(name)] = value
    return found


def fold(name: str) -> str:
    """Return a name as scripts write it: lower case, ``_`` for ``-`` and what else is no letter."""
    return _NO_NAME.sub("_", name.lower())


def inputs_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs of an ``inputs:`` tree by their names, without their types."""
    return {key.partition("/")[2] or key: value for key, value in given.items()}
