"""what is said of a withdrawal while it waits is kept, word for word, with who said it"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

#: Nobody wrote down who had said it before.
NOT_NOTED = "unknown"


def upgrade() -> None:
    op.create_table(
        "withdrawal_word",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("withdrawal_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("word", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.CheckConstraint("word IN ('held', 'proof', 'told')", name=op.f("ck_withdrawal_word_word_known")),
        sa.CheckConstraint("(word = 'proof') = (text <> '')", name=op.f("ck_withdrawal_word_proof_says_how")),
        sa.ForeignKeyConstraint(["withdrawal_id"], ["withdrawal.id"], name=op.f("fk_withdrawal_word_withdrawal_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_withdrawal_word")),
    )
    op.create_index(op.f("ix_withdrawal_word_withdrawal_id"), "withdrawal_word", ["withdrawal_id"])
    op.execute(
        sa.text(
            "INSERT INTO withdrawal_word (withdrawal_id, at, actor, word, text)"
            " SELECT id, at, :actor, word, text FROM (SELECT id, held_at AS at, 'held' AS word, '' AS text"
            " FROM withdrawal UNION ALL SELECT id, resident_told_at, 'told', '' FROM withdrawal"
            " UNION ALL SELECT id, proof_at, 'proof', proof FROM withdrawal) said"
            " WHERE at IS NOT NULL ORDER BY at"
        ).bindparams(actor=NOT_NOTED)
    )
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON withdrawal_word "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        "CREATE TRIGGER never_emptied BEFORE TRUNCATE ON withdrawal_word "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def downgrade() -> None:
    raise RuntimeError("what people said of a withdrawal is kept: this migration is not undone")
