"""The resident is told how to pay before ordering, and fresh food does not wait for a transfer of several days."""

from __future__ import annotations

from flask import Flask
from sqlalchemy import select

from basket import checkout
from basket.models import Basket
from marketplace.clock import FixedClock
from marketplace.hall import Hall
from marketplace.payments.models import Payment
from marketplace.payments.service import open_at_provider
from tests.basket.counter import Browser
from tests.sandbox_server import Sandbox
from tests.walk import Town, open_payment, place


def _check_page(app: Flask, hall: Hall, town: Town, reference: str) -> str:
    browser = Browser(app.test_client())
    browser.post("/panier/lignes", variant_id=town.variant(reference), qty="1", back="/panier")
    with hall.database.transaction() as session:
        basket_id = session.scalars(select(Basket.id).order_by(Basket.id.desc())).first()
        assert basket_id is not None
        checkout.set_collection(session, basket_id=basket_id)
        checkout.set_contact(
            session, basket_id=basket_id, name="Jeanne Martin", phone="+33639981234", email="", shortage="refund"
        )
    return browser.get("/commande/verifier").text


def test_the_page_says_what_the_provider_offers_for_the_basket(app: Flask, hall: Hall, town: Town) -> None:
    page = _check_page(app, hall, town, "L1")
    assert (
        "Pour payer\u00a0: carte bancaire, paiement par téléphone mobile, portefeuille en ligne, carte belge, "
        "virement, en plusieurs jours." in page
    )
    assert "PayPal" not in page


def test_fresh_food_is_not_paid_by_what_takes_days(app: Flask, hall: Hall, town: Town) -> None:
    page = _check_page(app, hall, town, "F1")
    assert (
        "Pour payer\u00a0: carte bancaire, paiement par téléphone mobile, portefeuille en ligne, carte belge." in page
    )


def test_the_page_can_do_without_the_provider(app: Flask, hall: Hall, town: Town, sandbox: Sandbox) -> None:
    sandbox.plan_fault("GET /v2/methods", "drop_after")
    page = _check_page(app, hall, town, "L1")
    assert "Commander avec obligation de paiement" in page
    assert "Pour payer" not in page


def test_only_fresh_food_leaves_a_way_out(hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock) -> None:
    asked = {}
    for reference in ("L1", "F1"):
        placed = place(hall.database, town, (reference,), clock=clock)
        open_payment(hall, placed)
        with hall.database.reading() as session:
            asked[reference] = session.get_one(Payment, placed.payment_id).methods
    assert asked == {"L1": None, "F1": ["creditcard", "applepay", "paypal", "bancontact"]}


def test_what_is_asked_for_stays_the_same_when_it_is_asked_again(
    hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock
) -> None:
    """The answer to the first call is lost: the second has the same key, and must have the same body."""
    placed = place(hall.database, town, ("F1",), clock=clock)
    sandbox.plan_fault("POST /v2/payments", "drop_after")
    sandbox.plan_fault("GET /v2/methods", "drop_after")
    with hall.database.reading() as session:
        assert session.get_one(Payment, placed.payment_id).takes_slow is False
    assert open_at_provider(hall, placed.payment_id) is None
    sandbox.clear_faults()
    assert open_at_provider(hall, placed.payment_id) is not None
