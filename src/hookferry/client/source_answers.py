"""What the API answers of sources, as structs. Members that this version does not know are passed
over."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from hookferry.client.answers import Confidential, RateLimit


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An answer as it is configured."""

    status: int = 204
    headers: dict[str, str] = {}
    body: str = ""


class Respond(msgspec.Struct, frozen=True, kw_only=True):
    """What a source's callers are answered."""

    status: int = 204
    headers: dict[str, str] = {}
    body: str = ""
    webhook: str | None = None
    """The id of the webhook whose answer is the caller's."""
    automation: str | None = None
    """The name of the automation whose answer is the caller's."""
    deadline: float | None = None
    """Seconds that the caller waits for it; ``in_force`` has what None comes to."""
    late: Reply = Reply(status=202)


class SourceSecret(msgspec.Struct, frozen=True, kw_only=True):
    """A secret that a source verifies with, masked."""

    secret: str
    expires_at: datetime | None = None
    """When it stops to verify; None where it stays."""


class FormerAddress(msgspec.Struct, frozen=True, kw_only=True):
    """An address that was rotated away and still leads to its source."""

    guid: str
    expires_at: datetime


class InForce(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a source that have defaults, as they work."""

    handshakes: tuple[str, ...] = ()
    deduplicate: dict[str, Any] | None = None
    window: float
    event_type: str | dict[str, Any]
    max_body: int
    refuse_status: int
    deadline: float = 10.0
    """Seconds that a caller waits, where it does."""
    retention_days: float
    keep: int | None = None


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A URL that catches other systems' requests. None is "as the preset says, else the default"
    (``in_force``)."""

    id: str
    name: str
    guid: str
    url: str
    """Where its requests are taken."""
    tenant: str | None = None
    former_guids: tuple[FormerAddress, ...] = ()
    description: str = ""
    bin: bool = False
    enabled: bool = True
    draft: bool = False
    maintenance: bool = False
    methods: tuple[str, ...] = ()
    allow_ips: tuple[str, ...] = ()
    max_body: int | None = None
    rate_limit: RateLimit | None = None
    verify: dict[str, Any] | None = None
    """Without its secrets."""
    secrets: tuple[SourceSecret, ...] = ()
    handshakes: tuple[str, ...] | None = None
    verify_token: str | None = None
    """Masked."""
    deduplicate: dict[str, Any] | None = None
    window: float | None = None
    event_type: str | dict[str, Any] | None = None
    parse: str = "auto"
    condition: dict[str, Any] | None = None
    respond: Respond = Respond()
    automations_kata: str = ""
    """Handlers of which the first enabled one runs and answers the caller."""
    refuse_status: int | None = None
    cors: tuple[str, ...] = ()
    public_url: str | None = None
    retention_days: float | None = None
    keep: int | None = None
    silent_after: float | None = None
    expires_at: datetime | None = None
    """A bin's end."""
    in_force: InForce | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    version: int = 1
    """What ``patch`` and ``delete`` compare, when given."""


class SourceStats(msgspec.Struct, frozen=True, kw_only=True):
    """What a source has caught."""

    since: datetime
    requests: dict[str, int]
    """Requests received since then, by verdict."""
    last_request_at: datetime | None = None
    silent: bool = False
    """Nothing came for longer than ``silent_after``."""


class Share(Confidential, frozen=True, kw_only=True):
    """A link through which others read what a source caught."""

    id: str
    expires_at: datetime
    token: str | None = None
    """Only in the answer to ``share``."""


class Preset(msgspec.Struct, frozen=True, kw_only=True):
    """How one provider signs, greets and numbers its requests."""

    name: str
    title: str
    evidence: str
    """``V``: a published vector verifies. ``S``: its documentation or source was read. ``M``: from
    memory."""
    verified: bool
    secret: str
    """What the provider calls the secret or key that the source is given; empty for none."""
    needs: tuple[str, ...] = ()
    """Fields that ``verify`` has to have beside the preset's name."""
    needs_public_url: bool = False
    scheme: dict[str, Any]
    handshakes: tuple[str, ...] = ()
    deduplicate: dict[str, Any]
    event_type: str | dict[str, Any]
    deadline: float | None = None
    """Seconds that the provider waits for an answer."""
    notes: str = ""
