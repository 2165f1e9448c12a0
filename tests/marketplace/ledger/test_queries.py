"""What pages and exports read of the book."""

from __future__ import annotations

from datetime import date

import pytest

from marketplace.db import Database
from marketplace.ledger import accounts
from marketplace.ledger.queries import JournalLine, balances_until, journal
from marketplace.ledger.service import balances
from marketplace.money import Money
from tests.marketplace.ledger.book import M1, M2, seal_and_close, tamper, utc, write


@pytest.fixture
def book(empty_database: Database) -> Database:
    """Sunday's and Monday's postings closed, one of Tuesday sealed, one of Tuesday waiting."""
    with empty_database.transaction() as session:
        write(session, "sunday", utc(22), 100, to=M1)
        write(session, "monday", utc(23), 20, to=M2)
    seal_and_close(empty_database, utc(24, 8))
    with empty_database.transaction() as session:
        write(session, "tuesday", utc(24, 9), 3, to=M1)
    seal_and_close(empty_database, utc(24, 10))
    with empty_database.transaction() as session:
        write(session, "waiting", utc(24, 11), 1000, to=M1)
    return empty_database


@pytest.mark.parametrize(
    ("day", "cents"),
    [
        (date(2026, 11, 21), {}),
        (date(2026, 11, 22), {"holding": 100, "merchant:m1": -100}),
        (date(2026, 11, 23), {"holding": 120, "merchant:m1": -100, "merchant:m2": -20}),
        (date(2026, 11, 24), {"holding": 123, "merchant:m1": -103, "merchant:m2": -20}),
        (None, {"holding": 1123, "merchant:m1": -1103, "merchant:m2": -20}),
    ],
)
def test_balances_at_the_end_of_a_day_and_now(book: Database, day: date | None, cents: dict[str, int]) -> None:
    with book.reading() as session:
        assert {account: total.cents for account, total in balances_until(session, day).items()} == cents


def test_balances_of_now_are_the_sum_of_all_rows(book: Database) -> None:
    with book.reading() as session:
        assert balances_until(session) == balances(session)


def test_a_month_that_is_closed_answers_for_its_last_day_only(empty_database: Database) -> None:
    with empty_database.transaction() as session:
        write(session, "november", utc(29), 100)
        write(session, "last of november", utc(30), 10)
        write(session, "december", utc(1, month=12), 1)
    seal_and_close(empty_database, utc(2, month=12))
    with empty_database.reading() as session:
        held = [
            balances_until(session, day)[accounts.HOLDING]
            for day in (date(2026, 11, 29), date(2026, 11, 30), date(2026, 12, 1), date(2027, 1, 1))
        ]
    assert held == [Money(100), Money(110), Money(111), Money(111)]


def test_balances_of_a_closed_day_do_not_read_its_rows(book: Database) -> None:
    with book.reading() as session:
        tamper(session, "DELETE FROM ledger_entry")
        assert balances_until(session, date(2026, 11, 22))[M1] == Money(-100)


def test_the_journal_has_a_line_for_each_entry_of_its_days(book: Database) -> None:
    with book.reading() as session:
        lines = list(journal(session, from_on=date(2026, 11, 23), until_on=date(2026, 11, 25)))
    monday, tuesday = date(2026, 11, 23), date(2026, 11, 24)
    assert lines == [
        JournalLine(2, monday, utc(23), "monday", "test", "AB12", "test", "holding", Money(20)),
        JournalLine(2, monday, utc(23), "monday", "test", "AB12", "test", "merchant:m2", Money(-20)),
        JournalLine(3, tuesday, utc(24, 9), "tuesday", "test", "AB12", "test", "holding", Money(3)),
        JournalLine(3, tuesday, utc(24, 9), "tuesday", "test", "AB12", "test", "merchant:m1", Money(-3)),
    ]
