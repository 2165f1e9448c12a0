"""who pays what of a delivery: terms by zone and day, and what merchants bear of each order"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

CHECKS = (
    ("sub_order", "contribution_within_goods", "contribution >= 0 AND contribution <= goods - commission", None),
    (
        "refunded_line",
        "parts_within_amount",
        "commission >= 0 AND contribution >= 0 AND gesture >= 0 AND commission + contribution + gesture <= amount",
        "commission >= 0 AND gesture >= 0 AND commission + gesture <= amount",
    ),
)
KINDS = (
    ("payment_share", "'goods', 'commission', 'delivery'"),
    ("refund_part", "'goods', 'commission', 'delivery', 'gesture'"),
)


def upgrade() -> None:
    op.create_table(
        "delivery_policy",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("zone_id", sa.BigInteger(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("cost", sa.BigInteger(), nullable=False),
        sa.Column("fee", sa.BigInteger(), nullable=False),
        sa.Column("free_from", sa.BigInteger(), nullable=True),
        sa.Column("merchants_permille", sa.SmallInteger(), nullable=False),
        sa.Column("per_parcel", sa.BigInteger(), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "cost >= 0 AND fee >= 0 AND free_from >= 0 AND per_parcel >= 0",
            name=op.f("ck_delivery_policy_sums_not_negative"),
        ),
        sa.CheckConstraint(
            "merchants_permille BETWEEN 0 AND 500", name=op.f("ck_delivery_policy_permille_in_range")
        ),
        sa.ForeignKeyConstraint(["zone_id"], ["zone.id"], name=op.f("fk_delivery_policy_zone_id_zone")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery_policy")),
    )
    op.create_index("ix_delivery_policy_zone_id", "delivery_policy", ["zone_id", "valid_from"], unique=False)
    for table in ("sub_order", "order_line", "refunded_line"):
        op.add_column(table, sa.Column("contribution", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    for table, name, condition, before in CHECKS:
        if before is not None:
            op.drop_constraint(op.f(f"ck_{table}_{name}"), table, type_="check")
        op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, condition)
    for table, kinds in KINDS:
        op.drop_constraint(op.f(f"ck_{table}_kind_known"), table, type_="check")
        op.create_check_constraint(op.f(f"ck_{table}_kind_known"), table, f"kind IN ({kinds}, 'contribution')")


def downgrade() -> None:
    for table, kinds in KINDS:
        op.drop_constraint(op.f(f"ck_{table}_kind_known"), table, type_="check")
        op.create_check_constraint(op.f(f"ck_{table}_kind_known"), table, f"kind IN ({kinds})")
    for table, name, _, before in CHECKS:
        op.drop_constraint(op.f(f"ck_{table}_{name}"), table, type_="check")
        if before is not None:
            op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, before)
    for table in ("sub_order", "order_line", "refunded_line"):
        op.drop_column(table, "contribution")
    op.drop_table("delivery_policy")
