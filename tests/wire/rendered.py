"""Requests as the engine renders them, for the tests of profiles."""

from __future__ import annotations

from typing import Any

import msgspec

from hookferry.domain.event import Event, EventMeta
from hookferry.domain.tenant import Tenant
from hookferry.domain.webhook import Webhook
from hookferry.wire.profiles.base import Profile, Rendering

ORIGIN = "https://hooks.example.com"
TENANT = Tenant(id=1, name="Cust54321")
WEBHOOK = Webhook(
    id=9,
    tenant_id=1,
    number=66,
    name="Tonys Contact Handler",
    target_url="https://x.example/",
    events=("*",),
)
AT_MS = 1_522_916_881_573
"""2018-04-05T08:28:01.573Z"""
EVENT_ID = 0x0123_4567_89AB_CDEF


def event(type_: str, payload: bytes = b"null", *, id: int = EVENT_ID, **meta: Any) -> Event:
    return Event(id, 1, type_, payload, AT_MS, meta=EventMeta(**meta))


def rendering(profile: Profile, tenant: Tenant = TENANT, **changes: Any) -> Rendering:
    return profile.rendering(msgspec.structs.replace(WEBHOOK, **changes), tenant, ORIGIN)


def sent(
    profile: Profile,
    what: Event,
    secrets: list[str],
    *,
    now_s: int = AT_MS // 1000,
    attempt: int = 1,
    **changes: Any,
) -> tuple[bytes, dict[str, str]]:
    """Render a request; return body and headers as a receiver sees them, names in lower case."""
    how, event_id = rendering(profile, **changes), f"evt_{what.id}"
    body = how.body(what, event_id)
    keys = [profile.prepare_secret(secret) for secret in secrets]
    lines = how.headers(what, event_id, body, keys, now_s, attempt).decode("ascii")
    assert not lines or lines.endswith("\r\n")
    pairs = [line.split(": ", 1) for line in lines.split("\r\n")[:-1]]
    headers = {name.lower(): value for name, value in pairs}
    assert len(headers) == len(pairs)
    written = {name for name in headers if not name.startswith("webhook-request-")}
    assert all(name.startswith(profile.own_headers) for name in written)
    return body, headers
