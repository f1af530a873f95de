"""Rendering: from an event and a webhook to the bytes of a request.

Everything that does not change from one request to the next is rendered once per version of the
webhook (``Plan``); a request then costs a body, a signature and one concatenation.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import structlog

from hookferry import __version__
from hookferry.domain.event import Event
from hookferry.domain.webhook import HTTP, RateLimit, Webhook
from hookferry.engine.forwarding import Forwarding
from hookferry.engine.masking import MASK, is_credential
from hookferry.engine.retry import Policy
from hookferry.ids import encode
from hookferry.tracing import TraceContext
from hookferry.transport.port import Outcome, Target
from hookferry.wire.bodies import as_data
from hookferry.wire.profiles.base import Profile, Rendering

log = structlog.get_logger(__name__)

USER_AGENT = f"hookferry/{__version__}"


class Carrier:
    """An event in memory with its rendered body, shared by the lanes it fans out to."""

    __slots__ = ("_as_data", "_body", "_rendered_by", "event", "text_id", "trace")

    def __init__(self, event: Event) -> None:
        self.event = event
        self.text_id = encode("evt", event.id)
        trace = trace_of(event)
        self.trace = b"" if trace is None else trace.lines
        """The headers of the trace that the event belongs to."""
        self._as_data: Event | None = None
        """A caught event as renderings see it that want JSON."""
        self._rendered_by: Rendering | None = None
        self._body = b""

    def body(self, rendering: Rendering) -> bytes:
        """Return the body as a rendering has it; the last one's is kept."""
        if self._rendered_by is not rendering:
            event = self.event
            if event.meta.caught is not None and not rendering.original:
                event = self._as_data = self._as_data or as_data(event)
            self._body = rendering.body(event, self.text_id)
            self._rendered_by = rendering
        return self._body


def trace_of(event: Event) -> TraceContext | None:
    """Return the trace context kept with an event."""
    meta = event.meta
    return None if meta.traceparent is None else TraceContext(meta.traceparent, meta.tracestate)


class PreparedSecret(msgspec.Struct, frozen=True):
    """A signing key ready for the hot path."""

    key: object
    expires_at_ms: int | None


class Plan:
    """A webhook version, ready to send. Made by ``hookferry.engine.planner``.

    Args:
        webhook: the definition.
        profile: its profile.
        rendering: how its requests look.
        target: where they go.
        path: the request path there.
        timeout: seconds of an attempt.
        secrets: what signs.
        authorization: a header that authenticates hookferry to the receiver: name and value.
    """

    __slots__ = (
        "_forwarding",
        "_head",
        "_logged_head",
        "_owned",
        "_secrets",
        "_signing",
        "_until_ms",
        "policy",
        "profile",
        "rate_limit",
        "rendering",
        "target",
        "timeout",
        "type",
        "url",
        "version",
    )

    def __init__(
        self,
        webhook: Webhook,
        profile: Profile,
        rendering: Rendering,
        target: Target,
        path: str,
        timeout: float,
        secrets: tuple[PreparedSecret, ...],
        authorization: tuple[str, str] | None = None,
    ) -> None:
        self.version = webhook.version
        self.type = webhook.type
        self._owned = webhook.owner is not None
        self.profile = profile
        self.rendering = rendering
        self.target = target
        self.url = shown_url(target, path)
        self.timeout = timeout
        self.policy = policy_of(webhook, profile)
        self.rate_limit = _rate_limit(webhook)
        self._secrets = secrets
        self._signing: tuple[object, ...] = ()
        """What of them signs until ``_until_ms``."""
        self._until_ms = -1
        fixed = _Fixed(webhook, target, path, authorization)
        defaults = [
            line
            for line in (
                b"User-Agent: " + (profile.user_agent or USER_AGENT).encode(),
                b"Content-Type: " + rendering.content_type.encode(),
                b"Accept: */*",
            )
            if line.partition(b":")[0].decode().lower() not in fixed.names
        ]
        self._head, self._logged_head = fixed.head(defaults)
        self._forwarding = fixed.forwarding(webhook, profile, rendering, defaults)

    def handshake(self, lines: bytes) -> bytes:
        """Return the head of an OPTIONS request to the same target, with further header lines."""
        return b"OPTIONS%b%bContent-Length: 0\r\n\r\n" % (self._head.removeprefix(b"POST"), lines)

    def succeeded(self, outcome: Outcome) -> bool:
        """Give the profile's verdict on an answer; none is no success.

        What a source's or timer's own webhook answers is that one's answer, whatever it says.
        """
        status = outcome.status
        if status is None or self._owned:
            return status is not None
        try:
            return self.profile.succeeded(status)
        except Exception as error:  # a plugin's bug must not cost the delivery its settlement
            # The type only: what a plugin says may quote a secret.
            log.error("verdict_failed", profile=self.profile.name, error=type(error).__name__)
            return False

    def _choose_keys(self, now_ms: int) -> None:
        """Keep the keys that sign now, newest first (wall-clock Unix milliseconds)."""
        live = [s for s in self._secrets if s.expires_at_ms is None or s.expires_at_ms > now_ms]
        ends = [s.expires_at_ms for s in live if s.expires_at_ms is not None]
        self._signing = tuple(s.key for s in live)
        self._until_ms = min(ends, default=2**62)

    def render(
        self, carrier: Carrier, now_ms: int, attempt: int, trace: bytes | None = None
    ) -> tuple[bytes, bytes, bytes]:
        """Return (head, head as it may be logged, body) of one request.

        Args:
            carrier: the event.
            now_ms: of this attempt (wall-clock Unix milliseconds).
            attempt: 1 for the first.
            trace: headers of the attempt's own trace context; None passes the event's on.
        """
        rendering = self.rendering
        body = carrier.body(rendering)
        event = carrier.event
        lines = carrier.trace if trace is None else trace
        start, shown = self._head, self._logged_head
        caught = event.meta.caught
        if caught is not None:
            start, shown = self._forwarding.begin(caught, event.meta.hops, traced=bool(lines))
        if now_ms >= self._until_ms:
            self._choose_keys(now_ms)
        rest = b"Content-Length: %d\r\n%b%b\r\n" % (
            len(body),
            rendering.headers(
                event,
                carrier.text_id,
                body,
                self._signing,
                now_ms // 1000,
                attempt,
            ),
            lines,
        )
        head = start + rest
        return head, head if shown is start else shown + rest, body


def _rate_limit(webhook: Webhook) -> RateLimit | None:
    """Return the stricter of the webhook's own limit and what its receiver allowed."""
    own, allowed = webhook.rate_limit, webhook.allowed_rate
    if allowed is None or (own is not None and own.per_second <= allowed / 60):
        return own
    return RateLimit(per_second=allowed / 60, burst=1 if own is None else own.burst)


def policy_of(webhook: Webhook, profile: Profile) -> Policy:
    """Fill a webhook's failure rules up with its profile's defaults."""
    retry = webhook.retry or profile.retry
    if webhook.owner is not None:  # its source or timer goes on, and nobody could restart it alone
        return Policy(retry, None, None, gone_disables=False, breaker=False)
    window = profile.failure_window if webhook.failure_window is None else webhook.failure_window
    return Policy(
        retry=retry,
        failure_limit=profile.failure_limit
        if webhook.failure_limit is None
        else webhook.failure_limit,
        failure_window_ms=None if window is None else int(window * 1000),
        gone_disables=profile.gone_disables,
        breaker=profile.breaker and webhook.type == HTTP,
    )


def shown_url(target: Target, path: str) -> str:
    """Return where requests go, without the query, which may hold a secret."""
    return f"{target.scheme}://{authority(target)}{path.partition('?')[0]}"


def authority(target: Target) -> str:
    """Return a target as a Host header names it (RFC 9110 section 7.2)."""
    host = f"[{target.host}]" if ":" in target.host else target.host
    if target.port != {"https": 443, "http": 80}.get(target.scheme, 0):
        host = f"{host}:{target.port}"
    return host


class _Fixed:
    """The headers that all requests of a webhook have: its own, and those that say who calls.

    Args:
        webhook: whose.
        target: where they go.
        path: the request path there.
        authorization: a header that authenticates hookferry to the receiver: name and value.
    """

    def __init__(
        self, webhook: Webhook, target: Target, path: str, authorization: tuple[str, str] | None
    ) -> None:
        self._first = [
            f"POST {path} HTTP/1.1".encode(),
            b"Host: " + authority(target).encode(),
        ]
        self._lines: list[bytes] = []
        self._shown: list[bytes] = []
        self.names: set[str] = set()
        """In lower case."""
        if authorization is not None:
            self._add(*authorization, masked=True)
        for name, value in webhook.headers.items():
            if name.lower() not in self.names:  # the credential's: receivers refuse two of a name
                self._add(name, value, masked=is_credential(name))

    def _add(self, name: str, value: str, *, masked: bool) -> None:
        self.names.add(name.lower())
        self._lines.append(f"{name}: {value}".encode("latin-1"))
        self._shown.append(f"{name}: {MASK if masked else value}".encode("latin-1"))

    def head(self, defaults: Sequence[bytes]) -> tuple[bytes, bytes]:
        """Return the beginning of a head with these lines too, and the same as it may be logged."""
        first = [*self._first, *defaults]
        head = b"\r\n".join([*first, *self._lines, b""])
        masked = b"\r\n".join([*first, *self._shown, b""])
        return (head, head) if head == masked else (head, masked)

    def forwarding(
        self, webhook: Webhook, profile: Profile, rendering: Rendering, defaults: Sequence[bytes]
    ) -> Forwarding:
        """Return how requests for caught events begin."""
        head, logged_head = self.head(())
        return Forwarding(
            webhook.forward_headers,
            written={*self.names, "user-agent"} if profile.user_agent else self.names,
            written_begins=profile.own_headers,
            original=rendering.original,
            head=head,
            logged_head=logged_head,
            # Where the body is another's, its type is too, also where none was said.
            defaults=[
                line
                for line in defaults
                if not (rendering.original and line.startswith(b"Content-Type:"))
            ],
        )
