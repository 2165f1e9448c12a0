"""What a shop sees of orders: its own parts, a first name and an initial; nothing of the other shops (domain D7)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from basket import cancelling, shortages, weighing
from basket.models import Order, OrderEvent, OrderLine, OrderRefund, RefundedLine, SubOrder
from basket.part_money import PartMoney, money_of
from basket.refund_queries import NOTHING, refunded_lines, sum_of
from basket.rules import initials
from marketplace.clock import local_day, local_instant
from marketplace.delivery.models import Booking, Parcel
from marketplace.errors import NotFound
from marketplace.money import Money
from merchants.kinds import get_kind
from merchants.models import Merchant, Shop, Variant

#: What a shop may know of; an order that nobody has paid is none of its business, and never was.
SEEN_STATES = ("received", "accepted", "packed", "handed_over", "delivered", "cancelled")
#: More than one pair of hands gets through in a day; the page says when there are more.
SHOWN_MOST = 100


@dataclass(frozen=True, slots=True)
class ShopSign:
    slug: str
    name: str
    awning: int


@dataclass(frozen=True, slots=True)
class Part:
    """One sub-order in a list of work. `done_at`: when it left the shop, None while it is there."""

    id: int
    code: str
    shop: ShopSign
    state: str
    mode: str
    recipient: str
    ready_by_at: datetime
    slot: tuple[datetime, datetime] | None
    pieces_qty: int
    done_at: datetime | None


@dataclass(frozen=True, slots=True)
class Work:
    """A shop's day, each list in the order in which the parts must be ready. `is_more`: there is still more."""

    to_accept: tuple[Part, ...]
    to_pack: tuple[Part, ...]
    waiting: tuple[Part, ...]
    done_today: tuple[Part, ...]
    is_more: bool

    @property
    def is_empty(self) -> bool:
        return not (self.to_accept or self.to_pack or self.waiting or self.done_today)


@dataclass(frozen=True, slots=True)
class PackLine:
    """One product to put into the parcel. Not in `qty`: `missing_qty` pieces that were reported missing, and
    `withdrawn_qty` that the resident does not want any more."""

    id: int
    reference: str
    name: str
    label: str
    drawing: str
    product_id: int
    qty: int
    missing_qty: int
    withdrawn_qty: int
    cold: str


@dataclass(frozen=True, slots=True)
class SheetEvent:
    at: datetime
    event: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sub-order as its shop works on it. Parcel `number` of `parcels_qty`: how many travel to this household.

    `goods`, `commission` and `contribution` (to the delivery) are those of the sale; `refunded`, `commission_back` and
    `contribution_back` what was undone of it since.
    """

    id: int
    code: str
    shop: ShopSign
    state: str
    mode: str
    recipient: str
    ready_by_at: datetime
    slot: tuple[datetime, datetime] | None
    shortage: str
    goods: Money
    commission: Money
    contribution: Money
    refunded: Money
    commission_back: Money
    contribution_back: Money
    parcel_number: int
    parcels_qty: int
    lines: tuple[PackLine, ...]
    events: tuple[SheetEvent, ...]
    #: Whether something in it is sold with its weight.
    is_weighable: bool
    #: Of all the merchant's shops in this order.
    money: PartMoney

    @property
    def pieces_qty(self) -> int:
        return sum(line.qty for line in self.lines)

    @property
    def shops_share(self) -> Money:
        sold = self.goods - self.commission - self.contribution
        return sold - self.refunded + self.commission_back + self.contribution_back

    @property
    def may_lack(self) -> bool:
        """Whether the shop can still say that something is missing."""
        return self.state in shortages.STATES

    @property
    def may_cancel(self) -> bool:
        """Whether the shop can still cancel the whole of it."""
        return self.state in cancelling.IN_SHOP


def todays_work(session: Session, *, shop_ids: frozenset[int], now: datetime) -> Work:
    """What these shops still have to do, whatever its day, and what has left them since midnight."""
    rows = session.execute(
        _parts()
        .where(SubOrder.shop_id.in_(shop_ids), SubOrder.state.in_(("received", "accepted", "packed")))
        .order_by(SubOrder.ready_by_at, SubOrder.id)
        .limit(SHOWN_MOST + 1)
    ).all()
    midnight = local_instant(local_day(now), time())
    done = session.execute(
        _parts()
        .add_columns(OrderEvent.at)
        .join(OrderEvent, OrderEvent.sub_order_id == SubOrder.id)
        .where(OrderEvent.event == "hand_over", OrderEvent.at >= midnight, SubOrder.shop_id.in_(shop_ids))
        .order_by(OrderEvent.at.desc(), SubOrder.id)
        .limit(SHOWN_MOST)
    ).all()
    open_parts = [_part(sub, order, slug, qty, done_at=None) for sub, order, slug, qty in rows[:SHOWN_MOST]]
    return Work(
        to_accept=tuple(part for part in open_parts if part.state == "received"),
        to_pack=tuple(part for part in open_parts if part.state == "accepted"),
        waiting=tuple(part for part in open_parts if part.state == "packed"),
        done_today=tuple(_part(sub, order, slug, qty, done_at=at) for sub, order, slug, qty, at in done),
        is_more=len(rows) > SHOWN_MOST,
    )


def get_sheet(session: Session, *, sub_order_id: int, shop_ids: frozenset[int]) -> Sheet:
    """A sub-order of one of these shops; NotFound for any other, and for one that is not paid."""
    row = session.execute(
        select(SubOrder, Order, Shop.slug)
        .join(Order, SubOrder.order_id == Order.id)
        .join(Shop, SubOrder.shop_id == Shop.id)
        .where(
            SubOrder.id == sub_order_id,
            SubOrder.shop_id.in_(shop_ids),
            SubOrder.state.in_(SEEN_STATES),
            Order.payment_id.is_not(None),
        )
    ).one_or_none()
    if row is None:
        raise NotFound()
    sub_order, order, slug = row
    number, parcels_qty = _parcel(session, order, slug)
    missing = refunded_lines(session, sub_order.id)
    undone = sum_of(missing.values())
    lines = session.execute(
        select(OrderLine, Variant.product_id)
        .join(Variant, OrderLine.variant_id == Variant.id)
        .where(OrderLine.sub_order_id == sub_order.id)
        .order_by(OrderLine.position)
    ).all()
    events = session.execute(
        select(OrderEvent.at, OrderEvent.event).where(OrderEvent.sub_order_id == sub_order.id).order_by(OrderEvent.id)
    )
    day = local_day(order.placed_at)
    return Sheet(
        id=sub_order.id,
        code=order.code,
        shop=ShopSign(slug, sub_order.shop_name, sub_order.shop_awning),
        state=sub_order.state,
        mode=order.mode,
        recipient=initials(order.name),
        ready_by_at=sub_order.ready_by_at,
        slot=_slot(order),
        shortage=order.shortage,
        goods=sub_order.goods,
        commission=sub_order.commission,
        contribution=sub_order.contribution,
        refunded=undone.amount - undone.gesture,
        commission_back=undone.commission,
        contribution_back=undone.contribution,
        parcel_number=number,
        parcels_qty=parcels_qty,
        lines=tuple(
            PackLine(
                id=line.id,
                reference=line.reference,
                name=line.name,
                label=line.label,
                drawing=line.drawing,
                product_id=product_id,
                qty=line.qty - missing.get(line.id, NOTHING).qty,
                missing_qty=missing.get(line.id, NOTHING).missing_qty,
                withdrawn_qty=missing.get(line.id, NOTHING).withdrawn_qty,
                cold=get_kind(line.kind, day).cold,
            )
            for line, product_id in lines
        ),
        events=tuple(SheetEvent(at, event) for at, event in events),
        is_weighable=bool(weighing.weighable([line for line, _ in lines], missing)),
        money=money_of(session, party=sub_order.party, codes=[order.code])[order.code],
    )


def address_of_shop(session: Session, sub_order_id: int) -> tuple[int, str]:
    """(shop, e-mail) of the merchant who has to prepare a sub-order."""
    row = session.execute(
        select(Shop.id, Merchant.email)
        .join(Merchant, Shop.merchant_id == Merchant.id)
        .join(SubOrder, SubOrder.shop_id == Shop.id)
        .where(SubOrder.id == sub_order_id)
    ).one()
    return row.id, row.email


def _parcel(session: Session, order: Order, slug: str) -> tuple[int, int]:
    """Number n of m of the household's parcels; the only one for a collection, none of a part that was cancelled."""
    if order.mode == "collection":
        return 1, 1
    booking_id = session.scalar(
        select(Booking.id).where(Booking.reference == order.code).order_by(Booking.id.desc()).limit(1)
    )
    parcels = session.execute(select(Parcel.source, Parcel.number).where(Parcel.booking_id == booking_id))
    numbers = {parcel.source: parcel.number for parcel in parcels}
    return numbers.get(slug, 0), len(numbers)


def _parts() -> Select[SubOrder, Order, str, int]:
    missing_qty = (
        select(func.coalesce(func.sum(RefundedLine.qty), 0))
        .join(OrderRefund, RefundedLine.order_refund_id == OrderRefund.id)
        .where(OrderRefund.sub_order_id == SubOrder.id)
        .correlate(SubOrder)
    ).scalar_subquery()
    pieces_qty = (
        select(func.sum(OrderLine.qty) - missing_qty).where(OrderLine.sub_order_id == SubOrder.id).correlate(SubOrder)
    ).scalar_subquery()
    return (
        select(SubOrder, Order, Shop.slug, pieces_qty)
        .join(Order, SubOrder.order_id == Order.id)
        .join(Shop, SubOrder.shop_id == Shop.id)
    )


def _part(sub_order: SubOrder, order: Order, slug: str, pieces_qty: int, *, done_at: datetime | None) -> Part:
    return Part(
        id=sub_order.id,
        code=order.code,
        shop=ShopSign(slug, sub_order.shop_name, sub_order.shop_awning),
        state=sub_order.state,
        mode=order.mode,
        recipient=initials(order.name),
        ready_by_at=sub_order.ready_by_at,
        slot=_slot(order),
        pieces_qty=pieces_qty,
        done_at=done_at,
    )


def _slot(order: Order) -> tuple[datetime, datetime] | None:
    if order.slot_starts_at is None or order.slot_ends_at is None:
        return None
    return order.slot_starts_at, order.slot_ends_at
