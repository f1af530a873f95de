"""A webhook: a subscription. Which events go where, when and how."""

from __future__ import annotations

import enum
from typing import Any

import msgspec

SHARDS = 256
HTTP = "webhook"
"""The type of webhook that calls an address."""
AUTOMATION = "automation"
"""The type that runs a script."""


class WebhookState(enum.IntEnum):
    """Numbers 0 to 3 are SuperOffice's (behaviours D5); SEMANTICS section 2."""

    UNKNOWN = 0
    ACTIVE = 1
    STOPPED = 2
    TOO_MANY_ERRORS = 3
    PAUSED = 4

    @property
    def label(self) -> str:
        """The name used on the outside face."""
        return self.name.lower()


class Mode(enum.StrEnum):
    """Whether the publisher waits for the answer (SEMANTICS section 4)."""

    ASYNC = "async"
    SYNC = "sync"
    SYNC_CRITICAL = "sync_critical"


class SealedSecret(msgspec.Struct, frozen=True):
    """A signing secret as the ledger holds it."""

    sealed: bytes
    expires_at_ms: int | None = None
    """Set on a secret that was rotated away and still signs until then."""


class Retry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The waits after the first attempt, which is immediate."""

    schedule: tuple[float, ...]
    """Seconds before each further attempt."""
    jitter: float = 0.2
    """Each wait is spread by plus or minus this share."""


class RateLimit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A token bucket."""

    per_second: float
    burst: int = 1


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """One subscription as stored. None means "as the profile says"."""

    id: int
    tenant_id: int
    number: int
    """Small, unique in its tenant."""
    name: str
    target_url: str
    events: tuple[str, ...]
    profile: str = "standard"
    type: str = HTTP
    state: WebhookState = WebhookState.ACTIVE
    title: str = ""
    description: str = ""
    application: str = ""
    """Only events of this application; empty for all."""
    mode: Mode = Mode.ASYNC
    payload_format: str = "json"
    """One of the profile's ``formats``."""
    credential: int | None = None
    """The id of the credential that requests authenticate with."""
    properties: dict[str, Any] = {}
    """Added to the body, under profiles that take them."""
    condition: dict[str, Any] | None = None
    """A condition tree or ``{"cel": ...}`` as written (``hookferry.match.conditions``)."""
    channels: tuple[str, ...] = ()
    """Only events in one of these channels; empty for all."""
    handshake: bool = True
    """Ask the receiver for permission before saving, under profiles with a handshake."""
    allowed_rate: int | None = None
    """Requests a minute that the receiver allowed in the handshake."""
    headers: dict[str, str] = {}
    forward_headers: tuple[str, ...] = ()
    """Names of headers of a caught request that are sent on; ``*`` for all but credentials."""
    retry: Retry | None = None
    timeout: float | None = None
    failure_limit: int | None = None
    failure_window: float | None = None
    rate_limit: RateLimit | None = None
    max_in_flight: int | None = None
    ordered: bool = False
    ca: str | None = None
    """PEM certificates trusted for this target instead of the system's."""
    client_certificate: bytes | None = None
    """PEM certificate chain and private key, sealed."""
    proxy: bytes | None = None
    """URL of an HTTP CONNECT proxy, sealed because it may carry credentials."""
    secrets: tuple[SealedSecret, ...] = ()
    """The signing secrets, newest first."""
    automations_kata: str = ""
    """Of type ``automation``: the handlers to choose from; empty where ``target_url`` names one."""
    owner: int | None = None
    """The source or timer that it came with and goes with: it gets that one's events alone."""
    secret_read: bool = False
    """The newest secret was fetched; it is never shown again."""
    created_at_ms: int = 0
    updated_at_ms: int = 0
    version: int = 1
    """Grows by one with each save; the ETag."""
    deleted: bool = False

    @property
    def shard(self) -> int:
        """The shard that owns this webhook's lane (DESIGN section 3)."""
        return shard_of(self.id)

    def without_sealed(self) -> Webhook:
        """Return the definition alone: without secrets, client certificate and proxy."""
        return msgspec.structs.replace(self, secrets=(), client_certificate=None, proxy=None)


def shard_of(webhook_id: int) -> int:
    """Spread webhooks over the shards: Fibonacci hashing, since ids share their low bits."""
    return (webhook_id * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF) >> 56


class Health(msgspec.Struct, frozen=True):
    """How a webhook's receiver has been doing, counted in the order attempts are settled."""

    consecutive_failures: int = 0
    failing_since_ms: int | None = None
    last_success_ms: int | None = None
    last_failure_ms: int | None = None
    last_error: str | None = None
    total_calls: int = 0
    total_errors: int = 0
