"""A credential: what hookferry's own requests authenticate with at a receiver."""

from __future__ import annotations

import enum

import msgspec


class CredentialKind(enum.StrEnum):
    """How a credential is presented."""

    BASIC = "basic"
    """HTTP Basic (RFC 7617): user name and password."""
    BEARER = "bearer"
    """``Authorization: Bearer`` (RFC 6750)."""
    API_KEY = "api_key"
    """A value in a header of its own."""


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """A sealed credential, chosen on a webhook by id or name."""

    id: int
    tenant_id: int
    name: str
    kind: CredentialKind
    username: str = ""
    """Of kind ``basic``."""
    header: str = ""
    """Of kind ``api_key``: the header that carries the value."""
    value: bytes = b""
    """The password, token or key, sealed."""
    description: str = ""
    created_at_ms: int = 0
    updated_at_ms: int = 0
    version: int = 1
    deleted: bool = False
