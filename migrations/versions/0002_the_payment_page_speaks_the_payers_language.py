"""the payment page speaks the payer's language"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("payment", sa.Column("language", sa.String(length=64), server_default="fr", nullable=False))


def downgrade() -> None:
    op.drop_column("payment", "language")
