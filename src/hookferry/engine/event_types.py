"""Registered event types: making, changing and archiving them, and the catalogue they make up.

What a schema means at the intake is ``hookferry.engine.schema_checks``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from hookferry.clock import Clock
from hookferry.domain.tenant import EventType
from hookferry.engine.directory import Directory
from hookferry.engine.schema_checks import ENFORCE
from hookferry.errors import Conflict, InvalidField, NotFound, VersionMismatch
from hookferry.ids import IdSource
from hookferry.match.patterns import check_event_type
from hookferry.match.schemas import Schema
from hookferry.store.ports import ConfigStore

MAX_TYPES = 10_000
"""Event types of one tenant, archived ones included."""
MAX_TEXT = 2_000
MAX_APPLICATION = 200
MAX_EXAMPLE = 64 * 1024
"""Bytes of an example as JSON."""

_encoder = msgspec.json.Encoder()


class EventTypeSettings(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What ``PUT`` says of an event type; what is left out gets its default."""

    application: str = ""
    phase: Literal["before", "after"] | None = None
    """Whether it asks or tells (SEMANTICS section 4); null leaves it to the name."""
    description: str = ""
    schema: dict[str, Any] | bool | None = None
    """A JSON Schema for the data (draft 2020-12, or the one that ``$schema`` names)."""
    schema_mode: Literal["off", "warn", "enforce"] = "enforce"
    """Whether data that breaks the schema is taken, taken with a warning, or refused."""
    example: Any = None
    """An example of the data; null where there is none."""


class Application(msgspec.Struct, frozen=True):
    """An application and the event types that it publishes (S-HB-03)."""

    name: str
    event_types: list[str]
    """Live ones, by name."""
    newest: int
    """The id of the one that was registered last, which the list is ordered by."""


class EventTypes:
    """The rules for event types.

    Args:
        config: where they are saved.
        directory: the snapshot that is read.
        ids: makes their ids.
        clock: times of creation and change.
    """

    def __init__(
        self, config: ConfigStore, directory: Directory, ids: IdSource, clock: Clock
    ) -> None:
        self._config = config
        self._directory = directory
        self._ids = ids
        self._clock = clock

    def list(self, tenant_id: int, application: str | None = None) -> list[EventType]:
        """Return a tenant's event types, newest first; those of one application only, if asked."""
        found = sorted(self._directory.event_types(tenant_id).values(), key=lambda t: -t.id)
        if application is None:
            return found
        return [event_type for event_type in found if event_type.application == application]

    def catalogue(self, tenant_id: int, application: str | None = None) -> Sequence[EventType]:
        """Return a tenant's live event types by name; those of one application only, if asked."""
        known = self.list(tenant_id, application)
        return sorted((t for t in known if not t.archived), key=lambda t: t.name)

    def applications(self, tenant_id: int) -> Sequence[Application]:
        """Return the applications that a tenant's live event types name, newest first."""
        types: dict[str, list[EventType]] = {}
        for event_type in self.catalogue(tenant_id):
            if event_type.application:
                types.setdefault(event_type.application, []).append(event_type)
        found = [
            Application(name, [t.name for t in of_it], max(t.id for t in of_it))
            for name, of_it in types.items()
        ]
        return sorted(found, key=lambda application: -application.newest)

    def example(self, tenant_id: int, name: str) -> tuple[EventType, bytes]:
        """Return an event type and its example as JSON.

        Raises:
            NotFound: there is no such event type.
            Conflict: it has no example, or is out of use.
        """
        event_type = self.get(tenant_id, name)
        if event_type.archived:
            raise Conflict(f"the event type {name!r} is archived; PUT it to use it again")
        if event_type.example is None:
            raise Conflict(f"the event type {name!r} has no example; PUT it with one")
        return event_type, _encoder.encode(event_type.example)

    def get(self, tenant_id: int, name: str) -> EventType:
        """Return an event type; raises NotFound."""
        try:
            return self._directory.event_types(tenant_id)[name]
        except KeyError:
            raise NotFound(f"there is no event type {name[:128]!r}; register it with PUT") from None

    async def put(
        self, tenant_id: int, name: str, settings: EventTypeSettings, *, version: int | None = None
    ) -> EventType:
        """Register an event type or change it; an archived one is live again.

        Raises:
            InvalidField: the name, a text, the schema or the example is not allowed.
            VersionMismatch: somebody else saved first.
            Conflict: the tenant has too many.
        """
        return await self._save(self.draft(tenant_id, name, settings, version=version))

    def draft(
        self,
        tenant_id: int,
        name: str,
        settings: EventTypeSettings,
        *,
        version: int | None = None,
        type_id: int | None = None,
    ) -> EventType:
        """Build what ``put`` would save, with an id of its own where one is given and it is new;
        raises as it does."""
        check_event_type(name, field="name")
        if len(settings.description) > MAX_TEXT:
            raise InvalidField(
                f"description has at most {MAX_TEXT:,} characters", field="description"
            )
        if len(settings.application) > MAX_APPLICATION:
            raise InvalidField(
                f"application has at most {MAX_APPLICATION} characters", field="application"
            )
        _check_schema(settings)
        known = self._directory.event_types(tenant_id)
        before = known.get(name)
        if version is not None and (before is None or before.version != version):
            raise VersionMismatch(
                f"the event type {name!r} is not at version {version} any more; read it again and "
                "repeat your change"
            )
        now = self._clock.wall_ms()
        if before is not None:
            made = msgspec.structs.replace(before, version=before.version + 1)
        elif len(known) >= MAX_TYPES:
            raise Conflict(f"this tenant has {MAX_TYPES:,} event types, which is the limit")
        else:
            number = self._ids.next() if type_id is None else type_id
            made = EventType(id=number, tenant_id=tenant_id, name=name, created_at_ms=now)
        return msgspec.structs.replace(
            made,
            application=settings.application,
            phase=settings.phase,
            description=settings.description,
            schema=settings.schema,
            schema_mode=settings.schema_mode,
            example=settings.example,
            archived=False,
            updated_at_ms=now,
        )

    async def archive(self, tenant_id: int, name: str) -> EventType:
        """Take an event type out of use: strict tenants refuse it; raises NotFound."""
        found = self.get(tenant_id, name)
        if found.archived:
            return found
        return await self._save(
            msgspec.structs.replace(
                found,
                archived=True,
                version=found.version + 1,
                updated_at_ms=self._clock.wall_ms(),
            )
        )

    async def _save(self, event_type: EventType) -> EventType:
        saved = await self._config.save(event_type)
        await self._directory.refresh()
        return saved


def _check_schema(settings: EventTypeSettings) -> None:
    """Raise InvalidField unless the schema compiles and the example keeps it."""
    example = _encoder.encode(settings.example)
    if len(example) > MAX_EXAMPLE:
        raise InvalidField(
            f"an example has at most {MAX_EXAMPLE:,} bytes as JSON, this one {len(example):,}",
            field="example",
        )
    if settings.schema is None:
        return
    schema = Schema(settings.schema)
    if settings.example is None or settings.schema_mode != ENFORCE:
        return
    violation = schema.violation(settings.example, len(example))
    if violation is not None:
        at = "example" + violation.at.removeprefix("data")
        raise InvalidField(
            f"the example is not what the schema asks for; {at}: {violation.what}", field=at
        )
