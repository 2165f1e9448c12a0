"""Find issued documents again: one by its link, a party's as a list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from marketplace.errors import NotFound
from marketplace.invoices.freezing import from_kept
from marketplace.invoices.models import IssuedDocument
from marketplace.invoices.rules import Document
from marketplace.money import Money

#: Five years of monthly invoices, or the sales of a busy week: who needs more asks for a period.
MOST = 100


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A document in a list, as its seller was named on it; `total` is VAT included, a credit note's positive too."""

    token: str
    kind: str
    number: str
    reference: str
    issued_on: date
    total: Money
    seller_name: str


def get_document(session: Session, *, token: str) -> tuple[Document, datetime]:
    """The document behind a link, and the instant of its issue. NotFound."""
    row = session.execute(
        select(IssuedDocument.content, IssuedDocument.issued_at).where(IssuedDocument.token == token)
    ).one_or_none()
    if row is None:
        raise NotFound()
    return from_kept(row.content), row.issued_at


def documents_to(session: Session, *, buyer: str, most: int = MOST) -> Sequence[DocumentRow]:
    """What a merchant was sent, newest first: the association's commission invoices and credit notes."""
    return _rows(session, IssuedDocument.buyer == buyer, most)


def documents_of(session: Session, *, seller: str, most: int = MOST) -> Sequence[DocumentRow]:
    """What was drawn up about a seller's sales, newest first."""
    return _rows(session, IssuedDocument.seller == seller, most)


def documents_about(session: Session, *, reference: str, most: int = MOST) -> Sequence[DocumentRow]:
    """What was drawn up about one order, newest first."""
    return _rows(session, IssuedDocument.reference == reference, most)


def _rows(session: Session, is_wanted: ColumnElement[bool], most: int) -> Sequence[DocumentRow]:
    found = session.execute(
        select(
            IssuedDocument.token,
            IssuedDocument.kind,
            IssuedDocument.number,
            IssuedDocument.reference,
            IssuedDocument.issued_on,
            IssuedDocument.total,
            IssuedDocument.content["seller"]["name"].as_string(),
        )
        .where(is_wanted)
        .order_by(IssuedDocument.issued_on.desc(), IssuedDocument.id.desc())
        .limit(most)
    )
    return [DocumentRow(*row) for row in found]
