from __future__ import annotations

from flask.testing import FlaskClient

from marketplace.accounts.people import grant_role, open_account
from marketplace.attention import troubles
from marketplace.clock import FixedClock
from marketplace.hall import Hall
from marketplace.mail_models import SentLetter
from tests.sandbox_server import Sandbox
from tests.walk import NOW, Town, late_money, work

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
            ("letter", "confirmed:1", "550 unknown"),
        ]
    _sign_in(hall, client, "treasurer")
    page = client.get("/a-regarder")
    assert page.status_code == 200
    assert "payé trop tard, remboursé" in page.text
    assert late.code in page.text


def test_a_courier_does_not_see_it(hall: Hall, client: FlaskClient) -> None:
    _sign_in(hall, client, "courier")
    assert client.get("/a-regarder").status_code == 403


def test_an_empty_list_says_so(hall: Hall, client: FlaskClient) -> None:
    _sign_in(hall, client, "coordinator")
    assert "Rien n’attend" in client.get("/a-regarder").text
