"""A package that was imported, and the records that came from it."""

from __future__ import annotations

import msgspec


class PackagedRecord(msgspec.Struct, frozen=True):
    """A record that a package created or changed last."""

    type: str
    """As ``hookferry.automate.packages.kinds`` names it."""
    id: int
    uid: str
    """What the package calls it."""
    content: bytes
    """A digest of what the package said of it and what was answered, sealed: answers are secrets
    now and then, and a digest of one could be guessed."""


class ImportedPackage(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of a package, so that importing it again changes what came from it."""

    id: int
    tenant_id: int
    name: str
    """Unique in its tenant."""
    revision: int
    records: tuple[PackagedRecord, ...] = ()
    """Newest last."""
    created_at_ms: int = 0
    updated_at_ms: int = 0
    version: int = 1
    deleted: bool = False

    def ended(self) -> ImportedPackage:
        """Return the package as forgotten; what came from it stays."""
        return msgspec.structs.replace(self, deleted=True, records=())
