"""``/api/v1/packages``: automations and what belongs to them, in and out as one document."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response, Router, delete, get, post
from litestar.params import FromPath, FromQuery, RawBody

from hookferry import ids
from hookferry.api.framework import Owner
from hookferry.api.services import Services
from hookferry.api.wire import (
    Moment,
    Page,
    decode_body,
    decode_json,
    id_in_path,
    page_in_memory,
    time_text,
)
from hookferry.automate.packages.adapters import (
    automation_kind,
    credential_kind,
    event_type_kind,
    source_kind,
    timer_kind,
    webhook_kind,
)
from hookferry.automate.packages.exporting import Exporter
from hookferry.automate.packages.importing import Imported, Made, Packages
from hookferry.automate.packages.kinds import BOTS, Kind, Kinds
from hookferry.automate.packages.library import Entry, entry, library
from hookferry.automate.packages.prompts import Prompt
from hookferry.domain.package import ImportedPackage
from hookferry.domain.tenant import Tenant
from hookferry.engine.event_types import EventTypes
from hookferry.engine.validation import explain_validation
from hookferry.errors import InvalidField

MAX_CHOICES = 250
"""Records that a chooser lists; others are named by their id or name all the same."""


class PackageImport(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A package to import: a document, or one of the library; or the document alone."""

    package: dict[str, Any] | str | None = None
    """The package's document, or its text."""
    records: list[dict[str, Any]] | None = None
    """The package's records, where the body is the document itself; then ``package`` is what it
    says of itself."""
    library: str | None = None
    """The name of a package that comes with hookferry, instead."""
    prompts: dict[str, Any] | None = None
    """Answers to its prompts, by their keys; left out, the prompts are told and nothing is done."""


class PackageExport(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Records to write a package of."""

    name: str
    """Of the package."""
    revision: int = 1
    records: list[str]
    """Ids (``auto_...``), or types and names (``automation:example.answer``)."""


class OptionView(msgspec.Struct, kw_only=True):
    """One of the answers that a prompt takes."""

    label: str
    value: str


class PromptView(msgspec.Struct, kw_only=True):
    """What has to be answered before a package is imported."""

    key: str
    """What the answer is given by, in ``prompts``."""
    type: str
    label: str
    hint: str
    default: str | None
    """Taken where no answer is given."""
    placeholder: str | None
    options: list[OptionView] | None
    """Of a picklist, and what there is for a chooser; null for any text."""


class MadeView(msgspec.Struct, kw_only=True):
    """What became of a record of a package."""

    uid: str
    """What the package calls it."""
    id: str
    """An event type's is its name."""
    name: str
    outcome: str
    location: str
    """Its address in this API."""
    url: str | None
    """Where it takes requests, of a source."""


class MadeGroup(msgspec.Struct, kw_only=True):
    """The records of one type."""

    type: str
    items: list[MadeView]


class ImportView(msgspec.Struct, kw_only=True):
    """An import after a step: the prompts to answer, or the records that were made."""

    package: str
    """The package's name."""
    revision: int
    imported: bool
    """False where ``prompts`` have to be answered first, and nothing was done."""
    prompts: list[PromptView]
    records: list[MadeGroup]
    skipped: list[str]
    """The uids of records that the package leaves out for these answers."""
    placeholders: dict[str, str]
    """Random values that were made for it, such as a key to give to callers; told this once."""


class LibraryView(msgspec.Struct, kw_only=True):
    """A package that comes with hookferry."""

    name: str
    """What it is imported by."""
    title: str
    description: str


class PackageDocument(msgspec.Struct, kw_only=True):
    """A package as it is passed on."""

    package: dict[str, Any]
    records: list[dict[str, Any]]


class CameFromView(msgspec.Struct, kw_only=True):
    """A record that came from a package."""

    type: str
    uid: str
    id: str
    name: str


class PackageView(msgspec.Struct, kw_only=True):
    """A package that was imported, with what came from it and is still there."""

    id: str
    name: str
    tenant: str
    revision: int
    records: list[CameFromView]
    created_at: Moment | None
    updated_at: Moment | None
    version: int


def packages_of(s: Services) -> Packages:
    """Return the rules for packages, over the rules for what they hold."""
    event_types = EventTypes(s.store, s.directory, s.ids, s.clock)
    kinds = [  # what others rest on comes first
        credential_kind(s.directory, s.credentials),
        event_type_kind(s.directory, event_types),
        automation_kind(s.directory, s.automations),
        webhook_kind(s.directory, s.webhooks),
        source_kind(s.directory, s.sources),
        timer_kind(s.directory, s.timers),
    ]
    return Packages(s.store, s.directory, Kinds(kinds), s.sealer, s.ids, s.clock, s.sources.origin)


def package_router(s: Services) -> Router:
    """Return the addresses under ``/packages``."""
    packages = packages_of(s)
    exporter = Exporter(packages.kinds)

    def package_view(package: ImportedPackage, tenant: Tenant) -> PackageView:
        return PackageView(
            id=ids.encode("pkg", package.id),
            name=package.name,
            tenant=tenant.name,
            revision=package.revision,
            records=[
                CameFromView(
                    type=one.type, uid=one.uid, id=kind.key(one.id, record.name), name=record.name
                )
                for one, kind, record in packages.records_of(package)
            ],
            created_at=time_text(package.created_at_ms),
            updated_at=time_text(package.updated_at_ms),
            version=package.version,
        )

    @get("/", summary="List the packages that were imported")
    async def list_packages(
        owner: Owner,
        limit: FromQuery[int | None] = None,
        cursor: FromQuery[str | None] = None,
    ) -> Page[PackageView]:
        return page_in_memory(
            s.directory.packages(owner.id),
            s.pages.of(limit),
            cursor,
            lambda package: package_view(package, owner),
            lambda package: package.id,
        )

    @post(
        "/import",
        status_code=200,
        summary="Import a package, or learn what it asks first",
        opt={"body": PackageImport},
    )
    async def take(owner: Owner, body: RawBody) -> ImportView:
        wanted = _wanted(body)
        imported = await packages.take(owner, _document(wanted), wanted.prompts)
        return _import_view(imported, packages.kinds, owner)

    @post(
        "/export",
        status_code=200,
        summary="Write a package of records that are here, without their secrets",
        opt={"body": PackageExport},
    )
    async def export(owner: Owner, body: RawBody) -> PackageDocument:
        wanted = decode_body(body, PackageExport)
        document = exporter.document(
            owner.id, wanted.records, name=wanted.name, revision=wanted.revision
        )
        return PackageDocument(**document)

    @get("/library", summary="List the packages that come with hookferry")
    async def list_library() -> Page[LibraryView]:
        return Page([_library_view(one) for one in library().values()], None)

    @get("/library/{name:str}", summary="Get a package that comes with hookferry")
    async def get_of_library(name: FromPath[str]) -> PackageDocument:
        return PackageDocument(**entry(name).document)

    @get("/{package_id:str}", summary="Get a package that was imported")
    async def get_one(owner: Owner, package_id: FromPath[str]) -> Response[PackageView]:
        found = s.directory.package(owner.id, id_in_path("pkg", package_id))
        return Response(package_view(found, owner), headers={"ETag": f'"{found.version}"'})

    @delete("/{package_id:str}", summary="Forget a package; what came from it stays")
    async def remove(owner: Owner, package_id: FromPath[str]) -> None:
        await packages.forget(owner.id, id_in_path("pkg", package_id))

    handlers: list[Any] = [
        list_packages,
        take,
        export,
        list_library,
        get_of_library,
        get_one,
        remove,
    ]
    return Router("/packages", route_handlers=handlers, tags=["packages"])


_OF_DOCUMENTS = ("package", "records", *BOTS)
"""Members of a package's document, those of Cerb's older ones among them."""


def _wanted(body: bytes) -> PackageImport:
    """Decode the body of an import; a document that is the body itself is put in ``package``.

    Raises:
        MalformedJson, UnknownField, InvalidField: as the names say.
    """
    given = decode_json(body) if body else {}
    if isinstance(given, dict) and _is_document(given):
        document = {name: given.pop(name) for name in _OF_DOCUMENTS if name in given}
        given["package"] = document
    try:
        return msgspec.convert(given, PackageImport)
    except msgspec.ValidationError as error:
        explain_validation(error, PackageImport)


def _is_document(given: dict[str, Any]) -> bool:
    """Tell a document from an object with one in ``package``, whatever else is missing in it."""
    inner = given.get("package")
    if any(name in given for name in _OF_DOCUMENTS[1:]):
        return True
    return isinstance(inner, dict) and not any(name in inner for name in _OF_DOCUMENTS)


def _document(wanted: PackageImport) -> object:
    """Return the package that a body is about; raises InvalidField."""
    if wanted.library is not None:
        if wanted.package is not None:
            raise InvalidField(
                "give the package's document or the name of one of the library, not both",
                field="library",
            )
        return entry(wanted.library).document
    if wanted.package is None:
        raise InvalidField(
            "package is missing: the package's document, as it is or as text; or give library, "
            "the name of one that comes with hookferry",
            field="package",
        )
    return wanted.package


def _import_view(imported: Imported, kinds: Kinds, owner: Tenant) -> ImportView:
    manifest = imported.package
    asks = imported.records is None
    made = imported.records or []
    return ImportView(
        package=manifest.name,
        revision=manifest.revision,
        imported=not asks,
        prompts=[_prompt_view(p, kinds, owner) for p in manifest.prompts] if asks else [],
        records=[
            MadeGroup(
                type=kind.type, items=[_made_view(one, kind) for one in made if one.kind is kind]
            )
            for kind in kinds.ordered
            if any(one.kind is kind for one in made)
        ],
        skipped=imported.skipped,
        placeholders=imported.placeholders,
    )


def _made_view(made: Made, kind: Kind) -> MadeView:
    key = kind.key(made.record.id, made.record.name)
    return MadeView(
        uid=made.uid,
        id=key,
        name=made.record.name,
        outcome=made.outcome,
        location=f"/api/v1/{kind.collection}/{key}",
        url=kind.url(made.record),
    )


def _prompt_view(prompt: Prompt, kinds: Kinds, owner: Tenant) -> PromptView:
    choices: list[tuple[str, str]] | None = None
    if prompt.type == "picklist":
        choices = prompt.choices()
    elif prompt.type == "chooser":
        found = kinds.choices(owner.id, prompt.params.context or "")
        choices = [(one.name, one.id) for one in found[:MAX_CHOICES]]
    return PromptView(
        key=prompt.key,
        type=prompt.type,
        label=prompt.label,
        hint=prompt.hint,
        default=prompt.params.default or None,
        placeholder=prompt.params.placeholder,
        options=None
        if choices is None
        else [OptionView(label=label, value=value) for label, value in choices],
    )


def _library_view(one: Entry) -> LibraryView:
    return LibraryView(name=one.name, title=one.title, description=one.description)
