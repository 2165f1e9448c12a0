"""A hall that needs nobody outside: the round pays nobody and asks no geocoder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from marketplace.accounts.models import SignIn
from marketplace.clock import FixedClock
from marketplace.db import Database
from marketplace.delivery.checks import broken_rules
from marketplace.geo import Geocoder
from marketplace.hall import Hall
from marketplace.ids import new_token
from marketplace.mail import Mailer
from marketplace.payments.gateway import Gateway
from marketplace.settings import Settings
from tests.apps import app_over
from tests.marketplace.delivery.district import NOW, District, arrange_district

SignedIn = Callable[[int], FlaskClient]


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def hall(empty_database: Database, clock: FixedClock, tmp_path: Path) -> Iterator[Hall]:
    """What a test leaves behind must still hold together."""
    settings = Settings.from_env({"SECRET_KEY": "r" * 40, "INSTANCE_DIR": str(tmp_path)})
    yield Hall(
        settings=settings,
        database=empty_database,
        clock=clock,
        gateway=Gateway(endpoint="http://127.0.0.1:9", api_key="test_nobody"),
        geocoder=Geocoder(scheme="http", domain="127.0.0.1:9"),
        mailer=Mailer(host="127.0.0.1", port=9, sender=settings.mail_from),
    )
    with empty_database.reading() as session:
        assert list(broken_rules(session)) == []


@pytest.fixture
def district(hall: Hall) -> District:
    with hall.database.transaction() as session:
        return arrange_district(session)


@pytest.fixture
def app(hall: Hall) -> Flask:
    return app_over(hall, "app")


@pytest.fixture
def signed_in(app: Flask, hall: Hall) -> SignedIn:
    """A browser in which that person is signed in."""

    def sign_in(user_id: int) -> FlaskClient:
        token = new_token()
        with hall.database.transaction() as session:
            session.add(SignIn(token=token, user_id=user_id, signed_in_at=NOW, seen_at=NOW))
        client = app.test_client()
        with client.session_transaction() as cookie:
            cookie["_user_id"] = token
            cookie["_fresh"] = True
        return client

    return sign_in
