"""refunds are told by documents

Which document reckons with a refund is written once, with the document.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "documented_refund",
        sa.Column("order_refund_id", sa.BigInteger(), nullable=False),
        sa.Column("part", sa.String(length=64), nullable=False),
        sa.Column("document_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("part IN ('goods', 'delivery')", name=op.f("ck_documented_refund_part_known")),
        sa.ForeignKeyConstraint(
            ["order_refund_id"], ["order_refund.id"], name=op.f("fk_documented_refund_order_refund_id")
        ),
        sa.ForeignKeyConstraint(["document_id"], ["issued_document.id"], name=op.f("fk_documented_refund_document_id")),
        sa.PrimaryKeyConstraint("order_refund_id", "part", name=op.f("pk_documented_refund")),
    )
    op.create_index(op.f("ix_documented_refund_document_id"), "documented_refund", ["document_id"])
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON documented_refund "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )


def downgrade() -> None:
    op.drop_table("documented_refund")
