"""What JSON Schema can say of sources beyond types: the part of ``constraints`` that is theirs.

As there, the rules are enforced where their numbers and patterns are read from.
"""

from __future__ import annotations

from typing import Any

from hookferry.api.parameters import Schema, id_schema, whole
from hookferry.catch import answer_rules, definition, shares
from hookferry.domain.request import Verdict
from hookferry.engine.definition import MAX_TEXT, MAX_URL
from hookferry.engine.webhook_secrets import MAX_OVERLAP
from hookferry.kata.parser import MAX_BYTES
from hookferry.wire.greetings import GREETINGS
from hookferry.wire.inbound.presets import PRESETS

_OVERLAP: Schema = {"minimum": 0, "maximum": MAX_OVERLAP}
_GUID: Schema = {"pattern": whole(definition.GUID)}
_STATUS: Schema = {
    "anyOf": [{"minimum": 200, "maximum": 299}, {"minimum": 400, "maximum": 599}],
}
_VERDICTS: Schema = {"enum": [verdict.label for verdict in Verdict]}
_REPLY: dict[str, Schema] = {
    "status": _STATUS,
    "body": {"maxLength": answer_rules.MAX_BODY},
    "headers": {"maxProperties": answer_rules.MAX_HEADERS},
}

SHOWN: dict[str, dict[str, Schema]] = {
    "SourceView": {"id": id_schema("src"), "guid": _GUID, "version": {"minimum": 1}},
    "FormerAddressView": {"guid": _GUID},
    "SourceStats": {"requests": {"propertyNames": _VERDICTS}},
    "PresetView": {"name": {"enum": sorted(PRESETS)}},
}
"""What is known of the fields of answers."""


def table(limits: definition.SourceLimits) -> dict[str, dict[str, Schema]]:
    """Return what is added to the fields of each struct's schema, by its name and theirs.

    Args:
        limits: what the operator set.
    """
    d = definition
    return {
        "SourceDefinition": {
            "name": {"pattern": whole(d.NAME)},
            "guid": _GUID,
            "description": {"maxLength": MAX_TEXT},
            "methods": {
                "maxItems": d.MAX_METHODS,
                "uniqueItems": True,
                "items": {"type": "string", "pattern": whole(d.METHOD)},
            },
            "allow_ips": {"maxItems": d.MAX_ALLOW_IPS, "uniqueItems": True},
            "max_body": {"minimum": 1, "maximum": limits.caught_limit},
            "handshakes": {
                "uniqueItems": True,
                "items": {"type": "string", "enum": sorted(GREETINGS)},
            },
            "verify_token": {"minLength": 1, "maxLength": d.MAX_VERIFY_TOKEN},
            "window": {"minimum": d.MIN_WINDOW, "maximum": d.MAX_WINDOW},
            "automations_kata": {"maxLength": MAX_BYTES},
            "refuse_status": _STATUS,
            "cors": {
                "maxItems": d.MAX_ORIGINS,
                "uniqueItems": True,
                "items": {
                    "anyOf": [
                        {"const": "*"},
                        {"type": "string", "pattern": whole(d.ORIGIN)},
                    ]
                },
            },
            "public_url": {"maxLength": MAX_URL, "format": "uri"},
            "retention_days": {"minimum": d.MIN_RETENTION, "maximum": limits.retention_days},
            "keep": {"minimum": 1, "maximum": d.MAX_KEEP},
            "silent_after": {"minimum": d.MIN_SILENT, "maximum": d.MAX_SILENT},
        },
        "Respond": _REPLY
        | {
            "deadline": {
                "minimum": answer_rules.MIN_DEADLINE,
                "maximum": answer_rules.MAX_DEADLINE,
            }
        },
        "Reply": _REPLY,
        "AddressRotation": {"guid": _GUID, "overlap": _OVERLAP},
        "NewSourceSecret": {"overlap": _OVERLAP},
        "NewShare": {"days": {"minimum": shares.MIN_DAYS, "maximum": shares.MAX_DAYS}},
        **SHOWN,
    }


EXAMPLES: dict[str, list[Any]] = {
    "SourceDefinition": [
        {
            "name": "GitHub of the shop",
            "verify": {"preset": "github", "secret": "It's a Secret to Everybody"},
        },
        {"bin": True},
        {
            "name": "partner",
            "methods": ["POST"],
            "allow_ips": ["203.0.113.0/24", "2001:db8::7"],
            "verify": {
                "signature": "header:X-Signature",
                "signed": "{body}",
                "secret": "correct horse battery staple",
            },
            "deduplicate": {"json_path": "id"},
            "event_type": "partner.called",
            "respond": {"status": 200, "body": "thanks"},
        },
        {
            "name": "slash commands",
            "automations_kata": (
                "automation/answer:\n  uri: cerb:automation:example.webhook.respond\n"
            ),
        },
    ],
    "AddressRotation": [{"overlap": 3600}],
    "NewSourceSecret": [{"secret": "correct horse battery staple", "overlap": 3600}],
    "NewShare": [{"days": 1}],
}
"""Bodies for each struct that is taken."""
NULL_IS_DEFAULT = ("SourceDefinition", "Respond", "Reply")
"""Structs that are read like a merge patch of nothing also when they are created."""
PATCH_EXAMPLES: dict[str, Any] = {
    "SourceDefinition": {"maintenance": True, "description": "Of the shop."}
}
