"""a line that was weighed keeps the weight that its first weighing was held against

0025 froze what the product said that day wherever pieces had gone back before: the product may have been changed since
the sale.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

#: All the pieces were weighed that had not gone back by then: so many pieces, so many grams. The first weighing is the
#: nearest to the sale.
AS_FIRST_WEIGHED = """
UPDATE order_line l SET net_grams = w.promised_grams / (l.qty - w.gone_qty) FROM (
  SELECT DISTINCT ON (w.order_line_id) w.order_line_id, w.promised_grams, coalesce((
    SELECT sum(r.qty) FROM refunded_line r JOIN order_refund o ON o.id = r.order_refund_id
    WHERE r.order_line_id = w.order_line_id AND o.at < w.at
  ), 0) AS gone_qty
  FROM weighing w ORDER BY w.order_line_id, w.id
) w
WHERE w.order_line_id = l.id AND l.qty > w.gone_qty AND w.promised_grams % (l.qty - w.gone_qty) = 0
"""

#: What was weighed against yet another weight stands as it was written, and is told from a fault.
OTHERWISE = """
UPDATE weighing w SET promises_otherwise = true FROM order_line l
WHERE l.id = w.order_line_id AND (l.net_grams IS NULL
  OR w.promised_grams <> ALL (SELECT l.net_grams * n FROM generate_series(1, l.qty) n))
"""


def upgrade() -> None:
    op.add_column(
        "weighing", sa.Column("promises_otherwise", sa.Boolean(), nullable=False, server_default=sa.text("false"))
    )
    op.execute(AS_FIRST_WEIGHED)
    op.execute(OTHERWISE)


def downgrade() -> None:
    op.drop_column("weighing", "promises_otherwise")
