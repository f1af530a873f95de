"""What JSON Schema can say of automations and timers beyond types: the part of ``constraints`` that
is theirs.

As there, the rules are enforced where their numbers and patterns are read from.
"""

from __future__ import annotations

from typing import Any

from hookferry.api.parameters import EVENT_PATTERN, EVENT_TYPE, Schema, id_schema, whole
from hookferry.api.resources.runs import EXITS
from hookferry.automate import automations, schedule, switches, timers
from hookferry.domain.automation_names import NAME
from hookferry.domain.webhook import Mode, WebhookState
from hookferry.engine import definition
from hookferry.engine.definition import MAX_TEXT

_NAME: Schema = {"pattern": whole(NAME)}
_TRIGGER: Schema = {"enum": list(automations.TRIGGERS)}
_SCRIPT: Schema = {"maxLength": automations.MAX_SCRIPT}
_COUNT: Schema = {"minimum": 0}
_AUTOMATION: dict[str, Schema] = {
    "id": id_schema("auto"),
    "name": _NAME,
    "extension_id": _TRIGGER,
    "version": {"minimum": 1},
}
_RUN: dict[str, Schema] = {
    "id": id_schema("run"),
    "automation_id": id_schema("auto"),
    "event": id_schema("evt"),
    "delivery": id_schema("dlv"),
    "source": id_schema("src"),
    "exit": {"enum": list(EXITS)},
    "steps_used": _COUNT,
}

SHOWN: dict[str, dict[str, Schema]] = {
    "AutomationItem": _AUTOMATION,
    "AutomationView": _AUTOMATION,
    "RunItem": _RUN,
    "RunView": _RUN | {"log_dropped": _COUNT, "steps_dropped": _COUNT},
    "TimerView": {
        "id": id_schema("tmr"),
        "event_type": EVENT_TYPE,
        "last_event": id_schema("evt"),
        "version": {"minimum": 1},
    },
    "FiredView": {"event": id_schema("evt")},
    "AutomationEventView": {
        "id": id_schema("wh"),
        "mode": {"enum": [mode.value for mode in Mode]},
        "state": {"enum": [state.label for state in WebhookState]},
        "version": {"minimum": 1},
    },
    "PluginView": {"kind": {"enum": list(switches.KINDS)}},
}
"""What is known of the fields of answers."""

TAKEN: dict[str, dict[str, Schema]] = {
    "AutomationDefinition": {
        "name": _NAME,
        "extension_id": _TRIGGER,
        "description": {"maxLength": MAX_TEXT},
        "script": _SCRIPT,
        "policy_kata": _SCRIPT,
    },
    "TimerDefinition": {
        "name": {"pattern": whole(timers.NAME)},
        "cron": {"maxLength": schedule.MAX_CRON, "examples": ["*/15 8-18 * * MON-FRI"]},
        "timezone": {"minLength": 1, "examples": ["Europe/Berlin"]},
        "description": {"maxLength": MAX_TEXT},
        "inputs": {"propertyNames": {"pattern": whole(timers.INPUT)}},
        "event_type": EVENT_TYPE,
    },
    "AutomationEventDefinition": {
        "name": {"minLength": 1, "maxLength": 100},
        "events": {
            "minItems": 1,
            "maxItems": definition.MAX_PATTERNS,
            "uniqueItems": True,
            "items": EVENT_PATTERN,
        },
        "automations_kata": {"minLength": 1},
        "description": {"maxLength": MAX_TEXT},
    },
}
"""What is added to the schemas of the structs that are taken."""

_SCRIPT_EXAMPLE = (
    "start:\n  return:\n    status_code: 200\n    body: Hello, {{request_params.name}}!\n"
)
EXAMPLES: dict[str, list[Any]] = {
    "AutomationDefinition": [
        {
            "name": "example.hello",
            "extension_id": automations.ON_REQUEST,
            "description": "Greets whoever asks.",
            "script": _SCRIPT_EXAMPLE,
        }
    ],
    "TimerDefinition": [
        {"name": "nightly", "cron": "0 3 * * *", "event_type": "night.began", "data": {"a": 1}}
    ],
    "AutomationEventDefinition": [
        {
            "name": "greet",
            "events": ["contact.created"],
            "automations_kata": "automation/hello:\n  uri: cerb:automation:example.hello\n",
        }
    ],
}
"""Bodies for each struct that is taken."""
NULL_IS_DEFAULT = ("AutomationDefinition", "TimerDefinition", "AutomationEventDefinition")
"""Structs that are read like a merge patch of nothing also when they are created."""
PATCH_EXAMPLES: dict[str, Any] = {
    "AutomationDefinition": {"description": "Greets."},
    "TimerDefinition": {"enabled": False},
    "AutomationEventDefinition": {"description": "Greets newcomers."},
}
