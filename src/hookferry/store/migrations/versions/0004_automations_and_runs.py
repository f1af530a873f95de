"""Automations and their runs, what they store, timers, and which plugins are off."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "automations",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("tenant_id", BIG, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("live", sa.SmallInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("changed", BIG, nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("automations_changed", "automations", ["changed"], unique=False)
    op.create_index(
        "automations_name",
        "automations",
        ["tenant_id", "name"],
        unique=True,
        sqlite_where=sa.text("live = 1"),
    )
    op.create_table(
        "plugins",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("live", sa.SmallInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("changed", BIG, nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("plugins_changed", "plugins", ["changed"], unique=False)
    op.create_index(
        "plugins_name", "plugins", ["name"], unique=True, sqlite_where=sa.text("live = 1")
    )
    op.create_table(
        "runs",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("tenant_id", BIG, nullable=False),
        sa.Column("automation_id", BIG, nullable=True),
        sa.Column("automation", sa.Text(), nullable=False),
        sa.Column("event_id", BIG, nullable=True),
        sa.Column("delivery_id", BIG, nullable=True),
        sa.Column("source_id", BIG, nullable=True),
        sa.Column("started_at", BIG, nullable=False),
        sa.Column("duration", sa.Float(), nullable=False),
        sa.Column("exit", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("steps_used", BIG, nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "runs_automation",
        "runs",
        ["automation_id"],
        unique=False,
        sqlite_where=sa.text("automation_id IS NOT NULL"),
    )
    op.create_index(
        "runs_event",
        "runs",
        ["event_id"],
        unique=False,
        sqlite_where=sa.text("event_id IS NOT NULL"),
    )
    op.create_index(
        "runs_failed",
        "runs",
        ["tenant_id", "exit"],
        unique=False,
        sqlite_where=sa.text("exit = 'error'"),
    )
    op.create_index("runs_tenant", "runs", ["tenant_id"], unique=False)
    op.create_table(
        "storage",
        sa.Column("tenant_id", BIG, autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("expires_at", BIG, nullable=True),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "key"),
    )
    op.create_index(
        "storage_expires",
        "storage",
        ["expires_at"],
        unique=False,
        sqlite_where=sa.text("expires_at IS NOT NULL"),
    )
    op.create_index("storage_tenant", "storage", ["tenant_id"], unique=False)
    op.create_table(
        "timer_marks",
        sa.Column("timer_id", BIG, autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("due", BIG, nullable=False),
        sa.Column("fired_at", BIG, nullable=False),
        sa.Column("next_due", BIG, nullable=True),
        sa.Column("event_id", BIG, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("count", BIG, nullable=False),
        sa.PrimaryKeyConstraint("timer_id"),
    )
    op.create_table(
        "timers",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("tenant_id", BIG, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("live", sa.SmallInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("changed", BIG, nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("timers_changed", "timers", ["changed"], unique=False)
    op.create_index(
        "timers_name",
        "timers",
        ["tenant_id", "name"],
        unique=True,
        sqlite_where=sa.text("live = 1"),
    )
