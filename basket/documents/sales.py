"""A sale's papers: one for each merchant's part when it is handed over, one for its delivery, credits for refunds.

When: at the hand-over, because then the goods are supplied (domain I6, I10) and what is missing is known; a shortage
before it is not invoiced and credited, but never invoiced. Exactly once: keys name the part, and the order's lock
decides which refunds came before the document (they are within it) and which after (they get a credit note).
A refund that fails at the provider changes no document: the sale is undone, and the money is still owed.

Locks: the order, then what `invoices.issuing` locks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from basket.documents.models import DocumentedRefund
from basket.documents.own_notes import is_written
from basket.documents.rules import SoldLine, TakenBack, lines_left
from basket.models import Order, OrderEvent, OrderLine, OrderRefund, RefundedLine, SubOrder
from basket.refund_queries import delivery_given_back, refunded_lines
from marketplace.clock import local_day
from marketplace.invoices.issuing import Issued, credit, find_issued, issue_for_seller, issue_own
from marketplace.invoices.mandates import find_mandate
from marketplace.invoices.rules import GOODS, INVOICE, ONLINE, RECEIPT, SERVICES, Address, Document, Draft, Line, Party
from marketplace.legal import legal_number
from marketplace.money import ZERO, Money
from marketplace.payments.models import Payment
from merchants.rules import GUARANTEED, vat_number_of
from merchants.sellers import seller_by_key

#: The words that documents need of us: templates/basket/documents/words.html.
Words = Mapping[str, str]


def sale_key(sub_order_id: int) -> str:
    return f"sale:{sub_order_id}"


def delivery_key(order_id: int) -> str:
    return f"delivery:{order_id}"


def document_sale(
    session: Session, *, sub_order_id: int, association: Party, words: Words, now: datetime
) -> Issued | None:
    """The merchant's invoice for a part that was handed over, or a receipt where no mandate is in force.

    Harmless to repeat: the first document is the answer. None while nothing was handed over, or nothing is left of it.
    """
    order = _lock_order(session, select(Order).join(SubOrder).where(SubOrder.id == sub_order_id))
    known = find_issued(session, sale_key(sub_order_id))
    sub_order = session.get_one(SubOrder, sub_order_id, populate_existing=True)
    if known is not None or sub_order.state != "delivered":
        return known
    taken = {
        line_id: TakenBack(undone.qty, undone.amount - undone.gesture)
        for line_id, undone in refunded_lines(session, sub_order_id).items()
    }
    sold = session.scalars(
        select(OrderLine).where(OrderLine.sub_order_id == sub_order_id).order_by(OrderLine.position)
    ).all()
    lines = lines_left([_sold(line) for line in sold], taken, partly=words["partly"])
    if not lines:
        return None
    seller = seller_by_key(session, sub_order.party.removeprefix("merchant:")).as_party
    # Whether it charges VAT is what its lines said at the sale, not what it says today.
    charges_vat = any(line.vat_bp for line in lines)
    seller = replace(seller, vat_number=vat_number_of(seller.siren) if charges_vat else "")
    supplied_on = _handed_over_on(session, sub_order_id)
    paid_on, is_play = _paid(session, order)
    issued = issue_for_seller(
        session,
        key=sale_key(sub_order_id),
        draft=Draft(
            # Nobody without a SIREN can be named on an invoice.
            kind=INVOICE if seller.siren else RECEIPT,
            seller=seller,
            buyer=_buyer(order),
            lines=lines,
            supplied_on=supplied_on,
            supply=GOODS,
            settlement=ONLINE,
            settled_on=paid_on,
            reference=order.code,
            has_guaranteed_goods=any(line.kind in GUARANTEED for line in sold),
            is_fictitious=is_play,
        ),
        issuer=association,
        now=now,
    )
    of_part = select(OrderRefund.id).where(OrderRefund.sub_order_id == sub_order_id)
    _note(session, session.scalars(of_part).all(), "goods", issued)
    return issued


def document_delivery(
    session: Session, *, order_id: int, association: Party, words: Words, now: datetime
) -> Issued | None:
    """The association's own invoice for bringing an order home, once something of it was handed over.

    Harmless to repeat. None for an order that is collected, or of whose fee nothing is left.
    """
    order = _lock_order(session, select(Order).where(Order.id == order_id))
    known = find_issued(session, delivery_key(order_id))
    handed_over_on = session.scalar(
        select(func.min(OrderEvent.at)).where(OrderEvent.order_id == order_id, OrderEvent.event == "deliver")
    )
    if known is not None or order.mode != "delivery" or handed_over_on is None:
        return known
    fee = order.delivery_fee - delivery_given_back(session, order_id)
    if not fee:
        return None
    paid_on, is_play = _paid(session, order)
    vat_bp = legal_number("vat.delivery_bp", local_day(order.placed_at)) if association.vat_number else 0
    issued = issue_own(
        session,
        key=delivery_key(order_id),
        draft=Draft(
            kind=INVOICE,
            seller=association,
            buyer=_buyer(order),
            lines=(Line(words["delivery"], 1, fee, vat_bp),),
            supplied_on=local_day(handed_over_on),
            supply=SERVICES,
            settlement=ONLINE,
            settled_on=paid_on,
            reference=order.code,
            is_fictitious=is_play,
        ),
        now=now,
    )
    of_delivery = select(OrderRefund.id).where(OrderRefund.order_id == order_id, OrderRefund.delivery > ZERO)
    _note(session, session.scalars(of_delivery).all(), "delivery", issued)
    return issued


def credit_refund(session: Session, *, order_refund_id: int, words: Words, now: datetime) -> tuple[Issued, ...]:
    """The credit notes of a refund: on the merchant's invoice, and on the association's for the delivery; where the
    resident got a receipt, a refund receipt.

    Harmless to repeat. None on what was not invoiced yet (the invoice will reckon with the refund), and on an invoice
    of a merchant whose mandate has ended: that credit note is the merchant's own to write (`to_write`).
    """
    order = _lock_order(session, select(Order).join(OrderRefund).where(OrderRefund.id == order_refund_id))
    refund = session.get_one(OrderRefund, order_refund_id)
    reason = words[f"reason_{refund.reason}"]
    notes = []
    if refund.sub_order_id is not None:
        sale = find_issued(session, sale_key(refund.sub_order_id))
        # A merchant's own credit note stands, even if it has signed a mandate anew since.
        is_told = _is_noted(session, order_refund_id, "goods") or is_written(session, order_refund_id)
        if sale is not None and not is_told:
            credits = _credits(session, order_refund_id, sale.document)
            if credits and _may_credit(session, sale.document, now):
                key = f"credit:{order_refund_id}"
                notes.append(credit(session, key=key, document_id=sale.id, credits=credits, reason=reason, now=now))
                _note(session, [order_refund_id], "goods", notes[-1])
    delivery = find_issued(session, delivery_key(order.id))
    if delivery is not None and refund.delivery and not _is_noted(session, order_refund_id, "delivery"):
        key, credits = f"credit:{order_refund_id}:delivery", {0: refund.delivery}
        notes.append(credit(session, key=key, document_id=delivery.id, credits=credits, reason=reason, now=now))
        _note(session, [order_refund_id], "delivery", notes[-1])
    return tuple(notes)


def _credits(session: Session, order_refund_id: int, document: Document) -> dict[int, Money]:
    """What a refund takes from each line of a document, by its position."""
    positions = {int(line.reference): position for position, line in enumerate(document.lines)}
    lines = session.scalars(select(RefundedLine).where(RefundedLine.order_refund_id == order_refund_id))
    return {positions[line.order_line_id]: line.amount - line.gesture for line in lines if line.amount > line.gesture}


def _may_credit(session: Session, document: Document, now: datetime) -> bool:
    """Not what the merchant must credit itself since its mandate has ended."""
    if document.kind == RECEIPT:
        return True
    return find_mandate(session, seller=document.seller.key, on=local_day(now), lock=True) is not None


# --- Read ------------------------------------------------------------------------------------------------------


def _lock_order(session: Session, which: Select[Order]) -> Order:
    return session.scalars(which.with_for_update(of=Order).execution_options(populate_existing=True)).one()


def _sold(line: OrderLine) -> SoldLine:
    return SoldLine(
        id=line.id,
        text=f"{line.name} ({line.label})" if line.label else line.name,
        qty=line.qty,
        unit_price=line.unit_price,
        vat_bp=line.vat_bp,
    )


def _handed_over_on(session: Session, sub_order_id: int) -> date:
    at = session.scalars(
        select(func.max(OrderEvent.at)).where(OrderEvent.sub_order_id == sub_order_id, OrderEvent.event == "deliver")
    ).one()
    assert at is not None, "a delivered part has its event"
    return local_day(at)


def _paid(session: Session, order: Order) -> tuple[date | None, bool]:
    """When; and whether nobody has paid real money: the document says then that it is worth nothing."""
    row = session.execute(
        select(Payment.paid_at, Payment.provider_env).where(Payment.id == order.payment_id)
    ).one_or_none()
    if row is None:
        return None, True
    return local_day(row.paid_at) if row.paid_at is not None else None, row.provider_env != "live"


def _buyer(order: Order) -> Party:
    address = Address(order.street, order.postcode, order.city) if order.street else None
    return Party(key="", name=order.name, address=address)


# --- Note ------------------------------------------------------------------------------------------------------


def _is_noted(session: Session, order_refund_id: int, part: str) -> bool:
    return session.get(DocumentedRefund, (order_refund_id, part)) is not None


def _note(session: Session, order_refund_ids: Sequence[int], part: str, issued: Issued) -> None:
    session.add_all(
        DocumentedRefund(order_refund_id=refund_id, part=part, document_id=issued.id) for refund_id in order_refund_ids
    )
    session.flush()
