"""Which document reckons with which refund, and the monthly runs of commission invoices."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from marketplace.db import Base, Id, Key
from marketplace.money import Money


class DocumentedRefund(Base):
    """The document that reckons with a refund: the one issued after it, or the credit note that tells of it.

    `part` is goods or delivery: two sellers, two documents. Written once, with the document.
    """

    __tablename__ = "documented_refund"
    __table_args__ = (CheckConstraint("part IN ('goods', 'delivery')", name="part_known"),)

    order_refund_id: Mapped[int] = mapped_column(ForeignKey("order_refund.id"), primary_key=True)
    part: Mapped[Key] = mapped_column(primary_key=True)
    document_id: Mapped[int] = mapped_column(ForeignKey("issued_document.id"), index=True)


class OwnCreditNote(Base):
    """A merchant's word that it has written a credit note itself which it owed since its mandate had ended.

    `number` is that of its own series. Taken back, the row stays, and the credit note is owed once more.
    """

    __tablename__ = "own_credit_note"
    __table_args__ = (
        CheckConstraint("(undone_at IS NULL) = (undone_by IS NULL)", name="undone_by_somebody"),
        Index(
            "uq_own_credit_note_one_live",
            "order_refund_id",
            unique=True,
            postgresql_where=text("undone_at IS NULL"),
        ),
    )

    id: Mapped[Id]
    order_refund_id: Mapped[int] = mapped_column(ForeignKey("order_refund.id"), index=True)
    number: Mapped[str]
    written_on: Mapped[date | None]
    noted_at: Mapped[datetime]
    noted_by: Mapped[str]
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[str | None]


class CommissionRun(Base):
    """The invoices of one closed month's commission; a month has one run, ever. `month` is its first day."""

    __tablename__ = "commission_run"
    __table_args__ = (CheckConstraint("extract(day FROM month) = 1", name="month_is_its_first_day"),)

    month: Mapped[date] = mapped_column(primary_key=True)
    started_at: Mapped[datetime]
    started_by: Mapped[str]


class CommissionPart(Base):
    """One merchant's part of a run: what the closed book says, frozen at the start, and how far its invoice is.

    `amount` is VAT included; negative where the month gave back more than it earned. `state`: planned, issued, or
    stuck, for `stuck_reason`: a person mends it, and runs it again.
    """

    __tablename__ = "commission_part"
    __table_args__ = (
        UniqueConstraint("month", "party"),
        CheckConstraint("amount <> 0", name="amount_not_zero"),
        CheckConstraint("state IN ('planned', 'issued', 'stuck')", name="state_known"),
        CheckConstraint("(state = 'stuck') = (stuck_reason IS NOT NULL)", name="stuck_says_why"),
    )

    id: Mapped[Id]
    month: Mapped[date] = mapped_column(ForeignKey("commission_run.month"))
    party: Mapped[str]
    amount: Mapped[Money]
    #: [[commission or contribution, the order's code, cents], …]; they sum to `amount`.
    lines: Mapped[list[Any]] = mapped_column(JSONB)
    state: Mapped[Key]
    #: no_siren, no_address (of the merchant's file), or too_much_back: more would be credited than was ever invoiced.
    stuck_reason: Mapped[Key | None]
    done_at: Mapped[datetime | None]
