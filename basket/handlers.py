"""What the worker does about orders."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from basket import baskets, orders
from marketplace.errors import GatewayError
from marketplace.hall import Hall
from marketplace.jobs import periodic, subscribe
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
