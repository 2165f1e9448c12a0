"""The provider's book as we have read it, and where it says something else than ours."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from marketplace.db import Base, Id, Key
from marketplace.money import Money


class ProviderLine(Base):
    """One line of our balance at the provider, kept once and never changed but for `is_booked`.

    `amount` is what the balance gained, `fee` what the provider kept of it (amount + fee moved before). `is_booked`:
    the ledger knows what this line alone could tell it, or there is nothing of the kind.
    """

    __tablename__ = "provider_line"
    __table_args__ = (
        UniqueConstraint("provider_env", "provider_id"),
        Index("ix_provider_line_payment", "payment_provider_id"),
        Index("ix_provider_line_to_book", "id", postgresql_where=text("NOT is_booked")),
    )

    id: Mapped[Id]
    provider_env: Mapped[Key]
    provider_id: Mapped[str]
    kind: Mapped[Key]
    amount: Mapped[Money]
    fee: Mapped[Money]
    payment_provider_id: Mapped[str | None]
    refund_provider_id: Mapped[str | None]
    chargeback_provider_id: Mapped[str | None]
    created_at: Mapped[datetime]
    read_at: Mapped[datetime]
    is_booked: Mapped[bool]


class BookReading(Base):
    """How far the provider's book was read. It is shown newest first, so that a walk goes back to where the last one
    began: one that is interrupted goes on at `next_id`, and only a finished one moves `complete_id`."""

    __tablename__ = "book_reading"
    __table_args__ = (CheckConstraint("(next_id IS NULL) OR (begun_id IS NOT NULL)", name="goes_on_where_it_began"),)

    provider_env: Mapped[Key] = mapped_column(primary_key=True)
    #: Everything up to this line is here.
    complete_id: Mapped[str | None]
    #: The newest line of the walk that is under way, and the one at which its next page begins.
    begun_id: Mapped[str | None]
    next_id: Mapped[str | None]
    read_at: Mapped[datetime | None]
    #: What the provider itself says that the balance holds.
    balance: Mapped[Money | None]


class Difference(Base):
    """The provider's book and ours disagree about something; nothing is corrected by it (mollie.md 5.4).

    `kind` says about what, `subject` about which, `ours` and `theirs` what either book says. The same disagreement is
    one row however often it is found; other sums are another one. `gone_at`: not found any more. `settled_*`: somebody
    has looked, and says what it was.
    """

    __tablename__ = "difference"
    __table_args__ = (
        UniqueConstraint("provider_env", "kind", "subject", "ours", "theirs"),
        CheckConstraint(
            "(settled_at IS NULL) = (settled_by IS NULL) AND (settled_at IS NULL) = (note = '')", name="settled_whole"
        ),
        Index("ix_difference_open", "id", postgresql_where=text("gone_at IS NULL")),
    )

    id: Mapped[Id]
    provider_env: Mapped[Key]
    kind: Mapped[Key]
    subject: Mapped[str]
    #: What our pages name it by: an order's number, where there is one.
    reference: Mapped[str]
    ours: Mapped[Money]
    theirs: Mapped[Money]
    #: When the provider says that it happened; when we found it, and last found it.
    at: Mapped[datetime | None]
    found_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    gone_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
    settled_by: Mapped[str | None]
    note: Mapped[str] = mapped_column(server_default="")
