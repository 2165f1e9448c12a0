"""a person says when a dispute is lost"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("chargeback", sa.Column("lost_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("chargeback", sa.Column("lost_by", sa.Text(), nullable=True))
    op.create_check_constraint(
        op.f("ck_chargeback_lost_whole"), "chargeback", "(lost_at IS NULL) = (lost_by IS NULL)"
    )
    op.add_column(
        "chargeback",
        sa.Column(
            "is_open",
            sa.Boolean(),
            sa.Computed("reversed_at IS NULL AND lost_at IS NULL", persisted=True),
            nullable=False,
        ),
    )


def downgrade() -> None:
    for name in ("is_open", "lost_by", "lost_at"):
        op.drop_column("chargeback", name)
