"""changes of a merchant's file say why; rows that are written once are guarded by the database"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

#: Nothing of ours ever changed or deleted them; from now on nobody can.
APPEND_ONLY = ("file_change", "commission_rate", "delivery_policy", "connection_event")

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
    op.add_column("file_change", sa.Column("reason", sa.Text(), nullable=False, server_default=""))
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
    raise RuntimeError("why a file was changed is kept: this migration is not undone")
