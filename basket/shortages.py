"""What a shop cannot find any more: the rest is packed, and the resident gets the money of what is missing back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import BigInteger, func, select, type_coerce
from sqlalchemy.orm import Session

from basket.models import Order, OrderLine, OrderRefund, RefundedLine, SubOrder
from basket.orders import NotPossibleNow
from marketplace.errors import FieldError, MarketplaceError, NotFound
from marketplace.jobs import publish
from marketplace.money import ZERO, Money
from marketplace.payments import refunds
from marketplace.payments.rules import bear, commission_back

#: While the parcel is in the shop.
STATES = ("received", "accepted", "packed")


class NothingLeftToPack(MarketplaceError):
    """Not one piece is there: the whole part would have to be cancelled, which people do together."""

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
    assert order.payment_id is not None, "only a paid order is prepared"
    refunded = refunded_lines(session, sub_order_id)
    lines = session.scalars(
        select(OrderLine).where(OrderLine.sub_order_id == sub_order_id).order_by(OrderLine.position)
    ).all()
    left = {line.id: line.qty - refunded.get(line.id, (0, ZERO))[0] for line in lines}
    there = {line_id: available.get(line_id, qty) for line_id, qty in left.items()}
    for line_id, qty in there.items():
        if qty > left[line_id]:
            raise FieldError(f"available-{line_id}", "more_than_ordered", left=left[line_id])
    if there == left:
        return None
    if not any(there.values()):
        raise NothingLeftToPack()
    missing = [_missing(line, left[line.id] - there[line.id], refunded.get(line.id, (0, ZERO))[1]) for line in lines]
    missing = [one for one in missing if one.qty]
    parts = bear(
        sub_order.party,
        Money.total([one.amount for one in missing]),
        Money.total([one.commission for one in missing]),
        liable="merchant",
    )
    refund_id = None
    if any(part.amount for part in parts):
        refund_id = refunds.refund_parts(
            session, payment_id=order.payment_id, parts=parts, reason="shortage", actor=actor, now=now
        ).id
    report = OrderRefund(
        order_id=order.id,
        sub_order_id=sub_order.id,
        reason="shortage",
        liable="merchant",
        refund_id=refund_id,
        at=now,
        actor=actor,
        lines=missing,
    )
    session.add(report)
    session.flush()
    publish(session, "order.refunded", order_refund_id=report.id)
    return report


def _missing(line: OrderLine, qty: int, refunded: Money) -> RefundedLine:
    amount = line.unit_price * qty
    return RefundedLine(
        order_line_id=line.id,
        qty=qty,
        amount=amount,
        commission=commission_back(line.commission, line.total, refunded=refunded, more=amount),
    )


def refunded_lines(session: Session, *sub_order_ids: int) -> dict[int, tuple[int, Money]]:
    """Order line → (pieces that the resident does not get, what was given back for them)."""
    rows = session.execute(
        select(
            RefundedLine.order_line_id,
            func.sum(RefundedLine.qty),
            func.sum(type_coerce(RefundedLine.amount, BigInteger)),
        )
        .join(OrderRefund, RefundedLine.order_refund_id == OrderRefund.id)
        .where(OrderRefund.sub_order_id.in_(sub_order_ids))
        .group_by(RefundedLine.order_line_id)
    )
    return {line_id: (int(qty), Money(int(cents))) for line_id, qty, cents in rows}
