"""The way to the payment, where something changes between two of its pages."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from selectolax.lexbor import LexborHTMLParser
from sqlalchemy import select, update

from basket import checkout
from basket.models import Basket, Order
from marketplace.delivery.models import Zone
from marketplace.hall import Hall
from marketplace.payments import service as payments
from tests.sandbox_server import Sandbox
from tests.walk import HOME, Town, book_payments, open_payment, place


def _hidden(page: str, form: str) -> dict[str, str]:
    fields = LexborHTMLParser(page).css(f"{form} [type=hidden]")
    return {field.attributes["name"] or "": field.attributes["value"] or "" for field in fields}


def test_a_home_that_the_rounds_no_longer_reach_leads_back_to_its_address(
    hall: Hall, client: FlaskClient, town: Town
) -> None:
    csrf = LexborHTMLParser(client.get("/aide").text).css_first("[name=csrf_token]")
    assert csrf is not None
    added = {"variant_id": str(town.variant("F1")), "qty": "1", "back": "/", "csrf_token": csrf.attributes["value"]}
    assert client.post("/panier/lignes", data=added).status_code == 303
    with hall.database.transaction() as session:
        basket_id = session.scalars(select(Basket.id)).one()
        checkout.set_place(session, basket_id=basket_id, address=HOME)
        checkout.set_slot(session, basket_id=basket_id, slot_id=town.slots[0])
        checkout.set_contact(
            session, basket_id=basket_id, name="Jeanne Martin", phone="+33639981234", email="", shortage="refund"
        )
    form = _hidden(client.get("/commande/verifier").text, "form[action='/commande/verifier']")
    with hall.database.transaction() as session:
        session.execute(update(Zone).values(radius_m=100))
    refused = client.post("/commande/verifier", data=form | {"accepts_terms": "1"})
    assert refused.status_code == 422
    page = LexborHTMLParser(refused.text)
    street, postcode = page.css_first("[name=street]"), page.css_first("[name=postcode]")
    assert street is not None and street.attributes["value"] == HOME.street
    assert postcode is not None and postcode.attributes["aria-invalid"] == "true"
    with hall.database.reading() as session:
        assert session.scalars(select(Order.id)).all() == []


def test_the_way_back_over_a_refused_form_shows_the_form(client: FlaskClient, town: Town) -> None:
    """Of an answer that it may not keep the browser shows its own error page instead."""
    csrf = LexborHTMLParser(client.get("/aide").text).css_first("[name=csrf_token]")
    assert csrf is not None
    token = {"csrf_token": csrf.attributes["value"]}
    client.post("/panier/lignes", data={"variant_id": str(town.variant("F1")), "qty": "1", "back": "/", **token})
    assert client.get("/commande/livraison").headers["Cache-Control"] == "no-store"
    refused = client.post("/commande/livraison", data=token)
    assert (refused.status_code, refused.headers["Cache-Control"]) == (422, "private, no-cache")


@pytest.mark.parametrize("outcome", ["failed", "canceled", "expired"])
def test_a_payment_that_failed_is_said_to_have_cost_nothing(
    outcome: str, hall: Hall, client: FlaskClient, town: Town, sandbox: Sandbox
) -> None:
    placed = place(hall.database, town, ["L1"], clock=hall.clock)
    address = f"/commande/{placed.code}/{placed.token}?retour=1"
    sandbox.conclude(open_payment(hall, placed), outcome, notify=False)
    page = client.get(address).text
    page = client.get(address).text
    assert "Le paiement n’a pas abouti" in page
    assert "Rien n’a été débité" in page
    assert "Payer maintenant" in page


def test_who_finds_no_payment_page_yet_has_a_button_that_opens_the_one_payment(
    hall: Hall, client: FlaskClient, town: Town, sandbox: Sandbox
) -> None:
    placed = place(hall.database, town, ["L1"], clock=hall.clock)
    address = f"/commande/{placed.code}/{placed.token}"

    def trouble(times: int) -> None:
        sandbox.plan_fault("POST /v2/payments", "status", status=500, done=True, times=times)

    trouble(4)
    payments.open_at_provider(hall, placed.payment_id)
    page = client.get(address).text
    assert "essayer encore : vous ne paierez qu’une fois" in page and "Ne pas payer, garder mon panier" in page
    token = _hidden(page, f"form[action='{address}/payer']")
    # In vain once more: the page says so, and what to do.
    refused = client.post(f"{address}/payer", data=token)
    assert (refused.status_code, refused.location) == (303, f"{address}?essai=1")
    page = client.get(refused.location).text
    assert "Nous venons d’essayer encore, sans succès." in page and "appelez-nous au" in page
    assert "Payer maintenant" in page
    opened = client.post(f"{address}/payer", data=token).location
    assert opened is not None and opened.startswith(f"{sandbox.url}/checkout/tr_")
    assert client.post(f"{address}/payer", data=token).location == opened
    assert len(book_payments(sandbox)) == 1
