"""merchants say which of the credit notes that they owe they have written"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "own_credit_note",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("order_refund_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("written_on", sa.Date(), nullable=True),
        sa.Column("noted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("noted_by", sa.Text(), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("undone_by", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(undone_at IS NULL) = (undone_by IS NULL)", name=op.f("ck_own_credit_note_undone_by_somebody")
        ),
        sa.ForeignKeyConstraint(
            ["order_refund_id"], ["order_refund.id"], name=op.f("fk_own_credit_note_order_refund_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_own_credit_note")),
    )
    op.create_index(op.f("ix_own_credit_note_order_refund_id"), "own_credit_note", ["order_refund_id"])
    op.create_index(
        "uq_own_credit_note_one_live",
        "own_credit_note",
        ["order_refund_id"],
        unique=True,
        postgresql_where=sa.text("undone_at IS NULL"),
    )


def downgrade() -> None:
    raise RuntimeError("what merchants have said of their books is kept: this migration is not undone")
