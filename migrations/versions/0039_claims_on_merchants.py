"""what the provider cannot take back from a merchant with a refund, the merchant owes"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

_CHECKS = {
    "reversed_within_amount": "reversed_amount >= 0 AND claimed_amount >= 0 AND CASE WHEN is_reversal "
    "THEN reversed_amount + claimed_amount <= amount ELSE reversed_amount + claimed_amount = 0 END",
    "claim_ended_whole": "(claim_ended_at IS NULL) = (claim_ended_by IS NULL) AND (claim_ended_at IS NULL) "
    "= (claim_end IS NULL) AND (claim_ended_at IS NULL OR claimed_amount > 0)",
    "claim_end_known": "claim_end IN ('paid', 'waived')",
}


def upgrade() -> None:
    for name in ("reversed_amount", "claimed_amount"):
        op.add_column("refund_part", sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("refund_part", sa.Column("claim_ended_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("refund_part", sa.Column("claim_ended_by", sa.Text(), nullable=True))
    op.add_column("refund_part", sa.Column("claim_end", sa.String(length=64), nullable=True))
    # Until today the provider could take all of it back.
    op.execute("UPDATE refund_part SET reversed_amount = amount WHERE is_reversal")
    for name, condition in _CHECKS.items():
        op.create_check_constraint(op.f(f"ck_refund_part_{name}"), "refund_part", condition)


def downgrade() -> None:
    for name in ("claim_end", "claim_ended_by", "claim_ended_at", "claimed_amount", "reversed_amount"):
        op.drop_column("refund_part", name)
