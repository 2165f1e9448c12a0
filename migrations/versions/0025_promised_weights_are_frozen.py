"""an order's line keeps the weight that was promised"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("order_line", sa.Column("net_grams", sa.Integer(), nullable=True))
    op.create_check_constraint(op.f("ck_order_line_grams_positive"), "order_line", "net_grams > 0")
    # Nobody wrote down what was promised before today: what the product says is what a shop would have weighed against.
    op.execute(
        "UPDATE order_line l SET net_grams = v.net_amount FROM variant v "
        "WHERE v.id = l.variant_id AND v.net_unit = 'g' AND v.net_amount > 0"
    )
    # Where a scale has spoken, what it was held against is known: that of one piece, if no piece had been refunded.
    op.execute(
        "UPDATE order_line l SET net_grams = w.promised_grams / l.qty FROM "
        "(SELECT DISTINCT ON (order_line_id) order_line_id, promised_grams FROM weighing ORDER BY order_line_id, id) w "
        "WHERE w.order_line_id = l.id AND w.promised_grams % l.qty = 0 "
        "AND NOT EXISTS (SELECT 1 FROM refunded_line r WHERE r.order_line_id = l.id AND r.qty > 0)"
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_order_line_grams_positive"), "order_line")
    op.drop_column("order_line", "net_grams")
