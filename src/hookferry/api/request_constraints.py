"""What JSON Schema can say of caught requests beyond types: the part of ``constraints`` that is
theirs.

As there, the rules are enforced where their numbers and patterns are read from.
"""

from __future__ import annotations

from typing import Any

from hookferry.api.parameters import (
    SEARCHED,
    SEARCHED_HEADER,
    SEARCHED_METHOD,
    SEARCHED_VERDICT,
    TIME,
    Schema,
    id_schema,
)
from hookferry.api.request_search import VERDICTS
from hookferry.api.resources.requests import MAX_REPLAYS
from hookferry.catch.replies import MAX_BODY
from hookferry.engine.definition import MAX_URL
from hookferry.wire.verification import Reason

_COUNT: Schema = {"minimum": 0}
_VERDICT: Schema = {"enum": list(VERDICTS)}
_BASE64: Schema = {"contentEncoding": "base64"}
_ITEM: dict[str, Schema] = {
    "id": id_schema("req"),
    "source": id_schema("src"),
    "verdict": _VERDICT,
    "status": {"minimum": 100, "maximum": 999},
    "event": id_schema("evt"),
    "duplicate_of": id_schema("req"),
    "replay_of": id_schema("req"),
}

SHOWN: dict[str, dict[str, Schema]] = {
    "CaughtItem": _ITEM,
    "CaughtView": _ITEM | {"body_size": _COUNT, "body_base64": _BASE64},
    "HeaderView": {"base64": _BASE64},
    "StreamedRequest": {
        "id": id_schema("req"),
        "verdict": _VERDICT,
        "replay_of": id_schema("req"),
        "body": _BASE64,
    },
    "RequestEvent": {
        "id": id_schema("req"),
        "data": {
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": "#/components/schemas/StreamedRequest"},
        },
    },
    "TrialView": {"signed_base64": _BASE64},
    "ExplanationView": {"reason": {"enum": [reason.value for reason in Reason]}},
    "ReplayView": {
        "request": id_schema("req"),
        "made": id_schema("req"),
        "verdict": _VERDICT,
        "event": id_schema("evt"),
    },
    "BodyComparison": {"offset": _COUNT},
}
"""What is known of the fields of answers."""
_REPLAY: dict[str, Schema] = {"target_url": {"maxLength": MAX_URL, "format": "uri"}}
TAKEN: dict[str, dict[str, Schema]] = {
    "RequestReplay": _REPLAY,
    "CallersAnswer": {
        "status": {"minimum": 200, "maximum": 599},
        "body": _BASE64 | {"maxLength": 4 * -(-MAX_BODY // 3)},
    },
    "ManyReplays": _REPLAY | {"limit": {"minimum": 1, "maximum": MAX_REPLAYS}},
    "RequestSearch": {
        "source": id_schema("src"),
        "verdict": SEARCHED_VERDICT,
        "method": SEARCHED_METHOD,
        "header": SEARCHED_HEADER,
        "status_code": {"minimum": 100, "maximum": 999},
        "duplicate_of": id_schema("req"),
        "reason": SEARCHED,
        "client": SEARCHED,
        "key": SEARCHED,
        "path": SEARCHED,
        "text": SEARCHED,
        "after": TIME,
        "before": TIME,
    },
}
"""And of those of bodies."""
EXAMPLES: dict[str, list[Any]] = {
    "RequestReplay": [{"to": "pipeline"}, {"to": "url", "target_url": "https://crm.example/hooks"}],
    "CallersAnswer": [
        {"status": 200, "headers": [["content-type", "application/json"]], "body": "e30="}
    ],
    "ManyReplays": [{"to": "pipeline", "filter": {"verdict": "filtered"}, "limit": 10}],
    "RequestSearch": [
        {"where": {"path": "data.action", "op": "equals", "value": "opened"}, "method": "POST"}
    ],
}
