"""The calls on ``packages``: automations and what belongs to them, as one document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from hookferry.client.calls import (
    AsyncResource,
    Call,
    Page,
    Resource,
    SyncResource,
    encoded,
    given,
    listing,
    nothing,
    operation,
    path,
    reader,
)


class PromptOption(msgspec.Struct, frozen=True, kw_only=True):
    """One of the answers that a prompt takes."""

    label: str
    value: str


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """What has to be answered before a package is imported."""

    key: str
    type: str
    """``text``, ``picklist`` or ``chooser``."""
    label: str
    hint: str = ""
    default: str | None = None
    placeholder: str | None = None
    options: list[PromptOption] | None = None
    """None for any text."""


class MadeRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a record of a package."""

    uid: str
    id: str
    """An event type's is its name."""
    name: str
    outcome: str
    """``created``, ``updated`` or ``unchanged``."""
    location: str
    url: str | None = None
    """Where it takes requests, of a source."""


class MadeRecords(msgspec.Struct, frozen=True, kw_only=True):
    """The records of one type."""

    type: str
    items: list[MadeRecord]


class PackageImported(msgspec.Struct, frozen=True, kw_only=True):
    """An import after a step: the prompts to answer, or the records that were made."""

    package: str
    revision: int
    imported: bool
    """False where ``prompts`` have to be answered first, and nothing was done."""
    prompts: list[Prompt] = []
    records: list[MadeRecords] = []
    skipped: list[str] = []
    placeholders: dict[str, str] = {}
    """Random values that were made for it; told this once."""


class PackagedRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A record that came from a package."""

    type: str
    uid: str
    id: str
    name: str


class Package(msgspec.Struct, frozen=True, kw_only=True):
    """A package that was imported, with what came from it and is still there."""

    id: str
    name: str
    tenant: str
    revision: int
    records: list[PackagedRecord]
    created_at: datetime
    updated_at: datetime
    version: int


class LibraryPackage(msgspec.Struct, frozen=True, kw_only=True):
    """A package that comes with hookferry."""

    name: str
    title: str
    description: str


_imported = reader(PackageImported)
_package = reader(Package)
_page = reader(Page[Package])
_library = reader(Page[LibraryPackage])
_document = reader(dict[str, Any])


class _Packages(Resource):
    """Packages, Cerb's included."""

    @listing
    def list(self, *, limit: int | None = None, cursor: str | None = None) -> Call[Page[Package]]:
        """List the packages that were imported, newest first.

        Args:
            limit: how many a page has, 250 at most.
            cursor: ``next`` of an earlier page, to go on from there.
        """
        return Call("GET", "packages", _page, given(limit=limit, cursor=cursor))

    @operation
    def import_(
        self, package: Mapping[str, Any] | str, prompts: Mapping[str, str] | None = None
    ) -> Call[PackageImported]:
        """Import a package; all of its records are made, or none.

        Args:
            package: its document, decoded or as text.
            prompts: answers by key; left out, a package that asks tells its prompts and nothing
                is done.
        """
        return _import(given(package=package, prompts=prompts))

    @operation
    def import_from_library(
        self, name: str, prompts: Mapping[str, str] | None = None
    ) -> Call[PackageImported]:
        """Import a package that comes with hookferry.

        Args:
            name: as ``library`` lists it.
            prompts: as of ``import_``.
        """
        return _import(given(library=name, prompts=prompts))

    @operation
    def export(
        self, name: str, records: Sequence[str], *, revision: int | None = None
    ) -> Call[dict[str, Any]]:
        """Return a package of records that are here; secrets become prompts.

        Args:
            name: of the package.
            records: ids (``auto_...``), or types and names (``automation:example.answer``).
            revision: of the package; 1 when left out.
        """
        body = encoded(given(name=name, records=records, revision=revision))
        return Call("POST", "packages/export", _document, body=body)

    @operation
    def get(self, package: str) -> Call[Package]:
        """Return a package that was imported, by its id."""
        return Call("GET", path("packages", package), _package)

    @operation
    def forget(self, package: str) -> Call[None]:
        """Forget that a package was imported; what came from it stays."""
        return Call("DELETE", path("packages", package), nothing)

    @listing
    def library(self) -> Call[Page[LibraryPackage]]:
        """List the packages that come with hookferry."""
        return Call("GET", "packages/library", _library, of_tenant=False)

    @operation
    def from_library(self, name: str) -> Call[dict[str, Any]]:
        """Return the document of a package that comes with hookferry."""
        return Call("GET", path("packages", "library", name), _document, of_tenant=False)


def _import(body: dict[str, object]) -> Call[PackageImported]:
    """Return the call; webhooks of a package may have receivers that are asked."""
    return Call("POST", "packages/import", _imported, body=encoded(body), asks_receivers=True)


class Packages(_Packages, SyncResource):
    """Packages, on a ``Client``."""


class AsyncPackages(_Packages, AsyncResource):
    """Packages, on an ``AsyncClient``."""
