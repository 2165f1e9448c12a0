"""Series of numbers, documents as they were issued, and the mandates to issue in a merchant's name."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, SmallInteger, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from marketplace.db import Base, Id, Key, Token
from marketplace.money import Money


class InvoicingMandate(Base):
    """A merchant's written word that the association may draw up invoices in its name (domain I4).

    In force from `signed_on` until the day before `ended_on`. A merchant's mandates are numbered from 1: each has
    series of its own, which end with it.
    """

    __tablename__ = "invoicing_mandate"
    __table_args__ = (
        UniqueConstraint("seller", "ordinal"),
        CheckConstraint("ordinal >= 1", name="ordinal_from_one"),
        CheckConstraint("ended_on >= signed_on", name="ends_after_signing"),
        Index("uq_invoicing_mandate_one_open", "seller", unique=True, postgresql_where=text("ended_on IS NULL")),
    )

    id: Mapped[Id]
    #: The ledger's word for the merchant.
    seller: Mapped[str]
    ordinal: Mapped[int] = mapped_column(SmallInteger)
    signed_on: Mapped[date]
    ended_on: Mapped[date | None]
    signed_by: Mapped[str]
    noted_at: Mapped[datetime]
    #: What was signed, word for word.
    terms: Mapped[str] = mapped_column(server_default="")
    ended_by: Mapped[str | None]


class VatStatus(Base):
    """The association's VAT number from a day on; empty under the franchise. Append-only."""

    __tablename__ = "vat_status"
    __table_args__ = (CheckConstraint("EXTRACT(DAY FROM valid_from) = 1", name="begins_with_a_month"),)

    id: Mapped[Id]
    valid_from: Mapped[date] = mapped_column(index=True)
    vat_number: Mapped[str]
    set_at: Mapped[datetime]
    actor: Mapped[str]


class MandateRefusal(Base):
    """A merchant's word that it goes on writing its invoices itself. Append-only; a later mandate outweighs it."""

    __tablename__ = "mandate_refusal"

    id: Mapped[Id]
    seller: Mapped[str] = mapped_column(index=True)
    refused_on: Mapped[date]
    refused_by: Mapped[str]
    noted_at: Mapped[datetime]


class InvoiceSeries(Base):
    """One gapless run of numbers of a seller; `last_ordinal` moves by one with each document, in its transaction.

    Whoever issues holds this row until the commit: an issue that is rolled back gives its number back, and nobody
    has got the next one in the meantime (domain I5).
    """

    __tablename__ = "invoice_series"
    __table_args__ = (
        UniqueConstraint("seller", "prefix"),
        CheckConstraint("kind IN ('invoice', 'credit_note', 'receipt', 'refund_receipt')", name="kind_known"),
        CheckConstraint("last_ordinal >= 0", name="last_ordinal_not_negative"),
        CheckConstraint("seller <> issuer OR mandate_id IS NULL", name="no_mandate_for_oneself"),
    )

    id: Mapped[Id]
    seller: Mapped[str]
    #: Who draws the documents up: the seller, or the association in its name.
    issuer: Mapped[str]
    kind: Mapped[Key]
    year: Mapped[int] = mapped_column(SmallInteger)
    prefix: Mapped[Key]
    mandate_id: Mapped[int | None] = mapped_column(ForeignKey("invoicing_mandate.id"), index=True)
    last_ordinal: Mapped[int] = mapped_column(server_default=text("0"))
    #: Documents follow each other in time as in number.
    last_issued_on: Mapped[date | None]


class IssuedDocument(Base):
    """An invoice, a receipt, or what takes back from one of them; frozen with all its text. Append-only.

    `key` names the event once for ever ("commission:merchant:cave:2026-11"): issuing it twice gives the first one.
    `total` is a credit note's positive sum too.
    """

    __tablename__ = "issued_document"
    __table_args__ = (
        UniqueConstraint("series_id", "ordinal"),
        UniqueConstraint("seller", "number"),
        CheckConstraint("ordinal >= 1", name="ordinal_from_one"),
        CheckConstraint("total >= 0", name="total_not_negative"),
        CheckConstraint(
            "(kind IN ('credit_note', 'refund_receipt')) = (corrects_id IS NOT NULL)", name="credit_names_its_invoice"
        ),
        Index("ix_issued_document_seller", "seller", "issued_on", "id"),
        Index("ix_issued_document_buyer", "buyer", "issued_on", "id", postgresql_where=text("buyer <> ''")),
    )

    id: Mapped[Id]
    series_id: Mapped[int] = mapped_column(ForeignKey("invoice_series.id"))
    ordinal: Mapped[int]
    number: Mapped[Key]
    kind: Mapped[Key]
    key: Mapped[str] = mapped_column(unique=True)
    seller: Mapped[str]
    #: The ledger's word for a merchant; empty for a resident.
    buyer: Mapped[str]
    reference: Mapped[str] = mapped_column(index=True)
    issued_on: Mapped[date]
    issued_at: Mapped[datetime]
    total: Mapped[Money]
    corrects_id: Mapped[int | None] = mapped_column(ForeignKey("issued_document.id"), index=True)
    #: Whoever has the link may read the document.
    token: Mapped[Token]
    #: `freezing.to_kept`.
    content: Mapped[dict[str, Any]] = mapped_column(JSONB)


class IssuedLine(Base):
    """The sum of each line, so that credits can be held to what is left of it. Append-only.

    A credit note's line names the line that it takes from.
    """

    __tablename__ = "issued_line"
    __table_args__ = (UniqueConstraint("document_id", "position"),)

    id: Mapped[Id]
    document_id: Mapped[int] = mapped_column(ForeignKey("issued_document.id"))
    position: Mapped[int] = mapped_column(SmallInteger)
    #: VAT included.
    amount: Mapped[Money]
    credits_line_id: Mapped[int | None] = mapped_column(ForeignKey("issued_line.id"), index=True)


class KeptPaper(Base):
    """A document's PDF, as it was first handed out: whoever asks later gets the same bytes, for the ten years that
    invoices are kept (domain I16). Append-only.

    Made when somebody asks, not at the issue: most are never asked for, and the document's text is kept anyway.
    """

    __tablename__ = "kept_paper"
    __table_args__ = (CheckConstraint("octet_length(sha256) = 32", name="hash_is_sha256"),)

    document_id: Mapped[int] = mapped_column(ForeignKey("issued_document.id"), primary_key=True, autoincrement=False)
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    made_at: Mapped[datetime]
    pdf: Mapped[bytes] = mapped_column(LargeBinary)
