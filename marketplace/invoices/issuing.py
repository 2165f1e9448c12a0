"""Issue documents: each number is given in the transaction that writes the document, under its series' row lock.

Locks, in this order: the seller's mandate (shared), the invoice that is credited, the series. What is issued is never
changed; a mistake is corrected by a credit note.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from sqlalchemy import func, insert, or_, select, type_coerce, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session, aliased
from sqlalchemy.types import BigInteger

from marketplace.clock import local_day
from marketplace.ids import new_token
from marketplace.invoices.freezing import from_kept, to_kept
from marketplace.invoices.mandates import MandateMissing, find_mandate
from marketplace.invoices.models import InvoiceSeries, InvoicingMandate, IssuedDocument, IssuedLine
from marketplace.invoices.rules import (
    DEDUCTION,
    INVOICE,
    RECEIPT,
    SERVICES,
    TAKING_BACK,
    Corrected,
    CreditTooLarge,
    Document,
    Draft,
    Line,
    Party,
    credit_draft,
    issued,
    number_of,
    series_prefix,
    spread_credit,
    total_of,
)
from marketplace.legal import legal_number
from marketplace.money import ZERO, Money


@dataclass(frozen=True, slots=True)
class Issued:
    """A document that stands; whoever holds the `token` may read it."""

    id: int
    token: str
    document: Document


@dataclass(frozen=True, slots=True)
class CommissionLine:
    """What the association keeps of one sale, VAT included; negative where a refund gives it back.

    `text` is what the merchant reads, `reference` the order's code.
    """

    text: str
    commission: Money
    reference: str = ""


def issue_own(session: Session, *, key: str, draft: Draft, now: datetime) -> Issued:
    """The seller's own document, in the seller's own series. The same key again gives the first one."""
    return find_issued(session, key) or _issue(session, key=key, draft=draft, issuer=None, mandate=None, now=now)


def issue_for_seller(session: Session, *, key: str, draft: Draft, issuer: Party, now: datetime) -> Issued:
    """A document about a merchant's sale, drawn up by `issuer` (the association).

    An invoice needs the merchant's mandate in force on the day of issue; without one it becomes a receipt, which says
    that it is no invoice (domain I4). The same key again gives the first one, whatever happened to the mandate since.
    """
    known = find_issued(session, key)
    if known is not None:
        return known
    mandate = None
    if draft.kind == INVOICE:
        mandate = find_mandate(session, seller=draft.seller.key, on=local_day(now), lock=True)
        if mandate is None:
            draft = replace(draft, kind=RECEIPT)
    return _issue(session, key=key, draft=draft, issuer=issuer, mandate=mandate, now=now)


def credit(
    session: Session, *, key: str, document_id: int, credits: Mapping[int, Money], reason: str, now: datetime
) -> Issued:
    """A credit note that names the invoice and takes back these amounts of its lines (by position, from 0); of a
    receipt, a refund receipt.

    The same key again gives the first one. CreditTooLarge for more than is left of a line or of the whole;
    MandateMissing when the invoice was drawn up in the name of a merchant who has no mandate in force today;
    ValueError for what takes back itself.
    """
    known = find_issued(session, key)
    if known is not None:
        return known
    return _credit(session, key=key, document_id=document_id, credits=credits, reason=reason, now=now)


def issue_commission_invoice(
    session: Session,
    *,
    association: Party,
    merchant: Party,
    month: date,
    lines: Sequence[CommissionLine],
    reason: str,
    now: datetime,
    is_fictitious: bool = False,
) -> tuple[Issued, ...]:
    """The association's commission of a month (`month` is any of its days), invoiced to the merchant once (domain I10).

    One invoice; nothing where the month sums to nothing. Where refunds outweigh the sales, credit notes on the
    merchant's earlier commission invoices, the newest first, worded by `reason`; CreditTooLarge when those were less.
    Asked again for the same merchant and month, what was issued then, whatever the lines are now.
    """
    key = f"commission:{merchant.key}:{month:%Y-%m}"
    known = _issued_for_month(session, key)
    owed = Money.total([line.commission for line in lines])
    if known or owed == ZERO:
        return known
    if owed < ZERO:
        return _give_back(session, key=key, seller=association, buyer=merchant, amount=-owed, reason=reason, now=now)
    last_day = month.replace(day=monthrange(month.year, month.month)[1])
    vat_bp = legal_number("vat.commission_bp", last_day) if association.vat_number else 0
    draft = Draft(
        kind=INVOICE,
        seller=association,
        buyer=merchant,
        lines=tuple(Line(line.text, 1, line.commission, vat_bp, line.reference) for line in lines),
        supplied_from=month.replace(day=1),
        supplied_on=last_day,
        supply=SERVICES,
        settlement=DEDUCTION,
        settled_on=last_day,
        reference=f"{month:%Y-%m}",
        is_fictitious=is_fictitious,
    )
    return (_issue(session, key=key, draft=draft, issuer=None, mandate=None, now=now),)


def _issued_for_month(session: Session, key: str) -> tuple[Issued, ...]:
    """The month's invoice, or its credit notes."""
    is_its = or_(IssuedDocument.key == key, IssuedDocument.key.startswith(f"{key}:", autoescape=True))
    return tuple(
        _read(row) for row in session.scalars(select(IssuedDocument).where(is_its).order_by(IssuedDocument.id))
    )


def _give_back(
    session: Session, *, key: str, seller: Party, buyer: Party, amount: Money, reason: str, now: datetime
) -> tuple[Issued, ...]:
    # All of them before the series: whoever credits one of them by itself holds it first, too.
    invoices = session.scalars(
        select(IssuedDocument.id)
        .where(
            IssuedDocument.seller == seller.key,
            IssuedDocument.buyer == buyer.key,
            IssuedDocument.kind == INVOICE,
            IssuedDocument.key.startswith("commission:", autoescape=True),
        )
        .order_by(IssuedDocument.id.desc())
        .with_for_update(key_share=True)
    )
    notes: list[Issued] = []
    for invoice_id in invoices.all():
        credits = spread_credit(amount, [left for _, left in _left_of(session, invoice_id)])
        if credits:
            own_key = f"{key}:{len(notes) + 1}"
            notes.append(_credit(session, key=own_key, document_id=invoice_id, credits=credits, reason=reason, now=now))
            amount -= notes[-1].document.total
        if amount == ZERO:
            return tuple(notes)
    raise CreditTooLarge(position=None, left=Money.total([note.document.total for note in notes]))


def _credit(
    session: Session, *, key: str, document_id: int, credits: Mapping[int, Money], reason: str, now: datetime
) -> Issued:
    row = _lock_document(session, document_id)
    invoice = from_kept(row.content)
    if invoice.kind in TAKING_BACK:
        raise ValueError(f"{invoice.number} takes back itself")
    mandate = None
    if invoice.issuer is not None and invoice.kind == INVOICE:
        mandate = find_mandate(session, seller=invoice.seller.key, on=local_day(now), lock=True)
        if mandate is None:
            raise MandateMissing()
    lines = _left_of(session, document_id)
    draft = credit_draft(invoice, credits, [left for _, left in lines])
    before: dict[int, Money] = {}
    for line, (_, left) in zip(invoice.lines, lines, strict=True):
        before[line.vat_bp] = before.get(line.vat_bp, ZERO) + line.amount - left
    return _issue(
        session,
        key=key,
        draft=draft,
        issuer=invoice.issuer,
        mandate=mandate,
        now=now,
        corrects=row,
        credited=[lines[position][0] for position in sorted(credits)],
        reason=reason,
        credited_before=tuple(sorted(before.items())),
    )


def _lock_document(session: Session, document_id: int) -> IssuedDocument:
    """Nobody else credits it before this transaction ends. NoResultFound when there is none."""
    return session.scalars(
        select(IssuedDocument).where(IssuedDocument.id == document_id).with_for_update(key_share=True)
    ).one()


def _left_of(session: Session, document_id: int) -> list[tuple[int, Money]]:
    """(id, what earlier credit notes left) of each line, in order; under the document's lock."""
    taken = aliased(IssuedLine)
    taken_cents = func.coalesce(func.sum(type_coerce(taken.amount, BigInteger)), 0)
    rows = session.execute(
        select(IssuedLine.id, IssuedLine.amount, taken_cents)
        .outerjoin(taken, taken.credits_line_id == IssuedLine.id)
        .where(IssuedLine.document_id == document_id)
        .group_by(IssuedLine.id)
        .order_by(IssuedLine.position)
    )
    return [(line_id, amount - Money(int(cents))) for line_id, amount, cents in rows]


def _issue(
    session: Session,
    *,
    key: str,
    draft: Draft,
    issuer: Party | None,
    mandate: InvoicingMandate | None,
    now: datetime,
    corrects: IssuedDocument | None = None,
    credited: Sequence[int] = (),
    reason: str = "",
    credited_before: tuple[tuple[int, Money], ...] = (),
) -> Issued:
    series = _lock_series(session, draft, issuer, mandate, local_day(now))
    known = find_issued(session, key)  # somebody may have issued it while we waited for the series
    if known is not None:
        return known
    ordinal, on = session.execute(
        update(InvoiceSeries)
        .where(InvoiceSeries.id == series.id)
        .values(
            last_ordinal=InvoiceSeries.last_ordinal + 1,
            # Over midnight the clock was read before the lock: days never run backwards in a series.
            last_issued_on=func.greatest(InvoiceSeries.last_issued_on, local_day(now)),
        )
        .returning(InvoiceSeries.last_ordinal, InvoiceSeries.last_issued_on)
    ).one()
    assert on is not None, "just set"
    document = issued(
        draft,
        number=number_of(series.prefix, ordinal),
        issuer=issuer,
        on=on,
        corrects=Corrected(corrects.number, corrects.issued_on) if corrects else None,
        reason=reason,
        credited_before=credited_before,
    )
    token = new_token()
    document_id = session.scalars(
        insert(IssuedDocument)
        .values(
            series_id=series.id,
            ordinal=ordinal,
            number=document.number,
            kind=document.kind,
            key=key,
            seller=document.seller.key,
            buyer=document.buyer.key,
            reference=document.reference,
            issued_on=on,
            issued_at=now,
            total=total_of(document.lines),
            corrects_id=corrects.id if corrects else None,
            token=token,
            content=to_kept(document),
        )
        .returning(IssuedDocument.id)
    ).one()
    rows = [
        {
            "document_id": document_id,
            "position": position,
            "amount": line.amount,
            "credits_line_id": credited[position] if credited else None,
        }
        for position, line in enumerate(document.lines)
    ]
    session.execute(insert(IssuedLine), rows)
    return Issued(document_id, token, document)


def _lock_series(
    session: Session, draft: Draft, issuer: Party | None, mandate: InvoicingMandate | None, on: date
) -> InvoiceSeries:
    """The series of this kind of document and this year, made if it is the first; nobody else counts in it now."""
    seller = draft.seller.key
    prefix = series_prefix(draft.kind, on.year, mandate.ordinal if mandate else None)
    which = (
        select(InvoiceSeries)
        .where(InvoiceSeries.seller == seller, InvoiceSeries.prefix == prefix)
        .with_for_update(key_share=True)
    )
    series = session.scalars(which).one_or_none()
    if series is not None:
        return series
    session.execute(
        upsert(InvoiceSeries)
        .values(
            seller=seller,
            issuer=issuer.key if issuer else seller,
            kind=draft.kind,
            year=on.year,
            prefix=prefix,
            mandate_id=mandate.id if mandate else None,
        )
        .on_conflict_do_nothing(index_elements=[InvoiceSeries.seller, InvoiceSeries.prefix])
    )
    return session.scalars(which).one()


def find_issued(session: Session, key: str) -> Issued | None:
    """The document that was issued under a key."""
    row = session.scalars(select(IssuedDocument).where(IssuedDocument.key == key)).one_or_none()
    return _read(row) if row is not None else None


def _read(row: IssuedDocument) -> Issued:
    return Issued(row.id, row.token, from_kept(row.content))
