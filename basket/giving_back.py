"""Money of a paid order that goes back to its resident: for which lines, why, and who bears it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from basket.models import Order, OrderLine, OrderRefund, RefundedLine, SubOrder
from basket.refund_queries import NOTHING, Undone, refunded_lines
from marketplace.errors import FieldError
from marketplace.jobs import publish
from marketplace.money import ZERO, Money
from marketplace.payments import refunds
from marketplace.payments.models import Payment
from marketplace.payments.rules import Bearing, added_up, bear, commission_back, contribution_back


@dataclass(frozen=True, slots=True)
class Returned:
    """What goes back of a line: pieces, and the money for them; no piece where it was only lighter or less good."""

    line_id: int
    qty: int
    amount: Money


def give_back(
    session: Session,
    order: Order,
    sub_order: SubOrder | None,
    *,
    reason: str,
    liable: str,
    returned: Sequence[Returned] = (),
    delivery: Money = ZERO,
    gesture: Money = ZERO,
    note: str = "",
    actor: str,
    now: datetime,
) -> OrderRefund:
    """What goes back is written down and asked of the provider; whoever bears it gives it (`bear`).

    Nobody gets back more than they paid: where gestures of before have left less of the payment than is owed now, they
    are counted (a gesture below zero). The caller holds the order and the part. FieldError for more of a line than is
    left of it; refunds.RefundTooLarge and refunds.NothingLeftToBear for a gesture that nobody can give.
    """
    assert order.payment_id is not None, "only a paid order gives money back"
    lines, parts = _lines(session, sub_order, returned, liable)
    parts.append(Bearing("association", "delivery", delivery))
    parts.append(Bearing("association", "gesture", gesture))
    if all(part.kind != "gesture" or not part.amount for part in parts):
        gesture = _counted(session, order.payment_id, Money.total([part.amount for part in parts]))
        parts.append(Bearing("association", "gesture", gesture))
    refund_id = None
    if borne := added_up(parts):
        refund_id = refunds.refund_parts(
            session, payment_id=order.payment_id, parts=borne, reason=reason, actor=actor, now=now
        ).id
    given = OrderRefund(
        order_id=order.id,
        sub_order_id=sub_order.id if sub_order else None,
        reason=reason,
        liable=liable,
        delivery=delivery,
        gesture=gesture,
        refund_id=refund_id,
        note=note,
        at=now,
        actor=actor,
        lines=lines,
    )
    session.add(given)
    session.flush()
    publish(session, "order.refunded", order_refund_id=given.id)
    return given


def _counted(session: Session, payment_id: int, owed: Money) -> Money:
    """Zero or less: what of `owed` the resident has had before, as a gesture.

    Shares sum to their payment, and each gives at most itself: only gestures can have left less than is owed.
    """
    session.get_one(Payment, payment_id, with_for_update=True)
    return min(ZERO, refunds.left_to_refund(session, payment_id) - owed) if owed else ZERO


def _lines(
    session: Session, sub_order: SubOrder | None, returned: Sequence[Returned], liable: str
) -> tuple[list[RefundedLine], list[Bearing]]:
    if sub_order is None or not returned:
        return [], []
    sold = {line.id: line for line in lines_of(session, sub_order.id)}
    undone = refunded_lines(session, sub_order.id)
    lines: list[RefundedLine] = []
    parts: list[Bearing] = []
    for one in returned:
        line, before = sold[one.line_id], undone.get(one.line_id, NOTHING)
        if before.qty + one.qty > line.qty or before.amount + one.amount > line.total:
            raise FieldError(f"line-{line.id}", "more_than_left", left=str(line.total - before.amount))
        commission = commission_back(line.commission, line.total, refunded=before.amount, more=one.amount)
        contribution = contribution_back(
            line.contribution, line.commission, line.total, refunded=before.amount, more=one.amount
        )
        borne = bear(sub_order.party, one.amount, commission, contribution, liable=liable)
        parts += borne
        lines.append(
            RefundedLine(
                order_line_id=line.id,
                qty=one.qty,
                amount=one.amount,
                commission=Money.total([part.amount for part in borne if part.kind == "commission"]),
                gesture=Money.total([part.amount for part in borne if part.kind == "gesture"]),
                contribution=Money.total([part.amount for part in borne if part.kind == "contribution"]),
            )
        )
    return lines, parts


def lines_of(session: Session, sub_order_id: int) -> Sequence[OrderLine]:
    return session.scalars(
        select(OrderLine).where(OrderLine.sub_order_id == sub_order_id).order_by(OrderLine.position)
    ).all()


def whole_rest(line: OrderLine, undone: Undone) -> Returned:
    """All that is left of a line."""
    return Returned(line.id, line.qty - undone.qty, line.total - undone.amount)
