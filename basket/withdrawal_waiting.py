"""While a withdrawal waits for the goods: what the shop, the resident and the association say, and what the clock does.

The last word decides whether the money leaves by the clock (W10).
"""

from __future__ import annotations

import secrets
from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from basket.giving_back import lines_of
from basket.models import Order, OrderRefund, SubOrder, Withdrawal, WithdrawalLine, WithdrawalWord
from basket.refund_queries import NOTHING, refunded_lines
from basket.withdrawal_rules import NEXT, goes_back_on, is_held, tell_shop_on
from basket.withdrawing import OTHERWISE, RESIDENT, bank_has_it, gives_money, hold, settle_held
from marketplace.clock import local_day
from marketplace.errors import NotFound
from marketplace.ids import is_token
from marketplace.jobs import publish
from marketplace.payments.models import Chargeback

#: In the books, the clock acts where nobody has said anything.
CLOCK = "clock"
#: Letters that leave in one transaction; the next hour tells the other shops.
AT_ONCE = 200

#: The clock sends nothing back that the payer's bank has: the withdrawal waits for the end of the dispute.
_BANK_HAS_IT = exists().where(
    Chargeback.payment_id == Order.payment_id,
    Chargeback.is_open,
    Order.id == SubOrder.order_id,
    SubOrder.id == Withdrawal.sub_order_id,
)


# --- People ----------------------------------------------------------------------------------------------------


def keep_waiting(session: Session, *, withdrawal_id: int, shop_ids: frozenset[int], actor: str, now: datetime) -> bool:
    """The shop says that nothing has come back: it keeps the money until something does (W8), and the resident is told:
    by letter, or on the telephone by the association, whose list names it.

    Whether this call did it; NotFound for another shop's.
    """
    _, _, withdrawal = hold(session, withdrawal_id, shop_ids)
    if withdrawal.state != "waiting" or is_held(withdrawal.held_at, withdrawal.proof_at):
        return False
    withdrawal.held_at = now
    _note(session, withdrawal, "held", actor, now)
    publish(session, "withdrawal.held", withdrawal_id=withdrawal.id)
    return True


def say_it_was_told(session: Session, *, code: str, withdrawal_id: int, actor: str, now: datetime) -> bool:
    """The association has told the resident, who reads no letters, that the shop waits. Whether this call says so:
    not where the shop waits no more. NotFound for another order's.
    """
    order, _, withdrawal = hold(session, withdrawal_id, None)
    if order.code != code:
        raise NotFound()
    is_waiting = withdrawal.state == "waiting" and is_held(withdrawal.held_at, withdrawal.proof_at)
    if not is_waiting or withdrawal.held_at is None:
        return False
    if withdrawal.resident_told_at is not None and withdrawal.resident_told_at >= withdrawal.held_at:
        return False
    withdrawal.resident_told_at = now
    _note(session, withdrawal, "told", actor, now)
    return True


def say_it_went_back(session: Session, *, code: str, token: str, withdrawal_id: int, proof: str, now: datetime) -> bool:
    """The resident says how the goods went back: the shop is told, and has so long to answer before the money leaves.

    Whether this call did it: only once for each time that the shop says that nothing came. NotFound for a wrong link.
    """
    if not (is_token(code) and is_token(token)):
        raise NotFound()
    order, _, withdrawal = hold(session, withdrawal_id, None)
    if order.code != code or not secrets.compare_digest(order.token, token):
        raise NotFound()
    return _keep_proof(session, withdrawal, proof, RESIDENT, now)


def write_proof_down(session: Session, *, code: str, withdrawal_id: int, proof: str, actor: str, now: datetime) -> bool:
    """The same for somebody who says it to a person of the association, `actor`; NotFound for another order's."""
    order, _, withdrawal = hold(session, withdrawal_id, None)
    if order.code != code:
        raise NotFound()
    return _keep_proof(session, withdrawal, proof, actor, now)


def _keep_proof(session: Session, withdrawal: Withdrawal, proof: str, actor: str, now: datetime) -> bool:
    is_new = withdrawal.proof_at is None or is_held(withdrawal.held_at, withdrawal.proof_at)
    if withdrawal.state != "waiting" or not is_new:
        return False
    withdrawal.proof, withdrawal.proof_at, withdrawal.told_at = proof, now, now
    _note(session, withdrawal, "proof", actor, now, proof)
    publish(session, "withdrawal.sent_back", withdrawal_id=withdrawal.id)
    return True


def _note(session: Session, withdrawal: Withdrawal, word: str, actor: str, now: datetime, text: str = "") -> None:
    session.add(WithdrawalWord(withdrawal_id=withdrawal.id, at=now, actor=actor, word=word, text=text))
    session.flush()


# --- The clock -------------------------------------------------------------------------------------------------


def tell_shops(session: Session, now: datetime) -> None:
    """Shops that have not said anything of a withdrawal are told that its money leaves by the clock (W10)."""
    silent = session.scalars(
        select(Withdrawal)
        .where(Withdrawal.state == "waiting", Withdrawal.told_at.is_(None), Withdrawal.held_at.is_(None), ~_BANK_HAS_IT)
        .order_by(Withdrawal.id)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    for withdrawal in silent:
        if local_day(now) >= tell_shop_on(local_day(withdrawal.declared_at)):
            withdrawal.told_at = now
            publish(session, "withdrawal.silent", withdrawal_id=withdrawal.id)


def unanswered(session: Session, now: datetime) -> list[int]:
    """Withdrawals whose money leaves today by the clock, or should have left before."""
    told = session.scalars(
        select(Withdrawal)
        .where(Withdrawal.state == "waiting", Withdrawal.told_at.is_not(None), ~_BANK_HAS_IT)
        .order_by(Withdrawal.id)
    )
    return [one.id for one in told if _is_due(one, now)]


def settle_unanswered(session: Session, *, withdrawal_id: int, now: datetime) -> bool:
    """The shop was told and has not said anything: the money goes back on its day (W10). Whether money leaves by this
    call."""
    order, part, withdrawal = hold(session, withdrawal_id, None)
    if (withdrawal.state, "settle") not in NEXT or not _is_due(withdrawal, now):
        return False
    if bank_has_it(session, order):
        return False
    settle_held(session, order, part, withdrawal, basis="unanswered", actor=CLOCK, now=now)
    if not gives_money(session, withdrawal):
        return False
    publish(session, "withdrawal.unanswered", withdrawal_id=withdrawal.id)
    return True


def end_emptied(session: Session, *, order_refund_id: int, now: datetime) -> None:
    """Withdrawals of which nothing is left, because their pieces went back for another reason, wait no longer."""
    part_id = session.get_one(OrderRefund, order_refund_id).sub_order_id
    waiting = select(Withdrawal.id).where(Withdrawal.sub_order_id == part_id, Withdrawal.state == "waiting")
    for withdrawal_id in session.scalars(waiting.order_by(Withdrawal.id)).all():
        _, part, withdrawal = hold(session, withdrawal_id, None)
        undone = refunded_lines(session, part.id)
        gone = {line.id for line in lines_of(session, part.id) if undone.get(line.id, NOTHING).qty == line.qty}
        named = select(WithdrawalLine.order_line_id).where(WithdrawalLine.withdrawal_id == withdrawal.id)
        if (withdrawal.state, "settle") in NEXT and gone.issuperset(session.scalars(named)):
            _end(session, withdrawal, OTHERWISE, CLOCK, now)


def _is_due(withdrawal: Withdrawal, now: datetime) -> bool:
    due_on = goes_back_on(
        local_day(withdrawal.declared_at),
        told_at=withdrawal.told_at,
        held_at=withdrawal.held_at,
        proof_at=withdrawal.proof_at,
    )
    return due_on is not None and due_on <= local_day(now)


def _end(session: Session, withdrawal: Withdrawal, basis: str, actor: str, now: datetime) -> None:
    withdrawal.state = NEXT[withdrawal.state, "settle"]
    withdrawal.basis, withdrawal.settled_at, withdrawal.settled_by = basis, now, actor
    session.flush()
