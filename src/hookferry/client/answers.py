"""What the API answers of webhooks, credentials and administration, as structs.

Members that this version does not know are passed over. What it answers of events and deliveries is
``log_answers``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec


class Confidential(msgspec.Struct, frozen=True, kw_only=True):
    """An answer with a credential in it, which a printed or logged answer does not show."""

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [
            (name, "********" if value is not None and name in _CREDENTIALS else value)
            for name, value in super().__rich_repr__()
        ]

    def __repr__(self) -> str:
        members = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"{type(self).__name__}({members})"


_CREDENTIALS = frozenset({"secret", "key", "token"})


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """The waits after the first attempt."""

    schedule: list[float]
    """Seconds before each further attempt."""
    jitter: float


class RateLimit(msgspec.Struct, frozen=True, kw_only=True):
    """A token bucket."""

    per_second: float
    burst: int


class Webhook(Confidential, frozen=True, kw_only=True):
    """A subscription."""

    id: str
    number: int
    name: str
    target_url: str
    events: tuple[str, ...]
    profile: str
    state: str
    """``active``, ``paused``, ``stopped``, ``too_many_errors`` or ``unknown``."""
    tenant: str | None = None
    type: str = "webhook"
    """``webhook`` or ``automation``."""
    automations_kata: str = ""
    """Of type ``automation``: handlers of which the first enabled one runs."""
    mode: str = "async"
    payload_format: str = "json"
    title: str = ""
    description: str = ""
    application: str = ""
    secret: str | None = None
    """In clear only in the answers to ``create`` and ``rotate_secret``, masked in all others."""
    credential: str | None = None
    """The id of the credential that its requests authenticate with."""
    properties: dict[str, Any] = {}
    """Added to the body, under profiles that have room for them."""
    condition: dict[str, Any] | None = None
    channels: tuple[str, ...] = ()
    handshake: bool = True
    allowed_rate: int | None = None
    """Requests a minute that the receiver allowed in the handshake; None for any number."""
    headers: dict[str, str] = {}
    """Values that look like credentials are masked."""
    forward_headers: tuple[str, ...] = ()
    """Names of headers of a caught request that are sent on; ``*`` for all but credentials."""
    retry: Retry | None = None
    """This and what follows: None is "as the profile says"."""
    timeout: float | None = None
    failure_limit: int | None = None
    failure_window: float | None = None
    rate_limit: RateLimit | None = None
    max_in_flight: int | None = None
    ordered: bool = False
    ca: str | None = None
    client_certificate: str | None = None
    """Masked, as is the proxy."""
    proxy: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    version: int = 1
    """Grows by one with each change; ``patch`` and ``delete`` can insist on it."""


class Secret(Confidential, frozen=True, kw_only=True):
    """A webhook's signing secret, which is shown once."""

    secret: str


class WebhookStats(msgspec.Struct, frozen=True, kw_only=True):
    """How a webhook's receiver has been doing."""

    since: datetime
    deliveries: dict[str, int]
    """Deliveries accepted since then, by state."""
    total_calls: int
    total_errors: int
    consecutive_failures: int
    failing_since: datetime | None = None
    last_success_at: datetime | None = None
    last_failure_at: datetime | None = None


class LastError(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook's last failed attempt."""

    error: str | None = None
    at: datetime | None = None


class PingResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a receiver made of a ping."""

    success: bool
    """The profile's success rule was met."""
    status: int | None = None
    error: str | None = None
    """An error kind such as ``connection_refused``, when no usable answer came."""
    detail: str | None = None
    verdict: str | None = None
    """What the guard said of the address."""
    address: str | None = None
    duration_ms: float = 0.0
    response_head: str = ""
    """Status line and headers of the answer, as received."""
    response_body: str = ""
    response_truncated: bool = False


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A long piece of work with progress."""

    id: str
    kind: str
    state: str
    """``running``, ``done`` or ``cancelled``."""
    done: int = 0
    """How many deliveries it has queued so far."""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class ApiKey(Confidential, frozen=True, kw_only=True):
    """An API key."""

    id: str
    name: str
    tenant: str | None = None
    """The only tenant it may touch; None for an administrator's key."""
    key: str | None = None
    """The key itself, only in the answer that made it."""
    created_at: datetime | None = None


class Tenant(msgspec.Struct, frozen=True, kw_only=True):
    """Whom webhooks and events belong to."""

    name: str
    webhooks_active: bool = True
    """Off, and matched events are stored as skipped."""
    strict_types: bool = False
    """Events whose type is not registered are refused."""
    created_at: datetime | None = None
    updated_at: datetime | None = None
    version: int = 1
    """Grows by one with each change; ``put`` can insist on it."""


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """What requests authenticate with; its value never comes out."""

    id: str
    name: str
    kind: str
    """``basic``, ``bearer`` or ``api_key``."""
    tenant: str | None = None
    description: str = ""
    username: str | None = None
    """Of kind ``basic``."""
    header: str | None = None
    """Of kind ``api_key``: the header that carries the value."""
    created_at: datetime | None = None
    updated_at: datetime | None = None
    version: int = 1
    """Grows by one with each change; ``patch`` and ``delete`` can insist on it."""


class EventType(msgspec.Struct, frozen=True, kw_only=True):
    """A registered event type."""

    name: str
    application: str = ""
    phase: str | None = None
    """``before`` asks and may be vetoed, ``after`` tells; None leaves it to the name."""
    description: str = ""
    schema: dict[str, Any] | bool | None = None
    """The JSON Schema of its data."""
    schema_mode: str = "enforce"
    """``off``, ``warn`` or ``enforce``."""
    example: Any = None
    archived: bool = False
    created_at: datetime | None = None
    updated_at: datetime | None = None
    version: int = 1
    """Grows by one with each change; ``put`` can insist on it."""


class Application(msgspec.Struct, frozen=True, kw_only=True):
    """An application that event types name."""

    name: str
    event_types: list[str]
    """The live event types that it publishes."""
