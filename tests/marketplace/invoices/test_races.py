"""Many hands issue at once: no gap, no number twice; and two naive ways that show what the row lock is for."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import select, text

from marketplace.db import Database
from marketplace.invoices.issuing import credit, issue_for_seller
from marketplace.invoices.mandates import sign_mandate
from marketplace.invoices.models import IssuedDocument
from marketplace.invoices.rules import CreditTooLarge
from marketplace.money import Money
from tests.marketplace.invoices.cast import ASSOCIATION, CHEESE, NOW, TODAY, sale

#: As many as the tests' database has connections for.
HANDS = 20
ISSUES = 200


class Fire(Exception):
    """Whatever can go wrong between the number and the commit."""


def _sign(database: Database) -> None:
    with database.transaction() as session:
        sign_mandate(session, seller=CHEESE.key, signed_on=TODAY, signed_by="Rose Breuil", now=NOW)


def test_two_hundred_hands_and_one_that_fails_leave_no_gap_and_no_double(empty_database: Database) -> None:
    """Domain I5."""
    _sign(empty_database)

    def issue(n: int) -> str | None:
        try:
            with empty_database.transaction() as session:
                found = issue_for_seller(session, key=f"sale:{n}", draft=sale(), issuer=ASSOCIATION, now=NOW)
                if n == 77:
                    raise Fire
                return found.document.number
        except Fire:
            return None

    with ThreadPoolExecutor(HANDS) as hands:
        numbers = list(hands.map(issue, range(ISSUES)))
    assert numbers[77] is None
    given = sorted(number for number in numbers if number is not None)
    assert given == [f"M1-F2026-{n:05d}" for n in range(1, ISSUES)]


def test_hands_that_issue_the_same_event_get_the_same_document(empty_database: Database) -> None:
    _sign(empty_database)
    together = Barrier(HANDS)

    def issue(n: int) -> int:
        with empty_database.transaction() as session:
            together.wait(30)
            return issue_for_seller(session, key="sale:1", draft=sale(), issuer=ASSOCIATION, now=NOW).id

    with ThreadPoolExecutor(HANDS) as hands:
        assert len(set(hands.map(issue, range(HANDS)))) == 1
    with empty_database.reading() as session:
        assert session.scalars(select(IssuedDocument.number)).all() == ["M1-F2026-00001"]


def test_two_credits_at_once_take_no_more_than_there_is(empty_database: Database) -> None:
    _sign(empty_database)
    with empty_database.transaction() as session:
        invoice = issue_for_seller(session, key="sale:1", draft=sale(), issuer=ASSOCIATION, now=NOW)
    together = Barrier(4)

    def take(n: int) -> bool:
        try:
            with empty_database.transaction() as session:
                together.wait(30)
                credits = {1: Money(500)}  # of 12.90
                credit(session, key=f"c:{n}", document_id=invoice.id, credits=credits, reason="Rendu", now=NOW)
            return True
        except CreditTooLarge:
            return False

    with ThreadPoolExecutor(4) as hands:
        assert sorted(hands.map(take, range(4))) == [False, False, True, True]


@pytest.fixture
def scratch(empty_database: Database) -> Iterator[Database]:
    """A table of numbers that nothing protects."""
    with empty_database.engine.begin() as connection:
        connection.execute(text("CREATE TABLE naive_number (number integer)"))
        connection.execute(text("CREATE SEQUENCE naive_sequence"))
    yield empty_database
    with empty_database.engine.begin() as connection:
        connection.execute(text("DROP TABLE naive_number"))
        connection.execute(text("DROP SEQUENCE naive_sequence"))


def test_without_the_lock_the_highest_number_plus_one_is_given_twice(scratch: Database) -> None:
    """The control: if this fails, the tests above prove nothing."""
    together = Barrier(2)

    def naive(_: int) -> int:
        with scratch.transaction() as session:
            highest = session.scalar(text("SELECT coalesce(max(number), 0) FROM naive_number")) or 0
            together.wait(30)
            session.execute(text("INSERT INTO naive_number VALUES (:n)"), {"n": highest + 1})
            return int(highest) + 1

    with ThreadPoolExecutor(2) as hands:
        assert list(hands.map(naive, range(2))) == [1, 1]


def test_a_sequence_leaves_a_gap_where_an_issue_was_rolled_back(scratch: Database) -> None:
    given = []
    for n in range(3):
        try:
            with scratch.transaction() as session:
                number = session.scalar(text("SELECT nextval('naive_sequence')"))
                if n == 1:
                    raise Fire
                given.append(number)
        except Fire:
            pass
    assert given == [1, 3]
