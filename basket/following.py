"""An order looked up by the link or the program that knows its token."""

from __future__ import annotations

from basket import orders, queries
from marketplace.errors import GatewayError
from marketplace.hall import Hall
from marketplace.payments.models import OPEN_STATES
from marketplace.payments.service import settle


def look_up(hall: Hall, *, code: str, token: str) -> queries.OrderRow:
    """The order as it stands; NotFound for a wrong token, as for a wrong code.

    While it waits for money the provider is asked first: the resident may be back before the notice (F09), or the
    notice may never come (F04). If it does not answer, the order is shown as we know it; the poller asks again. Money
    that is here already is taken at once: nobody who has paid should be asked to pay.
    """
    with hall.database.reading() as session:
        order = queries.get_order(session, code=code, token=token)
    if order.state not in ("awaiting_payment", "lapsed") or not order.payment:
        return order
    if order.payment.state in OPEN_STATES:
        try:
            settle(hall, order.payment.id)
        except GatewayError:
            return order
    elif order.payment.state != "paid":
        return order
    with hall.database.transaction() as session:
        orders.take_payment_if_paid(session, payment_id=order.payment.id, clock=hall.clock)
    with hall.database.reading() as session:
        return queries.get_order(session, code=code, token=token)
