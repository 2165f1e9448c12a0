"""the tax office asks for the birth date of who sells as a person"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("merchant", sa.Column("born_on", sa.Date(), nullable=True))


def downgrade() -> None:
    op.drop_column("merchant", "born_on")
