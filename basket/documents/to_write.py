"""What a merchant without a mandate must write itself: credit notes on invoices of an ended mandate, and the sales that
no invoice was drawn up for. With all figures, so that nobody has to look for them (domain I4, I6)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from basket.documents.models import DocumentedRefund, OwnCreditNote
from basket.documents.rules import may_undo
from basket.models import OrderLine, OrderRefund, RefundedLine, SubOrder
from marketplace.clock import local_day
from marketplace.errors import NotFound
from marketplace.invoices.freezing import from_kept
from marketplace.invoices.models import IssuedDocument
from marketplace.invoices.rules import NO_INVOICE, RECEIPT, VatTotal
from marketplace.money import ZERO, Money, vat_in

#: Rows of one reading, so that a year's file is not in memory at once.
AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class ToWrite:
    """`kind`: credit_note, owed for the refund `refund_id` on the invoice `number`; receipt or refund_receipt, with the
    number of the paper that the resident has. `vat` by rate; a credit note's sums are positive."""

    kind: str
    on: date
    code: str
    number: str
    token: str
    buyer: str
    reason: str
    vat: tuple[VatTotal, ...]
    refund_id: int = 0

    @property
    def total(self) -> Money:
        return Money.total([one.total for one in self.vat])


@dataclass(frozen=True, slots=True)
class Written:
    """A credit note that the merchant says it has written, under its own `number`. `can_undo`: its word may still be
    taken back."""

    paper: ToWrite
    number: str
    written_on: date | None
    noted_on: date
    can_undo: bool


#: (refund) that nobody has credited on its invoice, and that no job may credit: a mandate of its day is not in force
#: :today any more.
OWED = r"""SELECT r.id, s.party FROM order_refund r JOIN sub_order s ON s.id = r.sub_order_id
    JOIN issued_document d ON d.key = 'sale:' || s.id AND d.kind = 'invoice'
    JOIN refunded_line l ON l.order_refund_id = r.id
    WHERE NOT EXISTS (SELECT 1 FROM documented_refund n WHERE n.order_refund_id = r.id AND n.part = 'goods')
    AND NOT EXISTS (SELECT 1 FROM own_credit_note w WHERE w.order_refund_id = r.id AND w.undone_at IS NULL)
    AND NOT EXISTS (SELECT 1 FROM invoicing_mandate m WHERE m.seller = d.seller
        AND m.signed_on <= (r.at AT TIME ZONE 'Europe/Paris')\:\:date
        AND coalesce(m.ended_on > greatest((r.at AT TIME ZONE 'Europe/Paris')\:\:date, :today), true))
    GROUP BY r.id, s.party HAVING sum(l.amount - l.gesture) > 0"""


def credit_notes_owed(session: Session, *, party: str, today: date) -> tuple[ToWrite, ...]:
    """The credit notes that a merchant must write on invoices of its ended mandates, oldest first."""
    query = f"SELECT id FROM ({OWED}) o WHERE party = :party ORDER BY id"  # noqa: S608  # our own words
    rows = session.execute(text(query), {"party": party, "today": today})
    return tuple(_credit_note(session, row.id) for row in rows.all())


def get_credit_note_owed(session: Session, *, party: str, order_refund_id: int, today: date) -> ToWrite:
    """One of them; NotFound for what this merchant does not owe, or has written."""
    query = f"SELECT id FROM ({OWED}) o WHERE party = :party AND id = :id"  # noqa: S608  # our own words
    if session.scalar(text(query), {"party": party, "id": order_refund_id, "today": today}) is None:
        raise NotFound()
    return _credit_note(session, order_refund_id)


def credit_notes_written(session: Session, *, party: str, now: datetime) -> tuple[Written, ...]:
    """What the merchant says it has written of what it owed, the latest first, at most AT_ONCE."""
    notes = session.scalars(
        select(OwnCreditNote)
        .join(OrderRefund, OrderRefund.id == OwnCreditNote.order_refund_id)
        .join(SubOrder, SubOrder.id == OrderRefund.sub_order_id)
        .where(SubOrder.party == party, OwnCreditNote.undone_at.is_(None))
        .order_by(OwnCreditNote.id.desc())
        .limit(AT_ONCE)
    )
    return tuple(
        Written(
            paper=_credit_note(session, note.order_refund_id),
            number=note.number,
            written_on=note.written_on,
            noted_on=local_day(note.noted_at),
            can_undo=may_undo(note.noted_at, now),
        )
        for note in notes.all()
    )


def owing_parties(session: Session, today: date) -> dict[str, int]:
    """Merchants who must write credit notes themselves → how many."""
    rows = session.execute(text(f"SELECT party, count(*) AS qty FROM ({OWED}) o GROUP BY party"), {"today": today})  # noqa: S608  # our own words
    return {row.party: int(row.qty) for row in rows}


def sales_without_invoice(session: Session, *, party: str) -> Iterator[ToWrite]:
    """Receipts and refund receipts about a merchant's sales, oldest first, read in pieces."""
    last_id: int | None = 0
    while last_id is not None:
        rows = session.scalars(
            select(IssuedDocument)
            .where(IssuedDocument.seller == party, IssuedDocument.kind.in_(NO_INVOICE), IssuedDocument.id > last_id)
            .order_by(IssuedDocument.id)
            .limit(AT_ONCE)
        ).all()
        for row in rows:
            paper = from_kept(row.content)
            yield ToWrite(
                kind=row.kind,
                on=row.issued_on,
                code=row.reference,
                number=row.number,
                token=row.token,
                buyer=paper.buyer.name,
                reason=paper.reason,
                vat=paper.vat_totals,
            )
        last_id = rows[-1].id if rows else None
        session.expunge_all()


def qty_without_invoice(session: Session, *, party: str) -> int:
    """How many sales have a receipt and no invoice of ours."""
    return session.scalars(
        select(func.count()).where(IssuedDocument.seller == party, IssuedDocument.kind == RECEIPT)
    ).one()


def _credit_note(session: Session, order_refund_id: int) -> ToWrite:
    """VAT is reckoned on the sum so far, as on the credit notes that we write."""
    refund = session.get_one(OrderRefund, order_refund_id)
    sub_order = session.get_one(SubOrder, refund.sub_order_id)
    invoice = session.scalars(select(IssuedDocument).where(IssuedDocument.key == f"sale:{sub_order.id}")).one()
    taken: defaultdict[tuple[bool, int], Money] = defaultdict(lambda: ZERO)
    rows = session.execute(
        select(OrderRefund.id, OrderLine.vat_bp, RefundedLine.amount, RefundedLine.gesture)
        .join(RefundedLine, RefundedLine.order_refund_id == OrderRefund.id)
        .join(OrderLine, OrderLine.id == RefundedLine.order_line_id)
        .outerjoin(
            DocumentedRefund,
            (DocumentedRefund.order_refund_id == OrderRefund.id) & (DocumentedRefund.part == "goods"),
        )
        .where(
            OrderRefund.sub_order_id == sub_order.id,
            OrderRefund.id <= order_refund_id,
            # What the invoice itself reckons with was never invoiced.
            DocumentedRefund.document_id.is_distinct_from(invoice.id),
        )
    )
    for refund_id, vat_bp, amount, gesture in rows:
        taken[refund_id == order_refund_id, vat_bp] += amount - gesture
    vat = []
    for is_this, vat_bp in sorted(taken):
        more, before = taken[True, vat_bp], taken[False, vat_bp]
        if is_this and more:
            tax = vat_in(before + more, vat_bp) - vat_in(before, vat_bp)
            vat.append(VatTotal(vat_bp, more - tax, tax, more))
    return ToWrite(
        kind="credit_note",
        on=local_day(refund.at),
        code=invoice.reference,
        number=invoice.number,
        token=invoice.token,
        buyer=from_kept(invoice.content).buyer.name,
        reason=refund.reason,
        vat=tuple(vat),
        refund_id=order_refund_id,
    )
