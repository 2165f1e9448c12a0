"""calendar rules make rounds ahead of time"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

_DAYS = postgresql.ARRAY(sa.Date())
_NUMBERS = postgresql.ARRAY(sa.SmallInteger())


def upgrade() -> None:
    op.create_table(
        "round_rule",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("zone_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("form_key", sa.String(length=64), nullable=False),
        sa.Column("pattern", sa.String(length=64), nullable=False),
        sa.Column("weekdays", _NUMBERS, nullable=False),
        sa.Column("every_weeks", sa.SmallInteger(), nullable=False),
        sa.Column("nths", _NUMBERS, nullable=False),
        sa.Column("dates", _DAYS, nullable=False),
        sa.Column("first_on", sa.Date(), nullable=False),
        sa.Column("last_on", sa.Date(), nullable=True),
        sa.Column("on_holidays", sa.String(length=64), nullable=False),
        sa.Column("except_on", _DAYS, nullable=False),
        sa.Column("ahead_days", sa.SmallInteger(), nullable=False),
        sa.Column("cut_off", sa.Time(), nullable=False),
        sa.Column("is_cut_off_on_eve", sa.Boolean(), nullable=False),
        sa.Column("collect_from", sa.Time(), nullable=False),
        sa.Column("collect_until", sa.Time(), nullable=False),
        sa.Column("back_by", sa.Time(), nullable=False),
        sa.Column("capacity_grams", sa.Integer(), nullable=False),
        sa.Column("capacity_ml", sa.Integer(), nullable=False),
        sa.Column("capacity_cold_ml", sa.Integer(), nullable=False),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.CheckConstraint("pattern IN ('weekly', 'monthly', 'dates')", name=op.f("ck_round_rule_pattern_known")),
        sa.CheckConstraint("on_holidays IN ('skip', 'ride', 'eve')", name=op.f("ck_round_rule_on_holidays_known")),
        sa.CheckConstraint("every_weeks BETWEEN 1 AND 8", name=op.f("ck_round_rule_weeks_in_range")),
        sa.CheckConstraint("ahead_days BETWEEN 1 AND 90", name=op.f("ck_round_rule_ahead_in_range")),
        sa.CheckConstraint("last_on >= first_on", name=op.f("ck_round_rule_days_in_order")),
        sa.ForeignKeyConstraint(["zone_id"], ["zone.id"], name=op.f("fk_round_rule_zone_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_round_rule")),
        sa.UniqueConstraint("form_key", name=op.f("uq_round_rule_form_key")),
    )
    op.create_index(op.f("ix_round_rule_zone_id"), "round_rule", ["zone_id"])
    op.create_table(
        "round_rule_window",
        sa.Column("rule_id", sa.BigInteger(), nullable=False),
        sa.Column("row", sa.SmallInteger(), nullable=False),
        sa.Column("starts", sa.Time(), nullable=False),
        sa.Column("ends", sa.Time(), nullable=False),
        sa.Column("places_qty", sa.SmallInteger(), nullable=False),
        sa.CheckConstraint("starts < ends", name=op.f("ck_round_rule_window_window_in_order")),
        sa.CheckConstraint("places_qty > 0", name=op.f("ck_round_rule_window_places_positive")),
        sa.ForeignKeyConstraint(
            ["rule_id"], ["round_rule.id"], name=op.f("fk_round_rule_window_rule_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("rule_id", "row", name=op.f("pk_round_rule_window")),
    )
    op.add_column("round", sa.Column("rule_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(op.f("fk_round_rule_id"), "round", "round_rule", ["rule_id"], ["id"])
    op.create_index("uq_round_one_per_rule_and_day", "round", ["rule_id", "on_date"], unique=True)


def downgrade() -> None:
    op.drop_index("uq_round_one_per_rule_and_day", table_name="round")
    op.drop_column("round", "rule_id")
    op.drop_table("round_rule_window")
    op.drop_table("round_rule")
