"""Read the book: balances at the end of a day, and the journal line by line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from marketplace.ledger.models import Closing, Entry, Posting, Seal
from marketplace.money import Money

#: What a closing says, plus what was booked after it. Closings are few and postings many: a page that sums every entry
#: grows slower every day.
_BALANCES = text(
    """
    WITH parts AS (
      SELECT account, ever_debit - ever_credit AS cents FROM ledger_closing_total WHERE closing_number = :closing_number
      UNION ALL
      SELECT e.account, e.amount FROM ledger_seal s JOIN ledger_entry e ON e.posting_id = s.posting_id
      WHERE s.number > :last_number AND s.booked_on <= :day
      UNION ALL
      SELECT e.account, e.amount FROM ledger_unsealed w JOIN ledger_entry e ON e.posting_id = w.posting_id WHERE :is_now
    )
    SELECT account, sum(cents) FROM parts GROUP BY account ORDER BY account
    """
)

#: Lines that are fetched at a time.
_FETCHED_QTY = 2_000


@dataclass(frozen=True, slots=True)
class JournalLine:
    """One entry with its posting; the lines of a number stand together, accounts in their order."""

    number: int
    booked_on: date
    at: datetime
    key: str
    kind: str
    reference: str
    actor: str
    account: str
    amount: Money


def balances_until(session: Session, day: date | None = None) -> dict[str, Money]:
    """Every account's balance at the end of `day`: of what counts for it or an earlier day. Now, without a day.

    Debits less credits, by the account's word. What waits for its seal (a minute) counts for no day yet, but for now.
    """
    closing = session.execute(
        select(Closing.number, Closing.last_number)
        .where(Closing.until_on - 1 <= (day or date.max))
        .order_by(Closing.number.desc())
        .limit(1)
    ).one_or_none()
    # Asked for apart, so that PostgreSQL knows how little lies behind it.
    number, last_number = (closing.number, closing.last_number) if closing else (0, 0)
    where = {"closing_number": number, "last_number": last_number, "day": day or date.max, "is_now": day is None}
    return {account: Money(int(cents)) for account, cents in session.execute(_BALANCES, where)}


def journal(session: Session, *, from_on: date, until_on: date) -> Iterator[JournalLine]:
    """The sealed lines that count for the days from `from_on` until before `until_on`, in the order of their numbers.

    Fetched as they are read, however many there are: read them inside the session's transaction.
    """
    lines = (
        select(
            Seal.number,
            Seal.booked_on,
            Posting.at,
            Posting.key,
            Posting.kind,
            Posting.reference,
            Posting.actor,
            Entry.account,
            Entry.amount,
        )
        .join(Posting, Posting.id == Seal.posting_id)
        .join(Entry, Entry.posting_id == Posting.id)
        .where(Seal.booked_on >= from_on, Seal.booked_on < until_on)
        .order_by(Seal.number, Entry.account.collate("C"), Entry.id)
        .execution_options(yield_per=_FETCHED_QTY)
    )
    for line in session.execute(lines):
        yield JournalLine(*line)


def moves_of(session: Session, *, account: str, from_on: date, until_on: date) -> list[tuple[str, str, Money]]:
    """What moved one account in the days from `from_on` until before `until_on`: (kind, id, amount) of each posting.

    Kind and id are the two words of its key ("refund:12"). Sealed postings only, in the order of their numbers.
    """
    rows = session.execute(
        select(Posting.key, Entry.amount)
        .join(Seal, Seal.posting_id == Posting.id)
        .join(Entry, Entry.posting_id == Posting.id)
        .where(Entry.account == account, Seal.booked_on >= from_on, Seal.booked_on < until_on)
        .order_by(Seal.number, Entry.id)
    )
    moves = []
    for key, amount in rows:
        kind, _, row_id = key.partition(":")
        moves.append((kind, row_id, amount))
    return moves


def closed_months(session: Session) -> list[date]:
    """The first days of the months that are closed: nothing is booked into them any more."""
    return list(session.scalars(select(Closing.from_on).where(Closing.period == "month").order_by(Closing.from_on)))


def month_after(month: date) -> date:
    """The first day of the next month."""
    return (month.replace(day=1) + timedelta(days=32)).replace(day=1)
