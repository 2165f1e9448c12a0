"""The month's commission is invoiced once, to the cent of the closed book, whatever dies in between."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from flask.testing import FlaskClient
from selectolax.lexbor import LexborHTMLParser
from sqlalchemy import select, text

from basket import shortages
from basket.documents import commissions, handlers, queries
from basket.giving_back import Returned, give_back, lines_of
from basket.models import Order, OrderLine, SubOrder
from marketplace.accounts.models import SignIn, User
from marketplace.accounts.people import grant_role
from marketplace.clock import FixedClock
from marketplace.delivery.policies import set_policy
from marketplace.delivery.pricing import DeliveryTerms
from marketplace.hall import Hall
from marketplace.invoices.freezing import from_kept
from marketplace.invoices.models import IssuedDocument, VatStatus
from marketplace.invoices.rules import Document
from marketplace.ledger.handlers import seal_and_close
from marketplace.mail_models import SentLetter
from marketplace.money import Money
from merchants.models import FileChange
from tests.apps import app_over
from tests.basket.counter import Browser
from tests.sandbox_server import Sandbox, running_sandbox
from tests.walk import Town, pay, place, register_merchants, work

NOVEMBER = date(2026, 11, 1)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """One sandbox for all tests here."""
    with running_sandbox() as sandbox:
        register_merchants(sandbox)
        yield sandbox


@pytest.fixture
def month(hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock) -> Hall:
    """Two orders in November, of one of them a book was missing; December has begun and the book is closed."""
    pay(hall, sandbox, place(hall.database, town, ("C1", "L1"), clock=clock, delivered=False))
    pay(hall, sandbox, place(hall.database, town, ("L1", "L1"), clock=clock, delivered=False))
    with hall.database.transaction() as session:
        part = session.scalars(select(SubOrder).order_by(SubOrder.id.desc())).first()
        assert part is not None
        (line_id,) = session.scalars(select(OrderLine.id).where(OrderLine.sub_order_id == part.id))
        shortages.report_shortage(
            session,
            sub_order_id=part.id,
            shop_ids=frozenset({part.shop_id}),
            available={line_id: 1},
            actor="member:1",
            now=clock.now(),
        )
    work(hall)
    _close(hall, clock, datetime(2026, 12, 1, 6, 0, tzinfo=UTC))
    return hall


def _close(hall: Hall, clock: FixedClock, at: datetime) -> None:
    clock.at = at
    seal_and_close(hall)


def _give_back(hall: Hall, cents: int) -> None:
    """So much of the last order's book goes back, with its commission."""
    with hall.database.transaction() as session:
        part = session.scalars(select(SubOrder).order_by(SubOrder.id.desc())).first()
        assert part is not None
        give_back(
            session,
            session.get_one(Order, part.order_id, with_for_update=True),
            part,
            reason="complaint",
            liable="merchant",
            returned=[Returned(lines_of(session, part.id)[0].id, 0, Money(cents))],
            actor="treasurer",
            now=hall.clock.now(),
        )
    work(hall)


def _sign_in(client: FlaskClient, hall: Hall) -> FlaskClient:
    """A treasurer's browser."""
    now = hall.clock.now()
    with hall.database.transaction() as session:
        user = User(email="treasurer@example.org", name="Rose", created_at=now)
        session.add(user)
        session.flush()
        grant_role(session, user_id=user.id, role="treasurer", actor="test", now=now)
        session.add(SignIn(token="rose", user_id=user.id, signed_in_at=now, seen_at=now))
    with client.session_transaction() as cookie:
        cookie["_user_id"], cookie["_fresh"] = "rose", True
    return client


def _invoices(hall: Hall) -> list[Document]:
    with hall.database.reading() as session:
        kept = session.scalars(select(IssuedDocument.content).where(IssuedDocument.seller == "association"))
        return sorted((from_kept(one) for one in kept), key=lambda document: document.buyer.key)


def test_each_merchant_is_invoiced_what_the_book_says(month: Hall) -> None:
    """8 % of 12.00 of wine; 8 % of three books at 18.00, less one that was missing."""
    with month.database.reading() as session:
        said = commissions.kept_of(session, NOVEMBER)
    assert {party: str(said.of(party)) for party in said.by_party} == {
        "merchant:cave": "0.96",
        "merchant:librairie": "2.88",
    }
    assert (str(said.total), said.unexplained) == ("3.84", Money(0))
    with month.database.transaction() as session:
        # Since today the association is under the franchise: November was not.
        session.add(VatStatus(valid_from=date(2026, 12, 1), vat_number="", set_at=month.clock.now(), actor="test"))
    handlers.invoice_commission(month)
    work(month)
    cave, bookshop = _invoices(month)
    assert (cave.buyer.name, str(cave.total), str(cave.vat)) == ("SARL Cave du Minage", "0.96", "0.16")
    assert (bookshop.settlement, bookshop.reference) == ("deduction", "2026-11")
    assert sorted(str(line.amount) for line in bookshop.lines) == ["1.44", "1.44"]
    assert bookshop.lines[0].text.startswith("Commission sur la commande ")
    with month.database.reading() as session:
        letters = sorted(session.scalars(select(SentLetter.key).where(SentLetter.key.startswith("commission"))))
        assert letters == ["commission:cave:2026-11", "commission:librairie:2026-11"]
        (run,) = queries.commission_runs(session)
    assert (run.month, str(run.total), run.qty, run.issued_qty, run.planned_qty) == (NOVEMBER, "3.84", 2, 2, 0)


def test_a_run_that_was_broken_off_goes_on_and_nothing_is_written_twice(month: Hall) -> None:
    handlers.invoice_commission(month)
    with month.database.reading() as session:
        first, second = session.execute(text("SELECT id FROM commission_part ORDER BY id")).scalars()
    with app_over(month, "worker").app_context():
        handlers.issue_commission_invoice(month, first)
        handlers.issue_commission_invoice(month, first)
    with month.database.transaction() as session:
        session.execute(text("DELETE FROM procrastinate_jobs"))
        assert commissions.months_to_run(session) == [NOVEMBER]
    handlers.invoice_commission(month)
    handlers.invoice_commission(month)
    with month.database.reading() as session:
        due = text("SELECT args ->> 'part_id' FROM procrastinate_jobs WHERE task_name LIKE '%issue_commission_invoice'")
        assert session.execute(due).scalars().all() == [str(second)]
    work(month)
    assert [document.number for document in _invoices(month)] == ["F2026-00001", "F2026-00002"]
    with month.database.reading() as session:
        assert commissions.months_to_run(session) == []


def test_what_a_shop_bears_of_deliveries_is_invoiced_with_its_commission(
    hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock
) -> None:
    """Of 12.00 of wine: 0.96 of commission, and of the delivery 2 % and 0.30."""
    clock.advance(-timedelta(days=16))
    terms = DeliveryTerms(Money(800), Money(450), Money(3000), 20, Money(30))
    with hall.database.transaction() as session:
        day = date(2026, 11, 24)
        set_policy(session, zone_id=town.zone_id, terms=terms, valid_from=day, actor="test", now=clock.now())
    clock.advance(timedelta(days=16))
    pay(hall, sandbox, place(hall.database, town, ("C1",), clock=clock))
    _close(hall, clock, datetime(2026, 12, 1, 6, 0, tzinfo=UTC))
    handlers.invoice_commission(hall)
    work(hall)
    (invoice,) = _invoices(hall)
    assert [(line.text.rpartition(" ")[0], str(line.amount)) for line in invoice.lines] == [
        ("Commission sur la commande", "0.96"),
        ("Participation à la livraison de la commande", "0.54"),
    ]


def test_an_open_month_is_not_invoiced(hall: Hall, town: Town, clock: FixedClock) -> None:
    handlers.invoice_commission(hall)
    with hall.database.transaction() as session, pytest.raises(commissions.MonthNotClosed):
        commissions.start_run(session, month=NOVEMBER, actor="test", now=clock.now())


def test_commission_that_nothing_explains_is_not_invoiced(month: Hall) -> None:
    with month.database.reading() as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        session.execute(text("UPDATE orders SET payment_id = NULL WHERE id = (SELECT min(id) FROM orders)"))
        with pytest.raises(commissions.CommissionUnexplained) as refused:
            commissions.start_run(session, month=NOVEMBER, actor="test", now=month.clock.now())
    assert refused.value.details == {"cents": 240}


def test_a_month_that_gives_back_more_than_it_earns_is_credited(month: Hall, clock: FixedClock) -> None:
    """In December another book is missing: the bookshop's November invoice is credited; January finds nothing."""
    handlers.invoice_commission(month)
    work(month)
    _give_back(month, 1000)
    _close(month, clock, datetime(2027, 1, 1, 6, 0, tzinfo=UTC))
    handlers.invoice_commission(month)
    work(month)
    notes = [document for document in _invoices(month) if document.kind == "credit_note"]
    assert [(note.buyer.key, str(note.total)) for note in notes] == [("merchant:librairie", "0.80")]


def test_the_treasurer_starts_a_run_and_sees_it_end(month: Hall, client: FlaskClient) -> None:
    _sign_in(client, month)

    def words(address: str) -> str:
        root = LexborHTMLParser(client.get(address).text).css_first("main")
        assert root is not None
        return " ".join(root.text(separator=" ").split())

    page = "/tresorerie/commissions"
    assert "Nos livres sont clos, les factures ne sont pas encore écrites." in words(page)
    assert client.get(f"{page}/2026-11").status_code == 404
    token = LexborHTMLParser(client.get(page).text).css_first("main [name=csrf_token]")
    assert token is not None
    form = {"csrf_token": token.attributes["value"] or ""}
    assert client.post(f"{page}/2026-12/lancer", data=form).status_code == 409
    for wrong in ("2026-13", "novembre", "2026-1", "20261101"):
        assert client.post(f"{page}/{wrong}/lancer", data=form).status_code == 404, wrong
    answer = client.post(f"{page}/2026-11/lancer", data=form)
    assert (answer.status_code, answer.location) == (303, f"{page}/2026-11")
    assert "En cours : 0 sur 2" in words(f"{page}/2026-11")
    work(month)
    said = words(f"{page}/2026-11")
    assert "SARL Cave du Minage 0,96 € Écrite F2026-0000" in said
    assert "Total 3,84 €" in said
    assert "Novembre 2026 2 3,84 € Tout est écrit" in words(page)


def test_a_file_that_lacks_something_holds_up_one_invoice_until_it_is_mended(month: Hall, client: FlaskClient) -> None:
    with month.database.transaction() as session:
        session.execute(text("UPDATE merchant SET registration = 'en cours' WHERE key = 'cave'"))
        session.execute(text("UPDATE merchant SET street = '' WHERE key = 'librairie'"))
    handlers.invoice_commission(month)
    work(month)
    assert _invoices(month) == []
    with month.database.reading() as session:
        parts = {part.party: part for part in queries.commission_parts(session, NOVEMBER)}
    cave, bookshop = parts["merchant:cave"], parts["merchant:librairie"]
    assert (cave.stuck_reason, bookshop.stuck_reason) == ("no_siren", "no_address")
    treasurer = Browser(_sign_in(client, month))
    page = treasurer.get("/tresorerie/commissions/2026-11").text.replace("\xa0", " ")
    assert "Son dossier n’a pas de SIREN" in page and f'href="/tresorerie/commerces/{cave.merchant_id}"' in page
    file = f"/tresorerie/commerces/{cave.merchant_id}"
    form = {"street": "3 place du Minage", "postcode": "16000", "city": "Angoulême"}
    assert "avec ses neuf chiffres" in treasurer.post(file, registration="en cours", **form).text
    assert treasurer.post(file, registration="RCS Angoulême 000 000 042", **form).status_code == 303
    for said in ("C’est repris", "Rien à reprendre"):
        assert treasurer.post(f"/tresorerie/commissions/2026-11/{cave.id}/reprendre").status_code == 303
        assert said in treasurer.get("/tresorerie/commissions/2026-11").text
    assert treasurer.post(f"/tresorerie/commissions/2026-10/{cave.id}/reprendre").status_code == 404
    work(month)
    assert [(one.buyer.siren, str(one.total)) for one in _invoices(month)] == [("000000042", "0.96")]
    with month.database.reading() as session:
        changed = session.scalars(select(FileChange.changed)).one()
    assert changed["registration"] == ["en cours", "RCS Angoulême 000 000 042"]
