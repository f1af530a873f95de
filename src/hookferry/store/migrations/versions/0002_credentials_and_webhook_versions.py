"""Credentials; and the versions of webhooks that attempts in the log were made from."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "credentials",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("tenant_id", BIG, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("live", sa.SmallInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("changed", BIG, nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("credentials_changed", "credentials", ["changed"], unique=False)
    op.create_index(
        "credentials_name",
        "credentials",
        ["tenant_id", "name"],
        unique=True,
        sqlite_where=sa.text("live = 1"),
    )
    op.create_table(
        "webhook_versions",
        sa.Column("webhook_id", BIG, autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("replaced_at", BIG, nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("webhook_id", "version"),
    )
    op.create_index("webhook_versions_replaced", "webhook_versions", ["replaced_at"], unique=False)
