"""a withdrawal waits for the end of a dispute, and is never left to a bank"""

from __future__ import annotations

from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None

_BASIS = op.f("ck_withdrawal_basis_known")
_KNOWN = "basis IN ('not_handed_over', 'goods', 'sent', 'unanswered', 'otherwise'{})"


def upgrade() -> None:
    op.execute(
        "UPDATE withdrawal SET state = 'waiting', basis = NULL, settled_at = NULL, settled_by = NULL"
        " WHERE basis = 'bank'"
    )
    op.drop_constraint(_BASIS, "withdrawal")
    op.create_check_constraint(_BASIS, "withdrawal", _KNOWN.format(""))


def downgrade() -> None:
    op.drop_constraint(_BASIS, "withdrawal")
    op.create_check_constraint(_BASIS, "withdrawal", _KNOWN.format(", 'bank'"))
