"""How long a browser stays signed in, and as whom."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from marketplace.accounts.models import RoleGrant, SignIn, User
from marketplace.clock import FixedClock
from marketplace.hall import Hall


@pytest.fixture
def courier(client: FlaskClient, hall: Hall) -> FlaskClient:
    """The browser of somebody with two roles, who has just signed in."""
    now = hall.clock.now()
    with hall.database.transaction() as session:
        user = User(email="claire@example.org", name="Claire Aubertin", created_at=now)
        session.add(user)
        session.flush()
        for role in ("coordinator", "courier"):
            session.add(RoleGrant(user_id=user.id, role=role, granted_at=now, granted_by="test"))
        session.add(SignIn(token="claire", user_id=user.id, signed_in_at=now, seen_at=now))
    with client.session_transaction() as cookie:
        cookie["_user_id"], cookie["_fresh"] = "claire", True
    return client


def test_a_sign_in_lives_while_it_is_used_and_thirty_days_at_most(courier: FlaskClient, clock: FixedClock) -> None:
    for _ in range(14):
        clock.advance(timedelta(days=2))
        page = courier.get("/espace")
        assert page.status_code == 200
        assert "Les tournées" in page.text
        assert "Ma tournée" in page.text
    clock.advance(timedelta(days=2, minutes=1))
    assert courier.get("/espace").location == "/connexion?next=/espace"


def test_a_sign_in_ends_after_three_days_without_a_page(courier: FlaskClient, clock: FixedClock) -> None:
    clock.advance(timedelta(days=3, minutes=-1))
    assert courier.get("/espace").status_code == 200
    clock.advance(timedelta(days=3))
    assert courier.get("/espace").status_code == 303
