"""The basket's page, for what only it says."""

from __future__ import annotations

from datetime import timedelta

from flask.testing import FlaskClient
from selectolax.lexbor import LexborHTMLParser
from sqlalchemy import select

from basket import orders
from basket.models import Basket
from marketplace.clock import FixedClock
from marketplace.hall import Hall
from tests.walk import Town, order_command


def test_who_left_the_payment_page_finds_the_way_back_in_the_basket(
    hall: Hall, client: FlaskClient, town: Town, clock: FixedClock
) -> None:
    field = LexborHTMLParser(client.get("/aide").text).css_first("[name=csrf_token]")
    assert field is not None
    form = {"variant_id": str(town.variant("F2")), "qty": "1", "back": "/", "csrf_token": field.attributes["value"]}
    client.post("/panier/lignes", data=form)
    assert "attend son paiement" not in client.get("/panier").text

    with hall.database.transaction() as session:
        basket_id = session.scalars(select(Basket.id)).one()
        placed = orders.place_order(session, order_command(basket_id), clock=clock)
    page = client.get("/panier").text
    assert "Gardé pour vous par la commande" in page and "épuisé" not in page
    assert "Une commande attend son paiement" in page
    assert f'href="/commande/{placed.code}/{placed.token}"' in page

    clock.advance(timedelta(hours=1))
    assert "attend son paiement" not in client.get("/panier").text
