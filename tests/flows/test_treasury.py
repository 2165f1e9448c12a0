"""The treasurer's page explains every cent that lies with the provider."""

from __future__ import annotations

from datetime import timedelta

from flask.testing import FlaskClient
from sqlalchemy import select, text

from basket import orders
from basket.models import OrderLine
from basket.shortages import report_shortage
from marketplace.accounts.people import grant_role, open_account
from marketplace.clock import FixedClock
from marketplace.hall import Hall
from marketplace.money import Money
from marketplace.payments import nightly
from marketplace.payments.book_models import ProviderLine
from marketplace.payments.differing import note
from marketplace.payments.models import Payment
from marketplace.payments.reconciling import Found
from marketplace.payments.service import look_for_chargebacks
from merchants import treasury
from tests.basket.counter import part_of
from tests.sandbox_server import Sandbox
from tests.walk import NOW, Town, late_money, pay, place, work

PASSWORD = "mot-de-passe-de-test"


def _one_held_one_routed(hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock) -> None:
    """26.46 wait for their round; of two books one was missing, 18.00 go back and 16.56 have reached the shop."""
    pay(hall, sandbox, place(hall.database, town, ("F1", "C1"), clock=clock))
    books = place(hall.database, town, ("L1", "L1"), clock=clock, delivered=False)
    pay(hall, sandbox, books)
    part = part_of(hall, books, "librairie")
    with hall.database.transaction() as session:
        line_id = session.scalars(select(OrderLine.id).where(OrderLine.sub_order_id == part.id)).one()
        shop_ids = frozenset({part.shop_id})
        report_shortage(
            session, sub_order_id=part.id, shop_ids=shop_ids, available={line_id: 1}, actor="test", now=clock.now()
        )
        for event in ("accept", "pack", "hand_over"):
            orders.advance(
                session,
                sub_order_id=part.id,
                shop_ids=shop_ids,
                event=event,
                collection_code=part.collection_code,
                actor="test",
                now=clock.now(),
            )
    work(hall)


def _look(hall: Hall) -> treasury.Treasury:
    with hall.database.reading() as session:
        return treasury.look(session, hall.clock.now())


def test_every_cent_is_somebodys(hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock) -> None:
    assert _look(hall).holding == Money(0)
    _one_held_one_routed(hall, town, sandbox, clock)
    seen = _look(hall)
    assert seen.holding == Money(4590)
    assert (seen.owed, seen.refunds, seen.unmatched, seen.associations_own) == (
        Money(2020),
        Money(1800),
        Money(0),
        Money(770),
    )
    assert (seen.commission, seen.delivery, seen.gestures, seen.chargebacks) == (
        Money(320),
        Money(450),
        Money(0),
        Money(0),
    )
    assert [(row.party, row.owed, row.shares.held, row.shares.going) for row in seen.merchants] == [
        ("merchant:cave", Money(1104), Money(1104), Money(0)),
        ("merchant:fromagerie", Money(916), Money(916), Money(0)),
    ]
    assert seen.unexplained == Money(0)


def test_money_without_an_order_is_shown_until_it_is_on_its_way_back(
    hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock
) -> None:
    late_money(hall, town, sandbox, clock)
    assert _look(hall).unmatched == Money(950)
    work(hall)
    seen = _look(hall)
    assert (seen.unmatched, seen.refunds, seen.unexplained) == (Money(0), Money(950), Money(0))


def test_what_a_bank_has_taken_is_the_associations_loss_until_it_is_won(
    hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock
) -> None:
    placed = place(hall.database, town, ("F1", "C1"), clock=clock)
    pay(hall, sandbox, placed)
    with hall.database.reading() as session:
        provider_id = session.get_one(Payment, placed.payment_id).provider_id or ""
    chargeback_id = sandbox.charge_back(provider_id, "26.46")
    # No notice came: the night's look through the provider's chargebacks finds it.
    look_for_chargebacks(hall)
    work(hall)
    seen = _look(hall)
    assert (seen.holding, seen.chargebacks, seen.associations_own) == (Money(0), Money(2646), Money(-2020))
    assert seen.unexplained == Money(0)
    sandbox.reverse_chargeback(chargeback_id)
    look_for_chargebacks(hall)
    work(hall)
    seen = _look(hall)
    assert (seen.holding, seen.chargebacks, seen.unexplained) == (Money(2646), Money(0), Money(0))


def test_what_a_share_does_not_explain_is_said(hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock) -> None:
    pay(hall, sandbox, place(hall.database, town, ("F1", "C1"), clock=clock))
    with hall.database.reading() as session:
        # A share that vanished: only somebody with a database console can do that.
        session.execute(text("DELETE FROM payment_share WHERE party = 'merchant:cave'"))
        seen = treasury.look(session, clock.now())
        assert seen.unexplained == Money(1104)
        assert seen.holding == Money(2646)


def test_a_share_that_must_go_soon_is_marked(hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock) -> None:
    pay(hall, sandbox, place(hall.database, town, ("F1", "C1"), clock=clock))
    assert [row.is_urgent for row in _look(hall).merchants] == [False, False]
    clock.advance(timedelta(days=61))
    assert [row.is_urgent for row in _look(hall).merchants] == [True, True]


def test_the_page_is_the_treasurers(
    hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock, client: FlaskClient
) -> None:
    _one_held_one_routed(hall, town, sandbox, clock)
    for role in ("coordinator", "treasurer"):
        with hall.database.transaction() as session:
            user = open_account(session, email=f"{role}@example.org", name=role, password=PASSWORD, now=NOW)
            grant_role(session, user_id=user.id, role=role, actor="test", now=NOW)
        page = client.get("/connexion").text
        token = page.partition('name="csrf_token" value="')[2].partition('"')[0]
        client.post("/connexion", data={"email": f"{role}@example.org", "password": PASSWORD, "csrf_token": token})
        answer = client.get("/tresorerie")
        if role == "coordinator":
            assert answer.status_code == 403
            page = client.get("/espace", follow_redirects=True).text
            token = page.partition('name="csrf_token" value="')[2].partition('"')[0]
            client.post("/deconnexion", data={"csrf_token": token})
    assert answer.status_code == 200
    assert "Nos écritures s’expliquent au centime" in answer.text
    for sum_ in ("45,90", "20,20", "18,00", "7,70", "11,04", "9,16"):
        assert f"{sum_}\xa0€" in answer.text


def _line(provider_id: str, cents: int) -> ProviderLine:
    """A line of the provider's whose word nobody knows."""
    return ProviderLine(
        provider_env="sandbox",
        provider_id=provider_id,
        kind="loan",
        amount=Money(cents),
        fee=Money(0),
        payment_provider_id=None,
        refund_provider_id=None,
        chargeback_provider_id=None,
        created_at=NOW,
        read_at=NOW,
        is_booked=True,
    )


def test_both_books_stand_side_by_side_and_a_difference_is_settled_by_a_person(
    hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock, client: FlaskClient
) -> None:
    with hall.database.transaction() as session:
        user = open_account(session, email="t@example.org", name="Odile Morin", password=PASSWORD, now=NOW)
        grant_role(session, user_id=user.id, role="treasurer", actor="test", now=NOW)
    page = client.get("/connexion").text
    token = page.partition('name="csrf_token" value="')[2].partition('"')[0]
    client.post("/connexion", data={"email": "t@example.org", "password": PASSWORD, "csrf_token": token})
    assert "n’a pas encore été lu" in client.get("/tresorerie").text
    _one_held_one_routed(hall, town, sandbox, clock)
    nightly.reconcile(hall)
    page = client.get("/tresorerie").text
    assert "Les deux livres disent la même chose" in page
    # 26.46 and 36.00 cost 0.73 and 0.90; 18.00 of the 45.90 that are left have set out already.
    for sum_ in ("44,27", "1,63", "18,00", "26,27"):
        assert f"{sum_}\xa0€" in page, sum_
    assert "Aucun écart n’attend" in client.get("/tresorerie/ecarts").text
    with hall.database.transaction() as session:
        found = [Found("unknown_kind", "baltr_x", "loan", Money(0), Money(-300), NOW)]
        note(session, provider_env="sandbox", found=found, now=NOW)
        session.add(_line("baltr_x", -300))
    page = client.get("/tresorerie").text.replace("\xa0", " ")
    assert "1 écart attend une personne" in page and "Différence : -3,00 €" in page
    page = client.get("/tresorerie/ecarts").text
    assert "Un mouvement que nous ne connaissons pas" in page
    token = page.partition('name="csrf_token" value="')[2].partition('"')[0]
    url = "/tresorerie/ecarts/1/classer"
    refused = client.post(url, data={"csrf_token": token, "note": " "})
    assert (refused.status_code, "Remplissez «\xa0Ce que c’était\xa0»." in refused.text) == (422, True)
    for said in ("cet écart est classé", "cet écart était déjà classé"):
        assert client.post(url, data={"csrf_token": token, "note": "Un prêt refusé."}).location == "/tresorerie/ecarts"
        page = client.get("/tresorerie/ecarts").text
        assert said in page
    assert "Un prêt refusé. (Odile Morin," in page
    # What is explained is no alarm any more; a cent that is not is one again.
    assert "Différence classée : -3,00 €" in client.get("/tresorerie").text.replace("\xa0", " ")
    with hall.database.transaction() as session:
        session.add(_line("baltr_y", -1))
    page = client.get("/tresorerie").text.replace("\xa0", " ")
    assert "Différence : -3,01 €" in page and "Dont classée : -3,00 €." in page
    assert client.post("/tresorerie/ecarts/9/classer", data={"csrf_token": token, "note": "x"}).status_code == 404
