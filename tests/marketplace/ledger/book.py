"""A small book for tests: written through the real use cases, changed only as somebody with a console could."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from marketplace.db import Database
from marketplace.ledger import accounts
from marketplace.ledger.closing import close_due
from marketplace.ledger.sealing import seal
from marketplace.ledger.service import post
from marketplace.money import Money

M1, M2 = accounts.merchant("m1"), accounts.merchant("m2")


def utc(day: int, hour: int = 9, minute: int = 0, *, month: int = 11) -> datetime:
    """An instant of 2026."""
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


def write(session: Session, key: str, at: datetime, cents: int = 100, *, to: str = accounts.UNMATCHED) -> None:
    """`cents` come in, and are owed to `to`."""
    post(
        session,
        key=key,
        kind="test",
        reference="AB12",
        entries={accounts.HOLDING: Money(cents), to: Money(-cents)},
        actor="test",
        now=at,
    )


def write_at_once(database: Database, *postings: tuple[str, datetime, int]) -> None:
    """Each in a transaction of its own."""
    for key, at, cents in postings:
        with database.transaction() as session:
            write(session, key, at, cents)


def seal_and_close(database: Database, now: datetime) -> None:
    for work in (seal, close_due):
        with database.transaction() as session:
            work(session, now=now)


def tamper(session: Session, *statements: str) -> None:
    """As a superuser who has put the triggers out of the way; undone with the test's transaction."""
    session.execute(text("SET LOCAL session_replication_role = replica"))
    for statement in statements:
        session.execute(text(statement))
