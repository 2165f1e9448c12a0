"""What the worker writes down: each document in a transaction of its own, however often the fact is told."""

from __future__ import annotations

from datetime import date

from flask import current_app
from sqlalchemy import select
from sqlalchemy.orm import Session

from basket.documents import commissions, letters, queries, sales
from basket.documents.models import CommissionPart
from basket.models import Order, SubOrder
from marketplace.clock import local_day
from marketplace.hall import Hall
from marketplace.invoices.parties import association_party
from marketplace.invoices.rules import Party
from marketplace.invoices.vat_status import vat_history
from marketplace.jobs import periodic, publish, subscribe, without_job
from marketplace.letters import send_once


def words() -> sales.Words:
    """The words of documents about orders, French whatever the reader's language."""
    template = current_app.jinja_env.get_template("basket/documents/words.html")
    found: sales.Words = vars(template.module)["words"]
    return found


def _association(session: Session, hall: Hall, on: date) -> Party:
    """As it stood on a day."""
    identity = hall.settings.association
    return association_party(identity, vat_number=vat_history(session, identity).number_on(on))


@subscribe("sub_order.delivered")
def document_sale(hall: Hall, sub_order_id: int) -> None:
    with hall.database.transaction() as session:
        sales.document_sale(
            session,
            sub_order_id=sub_order_id,
            association=_association(session, hall, local_day(hall.clock.now())),
            words=words(),
            now=hall.clock.now(),
        )


@subscribe("sub_order.delivered")
def document_delivery(hall: Hall, sub_order_id: int) -> None:
    with hall.database.transaction() as session:
        order = session.execute(
            select(Order.id, Order.placed_at)
            .join(SubOrder, SubOrder.order_id == Order.id)
            .where(SubOrder.id == sub_order_id)
        ).one()
        sales.document_delivery(
            session,
            order_id=order.id,
            # The fee was promised on that day, with the VAT of that day in it.
            association=_association(session, hall, local_day(order.placed_at)),
            words=words(),
            now=hall.clock.now(),
        )


@subscribe("order.refunded")
def credit_refund(hall: Hall, order_refund_id: int) -> None:
    with hall.database.transaction() as session:
        sales.credit_refund(session, order_refund_id=order_refund_id, words=words(), now=hall.clock.now())


@subscribe("order_refund.untold")
def write_refund_receipt(hall: Hall, order_refund_id: int) -> None:
    """A refund from before receipts were corrected, or whose job was lost: nobody is written to once more."""
    credit_refund(hall, order_refund_id)


@periodic("21 * * * *")
def document_what_was_missed(hall: Hall) -> None:
    """What was handed over before documents were issued, or lost its job, is told again; and refunds of it."""
    with hall.database.transaction() as session:
        untold = queries.untold_refunds(session)
        for order_refund_id in without_job(session, "order_refund.untold", "order_refund_id", untold):
            publish(session, "order_refund.untold", order_refund_id=order_refund_id)
        missed = queries.undocumented_sub_orders(session)
        for sub_order_id in without_job(session, "sub_order.delivered", "sub_order_id", missed):
            publish(session, "sub_order.delivered", sub_order_id=sub_order_id)


#: Who the run's record names when nobody pressed the button.
CALENDAR = "calendar"


@periodic("41 5 * * *")
def invoice_commission(hall: Hall) -> None:
    """On the first of the month, as soon as the ledger has closed the last one; on any later day what was missed."""
    with hall.database.reading() as session:
        months = commissions.months_to_run(session)
    for month in months:
        with hall.database.transaction() as session:
            commissions.start_run(session, month=month, actor=CALENDAR, now=hall.clock.now())


@subscribe("commission.due")
def issue_commission_invoice(hall: Hall, part_id: int) -> None:
    with hall.database.transaction() as session:
        month = session.scalars(select(CommissionPart.month).where(CommissionPart.id == part_id)).one()
        commissions.issue_part(
            session,
            part_id=part_id,
            association=_association(session, hall, month),
            words=words(),
            is_fictitious=hall.settings.mollie_env != "live",
            now=hall.clock.now(),
        )


@subscribe("commission.issued")
def tell_of_commission(hall: Hall, part_id: int) -> None:
    with hall.database.reading() as session:
        month, seller, papers = queries.get_commission_part(session, part_id)
    send_once(hall, letters.commission(month, seller, papers, site_url=hall.settings.site_url))
