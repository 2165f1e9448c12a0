"""parts can be cancelled, and money goes back for more reasons than one"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_constraint(op.f("ck_order_refund_reason_known"), "order_refund")
    op.create_check_constraint(
        op.f("ck_order_refund_reason_known"),
        "order_refund",
        "reason IN ('shortage', 'weight', 'withdrawal', 'cancelled', 'complaint')",
    )
    op.alter_column("order_refund", "sub_order_id", nullable=True)
    for name in ("delivery", "gesture"):
        op.add_column("order_refund", sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("order_refund", sa.Column("note", sa.Text(), server_default="", nullable=False))
    op.create_check_constraint(
        op.f("ck_order_refund_amounts_not_negative"), "order_refund", "delivery >= 0 AND gesture >= 0"
    )
    op.add_column("refunded_line", sa.Column("gesture", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.drop_constraint(op.f("ck_refunded_line_qty_positive"), "refunded_line")
    op.create_check_constraint(
        op.f("ck_refunded_line_something_goes_back"), "refunded_line", "qty >= 0 AND (qty > 0 OR amount > 0)"
    )
    op.drop_constraint(op.f("ck_refunded_line_commission_within_amount"), "refunded_line")
    op.create_check_constraint(
        op.f("ck_refunded_line_parts_within_amount"),
        "refunded_line",
        "commission >= 0 AND gesture >= 0 AND commission + gesture <= amount",
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_refunded_line_parts_within_amount"), "refunded_line")
    op.create_check_constraint(
        op.f("ck_refunded_line_commission_within_amount"),
        "refunded_line",
        "commission >= 0 AND commission <= amount",
    )
    op.drop_constraint(op.f("ck_refunded_line_something_goes_back"), "refunded_line")
    op.create_check_constraint(op.f("ck_refunded_line_qty_positive"), "refunded_line", "qty > 0")
    op.drop_column("refunded_line", "gesture")
    op.drop_constraint(op.f("ck_order_refund_amounts_not_negative"), "order_refund")
    op.drop_column("order_refund", "note")
    for name in ("gesture", "delivery"):
        op.drop_column("order_refund", name)
    op.alter_column("order_refund", "sub_order_id", nullable=False)
    op.drop_constraint(op.f("ck_order_refund_reason_known"), "order_refund")
    op.create_check_constraint(op.f("ck_order_refund_reason_known"), "order_refund", "reason IN ('shortage')")
