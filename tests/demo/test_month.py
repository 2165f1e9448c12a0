"""The simulated month: every kind of trouble occurs, every cent is explained, and what is planted is found."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, time

import pytest
from sqlalchemy import text

from basket import statements
from basket.statement_rules import total
from demo.month.errands import TROUBLES, draw_errands
from demo.month.house import House
from demo.month.month import Month, Outcome
from demo.month.reckoning import faults_of
from demo.seed import seed_town
from marketplace.app import create_app
from marketplace.clock import local_instant
from marketplace.db import Database
from marketplace.ledger import accounts
from marketplace.ledger.service import balances, post
from marketplace.money import ZERO, Money
from tests.conftest import TEMPLATE, fresh_database

FIRST_DAY = date(2026, 10, 1)
DAYS, SEED = 2, 7
ORDERS = len(TROUBLES) + 8
SHOPS = ("la-tomme-et-le-pre", "la-cave-du-guetteur", "le-levain-bavard", "encre-et-buvard")


def _month(database: Database, folder_factory: pytest.TempPathFactory) -> Month:
    """As many orders as there are troubles, and some that go well."""
    house = _house(database, folder_factory)
    errands = draw_errands(
        seed=SEED,
        orders_qty=ORDERS,
        first_day=FIRST_DAY,
        days=DAYS,
        trouble_percent=-(-100 * len(TROUBLES) // ORDERS),
    )
    return Month(house, errands, first_day=FIRST_DAY, days=DAYS)


def _house(database: Database, folder_factory: pytest.TempPathFactory) -> House:
    folder = folder_factory.mktemp("month")
    house = House(create_app, database, folder, local_instant(FIRST_DAY, time(6, 0)))
    seed_town(house.hall, shops=SHOPS, log=False)
    return house


@pytest.fixture(scope="module")
def month(database: Database, worker_id: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Month]:
    """A month that was, on a database of its own."""
    own = Database(fresh_database(database.url, f"month_{worker_id}", TEMPLATE), pool_size=4)
    month = _month(own, tmp_path_factory)
    month.run()
    yield month
    month.house.close()
    own.close()


@pytest.fixture(scope="module")
def outcome(month: Month) -> Outcome:
    return month.outcome()


def test_every_cent_of_the_month_is_explained(outcome: Outcome) -> None:
    assert outcome.faults == ()
    assert outcome.treasury.unexplained == ZERO
    assert outcome.orders["completed"] > ORDERS // 2


def test_every_kind_of_trouble_has_occurred(month: Month, outcome: Outcome) -> None:
    assert outcome.troubles.keys() == TROUBLES.keys()
    assert outcome.turned_away == {"order_too_small": outcome.troubles["too small to be shared"]}
    assert month.house.wire.expected == []
    assert month.bank.planned_faults_qty() == 0
    assert {"unheard", "silent", "asks_less", "says_expired"} == month.house.wire.befallen.keys()
    assert {"", "lost", "twice", "held", "late"} == month.house.notices.met.keys()


def test_every_merchant_reads_what_the_ledger_says(month: Month, outcome: Outcome) -> None:
    """Whatever went wrong with an order, nothing on a statement is left without its word."""
    assert outcome.faults == ()
    with month.house.hall.database.reading() as session:
        book = balances(session)
        parties = [account for account in book if account.startswith(accounts.merchant(""))]
        years = {
            party: statements.months_of(session, party=party, year=FIRST_DAY.year, charges_vat=True).whole
            for party in parties
        }
        held = {party: statements.owed(statements.held_of(session, party=party)) for party in parties}
    assert len(parties) >= len(SHOPS)
    assert {party: year.after for party, year in years.items()} == {party: -book[party] for party in parties}
    assert held == {party: -book[party] for party in parties}
    sums = total([year.sums for year in years.values()])
    assert sums.other == ZERO
    assert sums.commission_kept == -book[accounts.COMMISSION]
    assert sums.contribution == -book.get(accounts.CONTRIBUTIONS, ZERO)
    assert min(sums.sold, sums.refunded, sums.routed) > ZERO


@pytest.mark.parametrize(
    ("planted", "found"),
    [
        ("UPDATE payment_share SET amount = amount + 1 WHERE id = (SELECT min(id) FROM payment_share)", "I09 shares"),
        ("UPDATE payment_share SET routed_amount = routed_amount - 1 WHERE id = (SELECT min(id) FROM payment_share "
         "WHERE state = 'routed')", "cents, we say"),
        ("UPDATE payment_share SET state = 'planned' WHERE id = (SELECT min(id) FROM payment_share "
         "WHERE state = 'routed')", "unexplained"),
        ("UPDATE orders SET state = 'confirmed' WHERE id = (SELECT min(id) FROM orders WHERE state = 'completed')",
         "and nobody is told"),
    ],
)  # fmt: skip
def test_the_month_finds_what_is_planted(month: Month, outcome: Outcome, planted: str, found: str) -> None:
    assert outcome.faults == ()
    with month.house.hall.database.reading() as session:
        session.execute(text(planted))
        faults = faults_of(session, month.house, month.bank.book())
    assert any(found in fault for fault in faults), faults


def test_the_month_finds_a_refund_that_was_posted_twice(month: Month) -> None:
    with month.house.hall.database.reading() as session:
        key, cents = session.execute(
            text(
                "SELECT p.key, -e.amount FROM ledger_posting p JOIN ledger_entry e ON e.posting_id = p.id"
                " WHERE p.kind = 'refunded' AND e.account = 'holding' ORDER BY p.id LIMIT 1"
            )
        ).one()
        amount = Money(cents)
        entries = {"residents:refunds": amount, "holding": -amount}
        post(
            session, key=f"{key}:again", kind="refunded", reference="", entries=entries, actor="x", now=month.house.now
        )
        faults = faults_of(session, month.house, month.bank.book())
    assert any("the provider holds" in fault for fault in faults), faults
