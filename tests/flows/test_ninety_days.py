"""What is not routed in 90 days falls to the association: a person sees it long before, and gives it back (I12)."""

from __future__ import annotations

from datetime import timedelta

from flask.testing import FlaskClient
from sqlalchemy import select, update

from basket import orders
from marketplace.accounts.people import grant_role, open_account
from marketplace.attention import troubles
from marketplace.clock import FixedClock
from marketplace.hall import Hall
from marketplace.payments.models import MerchantAccount, Payment, Share
from tests.sandbox_server import Sandbox
from tests.walk import NOW, Town, book_payments, pay, place, work

PASSWORD = "mot-de-passe-de-test"


def _paid(hall: Hall, town: Town, sandbox: Sandbox) -> orders.PlacedOrder:
    placed = place(hall.database, town, ("C1",), clock=hall.clock)
    pay(hall, sandbox, placed)
    with hall.database.transaction() as session:
        session.execute(update(Payment).values(paid_at=hall.clock.now()))  # the provider's clock is the world's
    return placed


def _sign_in(hall: Hall, client: FlaskClient) -> str:
    """A token for the forms of somebody of the association."""
    with hall.database.transaction() as session:
        user = open_account(session, email="c@example.org", name="Claire", password=PASSWORD, now=NOW)
        grant_role(session, user_id=user.id, role="coordinator", actor="test", now=NOW)
    page = client.get("/connexion").text
    token = page.partition('name="csrf_token" value="')[2].partition('"')[0]
    client.post("/connexion", data={"email": "c@example.org", "password": PASSWORD, "csrf_token": token})
    return client.get("/a-regarder").text.partition('name="csrf_token" value="')[2].partition('"')[0]


def _why(hall: Hall) -> list[tuple[str, int | None]]:
    with hall.database.reading() as session:
        return [(t.why, t.share_id) for t in troubles(session, hall.clock.now()) if t.kind == "share"]


def _refunded(sandbox: Sandbox) -> list[int]:
    return [refund["amount_cents"] for payment in book_payments(sandbox) for refund in payment["refunds"]]


def _state(hall: Hall) -> str:
    with hall.database.reading() as session:
        return session.scalars(select(Share.state).where(Share.kind == "goods")).one()


def test_goods_that_nobody_hands_over_are_given_back_before_it_is_too_late(
    hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock, client: FlaskClient
) -> None:
    _paid(hall, town, sandbox)
    seen = []
    for days in (13, 2, 45, 19, 1):
        clock.advance(timedelta(days=days))
        seen.append(_why(hall))
    token = _sign_in(hall, client)
    with hall.database.reading() as session:
        share_id = session.scalars(select(Share.id).where(Share.kind == "goods")).one()
    assert seen == [[], [("planned", None)], [("day_60", None)], [("day_60", None)], [("day_80", share_id)]]
    url = f"/a-regarder/parts/{share_id}/rendre"
    assert "Rendre au client" in client.get("/a-regarder").text
    for _ in range(2):
        assert client.post(url, data={"csrf_token": token}).location == "/a-regarder"
    work(hall)
    assert (_state(hall), _refunded(sandbox), _why(hall)) == ("cancelled", [1650], [])
    client.post(url, data={"csrf_token": token})
    assert "Ce n’est plus possible" in client.get("/a-regarder").text
    assert client.post("/a-regarder/parts/999/rendre", data={"csrf_token": token}).status_code == 404


def test_a_merchant_who_cannot_receive_its_share_in_time_loses_it_to_the_resident(
    hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock, client: FlaskClient
) -> None:
    placed = _paid(hall, town, sandbox)
    with hall.database.transaction() as session:
        session.execute(update(MerchantAccount).values(can_receive_payments=False))
        now = clock.now()
        orders.mark_travelling(session, code=placed.code, shop_slugs=frozenset({"cave"}), actor="courier", now=now)
        orders.mark_delivered(session, code=placed.code, actor="courier", now=now)
    work(hall)
    clock.advance(timedelta(days=79))
    token = _sign_in(hall, client)
    with hall.database.reading() as session:
        share_id = session.scalars(select(Share.id).where(Share.kind == "goods")).one()
    client.post(f"/a-regarder/parts/{share_id}/rendre", data={"csrf_token": token})
    work(hall)
    assert (_state(hall), _refunded(sandbox)) == ("due", [])
    clock.advance(timedelta(days=1))
    client.post(f"/a-regarder/parts/{share_id}/rendre", data={"csrf_token": token})
    work(hall)
    # The bottle, and not the delivery: it was brought.
    assert (_state(hall), _refunded(sandbox)) == ("cancelled", [1200])
