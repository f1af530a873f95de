"""What JSON Schema can say of bodies and answers beyond their types, for the OpenAPI document.

The rules are enforced, with their own words, by the modules whose numbers and patterns are read
here; nothing in this module decides. A rule that JSON Schema can't say (a certificate belongs to
its key) is left to the answer that names it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from hookferry.api import (
    automation_constraints,
    package_constraints,
    request_constraints,
    source_constraints,
)
from hookferry.api.parameters import (
    DELIVERY_STATES,
    EVENT_PATTERN,
    EVENT_STATES,
    EVENT_TYPE,
    TENANT,
    TIME,
    Schema,
    id_schema,
    whole,
)
from hookferry.api.resources.deliveries import MAX_IDS
from hookferry.api.resources.deliveries import MAX_TEXT as MAX_SEARCH
from hookferry.api.resources.events import MAX_REPLAY
from hookferry.catch.definition import SourceLimits
from hookferry.domain.webhook import Mode, WebhookState
from hookferry.engine import (
    credentials,
    definition,
    event_types,
    keys,
    publication,
    tenants,
    verdicts,
)
from hookferry.engine.custom_headers import HEADER_NAME
from hookferry.engine.webhook_secrets import MAX_OVERLAP
from hookferry.kata.parser import MAX_BYTES
from hookferry.store.ports import JOB_STATES
from hookferry.transport.guard import Verdict
from hookferry.wire.profiles import PROFILES


def _text(longest: int, shortest: int = 0) -> Schema:
    return {"minLength": shortest, "maxLength": longest}


def _range(low: float, high: float) -> Schema:
    return {"minimum": low, "maximum": high}


_COUNT: Schema = {"minimum": 0}
_FROM_ONE: Schema = {"minimum": 1}
_STATE: Schema = {"enum": list(DELIVERY_STATES)}
_MODE: Schema = {"enum": [mode.value for mode in Mode]}

SHOWN: dict[str, dict[str, Schema]] = {
    "ReceiptView": {"id": id_schema("evt"), "deliveries": _COUNT},
    "VerdictView": {"id": id_schema("evt"), "deliveries": _COUNT},
    "CallOutcome": {
        "webhook": id_schema("wh"),
        "delivery": id_schema("dlv"),
        "mode": _MODE,
        "outcome": {"enum": sorted(verdicts.OUTCOMES)},
    },
    "EventView": {
        "id": id_schema("evt"),
        "type": EVENT_TYPE,
        "state": {"enum": list(EVENT_STATES)},
        "deliveries": {"propertyNames": _STATE},
    },
    "DeliveryView": {
        "id": id_schema("dlv"),
        "event": id_schema("evt"),
        "event_type": EVENT_TYPE,
        "webhook": id_schema("wh"),
        "state": _STATE,
        "attempts": _COUNT,
    },
    "MatchedDelivery": {"id": id_schema("dlv"), "state": _STATE, "attempts": _COUNT},
    "MatchView": {"webhook": id_schema("wh")},
    "AttemptView": {
        "id": id_schema("att"),
        "number": _FROM_ONE,
        "verdict": {"enum": [verdict.value for verdict in Verdict]},
    },
    "WebhookView": {
        "id": id_schema("wh"),
        "number": _FROM_ONE,
        "mode": _MODE,
        "state": {"enum": [state.label for state in WebhookState]},
        "version": _FROM_ONE,
    },
    "PingResult": {"verdict": {"enum": [verdict.value for verdict in Verdict]}},
    "CredentialView": {"id": id_schema("cred"), "version": _FROM_ONE},
    "EventTypeView": {"name": EVENT_TYPE, "version": _FROM_ONE},
    "TenantView": {"name": TENANT, "version": _FROM_ONE},
    "KeyView": {"id": id_schema("key")},
    "JobView": {"id": id_schema("job"), "state": {"enum": list(JOB_STATES)}, "done": _COUNT},
}
"""What is known of the fields of answers."""


def table(
    limits: definition.DefinitionLimits, source_limits: SourceLimits
) -> dict[str, dict[str, Schema]]:
    """Return what is added to the fields of each struct's schema, by its name and theirs.

    Args:
        limits: what the operator set of the rules for webhooks.
        source_limits: and of those for sources.
    """
    d = definition
    return {
        "Publication": {
            "type": EVENT_TYPE,
            "id": {"pattern": whole(publication.PRINTABLE_ID)},
            "tenant": TENANT,
            "occurred_at": {"format": "date-time"},
        },
        "WebhookDefinition": {
            "name": _text(100, 1),
            "target_url": _text(d.MAX_URL),
            "automations_kata": _text(MAX_BYTES),
            "events": {
                "minItems": 1,
                "maxItems": d.MAX_PATTERNS,
                "uniqueItems": True,
                "items": EVENT_PATTERN,
            },
            "profile": {"examples": sorted(PROFILES)},
            "type": {"enum": list(d.TYPES)},
            "payload_format": {
                "enum": sorted({name for p in PROFILES.values() for name in p.formats})
            },
            "title": _text(d.MAX_TITLE),
            "application": _text(d.MAX_TITLE),
            "description": _text(d.MAX_TEXT),
            "channels": {
                "maxItems": d.MAX_CHANNELS,
                "uniqueItems": True,
                "items": {"type": "string", "pattern": whole(d.CHANNEL)},
            },
            "forward_headers": {
                "maxItems": limits.headers,
                "uniqueItems": True,
                "items": {"type": "string", "pattern": whole(HEADER_NAME)},
            },
            "timeout": _range(d.MIN_TIMEOUT, limits.attempt_timeout),
            "failure_limit": _range(1, d.MAX_FAILURES),
            "failure_window": _range(d.MIN_WINDOW, d.MAX_WINDOW),
            "max_in_flight": _range(1, d.MAX_IN_FLIGHT),
            "ca": _text(d.MAX_PEM, 1),
            "proxy": _text(d.MAX_URL, 1),
        },
        "Retry": {
            "schedule": {
                "maxItems": d.MAX_WAITS,
                "items": {"type": "number"} | _range(d.MIN_WAIT, d.MAX_WAIT),
            },
            "jitter": _range(0, 1),
        },
        "RateLimit": {
            "per_second": _range(d.MIN_RATE, d.MAX_RATE),
            "burst": _range(1, d.MAX_BURST),
        },
        "ClientCertificate": {"certificate": _text(d.MAX_PEM, 1), "private_key": {"minLength": 1}},
        "CredentialDefinition": {
            "name": {"pattern": whole(credentials.NAME)},
            "description": _text(credentials.MAX_DESCRIPTION),
            "username": _text(credentials.MAX_USERNAME),
            "password": _text(credentials.MAX_VALUE),
            "token": _text(credentials.MAX_VALUE),
            "value": _text(credentials.MAX_VALUE),
        },
        "EventTypeSettings": {
            "application": _text(event_types.MAX_APPLICATION),
            "description": _text(event_types.MAX_TEXT),
        },
        "TenantSettings": {"webhook_key": _text(tenants.MAX_KEY, 1)},
        "NewKey": {"name": {"pattern": whole(keys.NAME)}, "tenant": TENANT},
        "Rotation": {"overlap": _range(0, MAX_OVERLAP)},
        "Recovery": {"since": TIME},
        "ReplayRequest": {
            "webhooks": {"minItems": 1, "maxItems": MAX_REPLAY, "items": id_schema("wh")}
        },
        "ResendRequest": {"ids": {"minItems": 1, "maxItems": MAX_IDS, "items": id_schema("dlv")}},
        "Filter": {
            "webhook": id_schema("wh"),
            "event": id_schema("evt"),
            "event_type": EVENT_TYPE,
            "state": {"examples": [",".join(DELIVERY_STATES[:2])]},
            "status_code": _range(100, 999),
            "after": TIME,
            "before": TIME,
            "text": _text(MAX_SEARCH, 1),
        },
        **SHOWN,
        **source_constraints.table(source_limits),
        **package_constraints.SHOWN,
        **package_constraints.TAKEN,
        **request_constraints.SHOWN,
        **request_constraints.TAKEN,
        **automation_constraints.SHOWN,
        **automation_constraints.TAKEN,
    }


EXAMPLES: dict[str, list[Any]] = {
    "Publication": [
        {"type": "contact.created", "data": {"id": 7, "name": "Ada"}, "actor": {"id": 3}},
        {"type": "contact.create", "data": {"name": "Ada"}},
    ],
    "WebhookDefinition": [
        {
            "name": "crm",
            "target_url": "https://crm.example/hooks",
            "events": ["contact.*"],
            "retry": {"schedule": [5, 300, 1800], "jitter": 0.2},
        }
    ],
    "CredentialDefinition": [
        {
            "name": "helpdesk",
            "kind": "basic",
            "username": "hookferry",
            "password": "correct horse battery staple",
        }
    ],
    "EventTypeSettings": [
        {"application": "crm", "phase": "after", "description": "Somebody new is known."}
    ],
    "TenantSettings": [{"webhooks_active": True}],
    "NewKey": [{"name": "crm", "tenant": "default"}],
    "Rotation": [{"overlap": 3600}],
    "Recovery": [{"since": "2026-01-31T09:30:00Z"}],
    "ReplayRequest": [{}],
    "ResendRequest": [{"filter": {"state": "failed", "after": "2026-01-31T09:30:00Z"}}],
    "GivenWebhook": [
        {
            "Name": "My webhook",
            "Events": ["contact.created"],
            "TargetUrl": "https://crm.example/hooks",
            "State": "Active",
        }
    ],
    **source_constraints.EXAMPLES,
    **package_constraints.EXAMPLES,
    **request_constraints.EXAMPLES,
    **automation_constraints.EXAMPLES,
}
"""Bodies for each struct that is taken."""
NULL_IS_DEFAULT = (
    "WebhookDefinition",
    "Retry",
    "RateLimit",
    "CredentialDefinition",
    *source_constraints.NULL_IS_DEFAULT,
    *automation_constraints.NULL_IS_DEFAULT,
)
"""Structs that are read like a merge patch of nothing (RFC 7396) also when they are created."""
PATCH_EXAMPLES: dict[str, Any] = {
    "WebhookDefinition": {"title": "The CRM", "timeout": None},
    "CredentialDefinition": {"description": "Of the service account."},
    **source_constraints.PATCH_EXAMPLES,
    **automation_constraints.PATCH_EXAMPLES,
}


def apply(
    components: Mapping[str, Schema], constraints: Mapping[str, Mapping[str, Schema]]
) -> None:
    """Add constraints and examples to schemas, in place; those of structs that are not served are
    left out.

    Raises:
        KeyError: a struct has no such field (any more).
    """
    for name, examples in EXAMPLES.items():
        if name in components:
            components[name]["examples"] = copy.deepcopy(examples)
    for name, fields in constraints.items():
        component = components.get(name)
        if component is None:
            continue
        for field, more in fields.items():
            _not_null(component["properties"][field]).update(copy.deepcopy(more))
    for name in NULL_IS_DEFAULT:
        if name in components:
            _let_null_reset(components[name])


def _let_null_reset(component: Schema) -> None:
    """Let null stand for a field's default, and for a header that is not there."""
    for field, schema in component["properties"].items():
        if field not in component.get("required", ()) and "anyOf" not in schema:
            component["properties"][field] = {"anyOf": [schema, {"type": "null"}]}
        if field == "headers":
            schema["additionalProperties"] = {"anyOf": [{"type": "string"}, {"type": "null"}]}


def _not_null(schema: Schema) -> Schema:
    """Return the alternative that is not null, of a schema that allows null."""
    for alternative in schema.get("anyOf", ()):
        if alternative.get("type") != "null":
            found: Schema = alternative
            return found
    return schema


def merge_patch_of(name: str, components: dict[str, Schema], ref: str) -> Schema:
    """Return the schema of a merge patch (RFC 7396) of an object; adds what it needs to.

    Every field may be left out, and null takes away what need not be there.

    Args:
        name: of the object's component.
        components: all of them.
        ref: the template of a reference.
    """
    patch = f"{name}Patch"
    if patch not in components:
        made = components[patch] = copy.deepcopy(components[name])
        required = made.pop("required", [])
        made["title"] = patch
        made.pop("examples", None)
        if name in PATCH_EXAMPLES:
            made["examples"] = [copy.deepcopy(PATCH_EXAMPLES[name])]
        made["description"] = f"A merge patch of {name}; null resets a field to its default."
        for field, schema in made["properties"].items():
            schema.pop("default", None)
            inner = _not_null(schema)
            target = inner.get("$ref", "").rpartition("/")[2]
            if target and components[target].get("type") == "object":
                inner["$ref"] = merge_patch_of(target, components, ref)["$ref"]
            if field not in required and "anyOf" not in schema:
                made["properties"][field] = {"anyOf": [schema, {"type": "null"}]}
    return {"$ref": ref.format(name=patch)}


def problem_schema(status: int, codes: list[str], ref: str) -> Schema:
    """Return the schema of the problems with one status.

    Args:
        status: the HTTP status.
        codes: what ``code`` may be with it.
        ref: the template of a reference.
    """
    one: dict[str, Any] = {"status": {"const": status}, "code": {"enum": codes}}
    return {"allOf": [{"$ref": ref.format(name="Problem")}, {"properties": one}]}
