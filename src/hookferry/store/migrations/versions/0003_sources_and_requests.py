"""Sources, the addresses that lead to them, and the requests that they caught."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "requests",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("tenant_id", BIG, nullable=False),
        sa.Column("source_id", BIG, nullable=False),
        sa.Column("received_at", BIG, nullable=False),
        sa.Column("verdict", sa.SmallInteger(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("size", BIG, nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("path", sa.LargeBinary(), nullable=False),
        sa.Column("query", sa.LargeBinary(), nullable=False),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("event_id", BIG, nullable=True),
        sa.Column("duplicate_of", BIG, nullable=True),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("requests_source", "requests", ["source_id"], unique=False)
    op.create_index("requests_tenant", "requests", ["tenant_id"], unique=False)
    op.create_index(
        "requests_unproven",
        "requests",
        ["source_id"],
        unique=False,
        sqlite_where=sa.text("verdict IN (2, 3)"),
    )
    op.create_table(
        "source_guids",
        sa.Column("guid", sa.Text(), nullable=False),
        sa.Column("source_id", BIG, nullable=False),
        sa.Column("expires_at", BIG, nullable=True),
        sa.PrimaryKeyConstraint("guid"),
        sqlite_with_rowid=False,
    )
    op.create_index("source_guids_source", "source_guids", ["source_id"], unique=False)
    op.create_table(
        "sources",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("tenant_id", BIG, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("live", sa.SmallInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("changed", BIG, nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("sources_changed", "sources", ["changed"], unique=False)
    op.create_index(
        "sources_name",
        "sources",
        ["tenant_id", "name"],
        unique=True,
        sqlite_where=sa.text("live = 1"),
    )
