"""All the money of one order, for those of the association who answer for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from basket import by_hand, cancelling
from basket.models import Order, OrderEvent, OrderLine, OrderRefund, RefundedLine, SubOrder
from basket.refund_queries import NOTHING, delivery_given_back, refunded_lines
from basket.withdrawing import waiting_pieces
from marketplace.accounts.models import User
from marketplace.errors import NotFound
from marketplace.money import ZERO, Money
from marketplace.payments.chargebacks import is_disputed
from marketplace.payments.models import Chargeback, Payment, PaymentWord, Refund, RefundPart, Share
from marketplace.payments.strange import STRANGE
from merchants.models import Merchant


@dataclass(frozen=True, slots=True)
class MoneyWord:
    """What somebody said of strange money. `word`: settled, and how; reopened."""

    at: datetime
    actor: str
    word: str
    text: str


@dataclass(frozen=True, slots=True)
class PaymentMoney:
    """One attempt to pay. `is_the_one`: it confirmed the order."""

    amount: Money
    state: str
    created_at: datetime
    paid_at: datetime | None
    trouble: str | None
    is_the_one: bool
    words: tuple[MoneyWord, ...]


@dataclass(frozen=True, slots=True)
class ShareMoney:
    """`routed` is what was sent to the merchant: the share less what had gone back by then."""

    party: str
    kind: str
    amount: Money
    state: str
    routed: Money | None
    routed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Bearer:
    """Who gives so much of a refund. `is_reversal`: the provider takes it back from the merchant, who has it."""

    party: str
    kind: str
    amount: Money
    is_reversal: bool
    #: Within `amount`: the provider cannot take it back, and a person asks the merchant for it.
    claimed: Money


@dataclass(frozen=True, slots=True)
class ReturnedLine:
    name: str
    label: str
    qty: int
    amount: Money


@dataclass(frozen=True, slots=True)
class GivenMoney:
    """Money that went back once; `state` is the provider's word, None where nothing had been paid for it.

    `reason` and `liable` are None where no order used the money: paid twice, paid too late.
    """

    amount: Money
    reason: str
    liable: str | None
    shop_name: str | None
    lines: tuple[ReturnedLine, ...]
    delivery: Money | None
    gesture: Money | None
    note: str
    state: str | None
    bearers: tuple[Bearer, ...]
    at: datetime
    actor: str


@dataclass(frozen=True, slots=True)
class LineMoney:
    id: int
    name: str
    label: str
    qty: int
    total: Money
    left_qty: int
    left: Money
    #: Within `left_qty`: its money goes back with the withdrawal that waits.
    renounced_qty: int


@dataclass(frozen=True, slots=True)
class PartMoney:
    id: int
    shop_name: str
    awning: int
    party: str
    state: str
    goods: Money
    lines: tuple[LineMoney, ...]

    @property
    def left(self) -> Money:
        return Money.total([line.left for line in self.lines])

    @property
    def may_cancel(self) -> bool:
        """Whether the association may still cancel the whole of it."""
        return self.state in cancelling.PAID


@dataclass(frozen=True, slots=True)
class EventMoney:
    at: datetime
    event: str
    shop_name: str | None
    actor: str


@dataclass(frozen=True, slots=True)
class OrderMoney:
    """`names` says who the parties and the actors are. `last_refund_id` is what a form of now names (`by_hand`)."""

    id: int
    code: str
    state: str
    name: str
    mode: str
    placed_at: datetime
    delivery_fee: Money
    delivery_left: Money
    is_paid: bool
    is_disputed: bool
    last_refund_id: int
    parts: tuple[PartMoney, ...]
    payments: tuple[PaymentMoney, ...]
    shares: tuple[ShareMoney, ...]
    chargebacks: tuple[Money, ...]
    given: tuple[GivenMoney, ...]
    events: tuple[EventMoney, ...]
    names: dict[str, str]

    @property
    def paid(self) -> Money:
        """Without what is not what was asked for: of that the provider knows how much it is."""
        return Money.total([p.amount for p in self.payments if p.paid_at is not None and p.trouble not in STRANGE])

    @property
    def given_back(self) -> Money:
        """What has gone back or is on its way."""
        return Money.total([given.amount for given in self.given if given.state not in ("failed", "canceled")])

    def get_part(self, sub_order_id: int) -> PartMoney:
        part = next((part for part in self.parts if part.id == sub_order_id), None)
        if part is None:
            raise NotFound()
        return part


def is_order(session: Session, code: str) -> bool:
    return session.scalar(select(Order.id).where(Order.code == code)) is not None


def get_order_money(session: Session, code: str) -> OrderMoney:
    """Everything that was paid, shared, routed and given back of an order; NotFound."""
    order = session.scalars(select(Order).where(Order.code == code)).one_or_none()
    if order is None:
        raise NotFound()
    parts = session.scalars(select(SubOrder).where(SubOrder.order_id == order.id).order_by(SubOrder.position)).all()
    payments = session.scalars(select(Payment).where(Payment.reference == code).order_by(Payment.attempt)).all()
    payment_ids = [payment.id for payment in payments]
    shares = session.scalars(select(Share).where(Share.payment_id == order.payment_id).order_by(Share.id)).all()
    events = session.execute(
        select(OrderEvent, SubOrder.shop_name)
        .outerjoin(SubOrder, OrderEvent.sub_order_id == SubOrder.id)
        .where(OrderEvent.order_id == order.id)
        .order_by(OrderEvent.id)
    ).all()
    words = session.scalars(
        select(PaymentWord).where(PaymentWord.payment_id.in_(payment_ids)).order_by(PaymentWord.id)
    ).all()
    given = _given(session, order, payment_ids, {part.id: part.shop_name for part in parts})
    return OrderMoney(
        id=order.id,
        code=order.code,
        state=order.state,
        name=order.name,
        mode=order.mode,
        placed_at=order.placed_at,
        delivery_fee=order.delivery_fee,
        delivery_left=order.delivery_fee - delivery_given_back(session, order.id),
        is_paid=order.payment_id is not None,
        is_disputed=order.payment_id is not None and is_disputed(session, order.payment_id),
        last_refund_id=by_hand.last_refund_id(session, order.id),
        parts=_parts(session, parts),
        payments=tuple(
            PaymentMoney(
                p.amount,
                p.state,
                p.created_at,
                p.paid_at,
                p.trouble,
                p.id == order.payment_id,
                tuple(MoneyWord(w.at, w.actor, w.word, w.text) for w in words if w.payment_id == p.id),
            )
            for p in payments
        ),
        shares=tuple(ShareMoney(s.party, s.kind, s.amount, s.state, s.routed_amount, s.routed_at) for s in shares),
        chargebacks=tuple(
            session.scalars(
                select(Chargeback.amount).where(
                    # What strange money was, is not in what was paid.
                    Chargeback.payment_id.in_([one.id for one in payments if one.trouble not in STRANGE]),
                    Chargeback.reversed_at.is_(None),
                )
            )
        ),
        given=given,
        events=tuple(EventMoney(event.at, event.event, shop_name, event.actor) for event, shop_name in events),
        names=names_of(
            session,
            [
                *(one.actor for one in given),
                *(word.actor for word in words),
                *(event.actor for event, _ in events),
            ],
        ),
    )


def bearers_of(session: Session, refund_id: int | None) -> tuple[Bearer, ...]:
    """Who gives what of a refund."""
    rows = session.scalars(select(RefundPart).where(RefundPart.refund_id == refund_id).order_by(RefundPart.id))
    return tuple(Bearer(part.party, part.kind, part.amount, part.is_reversal, part.claimed_amount) for part in rows)


def names_of(session: Session, actors: Iterable[str]) -> dict[str, str]:
    """Merchants by party, and people by the word that the books have for them ("person:7", "member:7")."""
    names = {
        f"merchant:{row.key}": row.legal_name for row in session.execute(select(Merchant.key, Merchant.legal_name))
    }
    wanted = {actor: int(actor.partition(":")[2]) for actor in actors if actor.startswith(("person:", "member:"))}
    users = {
        row.id: row.name for row in session.execute(select(User.id, User.name).where(User.id.in_(wanted.values())))
    }
    return names | {actor: users[user_id] for actor, user_id in wanted.items() if user_id in users}


def _parts(session: Session, parts: Iterable[SubOrder]) -> tuple[PartMoney, ...]:
    by_id = {part.id: part for part in parts}
    undone = refunded_lines(session, *by_id)
    renounced = waiting_pieces(session, *by_id)
    lines: dict[int, list[LineMoney]] = {}
    for line in session.scalars(
        select(OrderLine).where(OrderLine.sub_order_id.in_(by_id)).order_by(OrderLine.sub_order_id, OrderLine.position)
    ):
        before = undone.get(line.id, NOTHING)
        lines.setdefault(line.sub_order_id, []).append(
            LineMoney(
                line.id,
                line.name,
                line.label,
                line.qty,
                line.total,
                line.qty - before.qty,
                line.total - before.amount,
                renounced.get(line.id, 0),
            )
        )
    return tuple(
        PartMoney(p.id, p.shop_name, p.shop_awning, p.party, p.state, p.goods, tuple(lines[p.id]))
        for p in by_id.values()
    )


def _given(session: Session, order: Order, payment_ids: list[int], shops: dict[int, str]) -> tuple[GivenMoney, ...]:
    """The newest first: what a second person has to see before giving more."""
    returned: dict[int, list[ReturnedLine]] = {}
    for refunded, line in session.execute(
        select(RefundedLine, OrderLine)
        .join(OrderLine, RefundedLine.order_line_id == OrderLine.id)
        .join(OrderRefund, RefundedLine.order_refund_id == OrderRefund.id)
        .where(OrderRefund.order_id == order.id)
        .order_by(OrderLine.position)
    ):
        returned.setdefault(refunded.order_refund_id, []).append(
            ReturnedLine(line.name, line.label, refunded.qty, refunded.amount)
        )
    why = session.scalars(select(OrderRefund).where(OrderRefund.order_id == order.id)).all()
    refunds = {
        refund.id: refund
        for refund in session.scalars(select(Refund).where(Refund.payment_id.in_(payment_ids)).order_by(Refund.id))
    }
    rows = []
    for one in why:
        refund = refunds.pop(one.refund_id, None) if one.refund_id else None
        # One that failed and was asked for again counts as the second.
        while refund is not None and refund.followed_by_id is not None:
            refund = refunds.pop(refund.followed_by_id)
        lines = tuple(returned.get(one.id, ()))
        rows.append(
            GivenMoney(
                # Asked for again, it may have become less: what went back meanwhile was counted.
                amount=refund.amount if refund is not None else ZERO,
                reason=one.reason,
                liable=one.liable,
                shop_name=shops.get(one.sub_order_id) if one.sub_order_id else None,
                lines=lines,
                delivery=one.delivery,
                gesture=one.gesture,
                note=one.note,
                state=refund.state if refund else None,
                bearers=bearers_of(session, refund.id if refund else None),
                at=one.at,
                actor=one.actor,
            )
        )
    # What no order could use.
    rows += [
        GivenMoney(
            amount=refund.amount,
            reason=refund.reason,
            liable=None,
            shop_name=None,
            lines=(),
            delivery=None,
            gesture=None,
            note="",
            state=refund.state,
            bearers=(),
            at=refund.requested_at,
            actor=refund.requested_by,
        )
        for refund in refunds.values()
        if refund.followed_by_id is None
    ]
    return tuple(sorted(rows, key=lambda row: row.at, reverse=True))
