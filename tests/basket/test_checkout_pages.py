"""The way to the payment, where something changes between two of its pages."""

from __future__ import annotations

from flask.testing import FlaskClient
from selectolax.lexbor import LexborHTMLParser
from sqlalchemy import select, update

from basket import checkout
from basket.models import Basket, Order
from marketplace.delivery.models import Zone
from marketplace.hall import Hall
from tests.walk import HOME, Town


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
