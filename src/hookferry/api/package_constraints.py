"""What JSON Schema can say of packages beyond types: the part of ``constraints`` that is theirs.

As there, the rules are enforced where their numbers and patterns are read from.
"""

from __future__ import annotations

from typing import Any

from hookferry.api.parameters import Schema, id_schema
from hookferry.automate.packages import importing, manifest, prompts
from hookferry.automate.packages.kinds import CONTEXTS
from hookferry.automate.packages.library import library

_TYPE: Schema = {"enum": sorted(set(CONTEXTS.values()))}

SHOWN: dict[str, dict[str, Schema]] = {
    "PackageView": {"id": id_schema("pkg"), "version": {"minimum": 1}},
    "CameFromView": {"type": _TYPE},
    "MadeGroup": {"type": _TYPE},
    "MadeView": {
        "outcome": {"enum": [importing.CREATED, importing.UPDATED, importing.UNCHANGED]},
        "url": {"format": "uri"},
    },
    "PromptView": {"type": {"enum": ["text", "picklist", "chooser"]}},
    "LibraryView": {"name": {"enum": sorted(library())}},
}
"""What is known of the fields of answers."""

TAKEN: dict[str, dict[str, Schema]] = {
    "PackageImport": {
        "records": {"maxItems": manifest.MAX_RECORDS},
        "library": {"enum": sorted(library())},
        "prompts": {"maxProperties": prompts.MAX_PROMPTS},
    },
    "PackageExport": {
        "name": {"minLength": 1, "maxLength": manifest.MAX_NAME},
        "revision": {"minimum": 0, "maximum": manifest.MAX_REVISION},
        "records": {"minItems": 1, "maxItems": manifest.MAX_RECORDS},
    },
}

EXAMPLES: dict[str, list[Any]] = {
    "PackageImport": [
        {"library": "echo"},
        {"library": "hmac", "prompts": {"prompt_expires_in_secs": "60"}},
        {
            "package": {"name": "Example", "requires": {"cerb_version": "10.4.0"}},
            "records": [
                {
                    "uid": "automation_hello",
                    "_context": "automation",
                    "name": "example.hello",
                    "extension_id": "cerb.trigger.webhook.respond",
                    "script": "start:\n  return:\n    body: Hello!\n",
                }
            ],
        },
    ],
    "PackageExport": [{"name": "Example", "records": ["automation:example.hello"]}],
}
"""Bodies for each struct that is taken."""
