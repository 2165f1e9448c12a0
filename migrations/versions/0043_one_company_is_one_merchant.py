"""one company is one merchant: no two of them have one SIREN"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None

#: The nine digits that stand in a register's words, as the house finds them; none where there are none.
SIREN = (
    "\"left\"(regexp_replace(\"substring\"(registration, "
    r"'(?<![A-Za-z0-9])[0-9](?:[ .\u00a0\u202f]?[0-9]){8}(?:[ .\u00a0\u202f]?[0-9]{5})?(?![0-9])'::text), "
    "'[^0-9]'::text, ''::text, 'g'::text), 9)"
)


def upgrade() -> None:
    # Where two merchants of one company are found, the database names the number: one of the files is wrong, or the
    # second has to become a shop of the first.
    op.create_index("uq_merchant_siren", "merchant", [sa.text(SIREN)], unique=True)


def downgrade() -> None:
    op.drop_index("uq_merchant_siren", table_name="merchant")
