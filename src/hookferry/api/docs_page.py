"""The page at ``/docs``: every address and every error code; no script, no other asset."""

from __future__ import annotations

import html
from typing import Any

from hookferry import __version__
from hookferry.api.problems import catalogue

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}
table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #8885;padding:.3rem .6rem;
text-align:left;vertical-align:top}code{font-family:ui-monospace,monospace}
"""


def docs_page(document: dict[str, Any]) -> str:
    """Return the page.

    Args:
        document: the OpenAPI document.
    """
    rows = []
    for path, item in sorted(document["paths"].items()):
        for method, operation in item.items():
            if method == "head":
                continue  # as GET
            summary = html.escape(str(operation["summary"]))
            rows.append(
                f"<tr><td><code>{method.upper()}</code></td><td><code>{html.escape(path)}</code>"
                f"</td><td>{summary}</td></tr>"
            )
    codes = [
        f'<tr id="{code}"><td><code>{code}</code></td><td>{status}</td>'
        f"<td>{html.escape(meaning)}</td></tr>"
        for code, status, meaning in catalogue()
    ]
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>hookferry API</title>"
        '<meta name=viewport content="width=device-width,initial-scale=1">'
        f"<style>{_STYLE}</style><h1>hookferry API {html.escape(__version__)}</h1>"
        '<p>Machine-readable: <a href="/openapi.json">/openapi.json</a> (OpenAPI 3.1). Send '
        "<code>Authorization: Bearer hf_...</code> with every call under <code>/api/v1</code>.</p>"
        "<h2>Addresses</h2><table><tr><th>Method<th>Path<th>What it does</tr>"
        + "".join(rows)
        + "</table><h2>Problem codes</h2><table><tr><th>code<th>Status<th>Meaning</tr>"
        + "".join(codes)
        + "</table></html>"
    )
