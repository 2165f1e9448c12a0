"""What the pages of orders show: frozen rows, read in few statements."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from basket.models import Order, OrderEvent, OrderLine, OrderRefund, RefundedLine, SubOrder
from basket.refund_queries import NOTHING, Undone, refunded_lines
from basket.rules import progress_of
from marketplace.delivery.models import Booking
from marketplace.delivery.rules import LIVE_BOOKINGS
from marketplace.errors import NotFound
from marketplace.ids import is_token
from marketplace.money import ZERO, Money
from marketplace.payments.chargebacks import is_disputed
from marketplace.payments.models import Chargeback, Payment, Refund, Share
from marketplace.payments.strange import STRANGE
from merchants.models import Product, Shop, Variant


@dataclass(frozen=True, slots=True)
class UnpaidOrder:
    """What the basket's page says of an order that its visitor left before paying."""

    code: str
    token: str
    hold_until_at: datetime
    variant_ids: frozenset[int]


@dataclass(frozen=True, slots=True)
class LineRow:
    name: str
    label: str
    drawing: str
    kind: str
    variant_id: int
    product_id: int
    qty: int
    unit_price: Money
    total: Money
    vat_bp: int
    allergens: tuple[str, ...] | None
    #: Pieces that are undone, and what was given back for them; both are within `qty` and `total`. Of the pieces, the
    #: shop could not find some, and the resident has renounced some.
    undone_qty: int = 0
    missing_qty: int = 0
    withdrawn_qty: int = 0
    refunded: Money = ZERO


@dataclass(frozen=True, slots=True)
class ShopPart:
    """One shop's part of an order; `slug` and `awning` make it recognisable on every page."""

    sub_order_id: int
    slug: str
    name: str
    awning: int
    state: str
    goods: Money
    ready_by_at: datetime
    collection_code: str
    opening_hours: str
    street: str
    city: str
    phone: str
    seller_name: str
    seller_registration: str
    seller_address: str
    seller_contact: str
    lines: tuple[LineRow, ...]


@dataclass(frozen=True, slots=True)
class PaymentRow:
    id: int
    state: str
    amount: Money
    checkout_url: str | None
    paid_at: datetime | None
    #: What of the money that came is not what was asked for (`payments.strange`), and whether somebody has seen to it.
    strange: str | None
    is_settled: bool
    #: The payer's bank has taken some of it back, and has not given it again.
    is_disputed: bool


@dataclass(frozen=True, slots=True)
class RefundRow:
    """Money on its way back. `state`: going, refunded or failed; a failed one is a person's work."""

    amount: Money
    state: str
    asked_at: datetime
    #: shortage | weight | withdrawal | cancelled | complaint | paid_twice | paid_late | unmatched
    reason: str


@dataclass(frozen=True, slots=True)
class EventRow:
    at: datetime
    event: str
    shop_name: str | None
    to_state: str


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order as its resident sees it."""

    id: int
    code: str
    token: str
    state: str
    ending: str | None
    progress: str
    mode: str
    language: str
    name: str
    phone: str
    email: str
    street: str
    postcode: str
    city: str
    access_note: str
    shortage: str
    delivery_fee: Money
    book_floor: Money
    slot: tuple[datetime, datetime] | None
    changeable_until_at: datetime | None
    placed_at: datetime
    hold_until_at: datetime
    confirmed_at: datetime | None
    handover_code: str | None
    #: Opens the page that follows the household's own stop.
    tracking_token: str | None
    parts: tuple[ShopPart, ...]
    payment: PaymentRow | None
    refunds: tuple[RefundRow, ...]
    events: tuple[EventRow, ...]

    @property
    def refunded(self) -> Money:
        """All that has gone back or is on its way."""
        return Money.total([refund.amount for refund in self.refunds if refund.state != "failed"])

    @property
    def goods(self) -> Money:
        return Money.total([part.goods for part in self.parts])

    @property
    def total(self) -> Money:
        return self.goods + self.delivery_fee


@dataclass(frozen=True, slots=True)
class GivenBack:
    """Money of an order that went back once: for these lines of a shop, for the delivery, as a gesture."""

    id: int
    order: OrderRow
    shop_name: str | None
    #: shortage | weight | withdrawal | cancelled | complaint
    reason: str
    #: With the pieces of each, and what was given back for them, this time.
    lines: tuple[LineRow, ...]
    delivery: Money
    gesture: Money
    #: The payer's bank has the payment: nothing leaves before the dispute ends.
    is_disputed: bool

    @property
    def amount(self) -> Money:
        return Money.total([line.refunded for line in self.lines]) + self.delivery + self.gesture


def get_order(session: Session, *, code: str, token: str) -> OrderRow:
    """The order that a link opens; NotFound for a wrong token, as for a wrong code."""
    if not (is_token(token) and is_token(code)):
        raise NotFound()
    order = session.scalars(select(Order).where(Order.code == code)).one_or_none()
    if order is None or not secrets.compare_digest(order.token, token):
        raise NotFound()
    return _order_row(session, order)


def split_of(session: Session, payment_id: int) -> dict[str, Money]:
    """What each party gets of a payment, merchants first by their key, then the association; it sums to the amount."""
    parts: dict[str, Money] = {}
    for share in session.scalars(select(Share).where(Share.payment_id == payment_id).order_by(Share.id)):
        parts[share.party] = parts.get(share.party, ZERO) + share.amount
    return dict(sorted(parts.items(), key=lambda part: (part[0] == "association", part[0])))


def checkout_url_of(session: Session, payment_id: int) -> str | None:
    """Where that payment is, or was, paid."""
    return session.scalar(select(Payment.checkout_url).where(Payment.id == payment_id))


def get_order_by_code(session: Session, code: str) -> OrderRow:
    """An order of which somebody of the association knows the number; NotFound."""
    order = session.scalars(select(Order).where(Order.code == code)).one_or_none()
    if order is None:
        raise NotFound()
    return _order_row(session, order)


def get_order_by_id(session: Session, order_id: int) -> OrderRow:
    return _order_row(session, session.get_one(Order, order_id))


def get_order_refund(session: Session, order_refund_id: int) -> GivenBack:
    """One time that money of an order went back."""
    given = session.get_one(OrderRefund, order_refund_id)
    payment_id = session.get_one(Order, given.order_id).payment_id
    rows = session.execute(
        select(OrderLine, Variant.product_id, RefundedLine.qty, RefundedLine.amount)
        .join(RefundedLine, RefundedLine.order_line_id == OrderLine.id)
        .join(Variant, OrderLine.variant_id == Variant.id)
        .where(RefundedLine.order_refund_id == order_refund_id)
        .order_by(OrderLine.position)
    )
    return GivenBack(
        id=given.id,
        order=get_order_by_id(session, given.order_id),
        shop_name=session.get_one(SubOrder, given.sub_order_id).shop_name if given.sub_order_id else None,
        reason=given.reason,
        lines=tuple(
            line_row(line, product_id, Undone(qty, amount, ZERO, ZERO)) for line, product_id, qty, amount in rows
        ),
        delivery=given.delivery,
        gesture=given.gesture,
        is_disputed=payment_id is not None and is_disputed(session, payment_id),
    )


def find_unpaid_order(session: Session, *, basket_id: int, now: datetime) -> UnpaidOrder | None:
    """The last order from this basket that still holds its goods and waits for its payment."""
    row = session.execute(
        select(Order.id, Order.code, Order.token, Order.hold_until_at)
        .where(Order.basket_id == basket_id, Order.state == "awaiting_payment", Order.hold_until_at > now)
        .order_by(Order.hold_until_at.desc(), Order.id.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    held = session.scalars(select(OrderLine.variant_id).join(SubOrder).where(SubOrder.order_id == row.id))
    return UnpaidOrder(row.code, row.token, row.hold_until_at, frozenset(held))


def find_order_link(session: Session, *, code: str, phone_end: str) -> tuple[str, str] | None:
    """(code, token) for somebody who knows the number and the end of the telephone number, at least four digits."""
    if len(phone_end) < 4:
        return None
    row = session.execute(select(Order.code, Order.token, Order.phone).where(Order.code == code)).one_or_none()
    return (row.code, row.token) if row is not None and row.phone.endswith(phone_end[-4:]) else None


def _order_row(session: Session, order: Order) -> OrderRow:
    subs = session.execute(
        select(SubOrder, Shop)
        .join(Shop, SubOrder.shop_id == Shop.id)
        .where(SubOrder.order_id == order.id)
        .order_by(SubOrder.position)
    ).all()
    missing = refunded_lines(session, *(sub.id for sub, _ in subs))
    lines: dict[int, list[LineRow]] = {}
    for line, product_id in session.execute(
        select(OrderLine, Variant.product_id)
        .join(Variant, OrderLine.variant_id == Variant.id)
        .where(OrderLine.sub_order_id.in_([sub.id for sub, _ in subs]))
        .order_by(OrderLine.sub_order_id, OrderLine.position)
    ):
        lines.setdefault(line.sub_order_id, []).append(line_row(line, product_id, missing.get(line.id, NOTHING)))
    paid = session.execute(
        select(Payment, exists().where(Chargeback.payment_id == Payment.id, Chargeback.is_open))
        .where(Payment.reference == order.code)
        .order_by((Payment.id == order.payment_id).desc().nulls_last(), Payment.attempt.desc())
        .limit(1)
    ).one_or_none()
    refunds = session.scalars(
        select(Refund)
        .join(Payment, Refund.payment_id == Payment.id)
        .where(Payment.reference == order.code, Refund.followed_by_id.is_(None), Refund.amount > ZERO)
        .order_by(Refund.id)
    ).all()
    booking = session.execute(
        select(Booking.handover_code, Booking.token).where(
            Booking.reference == order.code, Booking.state.in_(LIVE_BOOKINGS)
        )
    ).one_or_none()
    events = session.execute(
        select(OrderEvent, SubOrder.shop_name)
        .outerjoin(SubOrder, OrderEvent.sub_order_id == SubOrder.id)
        .where(OrderEvent.order_id == order.id)
        .order_by(OrderEvent.id)
    )
    slot = None
    if order.slot_starts_at is not None and order.slot_ends_at is not None:
        slot = (order.slot_starts_at, order.slot_ends_at)
    return OrderRow(
        id=order.id,
        code=order.code,
        token=order.token,
        state=order.state,
        ending=order.ending,
        progress=progress_of([sub.state for sub, _ in subs]),
        mode=order.mode,
        language=order.language,
        name=order.name,
        phone=order.phone,
        email=order.email,
        street=order.street,
        postcode=order.postcode,
        city=order.city,
        access_note=order.access_note,
        shortage=order.shortage,
        delivery_fee=order.delivery_fee,
        book_floor=order.book_floor,
        slot=slot,
        changeable_until_at=order.changeable_until_at,
        placed_at=order.placed_at,
        hold_until_at=order.hold_until_at,
        confirmed_at=order.confirmed_at,
        handover_code=booking.handover_code if booking else None,
        tracking_token=booking.token if booking else None,
        parts=tuple(_shop_part(sub, shop, tuple(lines.get(sub.id, ()))) for sub, shop in subs),
        payment=None if paid is None else _payment_row(*paid),
        refunds=tuple(
            RefundRow(refund.amount, _refund_state(refund.state), refund.requested_at, refund.reason)
            for refund in refunds
        ),
        events=tuple(EventRow(e.at, e.event, shop_name, e.to_state) for e, shop_name in events),
    )


def _payment_row(payment: Payment, is_disputed: bool) -> PaymentRow:
    return PaymentRow(
        payment.id,
        payment.state,
        payment.amount,
        payment.checkout_url,
        payment.paid_at,
        strange=payment.trouble if payment.trouble in STRANGE else None,
        is_settled=payment.trouble_settled_at is not None,
        is_disputed=is_disputed,
    )


def _refund_state(state: str) -> str:
    """The provider's many words in the three that a resident can use."""
    return {"refunded": "refunded", "failed": "failed", "canceled": "failed"}.get(state, "going")


def line_row(line: OrderLine, product_id: int, undone: Undone = NOTHING) -> LineRow:
    return LineRow(
        name=line.name,
        label=line.label,
        drawing=line.drawing,
        kind=line.kind,
        variant_id=line.variant_id,
        product_id=product_id,
        qty=line.qty,
        unit_price=line.unit_price,
        total=line.total,
        vat_bp=line.vat_bp,
        allergens=None if line.allergens is None else tuple(line.allergens),
        undone_qty=undone.qty,
        missing_qty=undone.missing_qty,
        withdrawn_qty=undone.withdrawn_qty,
        refunded=undone.amount,
    )


def _shop_part(sub: SubOrder, shop: Shop, lines: tuple[LineRow, ...]) -> ShopPart:
    return ShopPart(
        sub_order_id=sub.id,
        slug=shop.slug,
        name=sub.shop_name,
        awning=sub.shop_awning,
        state=sub.state,
        goods=sub.goods,
        ready_by_at=sub.ready_by_at,
        collection_code=sub.collection_code,
        opening_hours=shop.opening_hours,
        street=shop.street,
        city=shop.city,
        phone=shop.phone,
        seller_name=sub.seller_name,
        seller_registration=sub.seller_registration,
        seller_address=sub.seller_address,
        seller_contact=sub.seller_contact,
        lines=lines,
    )


def find_variant_name(session: Session, variant_id: int) -> str | None:
    """What a variant is called in a sentence; None for one that does not exist."""
    row = session.execute(
        select(Product.name, Variant.label)
        .join(Product, Variant.product_id == Product.id)
        .where(Variant.id == variant_id)
    ).one_or_none()
    if row is None:
        return None
    return f"{row.name} ({row.label})" if row.label else row.name
