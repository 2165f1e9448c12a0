"""how a payment is split and which ways to pay it has are fixed before the provider is first asked for it"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("payment", sa.Column("routing", sa.String(length=64), nullable=True))
    op.add_column("payment", sa.Column("handover_on", sa.Date(), nullable=True))
    op.add_column("payment", sa.Column("release_on", sa.Date(), nullable=True))
    op.add_column("payment", sa.Column("methods", sa.ARRAY(sa.Text()), nullable=True))
    op.add_column("payment", sa.Column("takes_slow", sa.Boolean(), server_default=sa.text("true"), nullable=False))
    # What the provider was asked for until now is routed after hand-over.
    op.execute("UPDATE payment SET routing = 'delayed'")
    op.create_check_constraint(op.f("ck_payment_routing_known"), "payment", "routing IN ('delayed', 'upfront')")


def downgrade() -> None:
    op.drop_constraint(op.f("ck_payment_routing_known"), "payment", type_="check")
    for column in ("takes_slow", "methods", "release_on", "handover_on", "routing"):
        op.drop_column("payment", column)
