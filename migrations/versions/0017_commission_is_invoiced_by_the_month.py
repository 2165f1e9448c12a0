"""commission is invoiced by the month"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "commission_run",
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_by", sa.Text(), nullable=False),
        sa.CheckConstraint("extract(day FROM month) = 1", name=op.f("ck_commission_run_month_is_its_first_day")),
        sa.PrimaryKeyConstraint("month", name=op.f("pk_commission_run")),
    )
    op.create_table(
        "commission_part",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("party", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("lines", postgresql.JSONB(), nullable=False),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("amount <> 0", name=op.f("ck_commission_part_amount_not_zero")),
        sa.CheckConstraint("state IN ('planned', 'issued', 'stuck')", name=op.f("ck_commission_part_state_known")),
        sa.ForeignKeyConstraint(["month"], ["commission_run.month"], name=op.f("fk_commission_part_month")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commission_part")),
        sa.UniqueConstraint("month", "party", name=op.f("uq_commission_part_month_party")),
    )


def downgrade() -> None:
    op.drop_table("commission_part")
    op.drop_table("commission_run")
