"""The ledger's tables, defined once for every engine and for the migrations.

Only names, types and indexes live here, no statements. Ids are the time-sortable integers of
``hookferry.ids``, so "newest first" is "by id, descending" and a plain index on a column serves
"newest first within that column" too: SQLite ends every index with the row id.

What every index costs is paid per event, so each says what it is for. Configuration records keep
their queryable fields as columns and the whole record as a ``document`` (JSON): a new field needs
no migration.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.types import TypeEngine

metadata = MetaData()

BIG: TypeEngine[int] = BigInteger().with_variant(Integer(), "sqlite")
"""On SQLite only INTEGER makes a primary key the row id."""

OWES = "state < 2"
"""Condition of the partial index on owing deliveries; statements repeat it word for word."""

UNPROVEN = "verdict IN (2, 3)"
"""Condition of the partial index on quarantined and rejected requests; repeated word for word."""


def _key() -> Column[int]:
    return Column("id", BIG, primary_key=True, autoincrement=False)


ledger = Table(
    "ledger",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", BIG, nullable=False),
    sqlite_with_rowid=False,
)
"""Numbers about the ledger as a whole: config_version, greatest_id, time_ms."""

tenants = Table(
    "tenants",
    metadata,
    _key(),
    Column("name", Text, nullable=False),
    Column("live", SmallInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("changed", BIG, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Index("tenants_name", "name", unique=True, sqlite_where=text("live = 1")),
    Index("tenants_changed", "changed"),
)

event_types = Table(
    "event_types",
    metadata,
    _key(),
    Column("tenant_id", BIG, nullable=False),
    Column("name", Text, nullable=False),
    Column("live", SmallInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("changed", BIG, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Index("event_types_name", "tenant_id", "name", unique=True, sqlite_where=text("live = 1")),
    Index("event_types_changed", "changed"),
)

webhooks = Table(
    "webhooks",
    metadata,
    _key(),
    Column("tenant_id", BIG, nullable=False),
    Column("number", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("live", SmallInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("changed", BIG, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Index("webhooks_number", "tenant_id", "number", unique=True),
    Index("webhooks_name", "tenant_id", "name", sqlite_where=text("live = 1")),
    Index("webhooks_changed", "changed"),
)

api_keys = Table(
    "api_keys",
    metadata,
    _key(),
    Column("changed", BIG, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Index("api_keys_changed", "changed"),
)

credentials = Table(
    "credentials",
    metadata,
    _key(),
    Column("tenant_id", BIG, nullable=False),
    Column("name", Text, nullable=False),
    Column("live", SmallInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("changed", BIG, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Index("credentials_name", "tenant_id", "name", unique=True, sqlite_where=text("live = 1")),
    Index("credentials_changed", "changed"),
)

sources = Table(
    "sources",
    metadata,
    _key(),
    Column("tenant_id", BIG, nullable=False),
    Column("name", Text, nullable=False),
    Column("live", SmallInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("changed", BIG, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Index("sources_name", "tenant_id", "name", unique=True, sqlite_where=text("live = 1")),
    Index("sources_changed", "changed"),
)

source_guids = Table(
    "source_guids",
    metadata,
    Column("guid", Text, primary_key=True),
    Column("source_id", BIG, nullable=False),
    Column("expires_at", BIG),
    # A save replaces its source's rows.
    Index("source_guids_source", "source_id"),
    sqlite_with_rowid=False,
)
"""Which live source an address leads to, those rotated away included until they expire: what
keeps one address from leading to two."""

automations = Table(
    "automations",
    metadata,
    _key(),
    Column("tenant_id", BIG, nullable=False),
    Column("name", Text, nullable=False),
    Column("live", SmallInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("changed", BIG, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Index("automations_name", "tenant_id", "name", unique=True, sqlite_where=text("live = 1")),
    Index("automations_changed", "changed"),
)

timers = Table(
    "timers",
    metadata,
    _key(),
    Column("tenant_id", BIG, nullable=False),
    Column("name", Text, nullable=False),
    Column("live", SmallInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("changed", BIG, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Index("timers_name", "tenant_id", "name", unique=True, sqlite_where=text("live = 1")),
    Index("timers_changed", "changed"),
)

timer_marks = Table(
    "timer_marks",
    metadata,
    Column("timer_id", BIG, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
    Column("due", BIG, nullable=False),
    Column("fired_at", BIG, nullable=False),
    Column("next_due", BIG),
    Column("event_id", BIG),
    Column("error", Text),
    Column("count", BIG, nullable=False),
)
"""Apart from ``timers``, because it changes with every firing and a definition hardly ever."""

packages = Table(
    "packages",
    metadata,
    _key(),
    Column("tenant_id", BIG, nullable=False),
    Column("name", Text, nullable=False),
    Column("live", SmallInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("changed", BIG, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Index("packages_name", "tenant_id", "name", unique=True, sqlite_where=text("live = 1")),
    Index("packages_changed", "changed"),
)

plugins = Table(
    "plugins",
    metadata,
    _key(),
    Column("name", Text, nullable=False),
    Column("live", SmallInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("changed", BIG, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Index("plugins_name", "name", unique=True, sqlite_where=text("live = 1")),
    Index("plugins_changed", "changed"),
)

webhook_versions = Table(
    "webhook_versions",
    metadata,
    Column("webhook_id", BIG, primary_key=True, autoincrement=False),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("replaced_at", BIG, nullable=False),
    Column("document", LargeBinary, nullable=False),
    # Retention: those replaced first go first.
    Index("webhook_versions_replaced", "replaced_at"),
)
"""What webhooks were before their last save, so that the log can show a request as it was sent."""

webhook_health = Table(
    "webhook_health",
    metadata,
    Column("webhook_id", BIG, primary_key=True, autoincrement=False),
    Column("consecutive_failures", Integer, nullable=False),
    Column("failing_since", BIG),
    Column("last_success", BIG),
    Column("last_failure", BIG),
    Column("last_error", Text),
    Column("total_calls", BIG, nullable=False),
    Column("total_errors", BIG, nullable=False),
)
"""Apart from ``webhooks``, because it changes with every batch and a definition hardly ever."""

shards = Table(
    "shards",
    metadata,
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("epoch", BIG, nullable=False),
    Column("node", Text, nullable=False),
)

events = Table(
    "events",
    metadata,
    _key(),
    Column("tenant_id", BIG, nullable=False),
    Column("type", Text, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("received_at", BIG, nullable=False),
    Column("external_id", Text),
    Column("meta", LargeBinary),
    Column("payload", LargeBinary, nullable=False),
    # A tenant's newest events, however little of the log is that tenant's.
    Index("events_tenant", "tenant_id"),
    # Search by the publisher's id; events without one pay nothing.
    Index(
        "events_external_id",
        "tenant_id",
        "external_id",
        sqlite_where=text("external_id IS NOT NULL"),
    ),
)
"""``payload`` is last: reading the columns before it touches none of its overflow pages."""

requests = Table(
    "requests",
    metadata,
    _key(),
    Column("tenant_id", BIG, nullable=False),
    Column("source_id", BIG, nullable=False),
    Column("received_at", BIG, nullable=False),
    Column("verdict", SmallInteger, nullable=False),
    Column("status", Integer, nullable=False),
    Column("size", BIG, nullable=False),
    Column("method", Text, nullable=False),
    Column("path", LargeBinary, nullable=False),
    Column("query", LargeBinary, nullable=False),
    Column("client", Text, nullable=False),
    Column("reason", Text),
    Column("key", Text),
    Column("event_id", BIG),
    Column("duplicate_of", BIG),
    Column("document", LargeBinary, nullable=False),
    Column("body", LargeBinary),
    # A source's newest requests, what follows one of them, and its retention.
    Index("requests_source", "source_id"),
    # A tenant's newest requests.
    Index("requests_tenant", "tenant_id"),
    # A source's quarantine and its ring; a request that is genuine is never in it.
    Index("requests_unproven", "source_id", sqlite_where=text(UNPROVEN)),
)
"""What sources caught. ``size`` is the body's, wherever that is: ``body`` is null where the request
became an event, whose payload it is. What only a whole request needs is in ``document``
(MessagePack)."""

deliveries = Table(
    "deliveries",
    metadata,
    _key(),
    Column("event_id", BIG, nullable=False),
    Column("webhook_id", BIG, nullable=False),
    Column("tenant_id", BIG, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("due", BIG, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("last_status", Integer),
    Column("last_error", Text),
    Column("updated_at", BIG, nullable=False),
    # An event's deliveries: its page, its counts, and what goes with it when it is forgotten.
    Index("deliveries_event", "event_id"),
    # A webhook's newest deliveries.
    Index("deliveries_webhook", "webhook_id"),
    # A tenant's newest deliveries.
    Index("deliveries_tenant", "tenant_id"),
    # The lane's backlog in the order it is due. Only what owes is in it, so it stays small.
    Index("deliveries_due", "webhook_id", "due", sqlite_where=text(OWES)),
    # What blocks an ordered lane; a delivery that succeeds at once is never in it.
    Index("deliveries_retrying", "webhook_id", sqlite_where=text("state = 1")),
    # The dead letters of a tenant; a delivery that succeeds is never in it. The second column says
    # nothing new, but makes the planner prefer this index to the tenant's.
    Index("deliveries_failed", "tenant_id", "state", sqlite_where=text("state = 3")),
)

attempts = Table(
    "attempts",
    metadata,
    _key(),
    Column("delivery_id", BIG, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Index("attempts_delivery", "delivery_id"),
)
"""The attempt is only ever read whole, so it is one MessagePack document."""

runs = Table(
    "runs",
    metadata,
    _key(),
    Column("tenant_id", BIG, nullable=False),
    Column("automation_id", BIG),
    Column("automation", Text, nullable=False),
    Column("event_id", BIG),
    Column("delivery_id", BIG),
    Column("source_id", BIG),
    Column("started_at", BIG, nullable=False),
    Column("duration", Float, nullable=False),
    Column("exit", Text, nullable=False),
    Column("error", Text),
    Column("steps_used", BIG, nullable=False),
    Column("document", LargeBinary, nullable=False),
    # A tenant's newest runs.
    Index("runs_tenant", "tenant_id"),
    # An automation's newest runs.
    Index("runs_automation", "automation_id", sqlite_where=text("automation_id IS NOT NULL")),
    # An event's runs, and those of one of its deliveries; what goes with it when it is forgotten.
    Index("runs_event", "event_id", sqlite_where=text("event_id IS NOT NULL")),
    # What went wrong; a run that did not is never in it. The second column makes the planner
    # prefer this index to the tenant's.
    Index("runs_failed", "tenant_id", "exit", sqlite_where=text("exit = 'error'")),
)
"""``document`` is what only a whole run needs (MessagePack), and last: lists don't touch it."""

storage = Table(
    "storage",
    metadata,
    Column("tenant_id", BIG, primary_key=True, autoincrement=False),
    Column("key", Text, primary_key=True),
    Column("expires_at", BIG),
    Column("value", LargeBinary, nullable=False),
    # Counts a tenant's values: far smaller than the index by key.
    Index("storage_tenant", "tenant_id"),
    # The janitor's; values that stay pay nothing.
    Index("storage_expires", "expires_at", sqlite_where=text("expires_at IS NOT NULL")),
)
"""What automations keep between runs."""

dedupe = Table(
    "dedupe",
    metadata,
    Column("tenant_id", BIG, nullable=False),
    Column("scope", Text, nullable=False),
    Column("key_hash", LargeBinary, nullable=False),
    Column("body_hash", LargeBinary, nullable=False),
    Column("answer", LargeBinary, nullable=False),
    Column("expires_at", BIG, nullable=False),
    PrimaryKeyConstraint("key_hash", "scope", "tenant_id"),
    # By the hour, so that keys which lie side by side in the table do so in here.
    Index("dedupe_expires", text("expires_at / 3600000")),
    sqlite_with_rowid=False,
)

dedupe_recent = Table(
    "dedupe_recent",
    metadata,
    _key(),
    Column("tenant_id", BIG, nullable=False),
    Column("scope", Text, nullable=False),
    Column("key_hash", LargeBinary, nullable=False),
    Column("body_hash", LargeBinary, nullable=False),
    Column("answer", LargeBinary, nullable=False),
    Column("expires_at", BIG, nullable=False),
)
"""What is not sorted into ``dedupe`` yet, in the order in which it came; by its own numbers."""

jobs = Table(
    "jobs",
    metadata,
    _key(),
    Column("tenant_id", BIG, nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("spec", LargeBinary, nullable=False),
    Column("cursor", BIG),
    Column("done", BIG, nullable=False),
    Column("created_at", BIG, nullable=False),
    Column("updated_at", BIG, nullable=False),
    Index("jobs_running", "id", sqlite_where=text("state = 'running'")),
)
