"""How an order and its parts change their states: the only writer of both (I16).

Locks are taken in one order everywhere: the order, then its parts.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from basket.models import Order, OrderEvent, SubOrder
from basket.rules import ORDER_NEXT, SUB_ORDER_NEXT, progress_of
from marketplace.errors import MarketplaceError
from marketplace.jobs import publish
from marketplace.payments import shares
from merchants.models import Shop


class NotPossibleNow(MarketplaceError):
    """The order or sub-order is not in a state that allows this."""

    code = "not_possible_now"


def lock_order(session: Session, code: str) -> Order | None:
    """The order, held until the transaction ends."""
    return session.scalars(
        select(Order).where(Order.code == code).with_for_update().execution_options(populate_existing=True)
    ).one_or_none()


def parts_of(session: Session, order_id: int) -> list[SubOrder]:
    """The parts of an order that is held, held too."""
    return list(
        session.scalars(
            select(SubOrder)
            .where(SubOrder.order_id == order_id)
            .order_by(SubOrder.id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    )


def parts_with_slugs(session: Session, code: str) -> list[tuple[SubOrder, str]]:
    """The same, each with its shop's slug."""
    rows = session.execute(
        select(SubOrder, Shop.slug)
        .join(Order, SubOrder.order_id == Order.id)
        .join(Shop, SubOrder.shop_id == Shop.id)
        .where(Order.code == code)
        .order_by(SubOrder.id)
        .with_for_update(of=SubOrder)
        .execution_options(populate_existing=True)
    )
    return [(sub_order, slug) for sub_order, slug in rows]


def move_order(session: Session, order: Order, event: str, actor: str, now: datetime) -> None:
    """The order is in its next state; cancelled, so are all its parts. NotPossibleNow."""
    after = ORDER_NEXT.get((order.state, event))
    if after is None:
        raise NotPossibleNow(state=order.state)
    record(session, order.id, None, event, order.state, after, actor, now)
    order.state = after
    if after == "cancelled":
        order.ended_at = now
        for sub_order in parts_of(session, order.id):
            if sub_order.state != "cancelled":
                move_part(session, sub_order, "cancel", actor, now)


def move_part(session: Session, sub_order: SubOrder, event: str, actor: str, now: datetime) -> None:
    """The part is in its next state. NotPossibleNow."""
    after = SUB_ORDER_NEXT.get((sub_order.state, event))
    if after is None:
        raise NotPossibleNow(state=sub_order.state)
    record(session, sub_order.order_id, sub_order.id, event, sub_order.state, after, actor, now)
    sub_order.state = after


def complete_part(session: Session, order: Order, sub_order: SubOrder, actor: str, now: datetime) -> None:
    """The resident has what this shop sold."""
    move_part(session, sub_order, "deliver", actor, now)
    publish(session, "sub_order.delivered", sub_order_id=sub_order.id)
    part_ended(session, order, sub_order.party, actor, now)


def part_ended(session: Session, order: Order, party: str, actor: str, now: datetime) -> None:
    """What follows from the end of a part, delivered or cancelled, for its merchant's share and the whole order."""
    assert order.payment_id is not None, "only a paid order has parts that end"
    parts = parts_of(session, order.id)
    # A merchant with two shops in the order has one share of it: it is due when both are done. Of a cancelled part
    # something is left where the association bore it.
    if all(part.state in ("delivered", "cancelled") for part in parts if part.party == party):
        shares.make_due(session, payment_id=order.payment_id, party=party)
    progress = progress_of([part.state for part in parts])
    if order.state == "confirmed" and progress in ("delivered", "cancelled"):
        move_order(session, order, "complete" if progress == "delivered" else "cancel", actor, now)
        order.ended_at = now


def record(
    session: Session,
    order_id: int,
    sub_order_id: int | None,
    event: str,
    before: str,
    after: str,
    actor: str,
    now: datetime,
) -> None:
    """Write down who did what, when."""
    session.add(
        OrderEvent(
            order_id=order_id,
            sub_order_id=sub_order_id,
            at=now,
            actor=actor,
            event=event,
            from_state=before,
            to_state=after,
        )
    )
