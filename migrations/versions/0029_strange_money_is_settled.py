"""money of another currency is told from money of another sum; a person says that it is settled"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("payment", sa.Column("trouble_settled_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("payment", sa.Column("trouble_settled_by", sa.Text(), nullable=True))
    op.create_check_constraint(
        op.f("ck_payment_trouble_settled_whole"),
        "payment",
        "(trouble_settled_at IS NULL) = (trouble_settled_by IS NULL)"
        " AND (trouble_settled_at IS NULL OR trouble IS NOT NULL)",
    )
    # What entered no book was money of another currency, or play money.
    op.execute(
        "UPDATE payment p SET trouble = 'money_elsewhere' FROM ledger_posting l"
        " WHERE l.key = 'paid:' || p.id AND p.trouble = 'amount_differs'"
        " AND NOT EXISTS (SELECT 1 FROM ledger_entry e WHERE e.posting_id = l.id)"
    )


def downgrade() -> None:
    op.execute("UPDATE payment SET trouble = 'amount_differs' WHERE trouble = 'money_elsewhere'")
    op.drop_constraint(op.f("ck_payment_trouble_settled_whole"), "payment")
    op.drop_column("payment", "trouble_settled_by")
    op.drop_column("payment", "trouble_settled_at")
