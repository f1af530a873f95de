"""The row ``features``: what a profile, a condition or a schema costs, against doing without."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.server import Server
from bench.windows import Bench, median

CONDITION = {
    "all": [
        {"path": "data.customer.tier", "op": "equals", "value": "b"},
        {"path": "data.customer.id", "op": "greater", "value": 100},
    ]
}
SCHEMA = {
    "type": "object",
    "required": ["t", "customer"],
    "properties": {
        "t": {"type": "string", "maxLength": 19},
        "customer": {
            "type": "object",
            "properties": {"id": {"type": "integer"}, "tier": {"enum": ["a", "b", "c"]}},
        },
        "lines": {"type": "array", "items": {"type": "string"}},
    },
}


def _superoffice(server: Server) -> dict[str, Any]:
    return {"profile": "superoffice", "properties": {"Region": "north"}}


def _hornbill(server: Server) -> dict[str, Any]:
    server.call(
        "POST",
        "/api/v1/credentials",
        {"name": "bench", "kind": "basic", "username": "bench", "password": "bench"},
    )
    return {
        "profile": "hornbill",
        "payload_format": "xml",
        "credential": "bench",
        "secret": None,
    }


def _cloudevents(server: Server) -> dict[str, Any]:
    return {"profile": "cloudevents", "payload_format": "binary", "handshake": False}


def _condition(server: Server) -> dict[str, Any]:
    return {"condition": CONDITION}


def _schema(webhooks: int) -> Callable[[Server], dict[str, Any]]:
    def register(server: Server) -> dict[str, Any]:
        for number in range(webhooks):
            server.call("PUT", f"/api/v1/event_types/bench.{number}", {"schema": SCHEMA})
        return {}

    return register


def features(webhooks: int) -> dict[str, tuple[str, Callable[[Server], dict[str, Any]]]]:
    """Return, by a server's name, what is in use there and how it is set up.

    Args:
        webhooks: how many webhooks each server has.
    """
    return {
        "superoffice": ("profile superoffice, properties", _superoffice),
        "hornbill": ("profile hornbill, XML, Basic", _hornbill),
        "cloudevents": ("profile cloudevents, binary", _cloudevents),
        "condition": ("a condition of two leaves", _condition),
        "schema": ("a JSON Schema, enforced", _schema(webhooks)),
    }


def subscribed(bench: Bench, name: str, folder: Path, webhooks: int, setup: Any) -> Server:
    """Start a server whose webhooks all use one feature."""
    server = Server(name, folder / name)
    fields = setup(server)
    for number in range(webhooks):
        server.subscribe(number, bench.good_url(server), **fields)
    bench.connect(server, webhooks)
    return server


def extra(with_feature: list[float], without: list[float]) -> float:
    """Return what a feature adds, window by window."""
    return median([one - other for one, other in zip(with_feature, without, strict=True)])
