"""Events that were caught, for the tests of what is read from their requests."""

from __future__ import annotations

from typing import Any

from hookferry.domain.event import EventMeta
from hookferry.domain.request import Caught
from hookferry.match.facts import Facts

from .events import encode

REQUEST_ID = 7


def caught(
    data: Any = None, query: bytes = b"", *, payload: bytes | None = None, **request: Any
) -> Facts:
    """A caught event with this data; ``headers`` as pairs of bytes."""
    made = Caught(request_id=REQUEST_ID, source_id=1, form="json", query=query, **request)
    return Facts("order.paid", encode(data) if payload is None else payload, EventMeta(caught=made))


def headers(**named: str) -> tuple[tuple[bytes, bytes], ...]:
    """Headers by their names, with underscores for dashes."""
    return tuple((n.replace("_", "-").encode(), v.encode("latin-1")) for n, v in named.items())
