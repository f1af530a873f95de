"""What the parameters of the API look like, for the OpenAPI document.

A parameter's name means one thing wherever it stands, so the table is by name; one that differs
between resources is under ``resource.name``. The rules themselves are where they are enforced:
their numbers and patterns are read from there.
"""

from __future__ import annotations

import re
from typing import Any

from hookferry import ids
from hookferry.api.dialects.superoffice_shapes import STATE_NAMES
from hookferry.api.publish import IDEMPOTENCY_KEY
from hookferry.api.request_search import EXPORTS, HEADER, METHOD, VERDICTS
from hookferry.api.resources.deliveries import MAX_TEXT
from hookferry.api.resources.webhooks import MAX_STATS_HOURS
from hookferry.api.wire import PageSizes
from hookferry.automate.packages.library import library
from hookferry.catch.shares import PREFIX, SHARE_ID
from hookferry.domain.delivery import DeliveryState
from hookferry.domain.event import EventState
from hookferry.domain.run import RunExit
from hookferry.engine import tenants
from hookferry.engine.definition import MAX_URL
from hookferry.match import conditions, patterns
from hookferry.wire.copying import COPIES

Schema = dict[str, Any]


def whole(pattern: re.Pattern[str]) -> str:
    """Return a pattern of the code as JSON Schema has it: anchored at both ends."""
    return f"^(?:{pattern.pattern})$"


def id_schema(kind: str) -> Schema:
    """Return what the ids of a kind look like."""
    return {
        "type": "string",
        "pattern": f"^{kind}_[0-7][{ids.ALPHABET}]{{12}}$",
        "examples": [ids.encode(kind, 0)],
    }


TIME: Schema = {"type": "string", "format": "date-time"}
EVENT_TYPE: Schema = {
    "type": "string",
    "maxLength": patterns.MAX_LENGTH,
    "pattern": whole(patterns.TYPE),
    "examples": ["contact.created"],
}
EVENT_PATTERN: Schema = {
    "type": "string",
    "maxLength": patterns.MAX_LENGTH,
    "pattern": whole(patterns.PATTERN),
    "examples": ["contact.*"],
}
TENANT: Schema = {"type": "string", "pattern": whole(tenants.NAME), "examples": ["default"]}
ETAG: Schema = {"type": "string", "pattern": '^(?:"[0-9]{1,18}"|\\*)$', "examples": ['"3"']}
DELIVERY_STATES = tuple(state.name.lower() for state in DeliveryState)
EVENT_STATES = tuple(state.name.lower() for state in EventState)
SEARCHED: Schema = {"type": "string", "minLength": 1, "maxLength": MAX_TEXT}
SEARCHED_METHOD: Schema = {"type": "string", "pattern": whole(METHOD), "examples": ["POST"]}
SEARCHED_HEADER: Schema = {
    "type": "string",
    "pattern": whole(HEADER),
    "examples": ["x-github-event:push"],
}
_ONE_VERDICT = f"(?:{'|'.join(VERDICTS)})"
SEARCHED_VERDICT: Schema = {
    "type": "string",
    "pattern": f"^{_ONE_VERDICT}(?:,{_ONE_VERDICT})*$",
    "examples": ["quarantined,rejected"],
}
_ONE_STATE = f"(?:{'|'.join(DELIVERY_STATES)})"

IDEMPOTENCY: Schema = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "makes a repeat of the same call answer as the first did",
    "schema": {"type": "string", "pattern": whole(IDEMPOTENCY_KEY)},
}
"""On every POST."""
TRACE: tuple[Schema, ...] = (
    {
        "name": "traceparent",
        "in": "header",
        "required": False,
        "description": "W3C Trace Context, passed on with each delivery; ignored if malformed",
        "schema": {"type": "string"},
    },
    {
        "name": "tracestate",
        "in": "header",
        "required": False,
        "description": "W3C Trace Context, passed on with traceparent",
        "schema": {"type": "string"},
    },
)
"""On every publish."""


def table(pages: PageSizes) -> dict[str, Schema]:
    """Return the schemas of all parameters that have a rule, by name.

    Args:
        pages: how many items a page of a list has.
    """
    return {
        "tenant": TENANT,
        "limit": {
            "type": "integer",
            "minimum": 1,
            "maximum": pages.most,
            "default": pages.usual,
        },
        # Ten bytes in base64url: a version of two and a position of eight.
        "cursor": {"type": "string", "pattern": "^Yz[E-H][A-Za-z0-9_-]{11}$"},
        "after": TIME,
        "before": TIME,
        "hours": {
            "type": "integer",
            "minimum": 1,
            "maximum": MAX_STATS_HOURS,
            "default": 24,
        },
        "text": {"type": "string", "minLength": 1, "maxLength": MAX_TEXT},
        "status_code": {"type": "integer", "minimum": 100, "maximum": 999},
        "format": {"type": "string", "enum": ["csv", "ndjson"], "default": "ndjson"},
        "event": id_schema("evt"),
        "webhook": id_schema("wh"),
        "event_type": EVENT_TYPE,
        "events.type": EVENT_TYPE,
        "events.state": {"type": "string", "enum": list(EVENT_STATES)},
        "deliveries.state": {"type": "string", "pattern": f"^{_ONE_STATE}(?:,{_ONE_STATE})*$"},
        "event_id": id_schema("evt"),
        "webhook_id": id_schema("wh"),
        "delivery_id": id_schema("dlv"),
        "attempt_id": id_schema("att"),
        "key_id": id_schema("key"),
        "job_id": id_schema("job"),
        "credential_id": id_schema("cred"),
        "source_id": id_schema("src"),
        "automation_id": id_schema("auto"),
        "run_id": id_schema("run"),
        "timer_id": id_schema("tmr"),
        "automation": id_schema("auto"),
        "delivery": id_schema("dlv"),
        "exit": {"type": "string", "enum": [exit.value for exit in RunExit]},
        "share_id": {"type": "string", "pattern": whole(SHARE_ID), "examples": ["0" * 16]},
        "request_id": id_schema("req"),
        "other_id": id_schema("req"),
        "source": id_schema("src"),
        "duplicate_of": id_schema("req"),
        "verdict": SEARCHED_VERDICT,
        "method": SEARCHED_METHOD,
        "header": SEARCHED_HEADER,
        "reason": SEARCHED,
        "client": SEARCHED,
        "path": SEARCHED,
        "requests.key": SEARCHED,
        "requests.format": {"type": "string", "enum": list(EXPORTS), "default": "ndjson"},
        "where": {
            "type": "string",
            "maxLength": conditions.MAX_BYTES,
            "examples": ['{"path": "data.action", "op": "equals", "value": "opened"}'],
        },
        "as": {"type": "string", "enum": list(COPIES), "default": "curl"},
        "target_url": {"type": "string", "maxLength": MAX_URL, "format": "uri"},
        "streams.after": id_schema("req"),
        "Last-Event-ID": id_schema("req"),
        "token": {
            "type": "string",
            "pattern": f"^{PREFIX}[A-Za-z0-9_-]{{43}}$",
            "examples": [PREFIX + "0" * 43],
        },
        "tenants.name": TENANT,
        "package_id": id_schema("pkg"),
        "packages.name": {"type": "string", "enum": sorted(library())},
        "event_types.name": EVENT_TYPE,
        "If-Match": ETAG,
        # The dialect's own.
        "event_name": EVENT_TYPE,
        "$select": {"type": "string", "examples": ["WebhookId,Name"]},
        "statusFilter": {"type": "string", "examples": sorted(set(STATE_NAMES.values()))},
        "If-Unmodified-Since": {"type": "string", "examples": ["Sat, 31 Jan 2026 09:30:00 GMT"]},
    }
