"""old baskets and plans are forgotten quickly

Each forgotten basket asks for its orders, each stop of a replaced plan for its events: without these, by reading the
whole table. Building them holds up orders for a second at a hundred thousand of them; a build that does not
(CONCURRENTLY) leaves a broken index behind when it is interrupted.
"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_orders_basket_id"), "orders", ["basket_id"])
    op.create_index(op.f("ix_round_event_stop_id"), "round_event", ["stop_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_round_event_stop_id"), "round_event")
    op.drop_index(op.f("ix_orders_basket_id"), "orders")
