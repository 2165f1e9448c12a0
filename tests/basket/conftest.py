"""Programs that buy, with and without a geocoder that answers; shopkeepers at their counters; orders that are paid."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from basket import orders
from demo.townsfolk.server import Townsfolk
from marketplace.accounts.models import SignIn, User
from marketplace.geo import Geocoder
from marketplace.hall import Hall
from marketplace.ids import new_token
from marketplace.payments import service as payments
from merchants.models import Member, Merchant
from tests.apps import app_over
from tests.basket.counter import Browser, Keeper, Paid
from tests.buyer import Buyer
from tests.sandbox_server import Sandbox
from tests.walk import Town, open_payment, place


@pytest.fixture
def buyer(client: FlaskClient) -> Buyer:
    return Buyer(client)


@pytest.fixture(scope="module")
def geocoder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Geocoder]:
    """The town's gazetteer, over HTTP."""
    letters: Path = tmp_path_factory.mktemp("letters") / "letters.sqlite"
    running = Townsfolk(letters=letters, http_port=0, smtp_port=0)
    thread = threading.Thread(target=running.serve)
    thread.start()
    yield Geocoder(scheme="http", domain=f"{running.url.removeprefix('http://')}/geocodage")
    running.shutdown()
    thread.join()


@pytest.fixture
def guided_buyer(hall: Hall, geocoder: Geocoder) -> Buyer:
    """A buyer of a hall whose geocoder answers."""
    return Buyer(app_over(replace(hall, geocoder=geocoder), "buyer").test_client())


@pytest.fixture
def keeper(app: Flask, hall: Hall) -> Keeper:
    """A browser in which somebody is signed in who works for the merchants of these shops; for none: a stranger."""

    def open_browser(*slugs: str) -> Browser:
        now, token = hall.clock.now(), new_token()
        with hall.database.transaction() as session:
            user = User(email=f"{token}@example.org".lower(), name="Claire Aubertin", created_at=now)
            session.add(user)
            session.flush()
            for merchant_id in session.scalars(select(Merchant.id).where(Merchant.key.in_(slugs))).all():
                session.add(Member(user_id=user.id, merchant_id=merchant_id, role="owner"))
            session.add(SignIn(token=token, user_id=user.id, signed_in_at=now, seen_at=now))
        client = app.test_client()
        with client.session_transaction() as cookie:
            cookie["_user_id"] = token
            cookie["_fresh"] = True
        return Browser(client)

    return open_browser


@pytest.fixture
def paid(hall: Hall, town: Town, sandbox: Sandbox) -> Paid:
    """An order of one piece of each reference, paid and confirmed."""

    def order(references: Sequence[str], *, delivered: bool = True) -> orders.PlacedOrder:
        placed = place(hall.database, town, references, clock=hall.clock, delivered=delivered)
        sandbox.conclude(open_payment(hall, placed), "paid", notify=False)
        payments.settle(hall, placed.payment_id)
        with hall.database.transaction() as session:
            orders.take_payment(session, payment_id=placed.payment_id, clock=hall.clock)
        return placed

    return order
