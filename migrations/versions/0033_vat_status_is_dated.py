"""the association's VAT status is dated; what the settings said until today is its first row"""

from __future__ import annotations

import os
from datetime import date

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    status = op.create_table(
        "vat_status",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("vat_number", sa.Text(), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.CheckConstraint("EXTRACT(DAY FROM valid_from) = 1", name=op.f("ck_vat_status_begins_with_a_month")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vat_status")),
    )
    op.create_index(op.f("ix_vat_status_valid_from"), "vat_status", ["valid_from"])
    # As the settings read it, with the invented number of the demo town.
    default = "" if "LEGAL_SIREN" in os.environ else "FR66000000018"
    number = os.environ.get("LEGAL_VAT_NUMBER", default).replace(" ", "")
    op.execute(
        sa.insert(status).values(
            valid_from=date(2000, 1, 1), vat_number=number, set_at=sa.func.now(), actor="settings"
        )
    )


def downgrade() -> None:
    op.drop_table("vat_status")
