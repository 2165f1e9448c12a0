"""a commission invoice that is stuck says why; who mends a merchant's file is kept"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("commission_part", sa.Column("stuck_reason", sa.String(length=64), nullable=True))
    # Until today there was one way to be stuck.
    op.execute("UPDATE commission_part SET stuck_reason = 'too_much_back' WHERE state = 'stuck'")
    op.create_check_constraint(
        op.f("ck_commission_part_stuck_says_why"),
        "commission_part",
        "(state = 'stuck') = (stuck_reason IS NOT NULL)",
    )
    op.create_table(
        "file_change",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("changed", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchant.id"], name=op.f("fk_file_change_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_file_change")),
    )
    op.create_index(op.f("ix_file_change_merchant_id"), "file_change", ["merchant_id"])


def downgrade() -> None:
    op.drop_table("file_change")
    op.drop_constraint(op.f("ck_commission_part_stuck_says_why"), "commission_part")
    op.drop_column("commission_part", "stuck_reason")
