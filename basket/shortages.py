"""What a shop cannot find any more: the rest is packed, and the resident gets the money of what is missing back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from basket.giving_back import Returned, give_back, lines_of
from basket.models import Order, OrderRefund, SubOrder
from basket.moves import NotPossibleNow
from basket.refund_queries import NOTHING, refunded_lines
from marketplace.errors import FieldError, MarketplaceError, NotFound

#: While the parcel is in the shop.
STATES = ("received", "accepted", "packed")


class NothingLeftToPack(MarketplaceError):
    """Not one piece is there: the whole part is to be cancelled (`cancelling`)."""

    code = "nothing_left_to_pack"
    status = 422


def report_shortage(
    session: Session,
    *,
    sub_order_id: int,
    shop_ids: frozenset[int],
    available: Mapping[int, int],
    actor: str,
    now: datetime,
) -> OrderRefund | None:
    """The shop has only so many pieces (line id → pieces) of its part; what is missing is refunded to the resident.

    The sale of what is missing is undone, commission included. The same report once more changes nothing: the answer
    is None then, as when nothing is missing. NotFound for another shop's part, NotPossibleNow once it has left the
    shop, FieldError for more pieces than are still promised, NothingLeftToPack when none at all is left.
    """
    order_id = session.scalar(
        select(SubOrder.order_id).where(SubOrder.id == sub_order_id, SubOrder.shop_id.in_(shop_ids))
    )
    if order_id is None:
        raise NotFound()
    # The order before its parts, as everywhere.
    order = session.get_one(Order, order_id, with_for_update=True, populate_existing=True)
    sub_order = session.get_one(SubOrder, sub_order_id, with_for_update=True, populate_existing=True)
    if sub_order.state not in STATES:
        raise NotPossibleNow(state=sub_order.state)
    undone = refunded_lines(session, sub_order_id)
    lines = lines_of(session, sub_order_id)
    left = {line.id: line.qty - undone.get(line.id, NOTHING).qty for line in lines}
    there = {line_id: available.get(line_id, qty) for line_id, qty in left.items()}
    for line_id, qty in there.items():
        if qty > left[line_id]:
            raise FieldError(f"available-{line_id}", "more_than_ordered", left=left[line_id])
    if there == left:
        return None
    if not any(there.values()):
        raise NothingLeftToPack()
    returned = [
        # Of a piece that was lighter than promised, a part went back before.
        Returned(
            line.id,
            left[line.id] - there[line.id],
            min(line.unit_price * (left[line.id] - there[line.id]), line.total - undone.get(line.id, NOTHING).amount),
        )
        for line in lines
        if there[line.id] < left[line.id]
    ]
    return give_back(
        session, order, sub_order, reason="shortage", liable="merchant", returned=returned, actor=actor, now=now
    )
