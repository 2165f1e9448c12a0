"""documents are issued in gapless series

Documents and their lines are append-only; a series only counts on, by one, and never forgets what it is; a mandate's
words stay, only its end is added.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

APPEND_ONLY = ("issued_document", "issued_line")

GUARDS = """
CREATE FUNCTION series_counts_on() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.id, NEW.seller, NEW.issuer, NEW.kind, NEW.year, NEW.prefix, NEW.mandate_id)
       IS DISTINCT FROM (OLD.id, OLD.seller, OLD.issuer, OLD.kind, OLD.year, OLD.prefix, OLD.mandate_id)
     OR NEW.last_ordinal <> OLD.last_ordinal + 1 OR NEW.last_issued_on < OLD.last_issued_on THEN
    RAISE EXCEPTION 'series % only counts on', OLD.prefix USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION mandate_only_ends() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.id, NEW.seller, NEW.ordinal, NEW.signed_on, NEW.signed_by, NEW.noted_at)
       IS DISTINCT FROM (OLD.id, OLD.seller, OLD.ordinal, OLD.signed_on, OLD.signed_by, OLD.noted_at)
     OR OLD.ended_on IS NOT NULL THEN
    RAISE EXCEPTION 'mandate % of % only ends, once', OLD.ordinal, OLD.seller USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;

CREATE TRIGGER counts_on BEFORE UPDATE ON invoice_series FOR EACH ROW EXECUTE FUNCTION series_counts_on();
CREATE TRIGGER only_ends BEFORE UPDATE ON invoicing_mandate FOR EACH ROW EXECUTE FUNCTION mandate_only_ends();
"""


def upgrade() -> None:
    op.create_table(
        "invoicing_mandate",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("seller", sa.Text(), nullable=False),
        sa.Column("ordinal", sa.SmallInteger(), nullable=False),
        sa.Column("signed_on", sa.Date(), nullable=False),
        sa.Column("ended_on", sa.Date(), nullable=True),
        sa.Column("signed_by", sa.Text(), nullable=False),
        sa.Column("noted_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("ended_on >= signed_on", name=op.f("ck_invoicing_mandate_ends_after_signing")),
        sa.CheckConstraint("ordinal >= 1", name=op.f("ck_invoicing_mandate_ordinal_from_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoicing_mandate")),
        sa.UniqueConstraint("seller", "ordinal", name=op.f("uq_invoicing_mandate_seller_ordinal")),
    )
    op.create_index(
        "uq_invoicing_mandate_one_open",
        "invoicing_mandate",
        ["seller"],
        unique=True,
        postgresql_where=sa.text("ended_on IS NULL"),
    )
    op.create_table(
        "invoice_series",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("seller", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("year", sa.SmallInteger(), nullable=False),
        sa.Column("prefix", sa.String(length=64), nullable=False),
        sa.Column("mandate_id", sa.BigInteger(), nullable=True),
        sa.Column("last_ordinal", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_issued_on", sa.Date(), nullable=True),
        sa.CheckConstraint("kind IN ('invoice', 'credit_note', 'receipt')", name=op.f("ck_invoice_series_kind_known")),
        sa.CheckConstraint("last_ordinal >= 0", name=op.f("ck_invoice_series_last_ordinal_not_negative")),
        sa.CheckConstraint(
            "seller <> issuer OR mandate_id IS NULL", name=op.f("ck_invoice_series_no_mandate_for_oneself")
        ),
        sa.ForeignKeyConstraint(
            ["mandate_id"], ["invoicing_mandate.id"], name=op.f("fk_invoice_series_mandate_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoice_series")),
        sa.UniqueConstraint("seller", "prefix", name=op.f("uq_invoice_series_seller_prefix")),
    )
    op.create_index(op.f("ix_invoice_series_mandate_id"), "invoice_series", ["mandate_id"])
    op.create_table(
        "issued_document",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("series_id", sa.BigInteger(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("number", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("seller", sa.Text(), nullable=False),
        sa.Column("buyer", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("corrects_id", sa.BigInteger(), nullable=True),
        sa.Column("token", sa.String(length=64), nullable=False),
        sa.Column("content", postgresql.JSONB(), nullable=False),
        sa.CheckConstraint(
            "(kind = 'credit_note') = (corrects_id IS NOT NULL)",
            name=op.f("ck_issued_document_credit_names_its_invoice"),
        ),
        sa.CheckConstraint("ordinal >= 1", name=op.f("ck_issued_document_ordinal_from_one")),
        sa.CheckConstraint("total >= 0", name=op.f("ck_issued_document_total_not_negative")),
        sa.ForeignKeyConstraint(["corrects_id"], ["issued_document.id"], name=op.f("fk_issued_document_corrects_id")),
        sa.ForeignKeyConstraint(["series_id"], ["invoice_series.id"], name=op.f("fk_issued_document_series_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_issued_document")),
        sa.UniqueConstraint("key", name=op.f("uq_issued_document_key")),
        sa.UniqueConstraint("seller", "number", name=op.f("uq_issued_document_seller_number")),
        sa.UniqueConstraint("series_id", "ordinal", name=op.f("uq_issued_document_series_id_ordinal")),
        sa.UniqueConstraint("token", name=op.f("uq_issued_document_token")),
    )
    op.create_index(op.f("ix_issued_document_corrects_id"), "issued_document", ["corrects_id"])
    op.create_index(op.f("ix_issued_document_reference"), "issued_document", ["reference"])
    op.create_index("ix_issued_document_seller", "issued_document", ["seller", "issued_on", "id"])
    op.create_index(
        "ix_issued_document_buyer",
        "issued_document",
        ["buyer", "issued_on", "id"],
        postgresql_where=sa.text("buyer <> ''"),
    )
    op.create_table(
        "issued_line",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("document_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("credits_line_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["credits_line_id"], ["issued_line.id"], name=op.f("fk_issued_line_credits_line_id")),
        sa.ForeignKeyConstraint(["document_id"], ["issued_document.id"], name=op.f("fk_issued_line_document_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_issued_line")),
        sa.UniqueConstraint("document_id", "position", name=op.f("uq_issued_line_document_id_position")),
    )
    op.create_index(op.f("ix_issued_line_credits_line_id"), "issued_line", ["credits_line_id"])
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
    for table in (*APPEND_ONLY, "invoice_series", "invoicing_mandate"):
        op.execute(
            f"CREATE TRIGGER never_emptied BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
    for table in ("invoice_series", "invoicing_mandate"):
        op.execute(
            f"CREATE TRIGGER never_deleted BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
    op.execute(GUARDS)


def downgrade() -> None:
    raise RuntimeError("issued documents are kept for ten years: this migration is not undone")
