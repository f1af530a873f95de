"""Dedupe keys in the order in which they came, before they are sorted in: now by their hash."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "dedupe_recent",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("tenant_id", BIG, nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.drop_index("dedupe_expires", "dedupe")
    op.rename_table("dedupe", "dedupe_by_tenant")
    op.create_table(
        "dedupe",
        sa.Column("tenant_id", BIG, nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("key_hash", "scope", "tenant_id"),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO dedupe (tenant_id, scope, key_hash, body_hash, answer, expires_at)"
        " SELECT tenant_id, scope, key_hash, body_hash, answer, expires_at"
        " FROM dedupe_by_tenant ORDER BY key_hash"
    )
    op.drop_table("dedupe_by_tenant")
    op.create_index("dedupe_expires", "dedupe", [sa.text("expires_at / 3600000")])
