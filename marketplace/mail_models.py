"""The register of letters: one row for each, by its key."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from marketplace.db import Base, Id


class SentLetter(Base):
    """A letter that has to go out once; written before the mail server is called, ended after it has answered."""

    __tablename__ = "letter"
    __table_args__ = (CheckConstraint("sent_at IS NULL OR failed_reason IS NULL", name="one_ending"),)

    id: Mapped[Id]
    #: The cause, once for ever: "confirmed:12345678". The Message-ID comes from it.
    key: Mapped[str] = mapped_column(unique=True)
    to: Mapped[str]
    asked_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    #: Why it will never arrive: a person of the association has to find another way.
    failed_reason: Mapped[str | None]
