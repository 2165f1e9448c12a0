"""merchants answer the invoicing mandate

What was signed is kept word for word, and so is a refusal; merchants say their legal form and whether they charge VAT.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

ONLY_ENDS = """
CREATE OR REPLACE FUNCTION mandate_only_ends() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.id, NEW.seller, NEW.ordinal, NEW.signed_on, NEW.signed_by, NEW.noted_at, NEW.terms)
       IS DISTINCT FROM (OLD.id, OLD.seller, OLD.ordinal, OLD.signed_on, OLD.signed_by, OLD.noted_at, OLD.terms)
     OR OLD.ended_on IS NOT NULL THEN
    RAISE EXCEPTION 'mandate % of % only ends, once', OLD.ordinal, OLD.seller USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
"""


def upgrade() -> None:
    op.add_column("merchant", sa.Column("legal_form", sa.Text(), nullable=False, server_default=""))
    op.add_column(
        "merchant", sa.Column("is_vat_exempt", sa.Boolean(), nullable=False, server_default=sa.text("false"))
    )
    op.add_column("invoicing_mandate", sa.Column("terms", sa.Text(), nullable=False, server_default=""))
    op.add_column("invoicing_mandate", sa.Column("ended_by", sa.Text(), nullable=True))
    op.execute(ONLY_ENDS)
    op.create_table(
        "mandate_refusal",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("seller", sa.Text(), nullable=False),
        sa.Column("refused_on", sa.Date(), nullable=False),
        sa.Column("refused_by", sa.Text(), nullable=False),
        sa.Column("noted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mandate_refusal")),
    )
    op.create_index(op.f("ix_mandate_refusal_seller"), "mandate_refusal", ["seller"])
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON mandate_refusal "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        "CREATE TRIGGER never_emptied BEFORE TRUNCATE ON mandate_refusal "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def downgrade() -> None:
    raise RuntimeError("what merchants have signed and refused is kept: this migration is not undone")
