"""what a route lacks is owed"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("payment_share", sa.Column("lacking_amount", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("payment_share", sa.Column("made_up_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("payment_share", sa.Column("made_up_by", sa.Text(), nullable=True))
    op.drop_constraint("ck_payment_share_routed_within_amount", "payment_share")
    op.create_check_constraint(
        op.f("ck_payment_share_routed_within_amount"),
        "payment_share",
        "routed_amount >= 0 AND routed_amount + lacking_amount <= amount",
    )
    op.create_check_constraint(op.f("ck_payment_share_lacking_not_negative"), "payment_share", "lacking_amount >= 0")
    op.create_check_constraint(
        op.f("ck_payment_share_made_up_whole"), "payment_share", "(made_up_at IS NULL) = (made_up_by IS NULL)"
    )


def downgrade() -> None:
    op.drop_constraint("ck_payment_share_made_up_whole", "payment_share")
    op.drop_constraint("ck_payment_share_lacking_not_negative", "payment_share")
    op.drop_constraint("ck_payment_share_routed_within_amount", "payment_share")
    op.create_check_constraint(
        op.f("ck_payment_share_routed_within_amount"),
        "payment_share",
        "routed_amount > 0 AND routed_amount <= amount",
    )
    op.drop_column("payment_share", "made_up_by")
    op.drop_column("payment_share", "made_up_at")
    op.drop_column("payment_share", "lacking_amount")
