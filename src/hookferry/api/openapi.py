"""OpenAPI 3.1 from the structs that are served: ``/openapi.json`` and the page at ``/docs``.

The framework describes addresses, parameters and answers; request bodies, which the doors decode
themselves, the hot publish route and the problem document are added from the same structs.
"""

from __future__ import annotations

import html
from typing import Any

import msgspec
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme
from litestar.routes import HTTPRoute

from hookferry import __version__
from hookferry.api.problems import CONTENT_TYPE, catalogue
from hookferry.api.resources.events import ReceiptView
from hookferry.engine.publication import Publication

CONFIG = OpenAPIConfig(
    title="hookferry",
    version=__version__,
    description="Self-hosted webhooks: send, catch, automate. Every problem carries a stable code.",
    security=[{"api_key": []}],
    components=Components(
        security_schemes={"api_key": SecurityScheme(type="http", scheme="bearer")}
    ),
)
_REF = "#/components/schemas/{name}"


class Problem(msgspec.Struct):
    """An RFC 9457 problem document; further members may follow."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    field: str | None = None


def describe(app: Litestar) -> dict[str, Any]:
    """Return the OpenAPI document of an application (never served itself) as plain values.

    Args:
        app: made with ``CONFIG``.
    """
    document: dict[str, Any] = app.openapi_schema.to_schema()
    document["openapi"] = "3.1.0"
    bodies = _bodies(app)
    kinds = {kind for body in bodies for kind in body.kinds.values()}
    structs = list(kinds | {Publication, ReceiptView, Problem})
    shapes, components = msgspec.json.schema_components(structs, ref_template=_REF)
    shape_of = dict(zip(structs, shapes, strict=True))
    for body in bodies:
        operation = document["paths"][body.path][body.method]
        content = {media: {"schema": shape_of[kind]} for media, kind in body.kinds.items()}
        operation["requestBody"] = {"required": body.required, "content": content}
    document["paths"].setdefault("/api/v1/events", {})["post"] = _publish_operation(
        shape_of[Publication], shape_of[ReceiptView]
    )
    document.setdefault("components", {}).setdefault("schemas", {}).update(components)
    problem = {"description": "Problem", "content": {CONTENT_TYPE: {"schema": shape_of[Problem]}}}
    for item in document["paths"].values():
        for operation in item.values():
            answers = operation.setdefault("responses", {})
            answers.pop("400", None)  # the framework's own shape of errors is never sent
            answers["default"] = problem
    return document


class _Body(msgspec.Struct):
    """The body that an address takes, from its handler's ``opt``.

    ``body`` is its type, or types by media type; ``partial`` marks a merge patch of that type,
    ``optional`` a body that may be left out.
    """

    path: str
    method: str
    kinds: dict[str, Any]
    required: bool


def _bodies(app: Litestar) -> list[_Body]:
    found = []
    for route in app.routes:
        if not isinstance(route, HTTPRoute):
            continue
        for method, (handler, _) in route.route_handler_map.items():
            if (
                not isinstance(handler, HTTPRouteHandler)
                or "body" not in handler.opt
                or not handler.resolve_include_in_schema()
            ):
                continue
            kinds = handler.opt["body"]
            if not isinstance(kinds, dict):
                partial = handler.opt.get("partial")
                kinds = {"application/merge-patch+json" if partial else "application/json": kinds}
            required = not handler.opt.get("optional")
            found.append(_Body(route.path_format, method.lower(), kinds, required))
    return found


def _publish_operation(publication: Any, receipt: Any) -> dict[str, Any]:
    return {
        "summary": "Publish one event; answered after it is durable",
        "operationId": "publish_event",
        "tags": ["events"],
        "parameters": [
            {"name": "tenant", "in": "query", "schema": {"type": "string"}, "required": False},
            {
                "name": "Idempotency-Key",
                "in": "header",
                "schema": {"type": "string", "maxLength": 255},
                "required": False,
            },
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": publication}},
        },
        "responses": {
            "202": {
                "description": "The event is stored and its deliveries are on their way",
                "content": {"application/json": {"schema": receipt}},
            }
        },
    }


_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}
table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #8885;padding:.3rem .6rem;
text-align:left;vertical-align:top}code{font-family:ui-monospace,monospace}
"""


def docs_page(document: dict[str, Any]) -> str:
    """Return a page that lists every address and every error code; no script, no other asset."""
    rows = []
    for path, item in sorted(document["paths"].items()):
        for method, operation in item.items():
            summary = html.escape(str(operation.get("summary", "")))
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
