"""The whole ledger, as the first release has it."""

import json
import time

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

SHARDS = 256
LEDGER = {"config_version": 1, "greatest_id": 1, "time_ms": 0}

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("changed", BIG, nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("api_keys_changed", "api_keys", ["changed"], unique=False)
    op.create_table(
        "attempts",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("delivery_id", BIG, nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("attempts_delivery", "attempts", ["delivery_id"], unique=False)
    op.create_table(
        "dedupe",
        sa.Column("tenant_id", BIG, autoincrement=False, nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "scope", "key_hash"),
        sqlite_with_rowid=False,
    )
    op.create_index("dedupe_expires", "dedupe", ["expires_at"], unique=False)
    op.create_table(
        "deliveries",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("event_id", BIG, nullable=False),
        sa.Column("webhook_id", BIG, nullable=False),
        sa.Column("tenant_id", BIG, nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("due", BIG, nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_status", sa.Integer(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("updated_at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "deliveries_due",
        "deliveries",
        ["webhook_id", "due"],
        unique=False,
        sqlite_where=sa.text("state < 2"),
    )
    op.create_index("deliveries_event", "deliveries", ["event_id"], unique=False)
    op.create_index(
        "deliveries_retrying",
        "deliveries",
        ["webhook_id"],
        unique=False,
        sqlite_where=sa.text("state = 1"),
    )
    op.create_index(
        "deliveries_failed",
        "deliveries",
        ["tenant_id", "state"],
        unique=False,
        sqlite_where=sa.text("state = 3"),
    )
    op.create_index("deliveries_tenant", "deliveries", ["tenant_id"], unique=False)
    op.create_index("deliveries_webhook", "deliveries", ["webhook_id"], unique=False)
    op.create_table(
        "event_types",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("tenant_id", BIG, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("live", sa.SmallInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("changed", BIG, nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("event_types_changed", "event_types", ["changed"], unique=False)
    op.create_index(
        "event_types_name",
        "event_types",
        ["tenant_id", "name"],
        unique=True,
        sqlite_where=sa.text("live = 1"),
    )
    op.create_table(
        "events",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("tenant_id", BIG, nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("received_at", BIG, nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("meta", sa.LargeBinary(), nullable=True),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "events_external_id",
        "events",
        ["tenant_id", "external_id"],
        unique=False,
        sqlite_where=sa.text("external_id IS NOT NULL"),
    )
    op.create_index("events_tenant", "events", ["tenant_id"], unique=False)
    op.create_table(
        "jobs",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("tenant_id", BIG, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("spec", sa.LargeBinary(), nullable=False),
        sa.Column("cursor", BIG, nullable=True),
        sa.Column("done", BIG, nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("updated_at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "jobs_running", "jobs", ["id"], unique=False, sqlite_where=sa.text("state = 'running'")
    )
    op.create_table(
        "ledger",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", BIG, nullable=False),
        sa.PrimaryKeyConstraint("name"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "shards",
        sa.Column("shard", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", BIG, nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("shard"),
    )
    op.create_table(
        "tenants",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("live", sa.SmallInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("changed", BIG, nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("tenants_changed", "tenants", ["changed"], unique=False)
    op.create_index(
        "tenants_name", "tenants", ["name"], unique=True, sqlite_where=sa.text("live = 1")
    )
    op.create_table(
        "webhook_health",
        sa.Column("webhook_id", BIG, autoincrement=False, nullable=False),
        sa.Column("consecutive_failures", sa.Integer(), nullable=False),
        sa.Column("failing_since", BIG, nullable=True),
        sa.Column("last_success", BIG, nullable=True),
        sa.Column("last_failure", BIG, nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("total_calls", BIG, nullable=False),
        sa.Column("total_errors", BIG, nullable=False),
        sa.PrimaryKeyConstraint("webhook_id"),
    )
    op.create_table(
        "webhooks",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("tenant_id", BIG, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("live", sa.SmallInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("changed", BIG, nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("webhooks_changed", "webhooks", ["changed"], unique=False)
    op.create_index(
        "webhooks_name",
        "webhooks",
        ["tenant_id", "name"],
        unique=False,
        sqlite_where=sa.text("live = 1"),
    )
    op.create_index("webhooks_number", "webhooks", ["tenant_id", "number"], unique=True)
    op.bulk_insert(
        sa.table("ledger", sa.column("name"), sa.column("value")),
        [{"name": name, "value": value} for name, value in LEDGER.items()],
    )
    op.bulk_insert(
        sa.table("shards", sa.column("shard"), sa.column("epoch"), sa.column("node")),
        [{"shard": shard, "epoch": 0, "node": ""} for shard in range(SHARDS)],
    )
    now_ms = int(time.time() * 1000)
    default = {"id": 1, "name": "default", "created_at_ms": now_ms, "updated_at_ms": now_ms}
    op.bulk_insert(
        sa.table(
            "tenants", *map(sa.column, ("id", "name", "live", "version", "changed", "document"))
        ),
        [
            {
                "id": 1,
                "name": "default",
                "live": 1,
                "version": 1,
                "changed": 1,
                "document": json.dumps(default).encode(),
            }
        ],
    )
