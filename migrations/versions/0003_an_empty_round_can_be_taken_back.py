"""an empty round can be taken back

Rounds are few: the two statements take no time, and whoever runs the code of before meets no withdrawn round.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_constraint(op.f("ck_round_state_known"), "round")
    op.create_check_constraint(
        op.f("ck_round_state_known"),
        "round",
        "state IN ('open', 'closed', 'planning', 'planned', 'riding', 'done', 'withdrawn')",
    )
    op.drop_constraint(op.f("uq_round_zone_id_collect_from_at"), "round")
    op.create_index(
        "uq_round_one_per_collecting",
        "round",
        ["zone_id", "collect_from_at"],
        unique=True,
        postgresql_where=sa.text("state <> 'withdrawn'"),
    )
