"""residents withdraw from a contract on the order's page"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "withdrawal",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("sub_order_id", sa.BigInteger(), nullable=False),
        sa.Column("form_key", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("declared_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("refund_due_on", sa.Date(), nullable=False),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("basis", sa.String(length=64), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_by", sa.Text(), nullable=True),
        sa.Column("order_refund_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("state IN ('waiting', 'settled')", name=op.f("ck_withdrawal_state_known")),
        sa.CheckConstraint("basis IN ('not_handed_over', 'goods', 'sent')", name=op.f("ck_withdrawal_basis_known")),
        sa.CheckConstraint(
            "(state = 'settled') = (settled_at IS NOT NULL AND basis IS NOT NULL)",
            name=op.f("ck_withdrawal_settled_once"),
        ),
        sa.ForeignKeyConstraint(["sub_order_id"], ["sub_order.id"], name=op.f("fk_withdrawal_sub_order_id")),
        sa.ForeignKeyConstraint(["order_refund_id"], ["order_refund.id"], name=op.f("fk_withdrawal_order_refund_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_withdrawal")),
        sa.UniqueConstraint("form_key", name=op.f("uq_withdrawal_form_key")),
        sa.UniqueConstraint("order_refund_id", name=op.f("uq_withdrawal_order_refund_id")),
    )
    op.create_index(op.f("ix_withdrawal_sub_order_id"), "withdrawal", ["sub_order_id"])
    op.create_index(
        "ix_withdrawal_waiting", "withdrawal", ["declared_at"], postgresql_where=sa.text("state = 'waiting'")
    )
    op.create_table(
        "withdrawal_line",
        sa.Column("withdrawal_id", sa.BigInteger(), nullable=False),
        sa.Column("order_line_id", sa.BigInteger(), nullable=False),
        sa.Column("qty", sa.SmallInteger(), nullable=False),
        sa.CheckConstraint("qty > 0", name=op.f("ck_withdrawal_line_qty_positive")),
        sa.ForeignKeyConstraint(["withdrawal_id"], ["withdrawal.id"], name=op.f("fk_withdrawal_line_withdrawal_id")),
        sa.ForeignKeyConstraint(["order_line_id"], ["order_line.id"], name=op.f("fk_withdrawal_line_order_line_id")),
        sa.PrimaryKeyConstraint("withdrawal_id", "order_line_id", name=op.f("pk_withdrawal_line")),
    )
    op.create_index(op.f("ix_withdrawal_line_order_line_id"), "withdrawal_line", ["order_line_id"])


def downgrade() -> None:
    op.drop_table("withdrawal_line")
    op.drop_table("withdrawal")
