"""Requests as providers send them, and what a source answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from hookferry.wire.greetings import Greeting, greet
from hookferry.wire.inbound.received import Received


def request(
    method: str = "POST",
    query: str | bytes = b"",
    body: Any = b"",
    **headers: str,
) -> Received:
    """A request; header names with underscores for dashes, a body that is no bytes as JSON."""
    raw = query.encode() if isinstance(query, str) else query
    return Received(
        method=method,
        url="https://hooks.example.com/webhooks/guid",
        path=b"/webhooks/guid",
        query=raw,
        headers=[(name.replace("_", "-").encode(), v.encode()) for name, v in headers.items()],
        body=body if isinstance(body, bytes) else msgspec.json.encode(body),
    )


def yes() -> bool:
    return True


def no() -> bool:
    return False


def unasked() -> bool:
    raise AssertionError("whether it is genuine does not matter here")


def greeted(
    name: str,
    asked: Received,
    *,
    secrets: tuple[str, ...] = (),
    genuine: Callable[[], bool] = unasked,
    token: str | None = None,
    per_minute: int | None = None,
) -> Greeting | None:
    """What a source with one handshake answers."""
    return greet(
        (name,), asked, secrets=secrets, genuine=genuine, token=token, per_minute=per_minute
    )


def answer(name: str, asked: Received, **terms: Any) -> Greeting:
    """As ``greeted``, for a request that has to be one."""
    greeting = greeted(name, asked, **terms)
    assert greeting is not None, "it was not taken as a greeting"
    assert greeting.name == name
    return greeting


def is_plain(greeting: Greeting, text: str) -> bool:
    """Whether it repeats a text in a way that no browser takes for a page."""
    headers = dict(greeting.headers)
    return (
        greeting.status == 200
        and greeting.reason is None
        and greeting.body.decode() == text
        and headers["content-type"] == "text/plain; charset=utf-8"
        and headers["x-content-type-options"] == "nosniff"
    )


def members(greeting: Greeting) -> Any:
    """The JSON that it answers with, in a way that no browser takes for a page."""
    headers = dict(greeting.headers)
    assert (greeting.status, greeting.reason) == (200, None)
    assert headers["content-type"] == "application/json"
    assert headers["x-content-type-options"] == "nosniff"
    return msgspec.json.decode(greeting.body)
