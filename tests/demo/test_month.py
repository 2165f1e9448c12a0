"""The simulated month: every kind of trouble occurs, every cent is explained, and what is planted is found."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, time, timedelta
from pathlib import Path

import pytest
from sqlalchemy import URL, text

from basket import statements
from basket.statement_rules import total
from demo.month.errands import TROUBLES, draw_errands
from demo.month.house import House
from demo.month.month import Month, Outcome
from demo.month.reckoning import faults_of
from demo.month.wire import Killer
from demo.seed import seed_town
from marketplace.app import create_app
from marketplace.clock import local_instant
from marketplace.db import Database
from marketplace.ledger import accounts
from marketplace.ledger.service import balances, post
from marketplace.money import ZERO, Money
from tests.conftest import TEMPLATE, fresh_database

FIRST_DAY = date(2026, 10, 1)
SEED = 8
SHOPS = ("la-tomme-et-le-pre", "le-levain-bavard")
HOUR = timedelta(hours=1)
#: Once nothing is sold any more: still before the round that closed meanwhile has to leave.
SLOW_TICK = timedelta(hours=3)
#: What leads to every kind of outside call, and to the second look after each that was not answered.
DEADLY = dict.fromkeys(
    (
        "paid twice",
        "creation unanswered",
        "route unanswered",
        "refund unanswered",
        "given up",
        "chargeback lost",
        "order cancelled",
    ),
    1,
)
OUTSIDE_CALLS = {
    "POST /v2/payments",
    "GET /v2/payments",
    "GET /v2/payments/{}",
    "DELETE /v2/payments/{}",
    "POST /v2/payments/{}/routes",
    "GET /v2/payments/{}/routes",
    "POST /v2/payments/{}/refunds",
    "GET /v2/payments/{}/refunds",
    "GET /v2/payments/{}/chargebacks",
    "GET /v2/refunds",
    "GET /v2/chargebacks",
    "GET /v2/balances/primary",
    "GET /v2/balances/primary/transactions",
    "GET /v2/methods",
    "letter",
}
#: Shares that go with their payment are never routed by a call of their own.
UNHEARD_UPFRONT = {"POST /v2/payments/{}/routes", "GET /v2/payments/{}/routes"}


class Towns:
    """Copies of one small town, each in a house of its own."""

    def __init__(self, server: URL, name: str, folder: Path) -> None:
        self._server, self._name, self._folder = server, name, folder
        self._copies = 0
        database = Database(fresh_database(server, name, TEMPLATE), pool_size=4)
        with self._house(database, folder / "seeded", "delayed") as house:
            seed_town(house.hall, shops=SHOPS, log=False)

    @contextmanager
    def copy(self, routing: str = "delayed") -> Iterator[House]:
        self._copies += 1
        folder = self._folder / str(self._copies)
        shutil.copytree(self._folder / "seeded", folder)
        database = Database(fresh_database(self._server, f"{self._name}_{self._copies}", self._name), pool_size=4)
        with self._house(database, folder, routing) as house:
            yield house

    @contextmanager
    def _house(self, database: Database, folder: Path, routing: str) -> Iterator[House]:
        folder.mkdir(exist_ok=True)
        house = House(create_app, database, folder, local_instant(FIRST_DAY, time(6, 0)), routing=routing)
        yield house
        house.close()
        database.close()


@pytest.fixture(scope="module")
def towns(database: Database, worker_id: str, tmp_path_factory: pytest.TempPathFactory) -> Towns:
    return Towns(database.url, f"month_{worker_id}", tmp_path_factory.mktemp("month"))


@pytest.fixture(scope="module")
def month(towns: Towns) -> Iterator[Month]:
    """A month that was: each order in a trouble of its own."""
    errands = draw_errands(seed=SEED, orders_qty=len(TROUBLES), first_day=FIRST_DAY, days=1, trouble_percent=100)
    with towns.copy() as house:
        # A dispute is won nine days later at most.
        month = Month(house, errands, first_day=FIRST_DAY, days=1, settling_days=9, slow_tick=SLOW_TICK)
        month.run()
        yield month


@pytest.fixture(scope="module")
def outcome(month: Month) -> Outcome:
    return month.outcome()


def test_every_cent_of_the_month_is_explained(outcome: Outcome) -> None:
    assert outcome.faults == ()
    assert outcome.treasury.unexplained == ZERO
    assert outcome.orders["completed"] > len(TROUBLES) // 2


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
            party: statements.months_of(session, party=party, year=FIRST_DAY.year, charges_vat=lambda on: True).whole
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


@pytest.mark.parametrize("routing", ["delayed", "upfront"])
def test_days_of_deaths_end_as_the_same_days_without(towns: Towns, routing: str) -> None:
    """Killed before each outside call, and again right after it, with the answer still unwritten: the same cents, in
    the ledger and with each merchant."""
    lived, _, _ = _few_days(towns, routing, is_killed=False)
    survived, house, killer = _few_days(towns, routing, is_killed=True)
    assert lived[0].faults == ()
    assert survived == lived
    assert house.deaths_qty == killer.kills.total()
    met = OUTSIDE_CALLS if routing == "delayed" else OUTSIDE_CALLS - UNHEARD_UPFRONT
    assert {(side, kind) for side in ("before", "after") for kind in met} == killer.kills.keys()


def _few_days(towns: Towns, routing: str, *, is_killed: bool) -> tuple[tuple[Outcome, dict[str, Money]], House, Killer]:
    errands = draw_errands(
        seed=SEED, orders_qty=len(DEADLY), first_day=FIRST_DAY, days=1, trouble_percent=100, troubles=DEADLY
    )
    with towns.copy(routing) as house:
        killer = house.kill_everywhere() if is_killed else Killer()
        month = Month(house, errands, first_day=FIRST_DAY, days=1, settling_days=4, tick=HOUR, slow_tick=SLOW_TICK)
        month.run()
        # A letter that was sent and not noted goes twice, under the same Message-ID.
        outcome = replace(month.outcome(), letters_qty=0)
        with house.hall.database.reading() as session:
            return (outcome, dict(balances(session))), house, killer


@pytest.mark.parametrize(
    ("table", "planted", "undone", "where", "found"),
    [
        ("payment_share", "amount = amount + 1", "amount = amount - 1", "TRUE", "I09 shares"),
        (
            "payment_share",
            "routed_amount = routed_amount - 1",
            "routed_amount = routed_amount + 1",
            "state = 'routed'",
            "cents, we say",
        ),
        ("payment_share", "state = 'planned'", "state = 'routed'", "state = 'routed'", "the treasurer's page says"),
        ("orders", "state = 'confirmed'", "state = 'completed'", "state = 'completed'", "and nobody is told"),
    ],
)
def test_the_month_finds_what_is_planted(
    month: Month, outcome: Outcome, table: str, planted: str, undone: str, where: str, found: str
) -> None:
    assert outcome.faults == ()
    database = month.house.hall.database
    with database.transaction() as session:
        row_id = session.scalar(text(f"SELECT min(id) FROM {table} WHERE {where}"))
        session.execute(text(f"UPDATE {table} SET {planted} WHERE id = :id"), {"id": row_id})
    faults = month.outcome().faults
    with database.transaction() as session:
        session.execute(text(f"UPDATE {table} SET {undone} WHERE id = :id"), {"id": row_id})
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
        faults = faults_of(session, month.house, month.bank.book(), month.treasurer.page())
    assert any("the provider holds" in fault for fault in faults), faults
