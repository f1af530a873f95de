"""Registered event types: making, changing and archiving them."""

from __future__ import annotations

from typing import Literal

import msgspec

from hookferry.clock import Clock
from hookferry.domain.tenant import EventType
from hookferry.engine.directory import Directory
from hookferry.errors import Conflict, InvalidField, NotFound, VersionMismatch
from hookferry.ids import IdSource
from hookferry.match.patterns import check_event_type
from hookferry.store.ports import ConfigStore

MAX_TYPES = 10_000
"""Event types of one tenant, archived ones included."""
MAX_TEXT = 2_000
MAX_APPLICATION = 200


class EventTypeSettings(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What ``PUT`` says of an event type; what is left out gets its default."""

    application: str = ""
    phase: Literal["before", "after"] | None = None
    """Whether it asks or tells (SEMANTICS section 4); null leaves it to the name."""
    description: str = ""


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

    def list(self, tenant_id: int) -> list[EventType]:
        """Return a tenant's event types, newest first."""
        return sorted(self._directory.event_types(tenant_id).values(), key=lambda t: -t.id)

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
            InvalidField: the name or a text is not allowed.
            VersionMismatch: somebody else saved first.
            Conflict: the tenant has too many.
        """
        check_event_type(name, field="name")
        if len(settings.description) > MAX_TEXT:
            raise InvalidField(
                f"description has at most {MAX_TEXT:,} characters", field="description"
            )
        if len(settings.application) > MAX_APPLICATION:
            raise InvalidField(
                f"application has at most {MAX_APPLICATION} characters", field="application"
            )
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
            made = EventType(id=self._ids.next(), tenant_id=tenant_id, name=name, created_at_ms=now)
        return await self._save(
            msgspec.structs.replace(
                made,
                application=settings.application,
                phase=settings.phase,
                description=settings.description,
                archived=False,
                updated_at_ms=now,
            )
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
