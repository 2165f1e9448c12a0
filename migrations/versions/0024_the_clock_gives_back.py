"""what shop, resident and clock say of a withdrawal that waits; one may be told on the telephone"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("withdrawal", sa.Column("taken_by", sa.Text(), nullable=True))
    for name in ("told_at", "held_at", "proof_at"):
        op.add_column("withdrawal", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.add_column("withdrawal", sa.Column("proof", sa.Text(), server_default="", nullable=False))
    op.drop_constraint(op.f("ck_withdrawal_basis_known"), "withdrawal")
    op.create_check_constraint(
        op.f("ck_withdrawal_basis_known"), "withdrawal", "basis IN ('not_handed_over', 'goods', 'sent', 'unanswered')"
    )


def downgrade() -> None:
    op.execute("UPDATE withdrawal SET basis = 'goods' WHERE basis = 'unanswered'")
    op.drop_constraint(op.f("ck_withdrawal_basis_known"), "withdrawal")
    op.create_check_constraint(
        op.f("ck_withdrawal_basis_known"), "withdrawal", "basis IN ('not_handed_over', 'goods', 'sent')"
    )
    for name in ("proof", "proof_at", "held_at", "told_at", "taken_by"):
        op.drop_column("withdrawal", name)
