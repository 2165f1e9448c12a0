"""Once a year the tax office is told what each seller earned, quarter by quarter, from the book."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from sqlalchemy import update

from basket import statements
from basket.dac7 import Quarter, SellerYear, is_reported, missing_of, sellers_year
from marketplace.accounts.models import User
from marketplace.accounts.people import grant_role
from marketplace.clock import FixedClock
from marketplace.hall import Hall
from marketplace.ledger.sealing import seal
from marketplace.money import Money
from marketplace.payments import refunds
from marketplace.payments.rules import bear
from merchants.models import Merchant
from merchants.rules import is_natural_person
from merchants.sellers import seller_by_key
from tests.basket.counter import Keeper, Paid
from tests.sandbox_server import Sandbox, running_sandbox
from tests.walk import register_merchants

BOOKS = "merchant:librairie"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """One sandbox for all tests here."""
    with running_sandbox() as sandbox:
        register_merchants(sandbox)
        yield sandbox


def _give_back(hall: Hall, payment_id: int, amount: int, commission: int) -> None:
    with hall.database.transaction() as session:
        refunds.refund_parts(
            session,
            payment_id=payment_id,
            parts=bear(BOOKS, Money(amount), Money(commission), liable="merchant"),
            reason="withdrawal",
            actor="test",
            now=hall.clock.now(),
        )


def _year(hall: Hall, year: int = 2026) -> dict[str, SellerYear]:
    with hall.database.transaction() as session:
        seal(session, now=hall.clock.now())
    with hall.database.reading() as session:
        return {row.seller.key: row for row in sellers_year(session, year=year, provider_env="sandbox")}


def test_a_sellers_quarters_are_those_of_its_statements(hall: Hall, paid: Paid, clock: FixedClock) -> None:
    """In the fourth quarter: 24.50 of which 18.00 go back, and 12.00 of wine; a book more after New Year."""
    placed = paid(["L1", "L2", "C1"], delivered=False)
    _give_back(hall, placed.payment_id, 1800, 144)
    clock.advance(timedelta(days=40))
    paid(["L1"], delivered=False)
    rows = _year(hall)
    assert list(rows) == ["cave", "librairie"]
    assert rows["cave"].quarters[3] == Quarter(Money(1104), 1, Money(96))
    assert rows["librairie"].quarters == (Quarter(), Quarter(), Quarter(), Quarter(Money(598), 1, Money(52)))
    assert rows["librairie"].account_id == "org_librairie"
    with hall.database.reading() as session:
        sums = statements.months_of(session, party=BOOKS, year=2026, charges_vat=lambda on: True).whole.sums
    assert (sums.earned, sums.commission_kept) == (Money(598), Money(52))
    assert _year(hall, 2027)["librairie"].quarters[0] == Quarter(Money(1656), 1, Money(144))


def test_a_sale_that_was_wholly_given_back_is_no_operation(hall: Hall, paid: Paid) -> None:
    placed = paid(["L2", "C1"], delivered=False)
    _give_back(hall, placed.payment_id, 650, 52)
    assert _year(hall)["librairie"].year == Quarter(Money(0), 0, Money(0))


@pytest.mark.parametrize(
    ("qty", "cents", "told"), [(29, 200_000, False), (30, 100, True), (29, 200_001, True), (0, 0, False)]
)
def test_both_thresholds_together_spare_a_small_seller(qty: int, cents: int, told: bool) -> None:
    assert is_reported(Quarter(Money(cents), qty), date(2026, 12, 31)) is told


def test_what_a_file_lacks_is_named(hall: Hall, town: object) -> None:
    with hall.database.transaction() as session:
        wine = seller_by_key(session, "cave")
        assert missing_of(wine, "org_cave") == ("legal_form",)
        session.execute(
            update(Merchant).where(Merchant.key == "cave").values(legal_form="EI", registration="", street="")
        )
        session.expire_all()
        assert missing_of(seller_by_key(session, "cave"), "") == ("siren", "address", "birth", "account")
        session.execute(update(Merchant).where(Merchant.key == "cave").values(born_on=date(1974, 11, 28)))
        session.expire_all()
        assert missing_of(seller_by_key(session, "cave"), "") == ("siren", "address", "account")


def test_persons_are_told_from_companies_by_their_legal_form() -> None:
    persons = ("EI", " Entrepreneur individuel (micro)", "micro-entrepreneure", "Auto-entrepreneur")
    assert [is_natural_person(form) for form in persons] == [True] * 4
    assert [is_natural_person(form) for form in ("SARL", "EURL", "SAS", "Association loi 1901", "")] == [False] * 5


def test_the_treasurer_reads_it_and_fetches_the_table(hall: Hall, paid: Paid, keeper: Keeper) -> None:
    paid(["L1", "C1"], delivered=False)
    _year(hall)
    treasurer = keeper()
    assert treasurer.get("/tresorerie/dac7").status_code == 403
    with hall.database.transaction() as session:
        for user in session.query(User):
            grant_role(session, user_id=user.id, role="treasurer", actor="test", now=hall.clock.now())
    page = treasurer.get("/tresorerie/dac7").text
    assert "Date limite\xa0: 31 janvier 2027." in page
    assert "moins de 30 ventes et gagné 2\u202f000,00\xa0€ au plus" in page
    assert "Il manque à son dossier\xa0: la forme juridique." in page
    assert "Ce tableau n’est pas le fichier que le fisc attend" in page
    assert "16,56\xa0€" in page and "Sous les seuils" in page
    titles, wine, books, rest = treasurer.get("/tresorerie/dac7/csv").data.decode("utf-8-sig").split("\r\n")
    assert (
        titles.startswith("Dénomination;Forme juridique;SIREN;N° de TVA;Immatriculation;Date de naissance;")
        and rest == ""
    )
    assert wine.startswith("SARL Cave du Minage;")
    assert books.endswith(
        ";org_librairie;0,00;0;0,00;0,00;0;0,00;0,00;0;0,00;16,56;1;1,44;16,56;1;1,44;non;la forme juridique"
    )
    assert treasurer.get("/tresorerie/dac7?annee=2027").status_code == 404
    assert "Aucune vente" in treasurer.get("/tresorerie/dac7?annee=2025").text
