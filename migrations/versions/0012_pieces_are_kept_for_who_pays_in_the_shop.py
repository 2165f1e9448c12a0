"""pieces are kept for who pays in the shop"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from marketplace.db import MoneyType

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

OPEN = sa.text("state IN ('reserved', 'ready')")


def upgrade() -> None:
    op.create_table(
        "reservation",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("token", sa.String(64), nullable=False),
        sa.Column("request_key", sa.Text(), nullable=False),
        sa.Column("request_hash", sa.Text(), nullable=False),
        sa.Column("shop_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(64), nullable=False),
        sa.Column("ending", sa.String(64), nullable=True),
        sa.Column("language", sa.String(64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("kept_until_on", sa.Date(), nullable=False),
        sa.Column("collection_code", sa.Text(), nullable=False),
        sa.Column("shop_name", sa.Text(), nullable=False),
        sa.Column("shop_awning", sa.SmallInteger(), nullable=False),
        sa.Column("seller_name", sa.Text(), nullable=False),
        sa.Column("seller_registration", sa.Text(), nullable=False),
        sa.Column("seller_address", sa.Text(), nullable=False),
        sa.Column("seller_contact", sa.Text(), nullable=False),
        sa.Column("reserved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reminded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('reserved', 'ready', 'collected', 'cancelled', 'lapsed')",
            name=op.f("ck_reservation_state_known"),
        ),
        sa.CheckConstraint(
            "ending IN ('resident', 'missing', 'closed', 'unreachable')", name=op.f("ck_reservation_ending_known")
        ),
        sa.CheckConstraint(
            "(state = 'cancelled') = (ending IS NOT NULL)", name=op.f("ck_reservation_cancelled_says_why")
        ),
        sa.CheckConstraint(
            "(state IN ('reserved', 'ready')) = (ended_at IS NULL)", name=op.f("ck_reservation_ended_says_when")
        ),
        sa.ForeignKeyConstraint(["shop_id"], ["shop.id"], name=op.f("fk_reservation_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reservation")),
        sa.UniqueConstraint("code", name=op.f("uq_reservation_code")),
        sa.UniqueConstraint("token", name=op.f("uq_reservation_token")),
        sa.UniqueConstraint("request_key", "shop_id", name=op.f("uq_reservation_request_key_shop_id")),
    )
    op.create_index("ix_reservation_shop", "reservation", ["shop_id", "state"])
    op.create_index("ix_reservation_open", "reservation", ["kept_until_on"], postgresql_where=OPEN)
    op.create_index("ix_reservation_phone", "reservation", ["phone"], postgresql_where=OPEN)
    op.create_index("ix_reservation_named", "reservation", ["ended_at"], postgresql_where=sa.text("name <> ''"))
    op.create_table(
        "reservation_line",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("reservation_id", sa.BigInteger(), nullable=False),
        sa.Column("variant_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("drawing", sa.String(64), nullable=False),
        sa.Column("unit_price", MoneyType(), nullable=False),
        sa.Column("qty", sa.SmallInteger(), nullable=False),
        sa.Column("allergens", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.CheckConstraint("qty > 0", name=op.f("ck_reservation_line_qty_positive")),
        sa.CheckConstraint("unit_price >= 0", name=op.f("ck_reservation_line_price_not_negative")),
        sa.ForeignKeyConstraint(
            ["reservation_id"], ["reservation.id"], name=op.f("fk_reservation_line_reservation_id")
        ),
        sa.ForeignKeyConstraint(["variant_id"], ["variant.id"], name=op.f("fk_reservation_line_variant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reservation_line")),
        sa.UniqueConstraint("reservation_id", "position", name=op.f("uq_reservation_line_reservation_id_position")),
        sa.UniqueConstraint("reservation_id", "variant_id", name=op.f("uq_reservation_line_reservation_id_variant_id")),
    )
    op.create_table(
        "reservation_event",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("reservation_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("event", sa.String(64), nullable=False),
        sa.Column("from_state", sa.String(64), nullable=False),
        sa.Column("to_state", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(
            ["reservation_id"], ["reservation.id"], name=op.f("fk_reservation_event_reservation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reservation_event")),
    )
    op.create_index(op.f("ix_reservation_event_reservation_id"), "reservation_event", ["reservation_id"])
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON reservation_event "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        "CREATE TRIGGER never_emptied BEFORE TRUNCATE ON reservation_event "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def downgrade() -> None:
    op.drop_table("reservation_event")
    op.drop_table("reservation_line")
    op.drop_table("reservation")
