"""A shop's whole part of a paid order is cancelled: nothing of it travels, and the resident gets all of it back."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from basket.giving_back import give_back, lines_of, whole_rest
from basket.models import Order, OrderLine, OrderRefund, SubOrder
from basket.moves import NotPossibleNow, move_part, part_ended, parts_of
from basket.refund_queries import NOTHING, delivery_given_back, refunded_lines
from basket.rules import book_floor, delivery_back
from marketplace.clock import local_day
from marketplace.delivery import bookings
from marketplace.errors import NotFound
from marketplace.jobs import publish
from marketplace.money import Money
from marketplace.payments.chargebacks import is_disputed
from marketplace.payments.models import Payment, Share
from merchants.kinds import get_kind
from merchants.models import Shop

#: While the parcel is in the shop, its people may cancel.
IN_SHOP = ("received", "accepted", "packed")
#: The association may also when it came back from the round or was lost on it.
PAID = (*IN_SHOP, "handed_over")
#: What people of the association read beside a refund that nobody complained for.
UNROUTABLE = "share could not be routed"


def cancel_part(
    session: Session,
    *,
    sub_order_id: int,
    shop_ids: frozenset[int] | None,
    liable: str = "merchant",
    note: str = "",
    actor: str,
    now: datetime,
) -> OrderRefund | None:
    """The part is cancelled, its parcel leaves the round, its lines and its share of the delivery go back.

    The last part that is cancelled cancels the order, and all of the delivery fee goes back. Who bears the lines:
    `liable`; the delivery is the association's. `shop_ids` are the shops whose people ask, None for the association.
    The same once more changes nothing: the answer is None then. NotFound for another shop's part, NotPossibleNow once
    it has left the shop (for the association: once the resident has it).
    """
    query = select(SubOrder.order_id).where(SubOrder.id == sub_order_id)
    if shop_ids is not None:
        query = query.where(SubOrder.shop_id.in_(shop_ids))
    order_id = session.scalar(query)
    if order_id is None:
        raise NotFound()
    # The order before its parts, as everywhere.
    order = session.get_one(Order, order_id, with_for_update=True, populate_existing=True)
    part = next(part for part in parts_of(session, order.id) if part.id == sub_order_id)
    if part.state == "cancelled" and order.payment_id is not None:
        return None
    if part.state not in (PAID if shop_ids is None else IN_SHOP):
        raise NotPossibleNow(state=part.state)
    given = cancel_held(session, order, part, reason="cancelled", liable=liable, note=note, actor=actor, now=now)
    if shop_ids is None:
        publish(session, "sub_order.cancelled", sub_order_id=part.id)
    return given


def cancel_held(
    session: Session,
    order: Order,
    part: SubOrder,
    *,
    reason: str,
    liable: str = "merchant",
    note: str = "",
    actor: str,
    now: datetime,
) -> OrderRefund:
    """The same for a part that the caller holds, with its order, and has found fit to be cancelled."""
    parts = parts_of(session, order.id)
    others = [other for other in parts if other is not part and other.state != "cancelled"]
    if order.mode == "delivery":
        bookings.drop_parcel(
            session,
            reference=order.code,
            source=session.get_one(Shop, part.shop_id).slug,
            needs_age_check=_needs_age_check(session, others, order.placed_at),
        )
    undone = refunded_lines(session, part.id)
    rest = [whole_rest(line, undone.get(line.id, NOTHING)) for line in lines_of(session, part.id)]
    given = give_back(
        session,
        order,
        part,
        reason=reason,
        liable=liable,
        returned=[one for one in rest if one.qty or one.amount],
        delivery=delivery_share(session, order, part, parts, others),
        note=note,
        actor=actor,
        now=now,
    )
    move_part(session, part, "cancel", actor, now)
    part_ended(session, order, part.party, actor, now)
    if order.state == "cancelled":
        order.ending = "refunded"
    return given


def give_share_back(session: Session, *, share_id: int, actor: str, now: datetime) -> None:
    """A share cannot reach its merchant before the provider keeps it: the resident gets the goods' money back (I12).

    A part that nobody has handed over is cancelled; of one that the resident has, all that was paid goes back, and the
    merchant bears it. Harmless to repeat; nothing happens once the share is on its way after all.
    """
    share = session.get_one(Share, share_id)
    payment = session.get_one(Payment, share.payment_id)
    order = session.scalars(select(Order).where(Order.code == payment.reference).with_for_update()).one_or_none()
    if order is None or order.payment_id != payment.id:
        return
    # The payment before its shares, as everywhere.
    session.refresh(payment, with_for_update=True)
    session.refresh(share, with_for_update=True)
    # What a bank has taken goes back by it, or waits for the end of the dispute.
    if share.state not in ("planned", "due", "refused") or is_disputed(session, payment.id):
        return
    for part in parts_of(session, order.id):
        if part.party != share.party or part.state == "cancelled":
            continue
        if part.state in PAID:
            cancel_part(session, sub_order_id=part.id, shop_ids=None, note=UNROUTABLE, actor=actor, now=now)
            continue
        undone = refunded_lines(session, part.id)
        rest = [whole_rest(line, undone.get(line.id, NOTHING)) for line in lines_of(session, part.id)]
        if left := [one for one in rest if one.qty or one.amount]:
            give_back(
                session,
                order,
                part,
                reason="complaint",
                liable="merchant",
                returned=left,
                note=UNROUTABLE,
                actor=actor,
                now=now,
            )


def delivery_share(
    session: Session, order: Order, part: SubOrder, parts: list[SubOrder], others: list[SubOrder]
) -> Money:
    """The part's share of the delivery fee, as far as the law lets it go back; `others` are those that stay bought."""
    day = local_day(order.placed_at)
    return delivery_back(
        order.delivery_fee,
        [one.goods for one in parts],
        parts.index(part),
        back=delivery_given_back(session, order.id),
        is_last=not others,
        floor=book_floor([_new_books(session, other, order.placed_at) for other in others], day),
    )


def _new_books(session: Session, part: SubOrder, placed_at: datetime) -> Money:
    day = local_day(placed_at)
    return Money.total([line.total for line in lines_of(session, part.id) if get_kind(line.kind, day).is_new_book])


def _needs_age_check(session: Session, parts: list[SubOrder], placed_at: datetime) -> bool:
    day = local_day(placed_at)
    kinds = session.scalars(
        select(OrderLine.kind).where(OrderLine.sub_order_id.in_([part.id for part in parts])).distinct()
    )
    return any(get_kind(kind, day).minimum_age is not None for kind in kinds)
