"""Closed months of the book, to be given to somebody outside: what they hold, and their lines in short readings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from sqlalchemy import BigInteger, func, select, type_coerce
from sqlalchemy.orm import Session

from marketplace.clock import local_day
from marketplace.db import Database
from marketplace.errors import FieldError
from marketplace.ledger.chart import chart_account
from marketplace.ledger.models import Closing, ClosingTotal, Entry, Posting, Seal
from marketplace.ledger.queries import JournalLine
from marketplace.money import Money

#: Numbers that are read at a time: a few thousand lines, in a reading that is over before the next is asked for. A
#: closed period does not change: many short readings say the same as one long one, which a slow line would hold open.
BATCH_QTY = 1_000


class PeriodReversed(FieldError):
    """The last month is before the first one."""

    def __init__(self) -> None:
        super().__init__("au", "period_reversed")


class PeriodNotClosed(FieldError):
    """A month of the period is not closed."""

    def __init__(self) -> None:
        super().__init__("au", "period_not_closed")


class AccountWithoutNumber(FieldError):
    """The chart has no number for an account of the period."""

    def __init__(self, account: str) -> None:
        super().__init__("du", "account_without_number", account=account)


@dataclass(frozen=True, slots=True)
class Turnover:
    """What an account was debited and credited in the period."""

    account: str
    debit: Money
    credit: Money


@dataclass(frozen=True, slots=True)
class ClosedPeriod:
    """The months from `from_on` until before `until_on`: numbers after `after_number`, up to `last_number`.

    `validated`: each of its days → the day on which it was closed.
    """

    from_on: date
    until_on: date
    after_number: int
    last_number: int
    validated: Mapping[date, date]
    turnovers: tuple[Turnover, ...]

    @property
    def entries_qty(self) -> int:
        return self.last_number - self.after_number

    @property
    def total(self) -> Money:
        """Of the debits, which is that of the credits."""
        return Money.total([one.debit for one in self.turnovers])


def closed_months(session: Session) -> tuple[date, ...]:
    """The first days of the months that are closed, the newest first."""
    found = session.scalars(select(Closing.from_on).where(Closing.period == "month").order_by(Closing.from_on.desc()))
    return tuple(found)


def closed_period(session: Session, *, first: date, last: date) -> ClosedPeriod:
    """From the month that begins on `first` to the one that begins on `last`.

    PeriodReversed; PeriodNotClosed; AccountWithoutNumber, so that no file ends in the middle.
    """
    if last < first:
        raise PeriodReversed()
    months = session.scalars(
        select(Closing)
        .where(Closing.period == "month", Closing.from_on >= first, Closing.from_on <= last)
        .order_by(Closing.from_on)
    ).all()
    if not months or (months[0].from_on, months[-1].from_on) != (first, last):
        raise PeriodNotClosed()
    from_on, until_on = months[0].from_on, months[-1].until_on
    days = session.execute(
        select(Closing.from_on, Closing.closed_at).where(
            Closing.period == "day", Closing.from_on >= from_on, Closing.from_on < until_on
        )
    )
    before = session.scalar(select(func.max(Seal.number)).where(Seal.booked_on < from_on))
    turnovers = _turnovers(session, [month.number for month in months])
    for one in turnovers:
        try:
            chart_account(one.account, from_on), chart_account(one.account, months[-1].from_on)
        except LookupError:
            raise AccountWithoutNumber(one.account) from None
    return ClosedPeriod(
        from_on=from_on,
        until_on=until_on,
        after_number=before or 0,
        last_number=months[-1].last_number,
        validated={day: local_day(closed_at) for day, closed_at in days},
        turnovers=turnovers,
    )


def _turnovers(session: Session, numbers: list[int]) -> tuple[Turnover, ...]:
    rows = session.execute(
        select(
            ClosingTotal.account,
            func.sum(type_coerce(ClosingTotal.debit, BigInteger)),
            func.sum(type_coerce(ClosingTotal.credit, BigInteger)),
        )
        .where(ClosingTotal.closing_number.in_(numbers))
        .group_by(ClosingTotal.account)
        .order_by(ClosingTotal.account.collate("C"))
    )
    found = (Turnover(account, Money(int(debit)), Money(int(credit))) for account, debit, credit in rows)
    return tuple(one for one in found if one.debit or one.credit)


def lines_of(database: Database, period: ClosedPeriod, *, batch_qty: int = BATCH_QTY) -> Iterator[JournalLine]:
    """Every line of the period in the order of the numbers, whoever reads them however slowly."""
    after = period.after_number
    while after < period.last_number:
        until = min(after + batch_qty, period.last_number)
        with database.glance() as session:
            batch = session.execute(
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
                .where(Seal.number > after, Seal.number <= until)
                .order_by(Seal.number, Entry.account.collate("C"), Entry.id)
            ).all()
        for line in batch:
            yield JournalLine(*line)
        after = until
