"""Many hands issue at once: no gap, no number twice; and two naive ways that show what the row lock is for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from threading import Barrier

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from marketplace.db import Database
from marketplace.invoices.issuing import CommissionLine, Issued, credit, issue_commission_invoice, issue_for_seller
from marketplace.invoices.mandates import MandateInUse, end_mandate, sign_mandate
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


def test_a_mandate_ends_after_what_is_being_issued_under_it(empty_database: Database) -> None:
    """Whoever ends it waits for the document on its way, and then learns of it."""
    _sign(empty_database)

    def end() -> object:
        try:
            with empty_database.transaction() as session:
                return end_mandate(session, seller=CHEESE.key, ended_on=TODAY)
        except MandateInUse as refused:
            return refused.details["used_on"]

    with ThreadPoolExecutor(1) as hands:
        with empty_database.transaction() as session:
            issue_for_seller(session, key="sale:1", draft=sale(), issuer=ASSOCIATION, now=NOW)
            ending = hands.submit(end)
            _wait_for_a_lock(empty_database)
        assert ending.result(30) == TODAY


def test_giving_back_and_crediting_do_not_wait_for_each_other(empty_database: Database) -> None:
    """Both want the older invoice and the series of credit notes: the invoice comes first for both."""
    with empty_database.transaction() as session:
        older, _newer = (_commission(session, month, 300)[0] for month in (9, 10))

    def give_back() -> int:
        with empty_database.transaction() as session:
            return len(_commission(session, 11, -400))

    with ThreadPoolExecutor(1) as hands:
        with empty_database.transaction() as session:
            held = text("SELECT 1 FROM issued_document WHERE id = :id FOR NO KEY UPDATE")  # where a credit begins
            session.execute(held, {"id": older.id})
            giving = hands.submit(give_back)
            _wait_for_a_lock(empty_database)
            credit(session, key="c", document_id=older.id, credits={0: Money(100)}, reason="Rendu", now=NOW)
        assert giving.result(30) == 2


def _commission(session: Session, month: int, cents: int) -> tuple[Issued, ...]:
    return issue_commission_invoice(
        session,
        association=ASSOCIATION,
        merchant=CHEESE,
        month=date(2026, month, 1),
        lines=[CommissionLine("Commande", Money(cents))],
        reason="Commissions rendues",
        now=NOW,
    )


def _wait_for_a_lock(database: Database) -> None:
    """Until somebody stands before a row that another transaction holds."""
    end = time.monotonic() + 30
    waiting = text(
        "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) "
        "WHERE NOT l.granted AND a.datname = current_database()"
    )
    while time.monotonic() < end:
        with database.glance() as session:
            if session.scalar(waiting):
                return
        time.sleep(0.01)
    raise AssertionError("nobody waits")


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
