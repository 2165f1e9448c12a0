"""A payment holds what its merchants' routes need; where a refund came first, the association owes the rest (I7)."""

from __future__ import annotations

from datetime import date

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, text

from basket import orders
from basket.models import OrderLine
from basket.shortages import report_shortage
from marketplace.accounts.people import grant_role, open_account
from marketplace.errors import NotFound
from marketplace.hall import Hall
from marketplace.ledger.service import balances
from marketplace.money import Money
from marketplace.payments import nightly, refunds, shares
from marketplace.payments.claims import open_claims
from marketplace.payments.gateway import OutcomeUnknown
from marketplace.payments.handlers import send_what_waits
from marketplace.payments.models import Share
from marketplace.payments.reading import read_book
from marketplace.payments.reconciling import differences
from marketplace.payments.rules import Bearing, MerchantPart, bears_fee, fee_bound, least_goods, split
from marketplace.payments.service import PlanTooSmall
from merchants import treasury
from tests.basket.counter import part_of
from tests.sandbox_server import Sandbox
from tests.walk import NOW, Town, book_payments, pay, place, work

A_DAY = date(2026, 11, 24)
FROMAGERIE = "merchant:fromagerie"
PASSWORD = "mot-de-passe-de-test"


def test_the_fee_is_at_most_that_of_the_dearest_card() -> None:
    assert [fee_bound(Money(cents), A_DAY).cents for cents in (1, 500, 4429, 10_000)] == [26, 39, 150, 305]


@pytest.mark.parametrize(
    ("goods", "permille", "delivery", "is_enough", "least"),
    [
        (500, 80, 0, True, 520),
        (400, 80, 0, False, 520),
        (520, 80, 0, True, 540),
        (100_000, 28, 0, False, None),
        (100_000, 0, 450, False, None),
        (400, 0, 450, True, None),
        (100, 80, 20, False, 150),
    ],
)
def test_an_order_is_large_enough_when_its_commission_bears_the_fee(
    goods: int, permille: int, delivery: int, is_enough: bool, least: int | None
) -> None:
    plan = split((MerchantPart("m", Money(goods), Money(goods * permille // 1000)),), Money(delivery))
    assert bears_fee(plan, A_DAY) is is_enough
    assert least_goods(plan, A_DAY) == (None if least is None else Money(least))


def test_an_order_that_does_not_bear_its_fee_is_refused_before_anything_is_held(
    hall: Hall, town: Town, sandbox: Sandbox
) -> None:
    with hall.database.transaction() as session:
        # As if it had been agreed so: rates are never changed, later ones come beside them.
        session.execute(text("SET LOCAL session_replication_role = replica"))
        session.execute(text("UPDATE commission_rate SET permille = 75"))
    with pytest.raises(PlanTooSmall) as refused:
        place(hall.database, town, ("F2",), clock=hall.clock, delivered=False)
    assert refused.value.details == {"least": Money(570)}
    with hall.database.reading() as session:
        assert session.scalar(text("SELECT count(*) FROM orders")) == 0
        assert session.scalar(text("SELECT count(*) FROM stock_hold")) == 0
    place(hall.database, town, ("F2",), clock=hall.clock)


# --- Less is left than the route needs ---------------------------------------------------------------------------


@pytest.fixture
def placed(hall: Hall, town: Town, sandbox: Sandbox) -> orders.PlacedOrder:
    """39.84 paid and collected; 29.88 were missing. Of 9.96 that are left 9.16 are the shop's, 0.97 the provider's."""
    placed = place(hall.database, town, ("F1",) * 4, clock=hall.clock, delivered=False)
    pay(hall, sandbox, placed)
    part = part_of(hall, placed, "fromagerie")
    shop_ids = frozenset({part.shop_id})
    with hall.database.transaction() as session:
        line_id = session.scalars(select(OrderLine.id).where(OrderLine.sub_order_id == part.id)).one()
        now = hall.clock.now()
        report_shortage(session, sub_order_id=part.id, shop_ids=shop_ids, available={line_id: 1}, actor="test", now=now)
        for event in ("accept", "pack", "hand_over"):
            orders.advance(
                session,
                sub_order_id=part.id,
                shop_ids=shop_ids,
                event=event,
                collection_code=part.collection_code,
                actor="test",
                now=now,
            )
    work(hall)
    return placed


def _share(hall: Hall) -> Share:
    with hall.database.reading() as session:
        return session.scalars(select(Share).where(Share.kind == "goods")).one()


def _routes(sandbox: Sandbox) -> list[int]:
    return [route["amount_cents"] for payment in book_payments(sandbox) for route in payment["routes"]]


def _agree(hall: Hall) -> bool:
    """Both books, to the cent, and the treasurer's page."""
    read_book(hall)
    with hall.database.reading() as session:
        is_same = differences(session, provider_env="sandbox") == []
        return is_same and treasury.look(session, hall.clock.now()).unexplained == Money(0)


def test_a_share_is_routed_as_far_as_its_payment_goes_and_the_rest_is_owed(
    hall: Hall, sandbox: Sandbox, placed: orders.PlacedOrder
) -> None:
    # What the provider kept is not known yet: nothing is asked that it would refuse.
    assert (_share(hall).state, _routes(sandbox)) == ("due", [])
    read_book(hall)
    sandbox.plan_fault("POST /v2/payments/*/routes", "drop_after", times=1)
    with pytest.raises(OutcomeUnknown):
        shares.send_share(hall, _share(hall).id)
    send_what_waits(hall)
    work(hall)
    share = _share(hall)
    assert (share.state, share.routed_amount, share.lacking_amount) == ("routed", Money(899), Money(17))
    assert _routes(sandbox) == [899]
    assert _agree(hall)
    with hall.database.reading() as session:
        seen = treasury.look(session, hall.clock.now())
    assert [(lack.reference, lack.name, lack.amount) for lack in seen.lacks] == [
        (placed.code, "SARL Fromagerie des Halles", Money(17)),
    ]
    assert [(row.owed, row.shares.lacking) for row in seen.merchants] == [(Money(17), Money(17))]
    with hall.database.transaction() as session:
        for is_new in (True, False):
            assert shares.make_up(session, share_id=share.id, actor="person:7", now=hall.clock.now()) is is_new
        with pytest.raises(NotFound):
            shares.make_up(session, share_id=999, actor="person:7", now=hall.clock.now())
    with hall.database.reading() as session:
        book = balances(session)
        assert (book[FROMAGERIE], book["association:bank"]) == (Money(0), Money(-17))
        assert treasury.look(session, hall.clock.now()).lacks == ()
    assert _agree(hall)


@pytest.mark.parametrize("is_made_up", [False, True])
def test_what_a_route_lacked_cannot_be_taken_back_with_a_refund(
    is_made_up: bool, hall: Hall, sandbox: Sandbox, placed: orders.PlacedOrder
) -> None:
    """The provider takes back what it routed; the last 17 cents need not be paid any more, or the shop owes them."""
    read_book(hall)
    shares.send_share(hall, _share(hall).id)
    with hall.database.transaction() as session:
        if is_made_up:
            shares.make_up(session, share_id=_share(hall).id, actor="person:7", now=hall.clock.now())
        parts = [Bearing(FROMAGERIE, "goods", Money(916)), Bearing("association", "commission", Money(80))]
        refunds.refund_parts(
            session,
            payment_id=placed.payment_id,
            parts=parts,
            reason="complaint",
            actor="person:1",
            now=hall.clock.now(),
        )
    work(hall)
    (payment,) = book_payments(sandbox)
    back = [(refund["amount_cents"], refund["reversals_cents"]) for refund in payment["refunds"]]
    assert sorted(back) == [(996, {"org_fromagerie": 899}), (2988, {})]
    with hall.database.reading() as session:
        book = balances(session)
        claims = [claim.amount for claim in open_claims(session)]
        assert treasury.look(session, hall.clock.now()).lacks == ()
    assert claims == ([Money(17)] if is_made_up else [])
    assert book.get(FROMAGERIE, Money(0)) == (Money(17) if is_made_up else Money(0))
    assert _agree(hall)


def test_the_treasurer_says_what_was_paid_by_bank(
    hall: Hall, sandbox: Sandbox, placed: orders.PlacedOrder, client: FlaskClient
) -> None:
    nightly.reconcile(hall)
    shares.send_share(hall, _share(hall).id)
    with hall.database.transaction() as session:
        user = open_account(session, email="t@example.org", name="Odile", password=PASSWORD, now=NOW)
        grant_role(session, user_id=user.id, role="treasurer", actor="test", now=NOW)
    page = client.get("/connexion").text
    token = page.partition('name="csrf_token" value="')[2].partition('"')[0]
    client.post("/connexion", data={"email": "t@example.org", "password": PASSWORD, "csrf_token": token})
    page = client.get("/tresorerie").text
    assert "Ce qui a manqué à un versement" in page
    token = page.partition('name="csrf_token" value="')[2].partition('"')[0]
    url = f"/tresorerie/manques/{_share(hall).id}/paye"
    for said in ("ce commerce est payé", "c’était déjà noté"):
        assert client.post(url, data={"csrf_token": token}).location == "/tresorerie"
        page = client.get("/tresorerie").text
        assert said in page
    assert "Ce qui a manqué à un versement" not in page
    assert client.post("/tresorerie/manques/999/paye", data={"csrf_token": token}).status_code == 404
