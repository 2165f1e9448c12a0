"""What a person of the association gives back by hand: looked at first, then once.

The look is the act itself in a transaction that is not kept (`Database.reading`): what the page shows before anything
is asked is what will happen, refusals included.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from basket.giving_back import Returned, give_back, lines_of
from basket.models import Order, OrderRefund, SubOrder
from basket.moves import lock_order
from basket.refund_queries import NOTHING, delivery_given_back, refunded_lines
from basket.withdrawing import waiting_pieces
from marketplace.errors import FieldError, MarketplaceError, NotFound
from marketplace.money import ZERO, Money
from marketplace.payments.chargebacks import is_disputed
from marketplace.payments.refunds import NothingLeftToBear, RefundTooLarge

#: Why a person gives back; a whole part is cancelled (`cancelling`), and the shop says what is missing.
REASONS = ("complaint", "weight", "withdrawal")


class GivenMeanwhile(MarketplaceError):
    """Since the form was drawn, money of this order has gone back: who sends it must look again."""

    code = "given_back_meanwhile"


@dataclass(frozen=True, slots=True)
class Wished:
    """Of a line: so many pieces; without an amount, what they cost. An amount alone: it was only less good."""

    qty: int
    amount: Money | None


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person wants to give back: lines of one shop's part, delivery, a gesture; for no part only the latter."""

    sub_order_id: int | None
    reason: str
    liable: str
    lines: Mapping[int, Wished]
    delivery: Money
    gesture: Money
    note: str


def last_refund_id(session: Session, order_id: int) -> int:
    """The last time that money of an order went back; 0 for never. A form names it, and is good until the next."""
    return session.scalar(select(func.max(OrderRefund.id)).where(OrderRefund.order_id == order_id)) or 0


def hold_for_one(session: Session, *, code: str, seen_refund_id: int) -> Order:
    """The order, held for one giving back and no other; it is paid.

    NotFound, GivenMeanwhile: the same form pressed twice, or two people at once, give back once.
    """
    order = lock_order(session, code)
    if order is None or order.payment_id is None:
        raise NotFound()
    if last_refund_id(session, order.id) != seen_refund_id:
        raise GivenMeanwhile()
    return order


def give_by_hand(
    session: Session, *, code: str, seen_refund_id: int, wish: Wish, actor: str, now: datetime
) -> OrderRefund:
    """What a person chose goes back.

    NotFound, GivenMeanwhile; FieldError at the field that must change: more than is left, nothing chosen, more than
    somebody can bear, money that a bank has taken already, a withdrawal that is declared and gives it back itself.
    """
    order = hold_for_one(session, code=code, seen_refund_id=seen_refund_id)
    part = None
    if wish.sub_order_id is not None:
        part = session.scalars(
            select(SubOrder)
            .where(SubOrder.id == wish.sub_order_id, SubOrder.order_id == order.id)
            .with_for_update()
            .execution_options(populate_existing=True)
        ).one_or_none()
        if part is None:
            raise NotFound()
    assert order.payment_id is not None, "held because it is paid"
    if is_disputed(session, order.payment_id):
        raise FieldError("gesture", "bank_has_it")
    left = order.delivery_fee - delivery_given_back(session, order.id)
    if wish.delivery > left:
        raise FieldError("delivery", "more_than_left", left=left)
    returned = _returned(session, part, wish) if part is not None else []
    if not (returned or wish.delivery or wish.gesture):
        raise FieldError("gesture", "nothing_chosen")
    try:
        return give_back(
            session,
            order,
            part,
            reason=wish.reason,
            liable=wish.liable,
            returned=returned,
            delivery=wish.delivery,
            gesture=wish.gesture,
            note=wish.note,
            actor=actor,
            now=now,
        )
    except (NothingLeftToBear, RefundTooLarge) as refused:
        raise FieldError("gesture" if wish.gesture else "liable", f"{refused.code}_by_hand") from refused


def _returned(session: Session, part: SubOrder, wish: Wish) -> list[Returned]:
    undone = refunded_lines(session, part.id)
    waiting = waiting_pieces(session, part.id)
    returned = []
    for line in lines_of(session, part.id):
        wished, before = wish.lines.get(line.id), undone.get(line.id, NOTHING)
        if wished is None or not (wished.qty or wished.amount):
            continue
        left_qty, left = line.qty - before.qty, line.total - before.amount
        if wished.qty > left_qty:
            raise FieldError(f"qty-{line.id}", "more_pieces_than_left", left=left_qty)
        renounced_qty = waiting.get(line.id, 0)
        if renounced_qty and (wish.reason == "withdrawal" or wished.qty > left_qty - renounced_qty):
            # Its own settling would give back as many pieces once more.
            raise FieldError(f"qty-{line.id}", "renounced_already")
        if (wished.amount or ZERO) > left:
            raise FieldError(f"amount-{line.id}", "more_than_left", left=left)
        # Of a piece that was lighter than promised, a part went back before.
        amount = wished.amount if wished.amount is not None else min(line.unit_price * wished.qty, left)
        returned.append(Returned(line.id, wished.qty, amount))
    return returned
