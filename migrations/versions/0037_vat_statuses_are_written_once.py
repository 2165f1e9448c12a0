"""the association's VAT statuses are written once, and guarded by the database"""

from __future__ import annotations

from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

APPEND_ONLY = ("vat_status",)

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
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER never_emptied BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
    op.execute(NO_RIGHT_TO_CHANGE)


def downgrade() -> None:
    for table in APPEND_ONLY:
        for trigger in ("append_only", "never_emptied"):
            op.execute(f"DROP TRIGGER {trigger} ON {table}")
