"""a withdrawal is told on the telephone, and ends where its money went back otherwise"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

_BASIS = op.f("ck_withdrawal_basis_known")


def upgrade() -> None:
    op.add_column("withdrawal", sa.Column("resident_told_at", sa.DateTime(timezone=True), nullable=True))
    op.drop_constraint(_BASIS, "withdrawal")
    op.create_check_constraint(
        _BASIS, "withdrawal", "basis IN ('not_handed_over', 'goods', 'sent', 'unanswered', 'otherwise', 'bank')"
    )


def downgrade() -> None:
    op.drop_constraint(_BASIS, "withdrawal")
    op.create_check_constraint(_BASIS, "withdrawal", "basis IN ('not_handed_over', 'goods', 'sent', 'unanswered')")
    op.drop_column("withdrawal", "resident_told_at")
