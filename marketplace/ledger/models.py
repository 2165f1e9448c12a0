"""Double entry: accounts, and entries that are never changed (M10)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index
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
