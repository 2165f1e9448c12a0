"""The resident renounces a contract: declared once, with its time; settled when the goods are back, or never left."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from basket.cancelling import IN_SHOP, PAID, cancel_held, delivery_share
from basket.giving_back import Returned, give_back, lines_of
from basket.models import Order, OrderEvent, OrderLine, SubOrder, Withdrawal, WithdrawalLine
from basket.moves import lock_order, parts_of
from basket.refund_queries import NOTHING, Undone, refunded_lines
from basket.withdrawal_rules import NEXT, is_in_time, may_be_withdrawn, refund_due_on
from marketplace.clock import local_day
from marketplace.errors import FieldError, MarketplaceError, NotFound
from marketplace.ids import is_token
from marketplace.jobs import publish
from marketplace.money import ZERO

#: In the books, the resident acts through the order's own link.
RESIDENT = "resident"


class TooLateToWithdraw(MarketplaceError):
    """The time that the law gives has ended."""

    code = "too_late_to_withdraw"


def received_at(session: Session, sub_order_id: int) -> datetime | None:
    """When the resident got the last of a part; None while they have not."""
    return session.scalar(
        select(func.max(OrderEvent.at)).where(OrderEvent.sub_order_id == sub_order_id, OrderEvent.event == "deliver")
    )


def left_to_withdraw(session: Session, part: SubOrder, bought_on_at: datetime) -> dict[int, int]:
    """Line → pieces of a part that may still be renounced: the law allows it, nothing has undone them, no declaration
    names them."""
    undone = refunded_lines(session, part.id)
    rows = session.execute(
        select(WithdrawalLine.order_line_id, func.sum(WithdrawalLine.qty))
        .join(Withdrawal, WithdrawalLine.withdrawal_id == Withdrawal.id)
        .where(Withdrawal.sub_order_id == part.id, Withdrawal.state == "waiting")
        .group_by(WithdrawalLine.order_line_id)
    )
    declared = {line_id: int(qty) for line_id, qty in rows}
    left = {
        line.id: line.qty - undone.get(line.id, NOTHING).qty - declared.get(line.id, 0)
        for line in lines_of(session, part.id)
        if may_be_withdrawn(line.kind, local_day(bought_on_at))
    }
    return {line_id: qty for line_id, qty in left.items() if qty > 0}


def declare(
    session: Session,
    *,
    code: str,
    token: str,
    sub_order_id: int,
    pieces: Mapping[int, int],
    name: str,
    email: str,
    form_key: str,
    now: datetime,
) -> Withdrawal:
    """The resident has renounced so many pieces of each line; the same form once more declares nothing new.

    What has not left its shop goes back at once: the whole part, or the pieces. What has waits for the goods. NotFound
    for a wrong link, TooLateToWithdraw, FieldError for more pieces than are left or none.
    """
    if not (is_token(code) and is_token(token)):
        raise NotFound()
    order = lock_order(session, code)
    if order is None or order.payment_id is None or not secrets.compare_digest(order.token, token):
        raise NotFound()
    part = next((part for part in parts_of(session, order.id) if part.id == sub_order_id), None)
    if part is None:
        raise NotFound()
    known = session.scalars(
        select(Withdrawal).where(Withdrawal.form_key == form_key, Withdrawal.sub_order_id == part.id)
    ).one_or_none()
    if known is not None:
        return known
    if not is_in_time(received_at(session, part.id), now):
        raise TooLateToWithdraw()
    left = left_to_withdraw(session, part, order.placed_at)
    wanted = {line_id: qty for line_id, qty in pieces.items() if qty}
    for line_id, qty in wanted.items():
        if qty > left.get(line_id, 0):
            raise FieldError(f"qty-{line_id}", "more_pieces_than_left", left=left.get(line_id, 0))
    if not wanted:
        raise FieldError(f"qty-{min(left, default=0)}", "nothing_to_withdraw")
    declared_on = local_day(now)
    withdrawal = Withdrawal(
        sub_order_id=part.id,
        form_key=form_key,
        name=name,
        email=email,
        declared_at=now,
        refund_due_on=refund_due_on(declared_on),
        state="waiting",
        lines=[WithdrawalLine(order_line_id=line_id, qty=qty) for line_id, qty in sorted(wanted.items())],
    )
    session.add(withdrawal)
    session.flush()
    if part.state in IN_SHOP:
        _settle(session, order, part, withdrawal, basis="not_handed_over", actor=RESIDENT, now=now)
    publish(session, "withdrawal.declared", withdrawal_id=withdrawal.id)
    return withdrawal


def settle(
    session: Session, *, withdrawal_id: int, shop_ids: frozenset[int], basis: str, actor: str, now: datetime
) -> bool:
    """The goods are back in the shop, or it has the proof that they were sent: the money goes back to the resident.

    Whether this call did it; the same once more changes nothing. NotFound for another shop's.
    """
    order_id = session.scalar(
        select(SubOrder.order_id)
        .join(Withdrawal, Withdrawal.sub_order_id == SubOrder.id)
        .where(Withdrawal.id == withdrawal_id, SubOrder.shop_id.in_(shop_ids))
    )
    if order_id is None:
        raise NotFound()
    order = session.get_one(Order, order_id, with_for_update=True, populate_existing=True)
    parts = parts_of(session, order.id)
    withdrawal = session.get_one(Withdrawal, withdrawal_id, with_for_update=True, populate_existing=True)
    if (withdrawal.state, "settle") not in NEXT:
        return False
    part = next(part for part in parts if part.id == withdrawal.sub_order_id)
    _settle(session, order, part, withdrawal, basis=basis, actor=actor, now=now)
    return True


def _settle(
    session: Session, order: Order, part: SubOrder, withdrawal: Withdrawal, *, basis: str, actor: str, now: datetime
) -> None:
    """What was declared goes back, as far as nothing has undone it meanwhile; the delivery's share with the whole."""
    undone = refunded_lines(session, part.id)
    lines = lines_of(session, part.id)
    rows = session.execute(
        select(WithdrawalLine.order_line_id, WithdrawalLine.qty).where(WithdrawalLine.withdrawal_id == withdrawal.id)
    )
    wanted = {row.order_line_id: row.qty for row in rows}
    returned = [
        returned
        for line in lines
        if (returned := _of_line(line, wanted.get(line.id, 0), undone.get(line.id, NOTHING))).qty
    ]
    qty_back = {one.line_id: one.qty for one in returned}
    is_whole = all(undone.get(line.id, NOTHING).qty + qty_back.get(line.id, 0) == line.qty for line in lines)
    withdrawal.state = NEXT[withdrawal.state, "settle"]
    withdrawal.basis, withdrawal.settled_at, withdrawal.settled_by = basis, now, actor
    if is_whole and part.state in PAID:
        withdrawal.order_refund_id = cancel_held(session, order, part, reason="withdrawal", actor=actor, now=now).id
    elif returned:
        delivery = ZERO
        if is_whole:
            parts = parts_of(session, order.id)
            others = [other for other in parts if other is not part and _is_still_bought(session, other)]
            delivery = delivery_share(session, order, part, parts, others)
        withdrawal.order_refund_id = give_back(
            session,
            order,
            part,
            reason="withdrawal",
            liable="merchant",
            returned=returned,
            delivery=delivery,
            actor=actor,
            now=now,
        ).id
    session.flush()


def _of_line(line: OrderLine, wanted_qty: int, undone: Undone) -> Returned:
    """All that is left of the money with the last piece; before that the pieces' price."""
    qty = min(wanted_qty, line.qty - undone.qty)
    left = line.total - undone.amount
    return Returned(line.id, qty, left if qty == line.qty - undone.qty else min(line.unit_price * qty, left))


def _is_still_bought(session: Session, part: SubOrder) -> bool:
    """Whether the resident keeps, or will get, a piece of it."""
    if part.state == "cancelled":
        return False
    undone = refunded_lines(session, part.id)
    return any(undone.get(line.id, NOTHING).qty < line.qty for line in lines_of(session, part.id))
