"""Prove from the rows that the book is what was written: sums, seals, closings. What is wrong comes as sentences.

Everything is recomputed; nothing that is stored is believed. A broken seal is reported where it is, and the proof goes
on from what is stored there, so that one changed row does not hide a second.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session, aliased

from marketplace.ledger.closing import TURNOVER, Turnover, added
from marketplace.ledger.models import Closing, Seal, Unsealed
from marketplace.ledger.rules import NOTHING, Period, Sums, closing_text, link, periods_ending_with
from marketplace.ledger.sealing import INSTANT, POSTING_TEXTS
from marketplace.money import Money
from marketplace.selfcheck import sentences

#: Seals proved by one statement: as quick as with four times as many, and the bar moves every few tenths of a second.
STEP_QTY = 5_000

#: Told how many more seals were gone through, for a progress bar.
Advance = Callable[[int], object]


@dataclass(frozen=True, slots=True)
class Place:
    """A seal in the chain; number 0 stands before the first."""

    number: int
    hash: bytes


START = Place(0, NOTHING)


def last_seal(session: Session) -> Place:
    row = session.execute(select(Seal.number, Seal.hash).order_by(Seal.number.desc()).limit(1)).one_or_none()
    return Place(row.number, row.hash) if row else START


def last_closed(session: Session) -> Place:
    """The seal that the newest closing ends with."""
    last = select(Closing.last_number, Closing.last_hash).order_by(Closing.number.desc()).limit(1)
    row = session.execute(last).one_or_none()
    return Place(row.last_number, row.last_hash) if row else START


# --- Postings ----------------------------------------------------------------------------------------------------

#: Of postings that wait for their seal; cheap, as few ever do.
WAITING = (
    (
        "posting is off by so many cents",
        "SELECT p.key, sum(e.amount) FROM ledger_unsealed w JOIN ledger_posting p ON p.id = w.posting_id"
        " JOIN ledger_entry e ON e.posting_id = p.id GROUP BY p.key HAVING sum(e.amount) <> 0",
    ),
    (
        "posting waits for a seal and is gone, or has one",
        "SELECT w.posting_id FROM ledger_unsealed w LEFT JOIN ledger_posting p ON p.id = w.posting_id"
        " LEFT JOIN ledger_seal s ON s.posting_id = w.posting_id WHERE p.id IS NULL OR s.number IS NOT NULL",
    ),
)

#: What the chain cannot know, because it was never sealed; by reading all the rows.
STRAYS = (
    (
        "posting is neither sealed nor waiting for it: it was put in behind the book's back",
        "SELECT p.key FROM ledger_posting p LEFT JOIN ledger_seal s ON s.posting_id = p.id"
        " LEFT JOIN ledger_unsealed w ON w.posting_id = p.id WHERE s.number IS NULL AND w.posting_id IS NULL",
    ),
    (
        "entry of a posting that is gone",
        "SELECT e.id, e.account, e.amount FROM ledger_entry e LEFT JOIN ledger_posting p ON p.id = e.posting_id"
        " WHERE p.id IS NULL",
    ),
)


def broken_waiting(session: Session) -> Iterator[str]:
    yield from sentences(session, WAITING)


def strays(session: Session) -> Iterator[str]:
    yield from sentences(session, STRAYS)


# --- The chain of seals ------------------------------------------------------------------------------------------


_SEALED = "WITH numbered AS (SELECT * FROM ledger_seal WHERE number > :after AND number <= :until)"

_OUTERMOST = text(
    "SELECT min(posting_id + 0), max(posting_id + 0) FROM ledger_seal WHERE number > :after AND number <= :until"
)


def broken_seals(session: Session, *, after: Place, until: Place, advance: Advance = int) -> Iterator[str]:
    """A sentence for each seal behind `after`, up to `until`, that is missing or is not the one of its posting."""
    query = text(_SEALED + POSTING_TEXTS)
    hash_before, day_before, expected = after.hash, date.min, after.number + 1
    for start in range(after.number, until.number, STEP_QTY):
        end = min(start + STEP_QTY, until.number)
        first_id, last_id = session.execute(_OUTERMOST, {"after": start, "until": end}).one()
        where = {"after": start, "until": end, "first_id": first_id, "last_id": last_id, "instant": INSTANT}
        for row in session.execute(query, where):
            if row.number != expected:
                yield f"numbers {expected} to {row.number - 1} are missing"
            if row.key is None:
                yield f"number {row.number}: posting {row.posting_id} is gone"
            elif link(hash_before, row.content) != row.hash:
                yield f"number {row.number}: posting {row.key} or its seal is not what was sealed"
            if row.sum_cents:
                yield f"number {row.number}: posting {row.key} is off by {row.sum_cents} cents"
            if row.booked_on < day_before:
                yield f"number {row.number} counts for {row.booked_on}, and the number before it for {day_before}"
            hash_before, day_before, expected = row.hash, row.booked_on, row.number + 1
        advance(end - start)


# --- The closings ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Closed:
    """A closing as it is stored, and what its neighbours in the journal say."""

    closing: Closing
    sums: dict[str, Sums]
    sealed_hash: bytes | None
    sealed_on: date | None
    next_on: date | None

    @property
    def period(self) -> Period:
        return Period(self.closing.period, self.closing.from_on, self.closing.until_on)

    @property
    def ever(self) -> Turnover:
        return {account: (one.ever_debit_cents, one.ever_credit_cents) for account, one in self.sums.items()}

    def __str__(self) -> str:
        return f"closing {self.closing.number} ({self.closing.period} of {self.closing.from_on})"


#: As plain cents: there are some 25,000 rows a year.
_SUMS = text("SELECT closing_number, account, debit, credit, ever_debit, ever_credit FROM ledger_closing_total")


def closings(session: Session) -> list[Closed]:
    """Every closing with its sums: some 380 a year."""
    after = aliased(Seal)
    # The closings before their sums: one that is made in between has its sums, and is looked at next time.
    rows = session.execute(
        select(Closing, Seal.hash, Seal.booked_on, after.booked_on)
        .outerjoin(Seal, Seal.number == Closing.last_number)
        .outerjoin(after, after.number == Closing.last_number + 1)
        .order_by(Closing.number)
    ).all()
    sums: defaultdict[int, dict[str, Sums]] = defaultdict(dict)
    for number, account, *cents in session.execute(_SUMS):
        sums[number][account] = Sums(*cents)
    return [Closed(row[0], sums[row[0].number], *row[1:]) for row in rows]


def broken_closings(made: list[Closed]) -> Iterator[str]:
    """A sentence for each thing in which closings do not agree with each other, or with the seals they end with."""
    hash_before = NOTHING
    alike: dict[str, Turnover] = {}
    expected = _calendar(made[0].closing.from_on) if made else iter(())
    for number, one in enumerate(made, start=1):
        closing, period = one.closing, next(expected)
        if closing.number != number or one.period != period:
            yield f"{one} stands where number {number}, the {period.kind} of {period.from_on}, is expected"
            return
        content = closing_text(number, period, closing.closed_at, closing.last_number, closing.last_hash, one.sums)
        if link(hash_before, content) != closing.hash:
            yield f"{one} or its sums are not what was closed"
        if one.sealed_hash != closing.last_hash:
            yield f"{one} ends with a hash that number {closing.last_number} does not have"
        if one.sealed_on is not None and one.sealed_on >= period.until_on:
            yield f"{one} ends with number {closing.last_number}, which counts for {one.sealed_on}"
        if one.next_on is not None and one.next_on < period.until_on:
            yield f"{one} leaves out number {closing.last_number + 1}, which counts for {one.next_on}"
        in_period = ((account, sums.debit_cents, sums.credit_cents) for account, sums in one.sums.items())
        if added(alike.get(period.kind, {}), in_period) != one.ever:
            yield f"{one}: its sums and those until the {period.kind} before are not those until its end"
        hash_before, alike[period.kind] = closing.hash, one.ever


def _calendar(day: date) -> Iterator[Period]:
    """The periods that are closed from a first day on, in their order."""
    while True:
        yield from periods_ending_with(day)
        day += timedelta(days=1)


def broken_sums(session: Session, made: list[Closed], *, advance: Advance = int) -> Iterator[str]:
    """A sentence for each account of which a closing adds something else to the one before than the rows do."""
    number_before, ever_before = 0, Turnover()
    for one in made:
        since = {"after": number_before, "until": one.closing.last_number}
        by_rows = added(ever_before, (tuple(row) for row in session.execute(TURNOVER, since)))
        for account in sorted(by_rows.keys() | one.ever.keys()):
            said, is_so = one.ever.get(account, (0, 0)), by_rows.get(account, (0, 0))
            if said != is_so:
                yield f"{one}: {account} has {_written(said)}; with its rows it would have {_written(is_so)}"
        advance(one.closing.last_number - number_before)
        number_before, ever_before = one.closing.last_number, one.ever


def _written(turnover: tuple[int, int]) -> str:
    debit_cents, credit_cents = turnover
    return f"{Money(debit_cents)} debited and {Money(credit_cents)} credited until then"


# --- All of it ---------------------------------------------------------------------------------------------------


def contradicted(session: Session, kept: Place) -> Iterator[str]:
    """A sentence if the book does not have the number and hash that somebody kept elsewhere: it was written anew."""
    found = session.scalar(select(Seal.hash).where(Seal.number == kept.number))
    if found != kept.hash:
        yield f"number {kept.number} has not the hash that was kept: the book was written anew since"


def waiting_qty(session: Session) -> int:
    """How many postings wait for their seal: those of the last minute, while a worker runs."""
    return session.scalar(select(func.count()).select_from(Unsealed)) or 0


def work_qty(session: Session) -> int:
    """What `everything_broken` tells its `advance` in all, about."""
    return last_seal(session).number + last_closed(session).number


def everything_broken(session: Session, *, advance: Advance = int) -> Iterator[str]:
    """A sentence for each thing that is wrong with the book, from its first posting to now; by reading it all."""
    # Reading a whole table may take longer than a page's statement may.
    session.execute(text("SET LOCAL statement_timeout = '10min'"))
    # The closings first: what is sealed and closed while we read lies behind `until`.
    made = closings(session)
    until = last_seal(session)
    yield from broken_waiting(session)
    yield from strays(session)
    yield from broken_seals(session, after=START, until=until, advance=advance)
    yield from broken_closings(made)
    yield from broken_sums(session, made, advance=advance)


def newly_broken(session: Session) -> Iterator[str]:
    """The same, but for what lies before the newest closing, of which only the chain of closings is proved."""
    made = closings(session)
    until = last_seal(session)
    yield from broken_waiting(session)
    yield from broken_seals(session, after=last_closed(session), until=until)
    yield from broken_closings(made)
