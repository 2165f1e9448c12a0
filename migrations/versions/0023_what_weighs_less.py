"""what a shop's scale said is kept"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "weighing",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("order_line_id", sa.BigInteger(), nullable=False),
        sa.Column("promised_grams", sa.Integer(), nullable=False),
        sa.Column("weighed_grams", sa.Integer(), nullable=False),
        sa.Column("ticket", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("order_refund_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("promised_grams > 0 AND weighed_grams > 0", name=op.f("ck_weighing_weights_positive")),
        sa.ForeignKeyConstraint(["order_line_id"], ["order_line.id"], name=op.f("fk_weighing_order_line_id")),
        sa.ForeignKeyConstraint(["order_refund_id"], ["order_refund.id"], name=op.f("fk_weighing_order_refund_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_weighing")),
    )
    op.create_index(op.f("ix_weighing_order_line_id"), "weighing", ["order_line_id"])
    op.create_index(op.f("ix_weighing_order_refund_id"), "weighing", ["order_refund_id"])


def downgrade() -> None:
    op.drop_table("weighing")
