"""Double entry: accounts, and entries that are never changed (M10); seals and closings that show if they were (I13)."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from marketplace.db import Base, Id, Key
from marketplace.money import Money


class Posting(Base):
    """One event in money; its entries sum to zero (checked by the database when it commits).

    `key` names the event once for ever ("paid:12", "routed:7"): posting it twice is a no-op for the caller.
    """

    __tablename__ = "ledger_posting"

    id: Mapped[Id]
    key: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[Key]
    reference: Mapped[str] = mapped_column(index=True)
    at: Mapped[datetime]
    actor: Mapped[str]
    #: The transaction that wrote it: no other one may add entries (trigger `entries_belong`).
    xact_id: Mapped[int] = mapped_column(BigInteger, server_default=text("pg_current_xact_id()::text::bigint"))

    entries: Mapped[list[Entry]] = relationship(back_populates="posting", order_by="Entry.id", lazy="raise")


class Entry(Base):
    """One row: `amount` debits its account when positive, credits it when negative."""

    __tablename__ = "ledger_entry"
    __table_args__ = (
        CheckConstraint("amount <> 0", name="amount_not_zero"),
        Index("ix_ledger_entry_account", "account", "id"),
    )

    id: Mapped[Id]
    posting_id: Mapped[int] = mapped_column(ForeignKey("ledger_posting.id"), index=True)
    #: A word of `ledger.accounts`: holding, merchant:<key>, association:commission…
    account: Mapped[str]
    amount: Mapped[Money]

    posting: Mapped[Posting] = relationship(back_populates="entries", lazy="raise")


class Unsealed(Base):
    """A posting that waits for its seal. A trigger writes the row with the posting, whoever posts; sealing takes it."""

    __tablename__ = "ledger_unsealed"
    __table_args__ = (Index("ix_ledger_unsealed_at", "at", "posting_id"),)

    posting_id: Mapped[int] = mapped_column(ForeignKey("ledger_posting.id"), primary_key=True, autoincrement=False)
    at: Mapped[datetime]


class Seal(Base):
    """A posting's place in the journal: a number without gap, and a hash over it and everything before it."""

    __tablename__ = "ledger_seal"
    __table_args__ = (CheckConstraint("octet_length(hash) = 32", name="hash_is_sha256"),)

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    posting_id: Mapped[int] = mapped_column(ForeignKey("ledger_posting.id"), unique=True)
    #: The day that it counts for: never before a closed one, never before that of a lower number.
    booked_on: Mapped[date] = mapped_column(index=True)
    sealed_at: Mapped[datetime]
    hash: Mapped[bytes] = mapped_column(LargeBinary)


class Closing(Base):
    """The end of a day, a month or a year: what was booked until then, tied to the journal and the closing before."""

    __tablename__ = "ledger_closing"
    __table_args__ = (
        UniqueConstraint("period", "from_on"),
        CheckConstraint("period IN ('day', 'month', 'year')", name="period_known"),
        CheckConstraint("from_on < until_on", name="period_lasts"),
        CheckConstraint("octet_length(hash) = 32", name="hash_is_sha256"),
    )

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    period: Mapped[Key]
    from_on: Mapped[date]
    until_on: Mapped[date]
    closed_at: Mapped[datetime]
    #: The last seal that counts for the period or an earlier one, and its hash.
    last_number: Mapped[int] = mapped_column(ForeignKey("ledger_seal.number"))
    last_hash: Mapped[bytes] = mapped_column(LargeBinary)
    hash: Mapped[bytes] = mapped_column(LargeBinary)


class ClosingTotal(Base):
    """What an account was debited and credited: in a closing's period, and since the book was opened."""

    __tablename__ = "ledger_closing_total"
    __table_args__ = (
        CheckConstraint("debit >= 0 AND credit >= 0", name="sums_not_negative"),
        CheckConstraint("ever_debit >= debit AND ever_credit >= credit", name="ever_holds_the_period"),
    )

    closing_number: Mapped[int] = mapped_column(ForeignKey("ledger_closing.number"), primary_key=True)
    account: Mapped[str] = mapped_column(primary_key=True)
    debit: Mapped[Money]
    credit: Mapped[Money]
    ever_debit: Mapped[Money]
    ever_credit: Mapped[Money]
