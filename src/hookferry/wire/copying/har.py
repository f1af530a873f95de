"""A caught request as an entry of an HTTP Archive (HAR 1.2).

What the format has no place for (whose request it was, what was said of it, that a body is in
base64) stands in members that begin with ``_``, as it provides for.
"""

from __future__ import annotations

import base64
import datetime as dt
from http import HTTPStatus
from typing import Any

import msgspec

from hookferry import ids
from hookferry.domain.request import CaughtRequest
from hookferry.wire.copying.captured import unquoted, url_text

_VERSION = "HTTP/1.1"
_OPAQUE = "application/octet-stream"
_encode = msgspec.json.Encoder().encode


def opening(version: str) -> bytes:
    """Return what stands before the entries of an archive.

    Args:
        version: of hookferry.
    """
    creator = _encode({"name": "hookferry", "version": version})
    return b'{"log":{"version":"1.2","creator":%b,"entries":[' % creator


CLOSING = b"]}}"
"""What stands behind the entries; between them stand commas."""


def entry(request: CaughtRequest, origin: str) -> bytes:
    """Return a request and its answer as an entry.

    Args:
        request: with its body, and with the headers and the query that may be shown.
        origin: scheme, host and port that it came to.
    """
    started = dt.datetime.fromtimestamp(request.received_at_ms / 1000, dt.UTC)
    asked: dict[str, Any] = {
        "method": request.method,
        "url": origin + url_text(request.path, request.query),
        "httpVersion": _VERSION,
        "cookies": [],
        "headers": [_named(n.decode("latin-1"), v.decode("latin-1")) for n, v in request.headers],
        "queryString": _query(request.query),
        "headersSize": -1,
        "bodySize": len(request.body),
    }
    if request.body:
        media = next(
            (v.decode("latin-1") for n, v in request.headers if n.lower() == b"content-type"),
            _OPAQUE,
        )
        asked["postData"] = {"mimeType": media, **_text(request.body, "_encoding")}
    return _encode(
        {
            "startedDateTime": started.isoformat(timespec="milliseconds"),
            "time": 0,
            "request": asked,
            "response": _answer(request),
            "cache": {},
            "timings": {"send": 0, "wait": 0, "receive": 0},
            "_id": ids.encode("req", request.id),
            "_client": request.client,
            "_verdict": request.verdict.label,
            "_reason": request.reason,
        }
    )


def _answer(request: CaughtRequest) -> dict[str, Any]:
    """Return the answer given; status 0 is HAR's custom for none that is known."""
    try:
        phrase = HTTPStatus(request.status).phrase
    except ValueError:
        phrase = ""
    media = next((v for n, v in request.answer_headers if n.lower() == "content-type"), "")
    size = len(request.answer_body)
    return {
        "status": request.status,
        "statusText": phrase,
        "httpVersion": _VERSION,
        "cookies": [],
        "headers": [_named(name, value) for name, value in request.answer_headers],
        "content": {"size": size, "mimeType": media, **_text(request.answer_body, "encoding")},
        "redirectURL": "",
        "headersSize": -1,
        "bodySize": size,
    }


def _named(name: str, value: str) -> dict[str, str]:
    return {"name": name, "value": value}


def _query(query: bytes) -> list[dict[str, str]]:
    pairs = (part.partition(b"=")[::2] for part in query.split(b"&") if part)
    return [_named(unquoted(name), unquoted(value)) for name, value in pairs]


def _text(data: bytes, encoding: str) -> dict[str, str]:
    """Return a body's members; ``encoding`` names the one that says that it is base64."""
    try:
        return {"text": data.decode()}
    except UnicodeDecodeError:
        return {"text": base64.b64encode(data).decode(), encoding: "base64"}
