"""What of an order has gone back already."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import BigInteger, ColumnElement, func, select, type_coerce
from sqlalchemy.orm import Session

from basket.models import OrderRefund, RefundedLine
from marketplace.money import ZERO, Money


@dataclass(frozen=True, slots=True)
class Undone:
    """Of a line or of a whole part: pieces that the resident does not get or keep, and the money of it.

    `commission`, `gesture` and `contribution` (to the delivery) are within `amount`: what the association bore of it.
    `missing_qty` and `withdrawn_qty` are within `qty`: what the shop could not find, what the resident renounced.
    """

    qty: int
    amount: Money
    commission: Money
    gesture: Money
    contribution: Money = ZERO
    missing_qty: int = 0
    withdrawn_qty: int = 0

    @property
    def by_merchant(self) -> Money:
        """What the merchant gave of its own share."""
        return self.amount - self.commission - self.gesture - self.contribution


NOTHING = Undone(0, ZERO, ZERO, ZERO)

_SUMS = (
    func.coalesce(func.sum(RefundedLine.qty), 0),
    func.coalesce(func.sum(type_coerce(RefundedLine.amount, BigInteger)), 0),
    func.coalesce(func.sum(type_coerce(RefundedLine.commission, BigInteger)), 0),
    func.coalesce(func.sum(type_coerce(RefundedLine.gesture, BigInteger)), 0),
    func.coalesce(func.sum(type_coerce(RefundedLine.contribution, BigInteger)), 0),
)


def refunded_lines(session: Session, *sub_order_ids: int) -> dict[int, Undone]:
    """Order line → what was undone of it; lines as they were sold are not among them."""
    rows = session.execute(
        select(RefundedLine.order_line_id, *_SUMS, _qty_for("shortage"), _qty_for("withdrawal"))
        .join(OrderRefund, RefundedLine.order_refund_id == OrderRefund.id)
        .where(OrderRefund.sub_order_id.in_(sub_order_ids))
        .group_by(RefundedLine.order_line_id)
    )
    return {line_id: _undone(*sums) for line_id, *sums in rows}


def _qty_for(reason: str) -> ColumnElement[int]:
    return func.coalesce(func.sum(RefundedLine.qty).filter(OrderRefund.reason == reason), 0)


def sum_of(lines: Iterable[Undone]) -> Undone:
    """What was undone of a whole part, from its lines."""
    of_each = list(lines)
    return Undone(
        sum(line.qty for line in of_each),
        Money.total([line.amount for line in of_each]),
        Money.total([line.commission for line in of_each]),
        Money.total([line.gesture for line in of_each]),
        Money.total([line.contribution for line in of_each]),
        sum(line.missing_qty for line in of_each),
        sum(line.withdrawn_qty for line in of_each),
    )


def delivery_given_back(session: Session, order_id: int) -> Money:
    """What of the delivery fee has gone back."""
    cents = session.scalar(
        select(func.coalesce(func.sum(type_coerce(OrderRefund.delivery, BigInteger)), 0)).where(
            OrderRefund.order_id == order_id
        )
    )
    return Money(int(cents or 0))


def _undone(
    qty: int,
    amount: int,
    commission: int,
    gesture: int,
    contribution: int,
    missing_qty: int = 0,
    withdrawn_qty: int = 0,
) -> Undone:
    return Undone(
        int(qty),
        Money(int(amount)),
        Money(int(commission)),
        Money(int(gesture)),
        Money(int(contribution)),
        int(missing_qty),
        int(withdrawn_qty),
    )
