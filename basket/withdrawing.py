"""The resident renounces a contract: declared once, with its time; settled when the goods are back, or never left."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from basket.cancelling import IN_SHOP, PAID, cancel_held, delivery_share
from basket.giving_back import Returned, give_back, lines_of
from basket.models import Order, OrderEvent, OrderLine, OrderRefund, SubOrder, Withdrawal, WithdrawalLine
from basket.moves import lock_order, parts_of
from basket.refund_queries import NOTHING, Undone, refunded_lines
from basket.withdrawal_rules import NEXT, is_in_time, may_be_withdrawn, refund_due_on
from marketplace.clock import local_day
from marketplace.errors import FieldError, MarketplaceError, NotFound
from marketplace.ids import is_token
from marketplace.jobs import publish
from marketplace.money import ZERO
from marketplace.payments.chargebacks import is_disputed
from marketplace.payments.models import Refund

#: In the books, the resident acts through the order's own link.
RESIDENT = "resident"
#: Why a withdrawal is settled without money of its own: it went back for another reason.
OTHERWISE = "otherwise"


@dataclass(frozen=True, slots=True)
class Declaration:
    """So many pieces of each line of a part are renounced. `taken_by`: who wrote it down for the resident, if anybody;
    `email` is empty for somebody who reads no letters."""

    sub_order_id: int
    pieces: Mapping[int, int]
    name: str
    email: str
    form_key: str
    taken_by: str | None


class TooLateToWithdraw(MarketplaceError):
    """The time that the law gives has ended."""

    code = "too_late_to_withdraw"


class BankHasIt(MarketplaceError):
    """The payer's bank has taken the payment back: the same money must not go back twice."""

    code = "bank_has_it"


def gives_money(session: Session, withdrawal: Withdrawal) -> bool:
    """Whether money has left, or leaves, for a settled withdrawal: what had gone back as a gesture does not again."""
    amount = select(Refund.amount).join(OrderRefund, OrderRefund.refund_id == Refund.id)
    return bool(session.scalar(amount.where(OrderRefund.id == withdrawal.order_refund_id)))


def bank_has_it(session: Session, order: Order) -> bool:
    """Whether the payer's bank has taken the order's payment back, for now or for good."""
    return order.payment_id is not None and is_disputed(session, order.payment_id)


def received_at(session: Session, sub_order_id: int) -> datetime | None:
    """When the resident got the last of a part; None while they have not."""
    return session.scalar(
        select(func.max(OrderEvent.at)).where(OrderEvent.sub_order_id == sub_order_id, OrderEvent.event == "deliver")
    )


def waiting_pieces(session: Session, *sub_order_ids: int) -> dict[int, int]:
    """Line → pieces of these parts that were renounced, and whose money has not gone back yet."""
    rows = session.execute(
        select(WithdrawalLine.order_line_id, func.sum(WithdrawalLine.qty))
        .join(Withdrawal, WithdrawalLine.withdrawal_id == Withdrawal.id)
        .where(Withdrawal.sub_order_id.in_(sub_order_ids), Withdrawal.state == "waiting")
        .group_by(WithdrawalLine.order_line_id)
    )
    return {line_id: int(qty) for line_id, qty in rows}


def left_to_withdraw(session: Session, part: SubOrder, bought_on_at: datetime) -> dict[int, int]:
    """Line → pieces of a part that may still be renounced: the law allows it, nothing has undone them, no declaration
    names them."""
    undone = refunded_lines(session, part.id)
    declared = waiting_pieces(session, part.id)
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
    if order is None or not secrets.compare_digest(order.token, token):
        raise NotFound()
    said = Declaration(sub_order_id, pieces, name, email, form_key, taken_by=None)
    return _declare(session, order, said, now)


def take_by_telephone(session: Session, *, code: str, said: Declaration, now: datetime) -> Withdrawal:
    """The same for somebody who said it to a person of the association, who wrote it down (`said.taken_by`)."""
    order = lock_order(session, code)
    if order is None:
        raise NotFound()
    return _declare(session, order, said, now)


def _declare(session: Session, order: Order, said: Declaration, now: datetime) -> Withdrawal:
    if order.payment_id is None:
        raise NotFound()
    sub_order_id, pieces, form_key = said.sub_order_id, said.pieces, said.form_key
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
        name=said.name,
        email=said.email,
        taken_by=said.taken_by,
        declared_at=now,
        refund_due_on=refund_due_on(declared_on),
        state="waiting",
        lines=[WithdrawalLine(order_line_id=line_id, qty=qty) for line_id, qty in sorted(wanted.items())],
    )
    session.add(withdrawal)
    session.flush()
    if part.state in IN_SHOP:
        actor = said.taken_by or RESIDENT
        settle_held(session, order, part, withdrawal, basis="not_handed_over", actor=actor, now=now)
    publish(session, "withdrawal.declared", withdrawal_id=withdrawal.id)
    return withdrawal


def settle(
    session: Session, *, withdrawal_id: int, shop_ids: frozenset[int] | None, basis: str, actor: str, now: datetime
) -> bool:
    """The goods are back in the shop, or there is the proof that they were sent: the money goes back to the resident.

    `shop_ids` are the shops whose people say so, None for the association. Whether money leaves by this call: the same
    once more changes nothing, and what has gone back otherwise goes once. NotFound for another shop's; BankHasIt while
    the payer's bank has the money.
    """
    order, part, withdrawal = hold(session, withdrawal_id, shop_ids)
    if (withdrawal.state, "settle") not in NEXT:
        return False
    if bank_has_it(session, order):
        raise BankHasIt()
    settle_held(session, order, part, withdrawal, basis=basis, actor=actor, now=now)
    return gives_money(session, withdrawal)


def hold(session: Session, withdrawal_id: int, shop_ids: frozenset[int] | None) -> tuple[Order, SubOrder, Withdrawal]:
    """The order, the part and the withdrawal, held in that order; NotFound for none, and for another shop's."""
    query = (
        select(SubOrder.order_id)
        .join(Withdrawal, Withdrawal.sub_order_id == SubOrder.id)
        .where(Withdrawal.id == withdrawal_id)
    )
    if shop_ids is not None:
        query = query.where(SubOrder.shop_id.in_(shop_ids))
    order_id = session.scalar(query)
    if order_id is None:
        raise NotFound()
    order = session.get_one(Order, order_id, with_for_update=True, populate_existing=True)
    parts = parts_of(session, order.id)
    withdrawal = session.get_one(Withdrawal, withdrawal_id, with_for_update=True, populate_existing=True)
    return order, next(part for part in parts if part.id == withdrawal.sub_order_id), withdrawal


def settle_held(
    session: Session, order: Order, part: SubOrder, withdrawal: Withdrawal, *, basis: str, actor: str, now: datetime
) -> None:
    """What was declared goes back, as far as nothing has undone it meanwhile; the delivery's share with the whole.

    The caller holds all three, and the withdrawal waits.
    """
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
    basis = basis if returned else OTHERWISE
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
