"""Tenants, registered event types, API keys."""

from __future__ import annotations

from typing import Any

import msgspec

DEFAULT_TENANT = "default"


class Tenant(msgspec.Struct, frozen=True, kw_only=True):
    """Whom webhooks, events and everything else belong to."""

    id: int
    name: str
    webhooks_active: bool = True
    """The account-wide switch: off, and matched events are stored as skipped."""
    strict_types: bool = False
    """Refuse events whose type is not registered."""
    webhook_key: bytes | None = None
    """HappyFox's one key, sealed."""
    created_at_ms: int = 0
    updated_at_ms: int = 0
    version: int = 1
    deleted: bool = False


class EventType(msgspec.Struct, frozen=True, kw_only=True):
    """A registered event type."""

    id: int
    tenant_id: int
    name: str
    application: str = ""
    phase: str | None = None
    """``before`` asks, ``after`` tells; None leaves it to the name (SEMANTICS section 4)."""
    description: str = ""
    schema: dict[str, Any] | bool | None = None
    """A JSON Schema for the data."""
    schema_mode: str = "enforce"
    """``off``, ``warn`` or ``enforce``."""
    example: Any = None
    """An example of the data; None where there is none."""
    archived: bool = False
    created_at_ms: int = 0
    updated_at_ms: int = 0
    version: int = 1


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """An API key; only a digest of it is kept."""

    id: int
    name: str
    digest: bytes
    """SHA-256 of the key: it has 256 random bits, so a slow hash adds nothing."""
    tenant_id: int | None = None
    """Bound to one tenant, or None for all of them (an administrator's key)."""
    created_at_ms: int = 0
    revoked: bool = False
