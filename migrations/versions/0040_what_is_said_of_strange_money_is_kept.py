"""what people say of strange money is kept, word for word; the right sum with another key or split has its own word"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

#: Nobody was asked for a reason before.
NOT_ASKED = "(motif non demandé à l’époque)"


def upgrade() -> None:
    op.create_table(
        "payment_word",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("payment_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("word", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.CheckConstraint("word IN ('settled', 'reopened')", name=op.f("ck_payment_word_word_known")),
        sa.CheckConstraint("(word = 'settled') = (text <> '')", name=op.f("ck_payment_word_settled_says_how")),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name=op.f("fk_payment_word_payment_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_word")),
    )
    op.create_index(op.f("ix_payment_word_payment_id"), "payment_word", ["payment_id"])
    op.execute(
        sa.text(
            "INSERT INTO payment_word (payment_id, at, actor, word, text)"
            " SELECT id, trouble_settled_at, trouble_settled_by, 'settled', :text FROM payment"
            " WHERE trouble_settled_at IS NOT NULL ORDER BY trouble_settled_at"
        ).bindparams(text=NOT_ASKED)
    )
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON payment_word "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        "CREATE TRIGGER never_emptied BEFORE TRUNCATE ON payment_word "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    # What entered the book with the sum that was asked for differed in its key or in its split.
    op.execute(
        "UPDATE payment p SET trouble = CASE p.routing WHEN 'upfront' THEN 'split_differs' ELSE 'key_differs' END"
        " FROM ledger_posting l JOIN ledger_entry e ON e.posting_id = l.id"
        " WHERE l.key = 'paid:' || p.id AND e.account = 'holding' AND e.amount = p.amount"
        " AND p.trouble = 'amount_differs'"
    )


def downgrade() -> None:
    raise RuntimeError("what people said of money is kept: this migration is not undone")
