"""What the worker does about orders."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from sqlalchemy import select

from basket import baskets, cancelling, fulfilment_queries, letters, orders, queries
from basket.models import SubOrder
from marketplace.delivery import queries as delivery
from marketplace.errors import GatewayError
from marketplace.hall import Hall
from marketplace.jobs import periodic, publish, subscribe
from marketplace.letters import send_once
from marketplace.payments import service as payments


@subscribe("payment.paid")
def take_payment(hall: Hall, payment_id: int) -> None:
    with hall.database.transaction() as session:
        orders.take_payment(session, payment_id=payment_id, clock=hall.clock)


@periodic("* * * * *")
def let_unpaid_orders_lapse(hall: Hall) -> None:
    """What nobody paid for in time goes back to the shelves and the round.

    The provider is asked first, and asked to close the attempt: whoever pays this very second keeps the order. If
    it cannot be reached, the order lapses all the same; late money finds `take_payment`.
    """
    with hall.database.reading() as session:
        overdue = orders.unpaid_too_long(session, hall.clock.now())
    for order_id, payment_id in overdue:
        with suppress(GatewayError):
            payments.cancel_attempt(hall, payment_id)
        with hall.database.transaction() as session:
            orders.lapse(session, order_id=order_id, now=hall.clock.now())


@periodic("17 3 * * *")
def forget_old_baskets(hall: Hall) -> None:
    """Baskets of guests live thirty days (domain D1)."""
    with hall.database.transaction() as session:
        baskets.forget_old(session, before=hall.clock.now() - timedelta(days=30))


@periodic("37 3 * * *")
def forget_access_notes(hall: Hall) -> None:
    """What the page promises: erased after the delivery."""
    with hall.database.transaction() as session:
        orders.forget_access_notes(session, before=hall.clock.now() - timedelta(days=1))


#: Who the orders' own record names for what happened on the round; the round's record names the person.
COURIER = "courier"


@subscribe("stop.collected")
def take_along(hall: Hall, stop_id: int) -> None:
    with hall.database.transaction() as session:
        now = hall.clock.now()
        for code, shop_slugs in delivery.collected_at(session, stop_id).items():
            orders.mark_travelling(session, code=code, shop_slugs=shop_slugs, actor=COURIER, now=now)


@subscribe("booking.delivered")
def hand_over(hall: Hall, booking_id: int, reference: str) -> None:
    """What was handed over had been collected, even if the job that says so is still to come."""
    with hall.database.transaction() as session:
        now = hall.clock.now()
        shop_slugs = delivery.delivered_sources(session, booking_id)
        orders.mark_travelling(session, code=reference, shop_slugs=shop_slugs, actor=COURIER, now=now)
        orders.mark_delivered(session, code=reference, actor=COURIER, now=now)


@subscribe("share.given_up")
def give_lines_back(hall: Hall, share_id: int, actor: str) -> None:
    with hall.database.transaction() as session:
        cancelling.give_share_back(session, share_id=share_id, actor=actor, now=hall.clock.now())


@subscribe("order.confirmed")
def confirm_by_letter(hall: Hall, order_id: int) -> None:
    with hall.database.reading() as session:
        order = queries.get_order_by_id(session, order_id)
    if order.email:  # who has none gets the same on paper
        send_once(hall, letters.confirmed(order, site_url=hall.settings.site_url))


@subscribe("order.cancelled")
def tell_of_refund(hall: Hall, order_id: int) -> None:
    """A payment that came too late goes back; an order that was never paid ends without a letter."""
    with hall.database.reading() as session:
        order = queries.get_order_by_id(session, order_id)
    if order.email and order.refunded:
        send_once(hall, letters.refunded(order, site_url=hall.settings.site_url))


@subscribe("order.refunded")
def tell_what_goes_back(hall: Hall, order_refund_id: int) -> None:
    """What goes back, and why: for a shortage before the round comes without it."""
    with hall.database.reading() as session:
        given = queries.get_order_refund(session, order_refund_id)
    if given.order.email:
        send_once(hall, letters.given_back(given, site_url=hall.settings.site_url))


@subscribe("order.confirmed")
def tell_shops(hall: Hall, order_id: int) -> None:
    """Each shop's letter is a job of its own: one that a mail server keeps waiting does not hold up the others."""
    with hall.database.transaction() as session:
        for sub_order_id in session.scalars(select(SubOrder.id).where(SubOrder.order_id == order_id)).all():
            publish(session, "sub_order.received", sub_order_id=sub_order_id)


@subscribe("sub_order.received")
def tell_shop(hall: Hall, sub_order_id: int) -> None:
    with hall.database.reading() as session:
        shop_id, email = fulfilment_queries.address_of_shop(session, sub_order_id)
        sheet = fulfilment_queries.get_sheet(session, sub_order_id=sub_order_id, shop_ids=frozenset({shop_id}))
    send_once(hall, letters.merchant_order(sheet, to=email, site_url=hall.settings.site_url))


@subscribe("sub_order.cancelled")
def tell_shop_of_cancelling(hall: Hall, sub_order_id: int) -> None:
    """The association has cancelled the part: nobody should prepare it."""
    with hall.database.reading() as session:
        shop_id, email = fulfilment_queries.address_of_shop(session, sub_order_id)
        sheet = fulfilment_queries.get_sheet(session, sub_order_id=sub_order_id, shop_ids=frozenset({shop_id}))
    send_once(hall, letters.merchant_cancelled(sheet, to=email, site_url=hall.settings.site_url))
