"""a pin is set by hand"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("checkout", sa.Column("is_pinned", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("checkout", sa.Column("pin_lat", sa.Float(), nullable=True))
    op.add_column("checkout", sa.Column("pin_lon", sa.Float(), nullable=True))
    op.add_column("checkout", sa.Column("pin_zoom", sa.SmallInteger(), nullable=True))
    op.add_column("booking", sa.Column("is_pinned", sa.Boolean(), server_default=sa.text("false"), nullable=False))


def downgrade() -> None:
    op.drop_column("booking", "is_pinned")
    for name in ("pin_zoom", "pin_lon", "pin_lat", "is_pinned"):
        op.drop_column("checkout", name)
