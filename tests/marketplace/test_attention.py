from __future__ import annotations

from contextlib import nullcontext

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from marketplace.accounts.people import grant_role, open_account
from marketplace.attention import troubles
from marketplace.clock import FixedClock
from marketplace.hall import Hall
from marketplace.mail_models import SentLetter
from marketplace.money import Money
from marketplace.payments import service as payments
from marketplace.payments.models import Payment, Refund
from marketplace.payments.refunds import RefundTooLarge, request_refund
from tests.sandbox_server import Sandbox
from tests.walk import NOW, Town, late_money, place, work

PASSWORD = "mot-de-passe-de-test"


def _sign_in(hall: Hall, client: FlaskClient, role: str) -> None:
    with hall.database.transaction() as session:
        user = open_account(session, email=f"{role}@example.org", name="Marion", password=PASSWORD, now=NOW)
        grant_role(session, user_id=user.id, role=role, actor="test", now=NOW)
    page = client.get("/connexion").text
    token = page.partition('name="csrf_token" value="')[2].partition('"')[0]
    answer = client.post("/connexion", data={"email": f"{role}@example.org", "password": PASSWORD, "csrf_token": token})
    assert answer.status_code == 303


def test_what_waits_for_a_person_is_listed(
    hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock, client: FlaskClient
) -> None:
    late = late_money(hall, town, sandbox, clock)
    work(hall)
    with hall.database.transaction() as session:
        session.add(SentLetter(key="confirmed:1", to="x@example.org", asked_at=NOW, failed_reason="550 unknown"))
    with hall.database.reading() as session:
        assert [(t.kind, t.what, t.why) for t in troubles(session, clock.now()) if t.kind in ("payment", "letter")] == [
            ("payment", late.code, "paid_late"),
            ("letter", "x@example.org", "550 unknown"),
        ]
    _sign_in(hall, client, "treasurer")
    page = client.get("/a-regarder")
    assert page.status_code == 200
    assert "Payé trop tard\xa0: le remboursement est en cours" in page.text
    assert late.code in page.text


def test_a_courier_does_not_see_it(hall: Hall, client: FlaskClient) -> None:
    _sign_in(hall, client, "courier")
    assert client.get("/a-regarder").status_code == 403


def test_an_empty_list_says_so(hall: Hall, client: FlaskClient) -> None:
    _sign_in(hall, client, "coordinator")
    assert "Rien n’attend" in client.get("/a-regarder").text


def test_a_refund_that_failed_is_sent_again_from_the_list(
    hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock, client: FlaskClient
) -> None:
    late = late_money(hall, town, sandbox, clock)
    work(hall)
    with hall.database.reading() as session:
        first = session.scalars(select(Refund)).one()
    sandbox.fail_refund(first.provider_id or "")
    payments.settle(hall, first.payment_id)
    _sign_in(hall, client, "treasurer")
    page = client.get("/a-regarder").text
    assert "Le remboursement a échoué. Essayez encore." in page
    url = f"/a-regarder/paiements/{first.payment_id}/rembourser"
    token = page.partition('name="csrf_token" value="')[2].partition('"')[0]
    for said in ("le remboursement repart", "ce remboursement est déjà reparti"):
        assert client.post(url, data={"csrf_token": token}).location == "/a-regarder"
        assert said in client.get("/a-regarder").text
    work(hall)
    sandbox.advance_clock(10 * 24 * 3600)
    payments.settle(hall, first.payment_id)
    with hall.database.reading() as session:
        again = session.scalars(select(Refund).where(Refund.id != first.id)).one()
        assert (again.state, again.amount, again.requested_by) == ("refunded", first.amount, "person:1")
        # The resident has it: nobody need look any more.
        assert [trouble.what for trouble in troubles(session, clock.now()) if trouble.kind == "payment"] == []
    assert late.code not in client.get("/a-regarder").text
    assert client.post("/a-regarder/paiements/999/rembourser", data={"csrf_token": token}).status_code == 404


def test_strange_money_says_what_to_do_and_leaves_the_list_when_it_is_done(
    hall: Hall, town: Town, sandbox: Sandbox, client: FlaskClient
) -> None:
    """Another sum than ours lies on our balance, another currency on none: people give both back at the provider's.

    What a bank has taken meanwhile must not go back twice, whatever else was said of it; and who settled it says how.
    """
    strange, provider_ids = [], []
    for currency, value in (("EUR", "3.00"), ("USD", "12.00")):
        placed = place(hall.database, town, ("C1",), clock=hall.clock)
        with hall.database.transaction() as session:
            payment = session.get_one(Payment, placed.payment_id)
            body = {
                "amount": {"currency": currency, "value": value},
                "description": "x",
                "redirectUrl": "http://127.0.0.1:5000/",
                "metadata": {"payment_key": payment.idempotency_key},
            }
            payment.provider_id = sandbox.call("POST", "payments", body).json()["id"]
            payment.state = "open"
        sandbox.conclude(payment.provider_id, "paid", notify=False)
        payments.settle(hall, placed.payment_id)
        with hall.database.reading() as session, pytest.raises(RefundTooLarge) if currency == "USD" else nullcontext():
            request_refund(
                session, payment_id=payment.id, amount=Money(100), reason="x", actor="test", now=hall.clock.now()
            )
        strange.append(placed)
        provider_ids.append(payment.provider_id)
    _sign_in(hall, client, "treasurer")
    page = client.get("/a-regarder").text
    assert "Le montant payé n’est pas celui demandé\xa0: la commande n’est pas payée." in page
    assert "Payé dans une autre monnaie, ou avec de l’argent d’essai. La commande n’est pas payée" in page
    assert page.count("Sur le site de Mollie, rendez ce paiement au client, et appelez-le.") == 2
    assert "a repris l’argent" not in page
    sandbox.charge_back(provider_ids[0], "3.00")
    payments.settle(hall, strange[0].payment_id)
    page = client.get("/a-regarder").text
    assert page.count("Sur le site de Mollie, rendez ce paiement au client, et appelez-le.") == 1
    assert page.count("ne le rendez pas une deuxième fois") == page.count("La banque du client a repris l’argent.") == 1
    order_page = f"/commande/{strange[0].code}/{strange[0].token}"
    shown = client.get(order_page).text
    assert "Votre banque a repris ce paiement" in shown and "Payer maintenant" not in shown
    token = page.partition('name="csrf_token" value="')[2].partition('"')[0]
    for placed in strange:
        url, field = f"/a-regarder/paiements/{placed.payment_id}/regle", f"reason-{placed.payment_id}"
        refused = client.post(url, data={"csrf_token": token, field: " "})
        assert refused.status_code == 422 and f'href="#{field}"' in refused.text
        for said in ("ce paiement est réglé", "Ce n’est plus possible"):
            assert client.post(url, data={"csrf_token": token, field: "Rendu à Jeanne"}).location == "/a-regarder"
            page = client.get("/a-regarder").text
            assert said in page
    assert page.count("Rendu à Jeanne") == page.count("/rouvrir") == 2 and "Marion" in page
    # The bank is still to be answered, and the list says so after everything else is settled.
    assert "La banque du client a repris l’argent." in page and "n’est pas celui demandé" not in page
    assert client.post("/a-regarder/paiements/999/regle", data={"csrf_token": token}).status_code == 422
    unknown = {"csrf_token": token, "reason-999": "x"}
    assert client.post("/a-regarder/paiements/999/regle", data=unknown).status_code == 404
    assert client.post("/a-regarder/paiements/999/rouvrir", data={"csrf_token": token}).status_code == 404
    shown = client.get(order_page).text
    assert "Le paiement reçu n’a pas pu servir pour cette commande." in shown and "Payer de nouveau" in shown
    assert "Nous vérifions votre paiement" not in shown
    url = f"/a-regarder/paiements/{strange[1].payment_id}/rouvrir"
    for said in ("de nouveau à regarder", "Ce n’est plus possible"):
        assert client.post(url, data={"csrf_token": token}).location == "/a-regarder"
        assert said in client.get("/a-regarder").text
    page = client.get("/a-regarder").text
    assert "Payé dans une autre monnaie" in page and page.count("Rendu à Jeanne") == 1
    for placed, said in zip(strange, ("(une autre somme", "(dans une autre monnaie"), strict=True):
        page = client.get(f"/tresorerie/commandes/{placed.code}").text
        assert said in page
        assert "16,50" not in page.partition("Payé par le client")[2].partition("Rendu, ou en route")[0]
        # What never was the order's is not taken from it.
        assert "Repris par sa banque" not in page
    assert "Paiement réglé à la main\xa0: Rendu à Jeanne" in page and "Paiement de nouveau à regarder" in page
    again = client.post(f"{order_page}/payer", data={"csrf_token": token})
    assert again.status_code == 303 and again.location.startswith("http")
