"""The types of records as packages see them: each asks the room that has its rules."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, TypeVar

import msgspec

from hookferry.automate.automations import MAX_AUTOMATIONS, AutomationDefinition, Automations
from hookferry.automate.packages.kinds import Beside, Fields, Kind
from hookferry.automate.timers import TimerDefinition, Timers
from hookferry.catch.sources import Sources
from hookferry.domain.automation import Automation
from hookferry.domain.credential import Credential
from hookferry.domain.source import Source
from hookferry.domain.tenant import EventType
from hookferry.domain.timer import Timer
from hookferry.domain.webhook import Webhook
from hookferry.engine.credentials import Credentials, document_of
from hookferry.engine.definition import merge_patch
from hookferry.engine.directory import Directory
from hookferry.engine.event_types import MAX_TYPES, EventTypes, EventTypeSettings
from hookferry.engine.validation import explain_validation
from hookferry.engine.webhooks import Webhooks
from hookferry.errors import Conflict
from hookferry.store.ports import ConfigRecord

C = TypeVar("C")
Drafted = Sequence[ConfigRecord]


def credential_kind(directory: Directory, credentials: Credentials) -> Kind:
    """Return the type ``credential``."""

    async def draft(tenant_id: int, number: int, fields: Fields, beside: Beside) -> Drafted:
        return [credentials.draft(tenant_id, fields, credential_id=number)]

    async def change(record: Credential, fields: Fields, beside: Beside) -> Drafted:
        return [credentials.draft_patch(record.tenant_id, record.id, fields)]

    return Kind(
        type="credential",
        collection="credentials",
        prefix="cred",
        all=directory.credentials,
        check_room=credentials.check_room,
        draft=draft,
        change=change,
        fields=document_of,
    )


def event_type_kind(directory: Directory, event_types: EventTypes) -> Kind:
    """Return the type ``event_type``, whose records are called by their names."""

    def built(tenant_id: int, number: int, fields: Fields) -> Drafted:
        rest = {name: value for name, value in fields.items() if name != "name"}
        try:
            settings = msgspec.convert(rest, EventTypeSettings)
        except msgspec.ValidationError as error:
            explain_validation(error, EventTypeSettings)
        return [event_types.draft(tenant_id, fields["name"], settings, type_id=number)]

    async def draft(tenant_id: int, number: int, fields: Fields, beside: Beside) -> Drafted:
        return built(tenant_id, number, fields)

    async def change(record: EventType, fields: Fields, beside: Beside) -> Drafted:
        return built(record.tenant_id, record.id, {**fields_of(record), **fields})

    def fields_of(record: EventType) -> Fields:
        return {"name": record.name, **_said(record, EventTypeSettings)}

    def check_room(tenant_id: int, more: int) -> None:
        _check_room("event types", len(directory.event_types(tenant_id)) + more, MAX_TYPES)

    return Kind(
        type="event_type",
        collection="event_types",
        prefix=None,
        all=lambda tenant_id: event_types.catalogue(tenant_id),
        check_room=check_room,
        draft=draft,
        change=change,
        fields=fields_of,
    )


def automation_kind(directory: Directory, automations: Automations) -> Kind:
    """Return the type ``automation``."""

    async def draft(tenant_id: int, number: int, fields: Fields, beside: Beside) -> Drafted:
        return [msgspec.structs.replace(automations.draft(tenant_id, fields), id=number)]

    async def change(record: Automation, fields: Fields, beside: Beside) -> Drafted:
        drafted = automations.draft(record.tenant_id, merge_patch(fields_of(record), fields))
        automations.check_trigger(record, drafted.extension_id)
        return [
            msgspec.structs.replace(
                drafted,
                id=record.id,
                created_at_ms=record.created_at_ms,
                version=record.version + 1,
            )
        ]

    def fields_of(record: Automation) -> Fields:
        return _said(record, AutomationDefinition)

    def check_room(tenant_id: int, more: int) -> None:
        _check_room("automations", len(directory.automations(tenant_id)) + more, MAX_AUTOMATIONS)

    return Kind(
        type="automation",
        collection="automations",
        prefix="auto",
        all=directory.automations,
        check_room=check_room,
        draft=draft,
        change=change,
        fields=fields_of,
    )


def webhook_kind(directory: Directory, webhooks: Webhooks) -> Kind:
    """Return the type ``webhook``; those of a source or timer go with that one."""

    async def draft(tenant_id: int, number: int, fields: Fields, beside: Beside) -> Drafted:
        credentials = _those(beside, Credential)
        webhook, _ = await webhooks.draft(
            tenant_id,
            fields,
            webhook_id=number,
            beside=credentials,
            automations=_those(beside, Automation),
        )
        return [webhook]

    async def change(record: Webhook, fields: Fields, beside: Beside) -> Drafted:
        patch = {name: value for name, value in fields.items() if name != "secret"}
        webhook = await webhooks.draft_patch(
            record.tenant_id,
            record.id,
            patch,
            secret=fields.get("secret", msgspec.UNSET),
            beside=_those(beside, Credential),
            automations=_those(beside, Automation),
        )
        return [webhook]

    def fields_of(record: Webhook) -> Fields:
        return _unlike_defaults(webhooks.document(record), record)

    return Kind(
        type="webhook",
        collection="webhooks",
        prefix="wh",
        all=lambda tenant_id: [w for w in directory.webhooks(tenant_id) if w.owner is None],
        check_room=webhooks.check_room,
        draft=draft,
        change=change,
        fields=fields_of,
        ask=webhooks.greet,
    )


def source_kind(directory: Directory, sources: Sources) -> Kind:
    """Return the type ``source``, which Cerb calls ``webhook_listener``."""

    async def draft(tenant_id: int, number: int, fields: Fields, beside: Beside) -> Drafted:
        return sources.with_own(sources.draft(tenant_id, fields, source_id=number, beside=beside))

    async def change(record: Source, fields: Fields, beside: Beside) -> Drafted:
        return sources.with_own(
            sources.draft_patch(record.tenant_id, record.id, fields, beside=beside)
        )

    def fields_of(record: Source) -> Fields:
        return _unlike_defaults(sources.document(record), record)

    return Kind(
        type="source",
        collection="sources",
        prefix="src",
        all=directory.sources,
        check_room=sources.check_room,
        draft=draft,
        change=change,
        fields=fields_of,
        url=sources.url,
    )


def timer_kind(directory: Directory, timers: Timers) -> Kind:
    """Return the type ``timer``."""

    async def draft(tenant_id: int, number: int, fields: Fields, beside: Beside) -> Drafted:
        automations = _those(beside, Automation)
        return timers.with_own(timers.draft(tenant_id, fields, timer_id=number, beside=automations))

    async def change(record: Timer, fields: Fields, beside: Beside) -> Drafted:
        automations = _those(beside, Automation)
        return timers.with_own(
            timers.draft_patch(record.tenant_id, record.id, fields, beside=automations)
        )

    def fields_of(record: Timer) -> Fields:
        return _said(record, TimerDefinition)

    return Kind(
        type="timer",
        collection="timers",
        prefix="tmr",
        all=directory.timers,
        check_room=timers.check_room,
        draft=draft,
        change=change,
        fields=fields_of,
    )


def _those(records: Collection[Any], kind: type[C]) -> list[C]:
    return [record for record in records if isinstance(record, kind)]


def _check_room(what: str, wanted: int, most: int) -> None:
    if wanted > most:
        raise Conflict(f"this tenant may have {most:,} {what}, which is the limit")


def _said(record: msgspec.Struct, definition: type[msgspec.Struct]) -> Fields:
    """Return the fields of a record that its definition has and that are not its defaults."""
    names = [name for name in definition.__struct_fields__ if hasattr(record, name)]
    fields = {name: getattr(record, name) for name in names}
    return _unlike_defaults(msgspec.to_builtins(fields), record)


def _unlike_defaults(document: Fields, record: msgspec.Struct) -> Fields:
    """Leave out of a definition what a record of its type is anyway."""
    usual = {
        field.name: msgspec.to_builtins(
            field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
        )
        for field in msgspec.structs.fields(record)
        if not field.required
    }
    return {
        name: value
        for name, value in document.items()
        if value is not None and (name not in usual or usual[name] != value)
    }
