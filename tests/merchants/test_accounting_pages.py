"""The treasurer fetches closed months for the accountant; what cannot be fetched is said at its field."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from marketplace.accounts.models import SignIn, User
from marketplace.accounts.people import grant_role
from marketplace.clock import FixedClock
from marketplace.db import Database
from marketplace.hall import Hall
from marketplace.ids import new_token
from marketplace.invoices.vat_status import vat_history
from marketplace.ledger import accounts
from marketplace.ledger.service import post
from marketplace.money import Money
from tests.apps import app_over
from tests.factories import open_shop, quiet_hall
from tests.marketplace.ledger.book import seal_and_close, utc

BOOK = "/tresorerie/comptabilite"


@pytest.fixture
def hall(empty_database: Database, clock: FixedClock, tmp_path: Path) -> Hall:
    return quiet_hall(empty_database, clock, tmp_path)


@pytest.fixture
def treasurer(hall: Hall) -> Iterator[FlaskClient]:
    token, now = new_token(), hall.clock.now()
    with hall.database.transaction() as session:
        user = User(email="tresorerie@example.org", name="Claire", created_at=now)
        session.add(user)
        session.flush()
        grant_role(session, user_id=user.id, role="treasurer", actor="test", now=now)
        session.add(SignIn(token=token, user_id=user.id, signed_in_at=now, seen_at=now))
    client = app_over(hall, "app").test_client()
    with client.session_transaction() as cookie:
        cookie["_user_id"], cookie["_fresh"] = token, True
    yield client


def _november(hall: Hall) -> None:
    """200 times 10.00, of which 0.80 are commission; the month is closed."""
    with hall.database.transaction() as session:
        open_shop(session, "cave", "Cave du Minage")
        for n in range(200):
            split = {"holding": Money(1000), accounts.merchant("cave"): Money(-920), accounts.COMMISSION: Money(-80)}
            at = utc(2) + timedelta(minutes=n)
            post(session, key=f"x:{n}", kind="allocated", reference=f"=A{n}", entries=split, actor="test", now=at)
    seal_and_close(hall.database, datetime(2026, 12, 1, 6, tzinfo=UTC))


def test_a_closed_month_is_fetched_whole(hall: Hall, treasurer: FlaskClient) -> None:
    _november(hall)
    page = treasurer.get(f"{BOOK}?du=2026-11&au=2026-11").text
    assert page.count('value="11/2026"') == 2
    assert "200 écritures." in page
    assert "2\u202f000,00\xa0€ de chaque côté" in page
    fec = treasurer.get(f"{BOOK}/fec?du=11/2026&au=2026-11")
    assert fec.headers["Content-Disposition"] == "attachment; filename=000000018FEC20261130.txt"
    lines = fec.data.decode("utf-8").split("\r\n")
    assert len(lines) == 1 + 4 * 200 + 1
    assert "\tcave\tSARL Cave du Minage\t" in fec.text
    journal = treasurer.get(f"{BOOK}/journal?du=2026-11&au=2026-11")
    assert journal.headers["Content-Disposition"] == "attachment; filename=journal-2026-11-2026-11.csv"
    titles, first, *rest = journal.data.decode("utf-8-sig").split("\r\n")
    assert titles.startswith("Numéro;Jour;Instant (UTC);Nature;")
    assert first == (
        "1;02/11/2026;2026-11-02 09:00:00;Répartition de la commande;'=A0;x:0;association:commission;706100;"
        "Commissions sur ventes;0,00;0,80;test"
    )
    assert len(rest) == 3 * 200


def test_a_month_that_cannot_be_had_is_said_at_its_field(hall: Hall, treasurer: FlaskClient) -> None:
    assert "Aucun mois n’est encore clos" in treasurer.get(BOOK).text
    with hall.database.transaction() as session:
        split = {"holding": Money(1000), accounts.UNMATCHED: Money(-1000)}
        post(session, key="paid:1", kind="paid", reference="A", entries=split, actor="test", now=utc(2))
    seal_and_close(hall.database, datetime(2026, 12, 1, 6, tzinfo=UTC))
    for file in ("", "/fec", "/journal"):
        for months, said in (
            ("du=2026-11&au=2026-10", "Choisissez un dernier mois qui n’est pas avant le premier."),
            ("du=2026-11&au=2026-12", "Choisissez des mois clos qui se suivent"),
            ("du=13/2026&au=2026-11", "Écrivez un des mois clos, par exemple 11/2026."),
            ("du=2026-11-01&au=2026-11", "Écrivez un des mois clos, par exemple 11/2026."),
            ("du=2026-11", "Écrivez un des mois clos, par exemple 11/2026."),
        ):
            answer = treasurer.get(f"{BOOK}{file}?{months}")
            assert (answer.status_code, said in answer.text) == (422, True), (file, months)


def test_vat_changes_with_a_month_to_come_and_never_before(hall: Hall, treasurer: FlaskClient) -> None:
    page = treasurer.get("/tresorerie/tva").text
    assert "Facture la TVA (FR66000000018)" in page
    token = page.partition('name="csrf_token" value="')[2].partition('"')[0]
    for valid_from, vat, said in (
        ("2026-11-24", "exempt", "Choisissez un jour à partir du 1er décembre 2026."),
        ("2026-11-01", "exempt", "Choisissez un jour à partir du 1er décembre 2026."),
        ("2026-12-24", "exempt", "Choisissez le premier jour d’un mois, par exemple le 1er janvier 2027."),
        ("2028-01-01", "exempt", "Choisissez un jour plus proche"),
        ("2027-01-01", "charged", "celle-ci compte déjà le 1er janvier 2027"),
        ("2027-01-01", "", "L’association et la TVA"),
        ("2027-01-01", "exempt", ""),
        ("2027-01-01", "exempt", "celle-ci compte déjà le 1er janvier 2027"),
        ("2027-03-01", "charged", ""),
    ):
        form = {"csrf_token": token, "vat": vat, "valid_from": valid_from}
        answer = treasurer.post("/tresorerie/tva", data=form)
        assert (answer.status_code, said in answer.text) == (422 if said else 303, True), (valid_from, vat)
    page = treasurer.get("/tresorerie/tva").text
    assert "Aujourd’hui\xa0: <strong>Facture la TVA (FR66000000018)</strong>" in page
    with hall.database.reading() as session:
        history = vat_history(session, hall.settings.association)
    months = [date(2026, 11, 24), date(2026, 12, 31), date(2027, 1, 1), date(2027, 2, 28), date(2027, 3, 1)]
    assert [history.charges_on(on) for on in months] == [True, True, False, False, True]
    assert [status.set_by for status in history.statuses] == ["Claire", "Claire"]
