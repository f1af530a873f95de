"""Rendering: from an event and a webhook to the bytes of a request.

Everything that does not change from one request to the next is rendered once per version of the
webhook (``Plan``); a request then costs a body, a signature and one concatenation.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from hookferry import __version__
from hookferry.domain.event import Event
from hookferry.domain.webhook import Webhook
from hookferry.engine.masking import MASK, is_credential
from hookferry.engine.retry import Policy
from hookferry.engine.sealing import CLIENT_CERTIFICATE_FIELD, PROXY_FIELD, SECRET_FIELD
from hookferry.ids import encode
from hookferry.transport.port import Target
from hookferry.transport.target import parse_target
from hookferry.wire.profiles import profile_named
from hookferry.wire.profiles.base import Profile


class Unseal(Protocol):
    """Opens a sealed value (``hookferry.engine.sealing.Sealer.unseal``)."""

    def __call__(self, sealed: bytes, *, row: int, field: str) -> bytes:
        """Return the plain value; raises UnsealFailed."""
        ...


USER_AGENT = f"hookferry/{__version__}".encode()


class Carrier:
    """An event in memory with its rendered body, shared by the lanes it fans out to."""

    __slots__ = ("_body", "_rendered_by", "event", "text_id")

    def __init__(self, event: Event) -> None:
        self.event = event
        self.text_id = encode("evt", event.id)
        self._rendered_by: Profile | None = None
        self._body = b""

    def body(self, profile: Profile) -> bytes:
        """Return the body under a profile; the last profile's is kept."""
        if self._rendered_by is not profile:
            self._body = profile.body(self.event)
            self._rendered_by = profile
        return self._body


class PreparedSecret(msgspec.Struct, frozen=True):
    """A signing key ready for the hot path."""

    key: object
    expires_at_ms: int | None


class Plan:
    """A webhook version, ready to send.

    Args:
        webhook: the definition.
        unseal: opens its secrets.
        default_timeout: seconds of an attempt where the webhook does not say.

    Raises:
        UnsealFailed: a secret can't be opened with the master key.
    """

    __slots__ = (
        "_head",
        "_logged_head",
        "_secrets",
        "_signing",
        "_until_ms",
        "policy",
        "profile",
        "target",
        "timeout",
    )

    def __init__(self, webhook: Webhook, unseal: Unseal, default_timeout: float) -> None:
        profile = self.profile = profile_named(webhook.profile)
        self.target, path = target_of(webhook, unseal)
        self.timeout = webhook.timeout or default_timeout
        self.policy = policy_of(webhook, profile)
        self._secrets = tuple(
            PreparedSecret(
                profile.prepare_secret(
                    unseal(s.sealed, row=webhook.id, field=SECRET_FIELD).decode()
                ),
                s.expires_at_ms,
            )
            for s in webhook.secrets
        )
        self._signing: tuple[object, ...] = ()
        self._until_ms = -1
        self._head, self._logged_head = _static_head(webhook, self.target, path, profile)

    def signing(self, now_ms: int) -> tuple[object, ...]:
        """Return the keys that sign now, newest first (wall-clock Unix milliseconds)."""
        if now_ms >= self._until_ms:
            live = [s for s in self._secrets if s.expires_at_ms is None or s.expires_at_ms > now_ms]
            ends = [s.expires_at_ms for s in live if s.expires_at_ms is not None]
            self._signing = tuple(s.key for s in live)
            self._until_ms = min(ends, default=2**62)
        return self._signing

    def render(self, carrier: Carrier, now_ms: int, attempt: int) -> tuple[bytes, bytes, bytes]:
        """Return (head, head as it may be logged, body) of one request."""
        profile = self.profile
        body = carrier.body(profile)
        rest = b"Content-Length: %d\r\n%b\r\n" % (
            len(body),
            profile.headers(carrier.text_id, body, self.signing(now_ms), now_ms // 1000, attempt),
        )
        head = self._head + rest
        logged = head if self._logged_head is self._head else self._logged_head + rest
        return head, logged, body


def policy_of(webhook: Webhook, profile: Profile) -> Policy:
    """Fill a webhook's failure rules up with its profile's defaults."""
    window = profile.failure_window if webhook.failure_window is None else webhook.failure_window
    return Policy(
        retry=webhook.retry or profile.retry,
        failure_limit=profile.failure_limit
        if webhook.failure_limit is None
        else webhook.failure_limit,
        failure_window_ms=None if window is None else int(window * 1000),
        gone_disables=profile.gone_disables,
        breaker=profile.breaker,
    )


def target_of(webhook: Webhook, unseal: Unseal) -> tuple[Target, str]:
    """Return where a webhook's requests go: the target and the request path.

    Read as it was when the webhook was saved, so that both mean the same host.
    """
    certificate, proxy = webhook.client_certificate, webhook.proxy
    return parse_target(
        webhook.target_url,
        ca=webhook.ca,
        client_certificate=None
        if certificate is None
        else unseal(certificate, row=webhook.id, field=CLIENT_CERTIFICATE_FIELD),
        proxy=None if proxy is None else unseal(proxy, row=webhook.id, field=PROXY_FIELD).decode(),
    )


def _static_head(
    webhook: Webhook, target: Target, path: str, profile: Profile
) -> tuple[bytes, bytes]:
    host = f"[{target.host}]" if ":" in target.host else target.host
    if target.port != (443 if target.scheme == "https" else 80):
        host = f"{host}:{target.port}"
    lines = [
        f"POST {path} HTTP/1.1".encode(),
        b"Host: " + host.encode(),
        b"User-Agent: " + USER_AGENT,
        b"Content-Type: " + profile.content_type.encode(),
        b"Accept: */*",
    ]
    own = [(name.encode(), value.encode("latin-1")) for name, value in webhook.headers.items()]
    replaced = {name.lower() for name, _ in own}
    lines = lines[:2] + [
        line for line in lines[2:] if line.split(b":", 1)[0].lower() not in replaced
    ]
    shown = list(lines)
    for name, value in own:
        lines.append(name + b": " + value)
        shown.append(name + b": " + (MASK.encode() if is_credential(name.decode()) else value))
    head = b"\r\n".join([*lines, b""])
    masked = b"\r\n".join([*shown, b""])
    return (head, head) if head == masked else (head, masked)
