"""Close days, months and years: what was booked until then stands, with its sums, from now on (I13)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta

from sqlalchemy import func, insert, select, text
from sqlalchemy.orm import Session

from marketplace.clock import local_day, local_instant
from marketplace.ledger.models import Closing, ClosingTotal, Seal, Unsealed
from marketplace.ledger.rules import NOTHING, Period, Sums, closing_text, link, periods_ending_with
from marketplace.ledger.sealing import take_lock
from marketplace.money import Money

#: Debits and credits of an account, in cents.
Turnover = dict[str, tuple[int, int]]

#: A day is closed this long after midnight, when the last transactions that began in it have long ended or failed
#: (none may idle for 10 s): next to nothing comes late.
GRACE = timedelta(minutes=10)

#: Days closed in one transaction: a fortnight of silence is caught up in one go, a year in a minute of them.
BATCH_QTY = 31

TURNOVER = text(
    "SELECT e.account, coalesce(sum(e.amount) FILTER (WHERE e.amount > 0), 0) AS debit,"
    " coalesce(-sum(e.amount) FILTER (WHERE e.amount < 0), 0) AS credit"
    " FROM ledger_seal s JOIN ledger_entry e ON e.posting_id = s.posting_id"
    " WHERE s.number > :after AND s.number <= :until GROUP BY e.account"
)


def close_due(session: Session, *, now: datetime, most: int = BATCH_QTY) -> int:
    """Close the days that are over and not closed yet, at most `most`, with the months and years that end with them.

    How many days were closed: 0 when nothing is due, or another worker is at it. A day without a posting is closed
    too. A day of which a posting still waits for its seal is left for the next time, and so is every later one.
    """
    if not take_lock(session):
        return 0
    closed_qty = 0
    day = _first_to_close(session)
    while day is not None and day < local_day(now - GRACE) and closed_qty < most and not _awaits_seal(session, day):
        for period in periods_ending_with(day):
            _close(session, period, now)
        closed_qty += 1
        day += timedelta(days=1)
    return closed_qty


def ever(session: Session, closing_number: int | None) -> Turnover:
    """What every account was debited and credited until a closing; nothing before the first."""
    rows = session.execute(
        select(ClosingTotal.account, ClosingTotal.ever_debit, ClosingTotal.ever_credit).where(
            ClosingTotal.closing_number == closing_number
        )
    )
    return {account: (debit.cents, credit.cents) for account, debit, credit in rows}


def added(before: Turnover, more: Iterable[tuple[str, int, int]]) -> Turnover:
    """`before` with more debits and credits."""
    after = dict(before)
    for account, debit, credit in more:
        debit_before, credit_before = after.get(account, (0, 0))
        after[account] = (debit_before + int(debit), credit_before + int(credit))
    return after


def _first_to_close(session: Session) -> date | None:
    """The day after the last closed one, or the first with a posting; None for an empty book."""
    closed_until = session.scalar(select(func.max(Closing.until_on)).where(Closing.period == "day"))
    return closed_until or session.scalar(select(func.min(Seal.booked_on)))


def _awaits_seal(session: Session, day: date) -> bool:
    until = local_instant(day + timedelta(days=1), time.min)
    return session.scalar(select(Unsealed.posting_id).where(Unsealed.at < until).limit(1)) is not None


def _close(session: Session, period: Period, now: datetime) -> None:
    before = session.execute(
        select(Closing.number, Closing.hash, Closing.last_number).order_by(Closing.number.desc()).limit(1)
    ).one_or_none()
    alike = session.scalar(select(func.max(Closing.number)).where(Closing.period == period.kind))
    last = session.execute(
        select(Seal.number, Seal.hash)
        .where(Seal.booked_on < period.until_on)
        .order_by(Seal.booked_on.desc(), Seal.number.desc())
        .limit(1)
    ).one()
    # Every closing knows all before it, whatever its period: only what came since is summed.
    since = session.execute(TURNOVER, {"after": before.last_number if before else 0, "until": last.number})
    until_now = added(ever(session, before.number if before else None), since)
    until_then = ever(session, alike)
    sums = {
        account: Sums(
            debit - until_then.get(account, (0, 0))[0], credit - until_then.get(account, (0, 0))[1], debit, credit
        )
        for account, (debit, credit) in until_now.items()
    }
    number = before.number + 1 if before else 1
    content = closing_text(number, period, now, last.number, last.hash, sums)
    session.add(
        Closing(
            number=number,
            period=period.kind,
            from_on=period.from_on,
            until_on=period.until_on,
            closed_at=now,
            last_number=last.number,
            last_hash=last.hash,
            hash=link(before.hash if before else NOTHING, content),
        )
    )
    session.flush()
    rows = [
        {
            "closing_number": number,
            "account": account,
            "debit": Money(one.debit_cents),
            "credit": Money(one.credit_cents),
            "ever_debit": Money(one.ever_debit_cents),
            "ever_credit": Money(one.ever_credit_cents),
        }
        for account, one in sorted(sums.items())
    ]
    if rows:
        session.execute(insert(ClosingTotal), rows)
