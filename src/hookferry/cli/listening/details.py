"""Everything about one request and its answer, for a person: headers, bodies made readable."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from typing import Final

from rich.console import Group
from rich.text import Text

from hookferry.cli.listening.relay import Entry
from hookferry.cli.terminal import safe

SHOWN: Final = 8_000
"""Characters of a body that are shown."""
LINES: Final = 200
"""And lines of it."""
HEADER: Final = 400
"""Characters of a header's value that are shown."""


def details(entry: Entry) -> Group:
    """Return what is shown of a request and of what it was answered."""
    request, result = entry.request, entry.forwarded
    target = (request.path or "/") + (f"?{request.query}" if request.query else "")
    parts = [
        Text(f"── {request.id} ──", "bold cyan"),
        Text(f"{safe(request.method, 20)} {safe(target, 2_000)}", "bold"),
        *_headers(request.headers),
        *_body(request.body),
    ]
    if result is not None and result.status is None:
        parts.append(Text(f"no answer: {result.error}: {safe(result.detail or '')}", "bold red"))
    elif result is not None:
        parts.append(Text(f"answered {result.status}", "bold"))
        parts += _headers(result.headers)
        parts += _body(result.body)
        if result.truncated:
            parts.append(Text("(the answer was longer)", "dim"))
    parts.append(Text(""))
    return Group(*parts)


def _headers(headers: Iterable[tuple[str, str]]) -> list[Text]:
    return [
        Text.assemble((f"{safe(name, 100)}: ", "dim"), safe(value, HEADER))
        for name, value in headers
    ]


def _body(body: bytes) -> list[Text]:
    if not body:
        return []
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return [Text(f"({len(body):,} bytes that are no text: {body[:32].hex(' ')} ...)", "dim")]
    with contextlib.suppress(ValueError, RecursionError):  # not JSON: as it is
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    lines = text[:SHOWN].splitlines()
    shown = [Text(safe(line.expandtabs(4), SHOWN)) for line in lines[:LINES]]
    if len(text) > SHOWN or len(lines) > LINES:
        shown.append(Text(f"(... {len(body):,} bytes in all)", "dim"))
    return [Text(""), *shown, Text("")]
