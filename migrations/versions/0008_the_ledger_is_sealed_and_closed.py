"""the ledger is sealed and closed

Whatever was posted before is queued for its seal here and sealed by the job, a few thousand a second. The new column
takes no rewrite: its default is worked out once, for all the rows of before.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

#: Rows that are written once and for ever. `ledger_unsealed` is a queue, and no record.
NEW_APPEND_ONLY = ("ledger_seal", "ledger_closing", "ledger_closing_total")
APPEND_ONLY = ("ledger_posting", "ledger_entry", *NEW_APPEND_ONLY)

GUARDS = """
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only: % is refused, a correction is a new row', TG_TABLE_NAME, TG_OP
    USING ERRCODE = 'restrict_violation';
END $$;

CREATE FUNCTION entries_belong() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE late bigint;
BEGIN
  SELECT p.id INTO late FROM written w JOIN ledger_posting p ON p.id = w.posting_id
    WHERE p.xact_id <> pg_current_xact_id()::text::bigint LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'ledger posting % was written by an earlier transaction: nothing is added to it', late
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NULL;
END $$;

CREATE TRIGGER entries_belong AFTER INSERT ON ledger_entry
  REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION entries_belong();

CREATE FUNCTION posting_awaits_seal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO ledger_unsealed (posting_id, at) SELECT id, at FROM written;
  RETURN NULL;
END $$;

CREATE TRIGGER posting_awaits_seal AFTER INSERT ON ledger_posting
  REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION posting_awaits_seal();
"""

#: Takes back what default privileges or a grant on all tables may have given to other roles than the owner.
NO_RIGHT_TO_CHANGE = """
DO $$
DECLARE given record;
BEGIN
  FOR given IN
    SELECT DISTINCT c.oid::regclass AS tbl, coalesce(quote_ident(r.rolname), 'PUBLIC') AS grantee
    FROM pg_class c, aclexplode(c.relacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
    WHERE c.oid = ANY (CAST('{%s}' AS regclass[])) AND a.grantee <> c.relowner
      AND a.privilege_type IN ('UPDATE', 'DELETE', 'TRUNCATE')
  LOOP
    EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON %%s FROM %%s', given.tbl, given.grantee);
  END LOOP;
END $$;
""" % ",".join(APPEND_ONLY)


def upgrade() -> None:
    op.add_column(
        "ledger_posting",
        sa.Column(
            "xact_id", sa.BigInteger(), server_default=sa.text("pg_current_xact_id()::text::bigint"), nullable=False
        ),
    )
    op.create_table(
        "ledger_unsealed",
        sa.Column("posting_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["posting_id"], ["ledger_posting.id"], name=op.f("fk_ledger_unsealed_posting_id")),
        sa.PrimaryKeyConstraint("posting_id", name=op.f("pk_ledger_unsealed")),
    )
    op.create_index("ix_ledger_unsealed_at", "ledger_unsealed", ["at", "posting_id"])
    op.create_table(
        "ledger_seal",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("posting_id", sa.BigInteger(), nullable=False),
        sa.Column("booked_on", sa.Date(), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("octet_length(hash) = 32", name=op.f("ck_ledger_seal_hash_is_sha256")),
        sa.ForeignKeyConstraint(["posting_id"], ["ledger_posting.id"], name=op.f("fk_ledger_seal_posting_id")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_ledger_seal")),
        sa.UniqueConstraint("posting_id", name=op.f("uq_ledger_seal_posting_id")),
    )
    op.create_index(op.f("ix_ledger_seal_booked_on"), "ledger_seal", ["booked_on"])
    op.create_table(
        "ledger_closing",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("period", sa.String(length=64), nullable=False),
        sa.Column("from_on", sa.Date(), nullable=False),
        sa.Column("until_on", sa.Date(), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_number", sa.BigInteger(), nullable=False),
        sa.Column("last_hash", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("period IN ('day', 'month', 'year')", name=op.f("ck_ledger_closing_period_known")),
        sa.CheckConstraint("from_on < until_on", name=op.f("ck_ledger_closing_period_lasts")),
        sa.CheckConstraint("octet_length(hash) = 32", name=op.f("ck_ledger_closing_hash_is_sha256")),
        sa.ForeignKeyConstraint(["last_number"], ["ledger_seal.number"], name=op.f("fk_ledger_closing_last_number")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_ledger_closing")),
        sa.UniqueConstraint("period", "from_on", name=op.f("uq_ledger_closing_period_from_on")),
    )
    op.create_table(
        "ledger_closing_total",
        sa.Column("closing_number", sa.BigInteger(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("debit", sa.BigInteger(), nullable=False),
        sa.Column("credit", sa.BigInteger(), nullable=False),
        sa.Column("ever_debit", sa.BigInteger(), nullable=False),
        sa.Column("ever_credit", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("debit >= 0 AND credit >= 0", name=op.f("ck_ledger_closing_total_sums_not_negative")),
        sa.CheckConstraint(
            "ever_debit >= debit AND ever_credit >= credit", name=op.f("ck_ledger_closing_total_ever_holds_the_period")
        ),
        sa.ForeignKeyConstraint(
            ["closing_number"], ["ledger_closing.number"], name=op.f("fk_ledger_closing_total_closing_number")
        ),
        sa.PrimaryKeyConstraint("closing_number", "account", name=op.f("pk_ledger_closing_total")),
    )
    op.execute(GUARDS)
    for table in NEW_APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER never_emptied BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
    op.execute(NO_RIGHT_TO_CHANGE)
    op.execute("INSERT INTO ledger_unsealed (posting_id, at) SELECT id, at FROM ledger_posting")


def downgrade() -> None:
    raise RuntimeError("seals and closings are kept for years (domain I13, I16); they are not dropped")
