"""What pages and letters show of withdrawals: what may still be renounced, what was, and what waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from basket.models import (
    Order,
    OrderLine,
    OrderRefund,
    SubOrder,
    Withdrawal,
    WithdrawalLine,
    WithdrawalWord,
)
from basket.rules import initials
from basket.withdrawal_rules import WAITS, goes_back_on, is_held, is_in_time, last_day, return_due_on
from basket.withdrawing import left_to_withdraw, received_at
from marketplace.attention import Trouble
from marketplace.clock import local_day
from marketplace.errors import NotFound
from marketplace.ids import is_token
from marketplace.money import ZERO, Money
from marketplace.payments.models import Chargeback, Refund
from merchants.kinds import get_kind
from merchants.models import Merchant, Shop

#: More returns than that at once no counter has.
MOST = 100


@dataclass(frozen=True, slots=True)
class ContractLine:
    """`is_if_sealed`: only while it has not been opened (domain W4)."""

    id: int
    name: str
    label: str
    left_qty: int
    is_if_sealed: bool


@dataclass(frozen=True, slots=True)
class Contract:
    """What of a shop's part may be renounced now; no line once the time has ended. `last_on`: None before receipt."""

    sub_order_id: int
    lines: tuple[ContractLine, ...]
    last_on: date | None
    is_over: bool


@dataclass(frozen=True, slots=True)
class WithdrawnLine:
    name: str
    label: str
    qty: int
    amount: Money


@dataclass(frozen=True, slots=True)
class Said:
    """`word`: held, the shop says that nothing came back; proof, how it went back; told, the resident was called."""

    at: datetime
    actor: str
    word: str
    text: str

    @property
    def is_written_for_them(self) -> bool:
        """A person of the association wrote down what the resident said on the telephone."""
        return self.actor.startswith("person:")


@dataclass(frozen=True, slots=True)
class WithdrawalRow:
    """A declaration as it was made, and what became of it. `amount` is the price of the pieces; `given_back` what has
    gone back for it, delivery included. `goes_back_on`: when the money leaves by the clock; None while the shop was
    not told of it, or holds it (`is_held`) until the goods are back, or the payer's bank has some of the payment
    (`is_disputed`). `is_stopped`: settled, and the money waits for the end of the dispute."""

    id: int
    code: str
    token: str
    sub_order_id: int
    shop_name: str
    shop_awning: int
    shop_address: str
    shop_email: str
    seller_name: str
    seller_address: str
    recipient: str
    language: str
    name: str
    email: str
    is_by_telephone: bool
    declared_at: datetime
    told_at: datetime | None
    held_at: datetime | None
    is_held: bool
    is_disputed: bool
    is_stopped: bool
    resident_told_at: datetime | None
    proof: str
    proof_at: datetime | None
    words: tuple[Said, ...]
    goes_back_on: date | None
    return_due_on: date
    refund_due_on: date
    state: str
    basis: str | None
    settled_at: datetime | None
    lines: tuple[WithdrawnLine, ...]
    given_back: Money

    @property
    def amount(self) -> Money:
        return Money.total([line.amount for line in self.lines])

    @property
    def proofs(self) -> tuple[Said, ...]:
        """How the goods went back, in the order in which it was said; a later word takes no earlier one away."""
        return tuple(said for said in self.words if said.word == "proof")

    @property
    def may_say_it_went_back(self) -> bool:
        """Whether the resident has not said yet how it went back, or the shop has said since that nothing came."""
        return self.state == "waiting" and (self.proof_at is None or self.is_held)

    @property
    def is_to_be_told(self) -> bool:
        """Whether a person has to tell the resident, who reads no letters, that the shop waits for the goods."""
        if self.email or not self.is_held or self.held_at is None:
            return False
        return self.resident_told_at is None or self.resident_told_at < self.held_at


def contracts_of(session: Session, order_id: int, now: datetime) -> dict[int, Contract]:
    """What of a paid order may be renounced, by part; parts of which nothing ever may are not among them."""
    order = session.get_one(Order, order_id)
    if order.payment_id is None:
        return {}
    bought_on = local_day(order.placed_at)
    contracts = {}
    for part in session.scalars(select(SubOrder).where(SubOrder.order_id == order_id)).all():
        left = left_to_withdraw(session, part, order.placed_at)
        if not left:
            continue
        got_at = received_at(session, part.id)
        in_time = is_in_time(got_at, now)
        lines = session.scalars(select(OrderLine).where(OrderLine.id.in_(left)).order_by(OrderLine.position)).all()
        contracts[part.id] = Contract(
            sub_order_id=part.id,
            lines=tuple(
                ContractLine(
                    line.id,
                    line.name,
                    line.label,
                    left[line.id],
                    get_kind(line.kind, bought_on).withdrawal == "unless_unsealed",
                )
                for line in lines
                if in_time
            ),
            last_on=last_day(local_day(got_at)) if got_at is not None else None,
            is_over=not in_time,
        )
    return contracts


def withdrawals_of(session: Session, order_id: int) -> tuple[WithdrawalRow, ...]:
    """Everything that was renounced of an order, the newest first."""
    return _rows(session, _select().where(Order.id == order_id).order_by(Withdrawal.id.desc()))


def get_withdrawal(session: Session, withdrawal_id: int) -> WithdrawalRow:
    (row,) = _rows(session, _select().where(Withdrawal.id == withdrawal_id)) or (None,)
    if row is None:
        raise NotFound()
    return row


def get_receipt(session: Session, *, code: str, token: str, withdrawal_id: int) -> WithdrawalRow:
    """The declaration that an order's link opens; NotFound for any other."""
    if not (is_token(code) and is_token(token)):
        raise NotFound()
    rows = _rows(
        session, _select().where(Order.code == code, Order.token == token).order_by(Withdrawal.id.desc()).limit(MOST)
    )
    row = next((row for row in rows if row.id == withdrawal_id), None)
    if row is None:
        raise NotFound()
    return row


def get_withdrawal_of(session: Session, *, code: str, withdrawal_id: int) -> WithdrawalRow:
    """The declaration of an order, for the association; NotFound for another order's."""
    row = get_withdrawal(session, withdrawal_id)
    if row.code != code:
        raise NotFound()
    return row


def returns_to(session: Session, shop_ids: frozenset[int]) -> tuple[WithdrawalRow, ...]:
    """What these shops wait for, the most urgent first; then the last ones that are settled."""
    mine = _select().where(SubOrder.shop_id.in_(shop_ids))
    waiting = mine.where(Withdrawal.state == "waiting").order_by(Withdrawal.declared_at, Withdrawal.id).limit(MOST)
    settled = mine.where(Withdrawal.state == "settled").order_by(Withdrawal.settled_at.desc()).limit(10)
    return (*_rows(session, waiting), *_rows(session, settled))


def late_withdrawals(session: Session, now: datetime) -> Sequence[Trouble]:
    """Those whose money must go back within days, and whose resident has to be called: a person looks (W8, W10)."""
    rows = _rows(
        session,
        _select()
        .where(
            Withdrawal.state == "waiting",
            (Withdrawal.declared_at < now - WAITS) | (Withdrawal.email == "") & Withdrawal.held_at.is_not(None),
        )
        .order_by(Withdrawal.declared_at)
        .limit(MOST),
    )
    return [
        Trouble("withdrawal", f"{row.code} {row.shop_name}", why, row.declared_at, row.amount)
        for row in rows
        if (why := _why_late(row, is_late=row.declared_at < now - WAITS)) is not None
    ]


def _why_late(row: WithdrawalRow, *, is_late: bool) -> str | None:
    if row.is_to_be_told:
        return "withdrawal_call"
    if not is_late:
        return None
    return "withdrawal_disputed" if row.is_disputed else "withdrawal_held" if row.is_held else "withdrawal_waits"


def _select() -> Select[Withdrawal, SubOrder, Order, Shop, str]:
    return (
        select(Withdrawal, SubOrder, Order, Shop, Merchant.email)
        .join(SubOrder, Withdrawal.sub_order_id == SubOrder.id)
        .join(Order, SubOrder.order_id == Order.id)
        .join(Shop, SubOrder.shop_id == Shop.id)
        .join(Merchant, Shop.merchant_id == Merchant.id)
    )


def _given_back(session: Session, order_refund_ids: Sequence[int]) -> tuple[dict[int, Money], set[int]]:
    """Of these refunds of orders: what goes back, and which the provider has not been asked for yet.

    One that failed and was asked for again counts as the last.
    """
    first = select(OrderRefund.id, OrderRefund.refund_id).where(OrderRefund.id.in_(order_refund_ids))
    chain = first.cte("chain", recursive=True)
    chain = chain.union_all(
        select(chain.c.id, Refund.followed_by_id)
        .join(Refund, Refund.id == chain.c.refund_id)
        .where(Refund.followed_by_id.is_not(None))
    )
    last = session.execute(
        select(chain.c.id, Refund.amount, Refund.state)
        .join(Refund, Refund.id == chain.c.refund_id)
        .where(Refund.followed_by_id.is_(None))
    ).all()
    return {row.id: row.amount for row in last}, {row.id for row in last if row.state == "requested"}


def _rows(session: Session, query: Select[Withdrawal, SubOrder, Order, Shop, str]) -> tuple[WithdrawalRow, ...]:
    found = session.execute(query).all()
    disputed = set(
        session.scalars(
            select(Chargeback.payment_id).where(
                Chargeback.payment_id.in_({order.payment_id for _, _, order, *_ in found}),
                Chargeback.is_open,
            )
        )
    )
    lines: dict[int, list[WithdrawnLine]] = {}
    for withdrawn, line in session.execute(
        select(WithdrawalLine, OrderLine)
        .join(OrderLine, WithdrawalLine.order_line_id == OrderLine.id)
        .where(WithdrawalLine.withdrawal_id.in_([withdrawal.id for withdrawal, *_ in found]))
        .order_by(OrderLine.position)
    ):
        lines.setdefault(withdrawn.withdrawal_id, []).append(
            WithdrawnLine(line.name, line.label, withdrawn.qty, line.unit_price * withdrawn.qty)
        )
    words: dict[int, list[Said]] = {}
    for word in session.scalars(
        select(WithdrawalWord)
        .where(WithdrawalWord.withdrawal_id.in_([withdrawal.id for withdrawal, *_ in found]))
        .order_by(WithdrawalWord.id)
    ):
        words.setdefault(word.withdrawal_id, []).append(Said(word.at, word.actor, word.word, word.text))
    refund_ids = [withdrawal.order_refund_id for withdrawal, *_ in found if withdrawal.order_refund_id is not None]
    given, asked = _given_back(session, refund_ids)
    return tuple(
        WithdrawalRow(
            id=withdrawal.id,
            code=order.code,
            token=order.token,
            sub_order_id=part.id,
            shop_name=part.shop_name,
            shop_awning=part.shop_awning,
            shop_address=f"{shop.street}, {shop.postcode} {shop.city}",
            shop_email=email,
            seller_name=part.seller_name,
            seller_address=part.seller_address,
            recipient=initials(order.name),
            language=order.language,
            name=withdrawal.name,
            email=withdrawal.email,
            is_by_telephone=withdrawal.taken_by is not None,
            declared_at=withdrawal.declared_at,
            told_at=withdrawal.told_at,
            held_at=withdrawal.held_at,
            is_held=withdrawal.state == "waiting" and is_held(withdrawal.held_at, withdrawal.proof_at),
            is_disputed=withdrawal.state == "waiting" and order.payment_id in disputed,
            is_stopped=withdrawal.order_refund_id in asked and order.payment_id in disputed,
            resident_told_at=withdrawal.resident_told_at,
            proof=withdrawal.proof,
            proof_at=withdrawal.proof_at,
            words=tuple(words.get(withdrawal.id, ())),
            goes_back_on=None
            if order.payment_id in disputed
            else goes_back_on(
                local_day(withdrawal.declared_at),
                told_at=withdrawal.told_at,
                held_at=withdrawal.held_at,
                proof_at=withdrawal.proof_at,
            ),
            return_due_on=return_due_on(local_day(withdrawal.declared_at)),
            refund_due_on=withdrawal.refund_due_on,
            state=withdrawal.state,
            basis=withdrawal.basis,
            settled_at=withdrawal.settled_at,
            lines=tuple(lines.get(withdrawal.id, ())),
            given_back=given.get(withdrawal.order_refund_id, ZERO) if withdrawal.order_refund_id else ZERO,
        )
        for withdrawal, part, order, shop, email in found
    )
