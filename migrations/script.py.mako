"""${message}

Expand, fill, contract: the code that runs before this migration and the code that runs after it must both
work on its result. Long fills go into a job. A NOT NULL or a CHECK on a large table comes NOT VALID first.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
