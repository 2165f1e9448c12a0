"""merchants connect their own accounts

Accounts that stand were noted by the association: they stay connected, without a token.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("merchant_account", sa.Column("organization_name", sa.Text(), nullable=False, server_default=""))
    op.add_column("merchant_account", sa.Column("standing", sa.String(64), nullable=False, server_default="connected"))
    op.add_column(
        "merchant_account", sa.Column("onboarding", sa.String(64), nullable=False, server_default="completed")
    )
    op.add_column(
        "merchant_account",
        sa.Column("can_receive_settlements", sa.Boolean(), nullable=False, server_default=sa.text("true")),
    )
    op.add_column("merchant_account", sa.Column("dashboard_url", sa.Text(), nullable=True))
    op.add_column("merchant_account", sa.Column("next_check_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("merchant_account", sa.Column("sealed_refresh_token", sa.Text(), nullable=True))
    op.add_column("merchant_account", sa.Column("sealed_access_token", sa.Text(), nullable=True))
    op.add_column("merchant_account", sa.Column("access_until_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("merchant_account", sa.Column("refreshing_until_at", sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint(
        op.f("ck_merchant_account_standing_known"),
        "merchant_account",
        "standing IN ('connected', 'reconnect', 'leaving', 'ended')",
    )
    op.create_check_constraint(
        op.f("ck_merchant_account_onboarding_known"),
        "merchant_account",
        "onboarding IN ('needs_data', 'in_review', 'completed')",
    )
    op.create_check_constraint(
        op.f("ck_merchant_account_ended_without_token"),
        "merchant_account",
        "standing <> 'ended' OR (sealed_refresh_token IS NULL AND sealed_access_token IS NULL)",
    )
    op.create_index(
        "uq_merchant_account_one_party",
        "merchant_account",
        ["provider_env", "organization_id"],
        unique=True,
        postgresql_where=sa.text("standing <> 'ended'"),
    )
    op.create_index(
        "ix_merchant_account_due_check",
        "merchant_account",
        ["next_check_at"],
        postgresql_where=sa.text("next_check_at IS NOT NULL"),
    )
    op.create_table(
        "connection_attempt",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("nonce_hash", sa.String(64), nullable=False),
        sa.Column("party", sa.Text(), nullable=False),
        sa.Column("provider_env", sa.String(64), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("browser", sa.String(64), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_connection_attempt")),
        sa.UniqueConstraint("nonce_hash", name=op.f("uq_connection_attempt_nonce_hash")),
    )
    op.create_index(op.f("ix_connection_attempt_started_at"), "connection_attempt", ["started_at"])
    op.create_table(
        "connection_event",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("party", sa.Text(), nullable=False),
        sa.Column("provider_env", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_connection_event")),
    )
    op.create_index("ix_connection_event_party", "connection_event", ["party", "provider_env", "id"])


def downgrade() -> None:
    op.drop_table("connection_event")
    op.drop_table("connection_attempt")
    op.drop_index("ix_merchant_account_due_check", "merchant_account")
    op.drop_index("uq_merchant_account_one_party", "merchant_account")
    for name in ("ended_without_token", "onboarding_known", "standing_known"):
        op.drop_constraint(op.f(f"ck_merchant_account_{name}"), "merchant_account")
    for name in (
        "refreshing_until_at",
        "access_until_at",
        "sealed_access_token",
        "sealed_refresh_token",
        "next_check_at",
        "dashboard_url",
        "can_receive_settlements",
        "onboarding",
        "standing",
        "organization_name",
    ):
        op.drop_column("merchant_account", name)
