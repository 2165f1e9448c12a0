"""commission rates say who set them, and when; a later word about the same day counts"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("commission_rate", sa.Column("set_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("commission_rate", sa.Column("actor", sa.Text(), nullable=True))
    # Until now a rate came with its merchant.
    op.execute(
        "UPDATE commission_rate r SET set_at = m.created_at, actor = 'association' FROM merchant m"
        " WHERE m.id = r.merchant_id"
    )
    op.alter_column("commission_rate", "set_at", nullable=False)
    op.alter_column("commission_rate", "actor", nullable=False)
    op.drop_constraint("uq_commission_rate_merchant_id_valid_from", "commission_rate", type_="unique")
    op.create_index("ix_commission_rate_merchant_id", "commission_rate", ["merchant_id", "valid_from"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_commission_rate_merchant_id", table_name="commission_rate")
    op.execute(
        "DELETE FROM commission_rate r USING commission_rate later WHERE later.merchant_id = r.merchant_id"
        " AND later.valid_from = r.valid_from AND later.id > r.id"
    )
    op.create_unique_constraint(
        "uq_commission_rate_merchant_id_valid_from", "commission_rate", ["merchant_id", "valid_from"]
    )
    op.drop_column("commission_rate", "actor")
    op.drop_column("commission_rate", "set_at")
