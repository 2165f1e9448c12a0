"""gestures of before are counted when more is owed than is left of a payment"""

from __future__ import annotations

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

_PAID = "amount > 0 OR amount = 0 AND state = 'refunded'"
_PART = "amount > 0 OR amount < 0 AND kind = 'gesture'"


def upgrade() -> None:
    op.drop_constraint(op.f("ck_order_refund_amounts_not_negative"), "order_refund")
    op.create_check_constraint(op.f("ck_order_refund_delivery_not_negative"), "order_refund", "delivery >= 0")
    for table, condition in (("refund", _PAID), ("refund_part", _PART)):
        op.drop_constraint(op.f(f"ck_{table}_amount_positive"), table)
        op.create_check_constraint(op.f(f"ck_{table}_amount_positive"), table, condition)


def downgrade() -> None:
    for table in ("refund_part", "refund"):
        op.drop_constraint(op.f(f"ck_{table}_amount_positive"), table)
        op.create_check_constraint(op.f(f"ck_{table}_amount_positive"), table, "amount > 0")
    op.drop_constraint(op.f("ck_order_refund_delivery_not_negative"), "order_refund")
    op.create_check_constraint(
        op.f("ck_order_refund_amounts_not_negative"), "order_refund", "delivery >= 0 AND gesture >= 0"
    )
