"""Configuration records: tenants, webhooks, sources, automations, and whatever else is saved.

The record itself is the ``document``; the other columns repeat what statements look for.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Table,
    Text,
    and_,
    cast,
    delete,
    func,
    insert,
    or_,
    select,
    union_all,
    update,
)

from hookferry.domain.automation import Automation, PluginState
from hookferry.domain.credential import Credential
from hookferry.domain.package import ImportedPackage
from hookferry.domain.source import Source
from hookferry.domain.tenant import ApiKey, EventType, Tenant
from hookferry.domain.timer import Timer, TimerMark
from hookferry.domain.webhook import Health, Webhook, WebhookState
from hookferry.errors import Conflict, HookferryError, NameTaken, NotFound, VersionMismatch
from hookferry.store import tables
from hookferry.store.ports import VERSIONS_KEPT, ConfigChanges, ConfigRecord, R
from hookferry.store.sqlite.compiled import rows, run

Versioned = (
    Tenant
    | EventType
    | Webhook
    | Credential
    | Source
    | Automation
    | Timer
    | PluginState
    | ImportedPackage
)

CANCEL_CHUNK: Final = 500
"""Deliveries cancelled in one transaction when a webhook is deleted: a few milliseconds."""

IDS: Final = 500
"""Ids in one statement."""

MARKS_CHANGED: Final = (
    "SELECT m.timer_id, m.version, m.due, m.fired_at, m.next_due, m.event_id, m.error, m.count"
    " FROM timers AS t INDEXED BY timers_changed"
    " CROSS JOIN timer_marks AS m ON m.timer_id = t.id WHERE t.changed > ?"
)
PUT_MARK: Final = (
    "INSERT OR REPLACE INTO timer_marks"
    " (timer_id, version, due, fired_at, next_due, event_id, error, count)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)

_TABLES: Final[dict[type[Any], Table]] = {
    Tenant: tables.tenants,
    EventType: tables.event_types,
    Webhook: tables.webhooks,
    ApiKey: tables.api_keys,
    Credential: tables.credentials,
    Source: tables.sources,
    Automation: tables.automations,
    Timer: tables.timers,
    PluginState: tables.plugins,
    ImportedPackage: tables.packages,
}
_NOUNS: Final[dict[type[Any], str]] = {
    Tenant: "tenant",
    EventType: "event type",
    Webhook: "webhook",
    Credential: "credential",
    Source: "source",
    Automation: "automation",
    Timer: "timer",
    PluginState: "plugin",
    ImportedPackage: "package",
}
_encode = msgspec.json.Encoder().encode
_decode_webhook = msgspec.json.Decoder(Webhook).decode
_decoders: Final[dict[type[Any], Callable[[bytes], Any]]] = {
    kind: msgspec.json.Decoder(kind).decode for kind in _TABLES
}


def changes(connection: sqlite3.Connection, since_version: int) -> ConfigChanges:
    """Return what changed since a version; the port's ``ConfigStore.changes``."""
    # One transaction, so that the version and all records are of one moment.
    connection.execute("BEGIN")
    version = connection.execute(
        "SELECT value FROM ledger WHERE name = 'config_version'"
    ).fetchone()[0]
    webhooks = _changed(connection, Webhook, since_version)
    h = tables.webhook_health.c
    health = select(
        h.webhook_id,
        h.consecutive_failures,
        h.failing_since,
        h.last_success,
        h.last_failure,
        h.last_error,
        h.total_calls,
        h.total_errors,
    ).where(
        h.webhook_id.in_(
            select(tables.webhooks.c.id).where(tables.webhooks.c.changed > since_version)
        )
    )
    found = ConfigChanges(
        version=version,
        tenants=_changed(connection, Tenant, since_version),
        event_types=_changed(connection, EventType, since_version),
        webhooks=webhooks,
        api_keys=_changed(connection, ApiKey, since_version),
        credentials=_changed(connection, Credential, since_version),
        sources=_changed(connection, Source, since_version),
        health={row[0]: Health(*row[1:]) for row in rows(connection, health)},
        automations=_changed(connection, Automation, since_version),
        timers=_changed(connection, Timer, since_version),
        plugins=_changed(connection, PluginState, since_version),
        packages=_changed(connection, ImportedPackage, since_version),
        timer_marks={
            row[0]: TimerMark(*row[1:])
            for row in connection.execute(MARKS_CHANGED, (since_version,))
        },
    )
    connection.execute("COMMIT")
    return found


def _changed(connection: sqlite3.Connection, kind: type[R], since_version: int) -> list[R]:
    table = _TABLES[kind]
    decode = _decoders[kind]
    statement = select(table.c.document).where(table.c.changed > since_version).order_by(table.c.id)
    return [decode(row[0]) for row in rows(connection, statement)]


def save(connection: sqlite3.Connection, record: R, unique: bool) -> R:
    """Insert or update a record in one transaction; the port's ``ConfigStore.save``.

    Args:
        connection: the writer's.
        record: what to store.
        unique: refuse a webhook whose name another live one of the tenant has.
    """
    connection.execute("BEGIN IMMEDIATE")
    saved = _insert_or_update(connection, record, count_up(connection), unique)
    connection.execute("COMMIT")
    return saved


def save_together(
    connection: sqlite3.Connection, records: Sequence[ConfigRecord]
) -> list[ConfigRecord]:
    """Save several records or none; the port's ``ConfigStore.save_together``."""
    connection.execute("BEGIN IMMEDIATE")
    changed = count_up(connection)
    saved: list[ConfigRecord] = []
    for position, record in enumerate(records):
        try:
            saved.append(_insert_or_update(connection, record, changed, unique=False))
        except HookferryError as error:
            error.extra["record"] = position
            raise
    connection.execute("COMMIT")
    return saved


def _insert_or_update(connection: sqlite3.Connection, record: R, changed: int, unique: bool) -> R:
    """Check a record and put it, in the caller's transaction."""
    table = _TABLES[type(record)]
    row = rows(connection, select(table.c.document).where(table.c.id == record.id))
    stored: Any = _decoders[type(record)](row[0][0]) if row else None
    if not isinstance(record, ApiKey):
        _check_version(record, stored)
        if not isinstance(record, Webhook) or unique:
            _check_name(connection, record)
        if isinstance(record, Webhook | Credential):
            _check_credential(connection, record)
        if isinstance(record, Source):
            _claim_guids(connection, record)
    if isinstance(record, Webhook) and stored is None and record.number == 0:
        greatest = select(func.max(table.c.number)).where(table.c.tenant_id == record.tenant_id)
        number = rows(connection, greatest)[0][0]
        record = msgspec.structs.replace(record, number=(number or 0) + 1)
    if isinstance(record, Webhook) and stored is not None:
        _keep_version(connection, stored, record.updated_at_ms)
    _put(connection, record, changed, new=stored is None)
    return record


def count_up(connection: sqlite3.Connection) -> int:
    """Raise the configuration version by one and return it."""
    version: int = connection.execute(
        "UPDATE ledger SET value = value + 1 WHERE name = 'config_version' RETURNING value"
    ).fetchall()[0][0]
    return version


def _check_version(record: Versioned, stored: Any) -> None:
    at = 0 if stored is None else stored.version
    if record.version != at + 1:
        noun = _NOUNS[type(record)]
        raise VersionMismatch(
            f"the {noun} {record.name!r} is at version {at}, not {record.version - 1}: somebody "
            "else saved it first; read it again and repeat the change"
        )


def _live(record: Versioned) -> bool:
    return not (record.archived if isinstance(record, EventType) else record.deleted)


def _check_name(connection: sqlite3.Connection, record: Versioned) -> None:
    if not _live(record):
        return
    table = _TABLES[type(record)]
    where: list[ColumnElement[bool]] = [
        table.c.name == record.name,
        table.c.live == 1,
        table.c.id != record.id,
    ]
    if not isinstance(record, Tenant | PluginState):
        where.append(table.c.tenant_id == record.tenant_id)
    if rows(connection, select(table.c.id).where(*where).limit(1)):
        raise NameTaken(
            f"another {_NOUNS[type(record)]} is called {record.name!r}: choose another name",
            field="name",
        )


def _check_credential(connection: sqlite3.Connection, record: Webhook | Credential) -> None:
    """See that no live webhook names a credential that is gone, whoever saves meanwhile."""
    if isinstance(record, Webhook):
        if record.deleted or record.credential is None:
            return
        c = tables.credentials.c
        wanted = (c.id == record.credential, c.tenant_id == record.tenant_id, c.live == 1)
        if not rows(connection, select(c.id).where(*wanted)):
            raise NotFound(
                "this credential was deleted meanwhile: choose another one", field="credential"
            )
    elif record.deleted:
        w = tables.webhooks.c
        named = func.json_extract(cast(w.document, Text), "$.credential") == record.id
        using = select(w.id).where(w.tenant_id == record.tenant_id, w.live == 1, named)
        if rows(connection, using.limit(1)):
            raise Conflict("a webhook uses this credential by now: give it another one first")


def _claim_guids(connection: sqlite3.Connection, source: Source) -> None:
    """Have a live source's addresses lead to it alone; those of a deleted one come free.

    An address that another source rotated away is taken until it expires, as of the save's time.
    """
    table = tables.source_guids
    now_ms = source.updated_at_ms
    claims: dict[str, int | None] = {}
    if not source.deleted:
        claims = {f.guid: f.expires_at_ms for f in source.former_guids if f.expires_at_ms > now_ms}
        claims[source.guid] = None
    wanted = table.c.guid.in_(claims)
    run(
        connection,
        delete(table).where(
            or_(table.c.source_id == source.id, and_(wanted, table.c.expires_at <= now_ms))
        ),
    )
    if rows(connection, select(table.c.guid).where(wanted).limit(1)):
        raise NameTaken(
            "this guid leads to another source, or did until recently: choose another one, or "
            "leave it out and have one made",
            field="guid",
        )
    for guid, expires_at_ms in claims.items():
        values = {"guid": guid, "source_id": source.id, "expires_at": expires_at_ms}
        run(connection, insert(table).values(values))


def mark_timer(connection: sqlite3.Connection, timer_id: int, mark: TimerMark) -> None:
    """Keep how far a timer has come; the port's ``ConfigStore.mark_timer``."""
    connection.execute(PUT_MARK, (timer_id, *msgspec.structs.astuple(mark)))


def _put(connection: sqlite3.Connection, record: ConfigRecord, changed: int, *, new: bool) -> None:
    table = _TABLES[type(record)]
    values: dict[str, Any] = {"changed": changed, "document": _encode(record)}
    for name in ("tenant_id", "number", "name", "version"):
        if name in table.c:
            values[name] = getattr(record, name)
    if not isinstance(record, ApiKey):
        values["live"] = int(_live(record))
    if new:
        run(connection, insert(table).values(id=record.id, **values))
    else:
        run(connection, update(table).where(table.c.id == record.id).values(**values))


def _keep_version(connection: sqlite3.Connection, webhook: Webhook, replaced_at_ms: int) -> None:
    """Keep what a webhook is until now; its sealed values are for sending, not for a log."""
    values = {
        "webhook_id": webhook.id,
        "version": webhook.version,
        "replaced_at": replaced_at_ms,
        "document": _encode(webhook.without_sealed()),
    }
    table = tables.webhook_versions
    run(connection, insert(table).values(values))
    surplus = (table.c.webhook_id == webhook.id, table.c.version <= webhook.version - VERSIONS_KEPT)
    run(connection, delete(table).where(*surplus))


def select_webhook_at(webhook_id: int, version: int) -> CompoundSelect[Any]:
    """Build the statement of ``webhook_at``."""
    now, past = tables.webhooks.c, tables.webhook_versions.c
    return union_all(
        select(now.document).where(now.id == webhook_id, now.version == version),
        select(past.document).where(past.webhook_id == webhook_id, past.version == version),
    )


def webhook_at(
    connection: sqlite3.Connection, tenant_id: int, webhook_id: int, version: int
) -> Webhook | None:
    """Return a webhook as it was at a version; the port's ``Log.webhook_at``."""
    for row in rows(connection, select_webhook_at(webhook_id, version)):
        webhook = _decode_webhook(row[0])
        if webhook.tenant_id == tenant_id:
            return webhook.without_sealed()
    return None


def disable_webhooks(
    connection: sqlite3.Connection, webhook_ids: Sequence[int], at_ms: int
) -> bool:
    """Move the active ones to too_many_errors, in the caller's transaction; return if any was."""
    table = tables.webhooks
    found = rows(connection, select(table.c.document).where(table.c.id.in_(webhook_ids)))
    active = [
        webhook
        for webhook in (_decode_webhook(row[0]) for row in found)
        if webhook.state is WebhookState.ACTIVE and not webhook.deleted
    ]
    if not active:
        return False
    changed = count_up(connection)
    for webhook in active:
        disabled = msgspec.structs.replace(
            webhook, state=WebhookState.TOO_MANY_ERRORS, version=webhook.version + 1
        )
        _keep_version(connection, webhook, at_ms)
        _put(connection, disabled, changed, new=False)
    return True


# 4 is DeliveryState.CANCELLED.
CANCEL_BACKLOG: Final = (
    "UPDATE deliveries SET state = 4, last_error = 'webhook_deleted', updated_at = ? WHERE id IN ("
    "SELECT id FROM deliveries INDEXED BY deliveries_due"
    " WHERE webhook_id = ? AND state < 2 LIMIT ?)"
)


def cancel_backlog(connection: sqlite3.Connection, webhook_id: int, at_ms: int) -> bool:
    """Cancel a chunk of what a deleted webhook is owed; return whether there may be more."""
    changed = connection.execute(CANCEL_BACKLOG, (at_ms, webhook_id, CANCEL_CHUNK)).rowcount
    return changed == CANCEL_CHUNK


def deleted_webhooks(
    connection: sqlite3.Connection, webhook_ids: Sequence[int]
) -> list[tuple[int, int]]:
    """Return which of the webhooks are deleted, and when they were (Unix ms)."""
    table = tables.webhooks
    found: list[tuple[int, int]] = []
    for start in range(0, len(webhook_ids), IDS):
        part = webhook_ids[start : start + IDS]
        statement = select(table.c.document).where(table.c.live == 0, table.c.id.in_(part))
        webhooks = (_decode_webhook(row[0]) for row in rows(connection, statement))
        found += [(webhook.id, webhook.updated_at_ms) for webhook in webhooks]
    return found
