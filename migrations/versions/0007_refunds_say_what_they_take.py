"""refunds say what they take, and from whom; chargebacks are kept"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("payment_share", sa.Column("routed_amount", sa.BigInteger(), nullable=True))
    op.add_column("payment_share", sa.Column("organization_id", sa.Text(), nullable=True))
    # What is on its way or has arrived was routed whole, to the merchant's one account.
    op.execute(
        "UPDATE payment_share s SET routed_amount = s.amount, organization_id = a.organization_id"
        " FROM payment p, merchant_account a WHERE p.id = s.payment_id AND a.party = s.party"
        " AND a.provider_env = p.provider_env AND s.state IN ('sending', 'unknown', 'routed')"
    )
    op.create_check_constraint(
        op.f("ck_payment_share_routed_within_amount"),
        "payment_share",
        "routed_amount > 0 AND routed_amount <= amount",
    )
    op.create_index(
        "ix_payment_share_on_the_way",
        "payment_share",
        ["id"],
        postgresql_where=sa.text("state IN ('due', 'sending', 'unknown')"),
    )
    op.add_column("refund", sa.Column("followed_by_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(op.f("fk_refund_followed_by_id_refund"), "refund", "refund", ["followed_by_id"], ["id"])
    op.create_table(
        "refund_part",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("refund_id", sa.BigInteger(), nullable=False),
        sa.Column("party", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("is_reversal", sa.Boolean(), nullable=False),
        sa.CheckConstraint("amount > 0", name=op.f("ck_refund_part_amount_positive")),
        sa.CheckConstraint(
            "kind IN ('goods', 'commission', 'delivery', 'gesture')", name=op.f("ck_refund_part_kind_known")
        ),
        sa.CheckConstraint("kind = 'goods' OR NOT is_reversal", name=op.f("ck_refund_part_goods_are_reversed")),
        sa.ForeignKeyConstraint(["refund_id"], ["refund.id"], name=op.f("fk_refund_part_refund_id_refund")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refund_part")),
        sa.UniqueConstraint("refund_id", "party", "kind", name=op.f("uq_refund_part_refund_id_party_kind")),
    )
    op.create_table(
        "chargeback",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("payment_id", sa.BigInteger(), nullable=False),
        sa.Column("provider_id", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reversed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("amount > 0", name=op.f("ck_chargeback_amount_positive")),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name=op.f("fk_chargeback_payment_id_payment")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chargeback")),
        sa.UniqueConstraint("provider_id", name=op.f("uq_chargeback_provider_id")),
    )
    op.create_index(op.f("ix_chargeback_payment_id"), "chargeback", ["payment_id"], unique=False)


def downgrade() -> None:
    op.drop_table("chargeback")
    op.drop_table("refund_part")
    op.drop_column("refund", "followed_by_id")
    op.drop_index("ix_payment_share_on_the_way", table_name="payment_share")
    op.drop_column("payment_share", "organization_id")
    op.drop_column("payment_share", "routed_amount")
