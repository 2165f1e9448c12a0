"""the provider's book is read"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "provider_line",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("provider_env", sa.String(length=64), nullable=False),
        sa.Column("provider_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("fee", sa.BigInteger(), nullable=False),
        sa.Column("payment_provider_id", sa.Text(), nullable=True),
        sa.Column("refund_provider_id", sa.Text(), nullable=True),
        sa.Column("chargeback_provider_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("is_booked", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_line")),
        sa.UniqueConstraint("provider_env", "provider_id", name=op.f("uq_provider_line_provider_env_provider_id")),
    )
    op.create_index("ix_provider_line_payment", "provider_line", ["payment_provider_id"], unique=False)
    op.create_index(
        "ix_provider_line_to_book", "provider_line", ["id"], unique=False, postgresql_where=sa.text("NOT is_booked")
    )
    op.create_table(
        "book_reading",
        sa.Column("provider_env", sa.String(length=64), nullable=False),
        sa.Column("complete_id", sa.Text(), nullable=True),
        sa.Column("begun_id", sa.Text(), nullable=True),
        sa.Column("next_id", sa.Text(), nullable=True),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("balance", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(next_id IS NULL) OR (begun_id IS NOT NULL)", name=op.f("ck_book_reading_goes_on_where_it_began")
        ),
        sa.PrimaryKeyConstraint("provider_env", name=op.f("pk_book_reading")),
    )
    op.create_table(
        "difference",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("provider_env", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("ours", sa.BigInteger(), nullable=False),
        sa.Column("theirs", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("gone_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_by", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False, server_default=""),
        sa.CheckConstraint(
            "(settled_at IS NULL) = (settled_by IS NULL) AND (settled_at IS NULL) = (note = '')",
            name=op.f("ck_difference_settled_whole"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_difference")),
        sa.UniqueConstraint(
            "provider_env",
            "kind",
            "subject",
            "ours",
            "theirs",
            name=op.f("uq_difference_provider_env_kind_subject_ours_theirs"),
        ),
    )
    op.create_index(
        "ix_difference_open", "difference", ["id"], unique=False, postgresql_where=sa.text("gone_at IS NULL")
    )


def downgrade() -> None:
    op.drop_table("difference")
    op.drop_table("book_reading")
    op.drop_table("provider_line")
