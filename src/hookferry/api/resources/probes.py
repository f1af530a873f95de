"""Addresses for operators and tools: health, metrics, the description of the API."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Response, Router, get

from hookferry.api.docs_page import docs_page
from hookferry.api.framework import Answer
from hookferry.api.services import Services
from hookferry.errors import Draining

METRICS_TYPE = "text/plain; version=0.0.4"  # the framework adds the charset to text


class Health(msgspec.Struct):
    """That it is alive, or ready."""

    status: str


def probe_router(s: Services, describe: Callable[[], dict[str, Any]]) -> Router:
    """Return the addresses at the root.

    Args:
        s: what is probed.
        describe: returns the OpenAPI document.
    """

    @get("/healthz", summary="Alive")
    async def healthz() -> Health:
        return Health("alive")

    @get("/readyz", summary="Ready: the ledger can be read, and the server is not draining")
    async def readyz() -> Health:
        if s.draining():
            raise Draining("the server is shutting down", retry_after=5)
        await s.store.ping()
        return Health("ready")

    @get(
        "/metrics",
        summary="Metrics for Prometheus",
        opt={"answers": [Answer(200, str, METRICS_TYPE.partition(";")[0])]},
    )
    async def metrics() -> Response[bytes]:
        return Response(s.render_metrics(), media_type=METRICS_TYPE)

    @get(
        "/openapi.json",
        summary="This document",
        opt={"answers": [Answer(200, dict[str, Any])]},
    )
    async def openapi() -> Response[bytes]:
        return Response(msgspec.json.encode(describe()), media_type="application/json")

    @get(
        "/docs",
        summary="Every address and every code of a problem, as a page",
        opt={"answers": [Answer(200, str, "text/html")]},
    )
    async def docs() -> Response[str]:
        page = docs_page(describe())
        return Response(
            page,
            media_type="text/html",
            headers={"content-security-policy": page_policy(page)},
        )

    return Router(
        "/",
        route_handlers=[healthz, readyz, metrics, openapi, docs],
        opt={"public": True},
        tags=["probes"],
    )


def page_policy(page: str) -> str:
    """Return a content security policy that allows a page's own style element and nothing else."""
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = hashlib.sha256((style.group(1) if style else "").encode()).digest()
    return (
        f"default-src 'none'; style-src 'sha256-{base64.b64encode(digest).decode()}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
