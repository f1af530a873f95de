"""Importing packages: in two steps where something is asked, and wholly or not at all.

Every record is built first, by the rules of its own room; then all of them are saved in one
transaction. What came from a package is remembered under its name, so that the same package can be
imported again: what it says otherwise than last time is changed, the rest is left alone, also where
people changed it since. A record of the same name that came from elsewhere is never touched.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import structlog

from hookferry.automate.packages.kinds import Kind, Kinds
from hookferry.automate.packages.manifest import MAX_SIZE, Manifest, Package, parse_package
from hookferry.automate.packages.plan import Planned, Planner, contents_of
from hookferry.automate.packages.problems import Problems
from hookferry.automate.packages.prompts import answered, made
from hookferry.automate.packages.rendering import Renderer
from hookferry.automate.turns import Guest, Turns
from hookferry.clock import Clock
from hookferry.domain.package import ImportedPackage, PackagedRecord
from hookferry.domain.tenant import Tenant
from hookferry.engine.directory import Directory
from hookferry.engine.sealing import Sealer
from hookferry.errors import (
    Conflict,
    HookferryError,
    InvalidInput,
    NotFound,
    OutOfFuel,
    UnsealFailed,
)
from hookferry.ids import IdSource
from hookferry.kata.fuel import Fuel
from hookferry.kata.templates import Run
from hookferry.store.ports import ConfigRecord, ConfigStore

MAX_PACKAGES: Final = 1_000
"""Packages that a tenant's imports are remembered of."""
MAX_REMEMBERED: Final = 1_000
"""Records that are remembered of one package, the newest."""
MAX_RENDERED: Final = 2 * MAX_SIZE
"""Characters of all that templates come to."""
RENDER_SECONDS: Final = 10.0
CONTENT_FIELD: Final = "package_content"
CREATED, UPDATED, UNCHANGED = "created", "updated", "unchanged"

log = structlog.get_logger(__name__)


class Made(NamedTuple):
    """What became of a record of a package."""

    uid: str
    kind: Kind
    record: Any
    """As it is stored."""
    outcome: str
    """``created``, ``updated`` or ``unchanged``."""


class Imported(NamedTuple):
    """A package, after a step of its import."""

    package: Manifest
    records: list[Made] | None
    """None where its prompts have to be answered first, and nothing was done."""
    skipped: list[str]
    """The uids of records that were left out as ``_exclude`` says."""
    placeholders: dict[str, str]
    """What was made for it, where all of its records are made of it."""


class Rendered(NamedTuple):
    """The records of a package, as they are to be."""

    records: list[tuple[Planned, dict[str, Any]]]
    """Each with its fields."""
    contents: list[bytes]
    """A digest of what each was made from."""
    skipped: list[str]
    placeholders: dict[str, str]


class Packages:
    """Imports packages.

    Args:
        config: where records are saved.
        directory: the snapshot that is read.
        kinds: the types of records.
        sealer: seals what records were made from.
        ids: makes their ids.
        clock: times.
        origin: tells the server's own address, without a path.
        rng: where random texts come from.
    """

    def __init__(
        self,
        config: ConfigStore,
        directory: Directory,
        kinds: Kinds,
        sealer: Sealer,
        ids: IdSource,
        clock: Clock,
        origin: Callable[[], str],
        rng: random.Random | None = None,
    ) -> None:
        self._config = config
        self._directory = directory
        self.kinds = kinds
        self._sealer = sealer
        self._ids = ids
        self._clock = clock
        self._origin = origin
        self._rng = rng or secrets.SystemRandom()
        self._turns = Turns(clock.monotonic)

    async def take(
        self, tenant: Tenant, document: object, answers: Mapping[str, Any] | None
    ) -> Imported:
        """Import a package, or tell what it asks first.

        Args:
            tenant: whose the records will be.
            document: the package as decoded JSON, or its text.
            answers: to its prompts, by their keys; None where they were not seen yet.

        Raises:
            InvalidField, UnknownField, PackageRefused, PayloadTooLarge: it can't be imported.
            NameTaken, VersionMismatch, Conflict: somebody else saved meanwhile.
            TestFailed, HandshakeRefused: a webhook's receiver does not want it.
        """
        package = parse_package(document)
        manifest = package.package
        if manifest.prompts and answers is None:
            return Imported(manifest, None, [], {})
        problems = Problems()
        given = answered(
            manifest.prompts,
            answers or {},
            lambda context: self.kinds.choices(tenant.id, context),
            problems,
        )
        problems.check()
        known = self._known(tenant.id, manifest.name)
        rendered = await self._rendered(tenant, package, given, known, problems)
        drafts = await self._drafts(tenant.id, rendered, known, problems)
        problems.check()
        return await self._save(tenant.id, manifest, rendered, drafts, known)

    async def forget(self, tenant_id: int, package_id: int) -> None:
        """Remember a package no more: what came from it stays, as if made by hand.

        Raises:
            NotFound: no such package was imported.
            VersionMismatch: somebody imports it at the moment.
        """
        found = self._directory.package(tenant_id, package_id)
        await self._config.save(
            msgspec.structs.replace(
                found.ended(), version=found.version + 1, updated_at_ms=self._clock.wall_ms()
            )
        )
        await self._directory.refresh()

    def records_of(self, package: ImportedPackage) -> list[tuple[PackagedRecord, Kind, Any]]:
        """Return what came from a package and is still there."""
        live = {
            (kind.type, record.id): (kind, record)
            for kind in self.kinds.ordered
            for record in kind.all(package.tenant_id)
        }
        return [
            (one, *live[one.type, one.id]) for one in package.records if (one.type, one.id) in live
        ]

    def _known(self, tenant_id: int, name: str) -> ImportedPackage | None:
        """Return what is remembered of a package; nothing is of one without a name."""
        found = (p for p in self._directory.packages(tenant_id) if p.name == name)
        return next(found, None) if name else None

    # ------------------------------------------------------------------ rendering

    async def _rendered(
        self,
        tenant: Tenant,
        package: Package,
        given: dict[str, Any],
        known: ImportedPackage | None,
        problems: Problems,
    ) -> Rendered:
        """Render the records, giving way to others meanwhile."""
        guest = Guest(self._turns, RENDER_SECONDS)
        fuel = Fuel(memory=MAX_RENDERED, pause=guest.pause)
        run = Run(fuel, now=self._clock.wall_ms() / 1000, rng=self._rng)
        base = {"base_url": self._origin().rstrip("/"), "tenant": tenant.name}
        placeholders = made(package.package.placeholders, self._rng)
        scope = {**given, **placeholders, "default": base}
        renderer = Renderer(run, problems, {raw["uid"] for raw in package.records})
        planner = Planner(self.kinds, self._ids, renderer, problems)

        def work() -> Rendered:
            planned, skipped = planner.plan(tenant.id, package.records, scope, known)
            uids = {one.uid: one.key for one in planned}
            whole = {**scope, "uid": uids}
            return Rendered(
                [(one, planner.fields(one, whole)) for one in planned],
                contents_of(planned, given, uids),
                skipped,
                placeholders,
            )

        try:
            return await guest.run(work)
        except OutOfFuel as error:
            problems.add(None, "records", f"rendering its templates takes too much: {error.detail}")
            return Rendered([], [], [], {})

    # ------------------------------------------------------------------ building

    async def _drafts(
        self,
        tenant_id: int,
        rendered: Rendered,
        known: ImportedPackage | None,
        problems: Problems,
    ) -> dict[str, Sequence[ConfigRecord]]:
        """Build what is new or changed, by uid; notes what can't be."""
        remembered = self._remembered(known)
        drafts: dict[str, Sequence[ConfigRecord]] = {}
        beside: list[Any] = []
        pairs = zip(rendered.records, rendered.contents, strict=True)
        order = {kind.type: position for position, kind in enumerate(self.kinds.ordered)}
        for (one, fields), content in sorted(pairs, key=lambda pair: order[pair[0][0].kind.type]):
            if remembered.get((one.kind.type, one.number)) == content or problems.of(one.uid):
                continue
            await asyncio.sleep(0)  # scripts are compiled; others get their turn between them
            try:
                drafts[one.uid] = await self._draft(tenant_id, one, fields, beside)
            except (InvalidInput, Conflict, NotFound) as error:
                problems.add_error(one.uid, error.field, error)
            else:
                beside.append(drafts[one.uid][0])
        for kind in self.kinds.ordered:
            new = [one for one, _ in rendered.records if one.kind is kind and one.before is None]
            try:
                kind.check_room(tenant_id, len(new))
            except Conflict as error:
                problems.add_error(None, "records", error)
        return drafts

    async def _draft(
        self, tenant_id: int, one: Planned, fields: dict[str, Any], beside: list[Any]
    ) -> Sequence[ConfigRecord]:
        if one.before is None:
            return await one.kind.draft(tenant_id, one.number, fields, beside)
        return await one.kind.change(one.before, fields, beside)

    def _remembered(self, known: ImportedPackage | None) -> dict[tuple[str, int], bytes]:
        """Return what the records of a package were made from, as far as it can be read."""
        found: dict[tuple[str, int], bytes] = {}
        for record in known.records if known is not None else ():
            with contextlib.suppress(UnsealFailed):  # by a master key that is gone: it is changed
                content = self._sealer.unseal(record.content, row=record.id, field=CONTENT_FIELD)
                found[record.type, record.id] = content
        return found

    # ------------------------------------------------------------------ saving

    async def _save(
        self,
        tenant_id: int,
        manifest: Manifest,
        rendered: Rendered,
        drafts: dict[str, Sequence[ConfigRecord]],
        known: ImportedPackage | None,
    ) -> Imported:
        records: list[ConfigRecord] = []
        owners: list[str | None] = []
        asked: dict[str, Any] = {}
        for uid, draft in drafts.items():
            kind = next(one.kind for one, _ in rendered.records if one.uid == uid)
            asked[uid] = await kind.ask(draft[0])
            records += [asked[uid], *draft[1:]]
            owners += [uid] * len(draft)
        kept: dict[str, Any] = {one.uid: one.before for one, _ in rendered.records} | asked
        revised = known is not None and known.revision != manifest.revision
        if manifest.name and (records or revised):
            stored = {uid: record.id for uid, record in kept.items()}
            records.append(self._package(tenant_id, manifest, rendered, stored, known))
            owners.append(None)
        if records:
            try:
                await self._config.save_together(records)
            except HookferryError as error:
                position = error.extra.get("record")
                if isinstance(position, int):  # it counts ours, which the caller never saw
                    error.extra["record"] = owners[position]
                raise
            await self._directory.refresh()
            log.info("package_imported", package=manifest.name, records=len(drafts))
        outcomes = [
            Made(
                one.uid,
                one.kind,
                kept[one.uid],
                UNCHANGED if one.uid not in drafts else CREATED if one.before is None else UPDATED,
            )
            for one, _ in rendered.records
        ]
        fresh = all(one.outcome == CREATED for one in outcomes)
        shown = rendered.placeholders if fresh else {}
        return Imported(manifest, outcomes, rendered.skipped, shown)

    def _package(
        self,
        tenant_id: int,
        manifest: Manifest,
        rendered: Rendered,
        stored: Mapping[str, int],
        known: ImportedPackage | None,
    ) -> ImportedPackage:
        """Return what is remembered of a package from now on; ``stored`` are its ids by uid."""
        now = self._clock.wall_ms()
        if known is None:
            if len(self._directory.packages(tenant_id)) >= MAX_PACKAGES:
                raise Conflict(
                    f"this tenant has imported {MAX_PACKAGES:,} packages, which is the limit; "
                    "DELETE /api/v1/packages/<id> forgets one, and its records stay"
                )
            known = ImportedPackage(
                id=self._ids.next(),
                tenant_id=tenant_id,
                name=manifest.name,
                revision=manifest.revision,
                created_at_ms=now,
                version=0,
            )
        present = {
            (one.kind.type, stored[one.uid]): PackagedRecord(
                one.kind.type,
                stored[one.uid],
                one.uid,
                self._sealer.seal(content, row=stored[one.uid], field=CONTENT_FIELD),
            )
            for (one, _), content in zip(rendered.records, rendered.contents, strict=True)
        }
        earlier = [
            record
            for record, _, _ in self.records_of(known)
            if (record.type, record.id) not in present
        ]
        return msgspec.structs.replace(
            known,
            revision=manifest.revision,
            records=(*earlier, *present.values())[-MAX_REMEMBERED:],
            updated_at_ms=now,
            version=known.version + 1,
        )
