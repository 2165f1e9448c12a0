"""Days, months and years are closed when they are over, and stay as they were told."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from marketplace.db import Database
from marketplace.ledger.closing import close_due
from marketplace.ledger.models import Closing, ClosingTotal
from marketplace.ledger.proof import everything_broken
from marketplace.ledger.sealing import seal
from tests.marketplace.ledger.book import M1, seal_and_close, utc, write, write_at_once


def _closed(session: Session) -> list[tuple[str, date, int]]:
    """Period, first day and last number of each."""
    rows = session.execute(select(Closing.period, Closing.from_on, Closing.last_number).order_by(Closing.number))
    return [(row[0], row[1], row[2]) for row in rows]


def _sums(session: Session, period: str, from_on: date) -> dict[str, tuple[int, int, int, int]]:
    """Account → debit and credit of the period, debit and credit ever."""
    rows = session.execute(
        select(
            ClosingTotal.account,
            ClosingTotal.debit,
            ClosingTotal.credit,
            ClosingTotal.ever_debit,
            ClosingTotal.ever_credit,
        )
        .join(Closing, Closing.number == ClosingTotal.closing_number)
        .where(Closing.period == period, Closing.from_on == from_on)
    )
    return {account: (a.cents, b.cents, c.cents, d.cents) for account, a, b, c, d in rows}


@pytest.mark.parametrize(
    ("now", "closed_qty"),
    [
        (datetime(2026, 11, 24, 22, 59, tzinfo=UTC), 0),  # a minute to midnight in Angoulême
        (datetime(2026, 11, 24, 23, 9, tzinfo=UTC), 0),  # midnight was nine minutes ago
        (datetime(2026, 11, 24, 23, 10, tzinfo=UTC), 1),
    ],
)
def test_a_day_is_closed_ten_minutes_after_it(session: Session, now: datetime, closed_qty: int) -> None:
    write(session, "a", utc(24))
    seal(session, now=utc(24))
    assert close_due(session, now=now) == closed_qty
    assert len(_closed(session)) == closed_qty


def test_an_empty_book_has_nothing_to_close(session: Session) -> None:
    assert close_due(session, now=utc(24)) == 0


def test_missed_days_are_caught_up_with_the_empty_ones_among_them(empty_database: Database) -> None:
    write_at_once(empty_database, ("friday", utc(20), 100), ("monday", utc(23), 50))
    seal_and_close(empty_database, utc(24))
    seal_and_close(empty_database, utc(24, 10))
    with empty_database.reading() as session:
        assert _closed(session) == [
            ("day", date(2026, 11, 20), 1),
            ("day", date(2026, 11, 21), 1),
            ("day", date(2026, 11, 22), 1),
            ("day", date(2026, 11, 23), 2),
        ]
        assert _sums(session, "day", date(2026, 11, 22)) == {
            "holding": (0, 0, 100, 0),
            "residents:unmatched": (0, 0, 0, 100),
        }
        assert _sums(session, "day", date(2026, 11, 23)) == {
            "holding": (50, 0, 150, 0),
            "residents:unmatched": (0, 50, 0, 150),
        }


def test_a_month_and_a_year_are_closed_with_their_own_sums(empty_database: Database) -> None:
    with empty_database.transaction() as session:
        write(session, "november", utc(29), 100)
        write(session, "new year's eve", utc(31, month=12), 30, to=M1)
        write(session, "the same day", utc(31, 10, month=12), -10, to=M1)
        write(session, "next year", datetime(2027, 1, 1, 9, tzinfo=UTC), 1)
    new_year = datetime(2027, 1, 2, 9, tzinfo=UTC)
    with empty_database.transaction() as session:
        seal(session, now=new_year)
        assert [close_due(session, now=new_year) for _ in range(3)] == [31, 3, 0]
    with empty_database.reading() as session:
        assert [one for one in _closed(session) if one[0] != "day"] == [
            ("month", date(2026, 11, 1), 1),
            ("month", date(2026, 12, 1), 3),
            ("year", date(2026, 1, 1), 3),
        ]
        assert _closed(session)[-3:] == [
            ("month", date(2026, 12, 1), 3),
            ("year", date(2026, 1, 1), 3),
            ("day", date(2027, 1, 1), 4),
        ]
        assert _sums(session, "month", date(2026, 12, 1)) == {
            "holding": (30, 10, 130, 10),
            "merchant:m1": (10, 30, 10, 30),
            "residents:unmatched": (0, 0, 0, 100),
        }
        assert _sums(session, "year", date(2026, 1, 1)) == {
            "holding": (130, 10, 130, 10),
            "merchant:m1": (10, 30, 10, 30),
            "residents:unmatched": (0, 100, 0, 100),
        }
        assert list(everything_broken(session)) == []


def test_a_day_waits_for_all_of_its_seals(empty_database: Database) -> None:
    write_at_once(empty_database, ("a", utc(23), 100), ("b", utc(23, 10), 100))
    with empty_database.transaction() as session:
        seal(session, now=utc(24), most=1)
        assert close_due(session, now=utc(24)) == 0
        seal(session, now=utc(24), most=1)
        assert close_due(session, now=utc(24)) == 1


def test_what_comes_after_its_day_was_closed_is_in_the_next_closing(empty_database: Database) -> None:
    write_at_once(empty_database, ("a", utc(23), 100))
    seal_and_close(empty_database, utc(24))
    write_at_once(empty_database, ("late", utc(23, 10), 7))
    seal_and_close(empty_database, utc(25))
    with empty_database.reading() as session:
        assert _closed(session) == [("day", date(2026, 11, 23), 1), ("day", date(2026, 11, 24), 2)]
        assert _sums(session, "day", date(2026, 11, 24))["holding"] == (7, 0, 107, 0)
        assert list(everything_broken(session)) == []


def test_a_posting_without_entries_has_its_place_too(empty_database: Database) -> None:
    write_at_once(empty_database, ("empty", utc(23), 0))
    seal_and_close(empty_database, utc(24))
    with empty_database.reading() as session:
        assert _closed(session) == [("day", date(2026, 11, 23), 1)]
        assert list(everything_broken(session)) == []
