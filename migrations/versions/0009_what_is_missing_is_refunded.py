"""what is missing is refunded"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "order_refund",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("order_id", sa.BigInteger(), nullable=False),
        sa.Column("sub_order_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("liable", sa.String(length=64), nullable=False),
        sa.Column("refund_id", sa.BigInteger(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.CheckConstraint("reason IN ('shortage')", name=op.f("ck_order_refund_reason_known")),
        sa.CheckConstraint(
            "liable IN ('merchant', 'association', 'shared')", name=op.f("ck_order_refund_liable_known")
        ),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_order_refund_order_id_orders")),
        sa.ForeignKeyConstraint(
            ["sub_order_id"], ["sub_order.id"], name=op.f("fk_order_refund_sub_order_id_sub_order")
        ),
        sa.ForeignKeyConstraint(["refund_id"], ["refund.id"], name=op.f("fk_order_refund_refund_id_refund")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_order_refund")),
        sa.UniqueConstraint("refund_id", name=op.f("uq_order_refund_refund_id")),
    )
    op.create_index(op.f("ix_order_refund_order_id"), "order_refund", ["order_id"], unique=False)
    op.create_index(op.f("ix_order_refund_sub_order_id"), "order_refund", ["sub_order_id"], unique=False)
    op.create_table(
        "refunded_line",
        sa.Column("order_refund_id", sa.BigInteger(), nullable=False),
        sa.Column("order_line_id", sa.BigInteger(), nullable=False),
        sa.Column("qty", sa.SmallInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("commission", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("qty > 0", name=op.f("ck_refunded_line_qty_positive")),
        sa.CheckConstraint(
            "commission >= 0 AND commission <= amount", name=op.f("ck_refunded_line_commission_within_amount")
        ),
        sa.ForeignKeyConstraint(
            ["order_refund_id"], ["order_refund.id"], name=op.f("fk_refunded_line_order_refund_id_order_refund")
        ),
        sa.ForeignKeyConstraint(
            ["order_line_id"], ["order_line.id"], name=op.f("fk_refunded_line_order_line_id_order_line")
        ),
        sa.PrimaryKeyConstraint("order_refund_id", "order_line_id", name=op.f("pk_refunded_line")),
    )
    op.create_index(op.f("ix_refunded_line_order_line_id"), "refunded_line", ["order_line_id"], unique=False)


def downgrade() -> None:
    op.drop_table("refunded_line")
    op.drop_table("order_refund")
