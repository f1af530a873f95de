"""AsyncAPI 3.0: a tenant's event catalogue as a document for programs that generate code and docs.

Built from the live event types, their schemas and examples. Addresses of hookferry's own API are
``hookferry.api.openapi``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from hookferry.api.wire import time_text
from hookferry.domain.tenant import EventType, Tenant
from hookferry.errors import Conflict

MAX_BYTES = 16 * 1024 * 1024
"""Of the schemas and examples in one document."""

_MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_VALUES = ("const", "enum", "default", "example", "examples")
_encoder = msgspec.json.Encoder()


def describe_events(tenant: Tenant, types: Iterable[EventType]) -> dict[str, Any]:
    """Return the AsyncAPI 3.0 document of a tenant's event types.

    Args:
        tenant: whose they are.
        types: the live ones.

    Raises:
        Conflict: they come to more than 16 MB.
    """
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    schemas: dict[str, Any] = {}
    size = 0
    newest = 0
    for event_type in types:
        name = event_type.name
        size += len(_encoder.encode((event_type.schema, event_type.example)))
        if size > MAX_BYTES:
            raise Conflict(
                f"these event types come to more than {MAX_BYTES // 1024**2} MB; ask for one "
                "application at a time with ?application="
            )
        newest = max(newest, event_type.updated_at_ms)
        if event_type.schema is not None:
            schemas[name] = _payload(name, event_type.schema)
        messages[name] = _message(event_type)
        channels[name] = {
            "address": name,
            "messages": {"event": {"$ref": f"#/components/messages/{name}"}},
        }
        operations[f"send.{name}"] = {
            "action": "send",
            "channel": {"$ref": f"#/channels/{name}"},
            "messages": [{"$ref": f"#/channels/{name}/messages/event"}],
        }
    changed = time_text(newest)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": f"Events of {tenant.name}",
            "version": changed.isoformat().replace("+00:00", "Z") if changed and newest else "0",
            "description": "What webhooks can subscribe to. A payload here is an event's data; "
            "what is sent around it is the webhook's profile.",
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": schemas},
    }


def _message(event_type: EventType) -> dict[str, Any]:
    name = event_type.name
    message: dict[str, Any] = {"name": name, "title": name, "contentType": "application/json"}
    if event_type.description:
        message["description"] = event_type.description
    if event_type.application:
        message["tags"] = [{"name": event_type.application}]
    if event_type.phase is not None:
        message["x-phase"] = event_type.phase
    if event_type.schema is not None:
        message["payload"] = {"$ref": f"#/components/schemas/{name}"}
    if event_type.example is not None:
        message["examples"] = [{"name": "example", "payload": event_type.example}]
    return message


def _payload(name: str, schema: dict[str, Any] | bool) -> dict[str, Any]:
    """Return a schema as a Multi Format Schema Object (AsyncAPI 3.0)."""
    draft = "2020-12"
    root = ""
    if isinstance(schema, dict):
        named = schema.get("$schema", "")
        draft = next((d for d in ("-07", "-06", "-04", "2019-09") if d in named), draft).strip("-")
        identity = schema.get("$id", schema.get("id"))
        root = identity.rstrip("#") if isinstance(identity, str) else ""
    return {
        "schemaFormat": f"application/schema+json;version=draft-{draft}",
        "schema": _moved(schema, root, f"#/components/schemas/{name}/schema"),
    }


def _moved(schema: Any, root: str, to: str) -> Any:
    """Return a schema whose references to its own parts follow it to another place."""
    if isinstance(schema, list):
        return [_moved(part, root, to) for part in schema]
    if not isinstance(schema, dict):
        return schema
    moved: dict[str, Any] = {}
    for name, inside in schema.items():
        if name == "$ref" and isinstance(inside, str):
            fragment = inside.removeprefix(root)
            pointed = fragment in ("", "#") or fragment.startswith("#/")
            moved[name] = to + fragment.removeprefix("#") if pointed else inside
        elif name in _MAPS and isinstance(inside, dict):
            moved[name] = {key: _moved(part, root, to) for key, part in inside.items()}
        elif name in _VALUES:
            moved[name] = inside
        else:
            moved[name] = _moved(inside, root, to)
    return moved
