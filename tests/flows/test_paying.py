"""From a placed order to every cent's place in the book, and everything that can go wrong with the payment."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from basket import orders
from basket.baskets import open_basket
from basket.handlers import let_unpaid_orders_lapse
from basket.models import Line, Order, SubOrder
from marketplace.clock import FixedClock
from marketplace.delivery.models import Booking, Slot
from marketplace.hall import Hall
from marketplace.ledger.service import balances
from marketplace.money import Money
from marketplace.payments import service as payments
from marketplace.payments.models import Payment, Refund, Share
from merchants.models import Variant
from merchants.stock import NotEnoughStock
from tests.sandbox_server import Sandbox
from tests.walk import Town, book_payments, fill_basket, open_payment, order_command, pay, place, work

THREE_SHOPS = ("L1", "F1", "C1")


def _order(hall: Hall, placed: orders.PlacedOrder) -> Order:
    with hall.database.reading() as session:
        return session.get_one(Order, placed.order_id)


def _stock(hall: Hall, town: Town, reference: str) -> tuple[int, int]:
    with hall.database.reading() as session:
        variant = session.get_one(Variant, town.variant(reference))
        return variant.on_hand_qty, variant.held_qty


def _balances(hall: Hall) -> dict[str, int]:
    with hall.database.reading() as session:
        return {account: total.cents for account, total in balances(session).items() if total}


def test_a_paid_order_over_three_shops_is_split_to_the_cent(hall: Hall, town: Town, sandbox: Sandbox) -> None:
    placed = place(hall.database, town, THREE_SHOPS, clock=hall.clock)
    pay(hall, sandbox, placed)
    assert _order(hall, placed).state == "confirmed"
    # 18.00 + 9.96 + 12.00 + 4.50 delivery = 44.46; commission 8 % per shop: 1.44, 0.80, 0.96.
    assert _balances(hall) == {
        "holding": 4446,
        "merchant:librairie": -1656,
        "merchant:fromagerie": -916,
        "merchant:cave": -1104,
        "association:commission": -320,
        "association:delivery": -450,
    }
    assert _stock(hall, town, "L1") == (4, 0)
    with hall.database.reading() as session:
        assert session.scalars(select(Booking.state)).all() == ["confirmed"]
        assert session.scalars(select(SubOrder.state)).all() == ["received"] * 3
        assert session.scalars(select(Line.id)).all() == []


@pytest.mark.parametrize(("language", "title"), [("fr", "Payer votre commande"), ("en", "Pay for your order")])
def test_the_payment_page_speaks_the_residents_language(
    language: str, title: str, hall: Hall, town: Town, sandbox: Sandbox
) -> None:
    with hall.database.transaction() as session:
        basket_id = fill_basket(session, {town.variant("L1"): 1}, now=hall.clock.now())
        command = replace(order_command(basket_id), language=language)
        placed = orders.place_order(session, command, clock=hall.clock)
    page = sandbox.http.get(payments.open_at_provider(hall, placed.payment_id) or "", timeout=10)
    assert f'<html lang="{language}">' in page.text
    assert title in page.text


def test_after_hand_over_each_merchant_gets_one_route(hall: Hall, town: Town, sandbox: Sandbox) -> None:
    placed = place(hall.database, town, THREE_SHOPS, clock=hall.clock)
    pay(hall, sandbox, placed)
    now = hall.clock.now()
    slugs = frozenset({"librairie", "fromagerie", "cave"})
    for _ in range(2):  # the courier's act arrives twice
        with hall.database.transaction() as session:
            orders.mark_travelling(session, code=placed.code, shop_slugs=slugs, actor="courier:1", now=now)
            orders.mark_delivered(session, code=placed.code, actor="courier:1", now=now)
    work(hall)
    assert _order(hall, placed).state == "completed"
    assert _balances(hall) == {"holding": 770, "association:commission": -320, "association:delivery": -450}
    routes = {r["organization_id"]: r["amount_cents"] for p in book_payments(sandbox) for r in p["routes"]}
    assert routes == {"org_librairie": 1656, "org_fromagerie": 916, "org_cave": 1104}


def test_nothing_is_routed_before_hand_over(hall: Hall, town: Town, sandbox: Sandbox) -> None:
    pay(hall, sandbox, place(hall.database, town, THREE_SHOPS, clock=hall.clock))
    with hall.database.reading() as session:
        assert set(session.scalars(select(Share.state).where(Share.kind == "goods"))) == {"planned"}
    assert [payment["routes"] for payment in book_payments(sandbox)] == [[]]


def test_the_same_key_gives_the_same_order(hall: Hall, town: Town) -> None:
    with hall.database.transaction() as session:
        command = order_command(fill_basket(session, {town.variant("L1"): 1}), key="k" * 20)
    with hall.database.transaction() as session:
        first = orders.place_order(session, command, clock=hall.clock)
    with hall.database.transaction() as session:
        second = orders.place_order(session, command, clock=hall.clock)
    assert (second.order_id, second.payment_id, second.is_new) == (first.order_id, first.payment_id, False)
    assert _stock(hall, town, "L1") == (5, 1)


def test_an_order_that_nobody_pays_gives_everything_back(
    hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock
) -> None:
    placed = place(hall.database, town, THREE_SHOPS, clock=hall.clock)
    open_payment(hall, placed)
    clock.advance(timedelta(minutes=16))
    let_unpaid_orders_lapse(hall)
    assert _order(hall, placed).state == "lapsed"
    assert _stock(hall, town, "L1") == (5, 0)
    with hall.database.reading() as session:
        assert session.get_one(Slot, town.slots[0]).taken_stops == 0
        assert session.get_one(Payment, placed.payment_id).state == "canceled"
        assert len(session.scalars(select(Line.id)).all()) == 3, "the basket is intact"


def test_late_money_revives_an_order_whose_goods_are_still_there(
    hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock
) -> None:
    placed = place(hall.database, town, THREE_SHOPS, clock=hall.clock)
    provider_id = open_payment(hall, placed)
    clock.advance(timedelta(minutes=16))
    with hall.database.transaction() as session:
        assert orders.lapse(session, order_id=placed.order_id, now=clock.now())
    sandbox.conclude(provider_id, "paid", notify=False)
    payments.settle(hall, placed.payment_id)
    work(hall)
    assert _order(hall, placed).state == "confirmed"
    assert _stock(hall, town, "L1") == (4, 0)


def test_late_money_for_goods_that_are_gone_goes_back(
    hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock
) -> None:
    placed = place(hall.database, town, ("F2",), clock=hall.clock)
    provider_id = open_payment(hall, placed)
    clock.advance(timedelta(minutes=16))
    with hall.database.transaction() as session:
        orders.lapse(session, order_id=placed.order_id, now=clock.now())
    pay(hall, sandbox, place(hall.database, town, ("F2",), clock=hall.clock))
    sandbox.conclude(provider_id, "paid", notify=False)
    payments.settle(hall, placed.payment_id)
    work(hall)
    order = _order(hall, placed)
    assert (order.state, order.ending) == ("cancelled", "paid_late")
    assert [r["amount_cents"] for p in book_payments(sandbox) for r in p["refunds"]] == [950]
    assert _balances(hall)["residents:refunds"] == -950
    sandbox.advance_clock(4 * 24 * 3600)
    payments.settle(hall, placed.payment_id)
    assert "residents:refunds" not in _balances(hall)
    with hall.database.reading() as session:
        assert session.scalars(select(Refund.state)).all() == ["refunded"]


def test_a_failed_attempt_is_followed_by_another(hall: Hall, town: Town, sandbox: Sandbox) -> None:
    placed = place(hall.database, town, ("L2",), clock=hall.clock, delivered=False)
    first = open_payment(hall, placed)
    sandbox.conclude(first, "failed", notify=False)
    payments.settle(hall, placed.payment_id)
    with hall.database.transaction() as session:
        second_id = orders.pay_again(
            session,
            code=placed.code,
            token=placed.token,
            provider_env="sandbox",
            site_url="http://127.0.0.1:5000",
            now=hall.clock.now(),
        )
    assert second_id != placed.payment_id
    payments.open_at_provider(hall, second_id)
    with hall.database.reading() as session:
        second = session.get_one(Payment, second_id).provider_id
    assert second is not None
    sandbox.conclude(second, "paid", notify=False)
    payments.settle(hall, second_id)
    work(hall)
    assert _order(hall, placed).state == "confirmed"
    assert _order(hall, placed).payment_id == second_id


def test_a_notice_about_another_payment_changes_nothing(hall: Hall, town: Town, sandbox: Sandbox) -> None:
    mine = place(hall.database, town, ("L1",), clock=hall.clock)
    other = place(hall.database, town, ("L2",), clock=hall.clock)
    open_payment(hall, mine)
    paid_id = open_payment(hall, other)
    sandbox.conclude(paid_id, "paid", notify=False)
    with hall.database.transaction() as session:
        token = session.get_one(Payment, mine.payment_id).token
        payments.take_hint(session, token=token, provider_id=paid_id, now=hall.clock.now())
    work(hall)
    assert _order(hall, mine).state == "awaiting_payment"


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_provider_in_trouble_does_not_lose_the_order(hall: Hall, town: Town, sandbox: Sandbox, status: int) -> None:
    placed = place(hall.database, town, ("L1",), clock=hall.clock)
    sandbox.plan_fault("POST /v2/payments", "status", status=status, times=1)
    assert payments.open_at_provider(hall, placed.payment_id) is None
    assert _order(hall, placed).state == "awaiting_payment"
    payments.settle(hall, placed.payment_id)  # the poller's turn
    with hall.database.reading() as session:
        assert session.get_one(Payment, placed.payment_id).state == "open"
    assert len(book_payments(sandbox)) == 1


def test_an_answer_lost_on_the_way_makes_no_second_payment(hall: Hall, town: Town, sandbox: Sandbox) -> None:
    placed = place(hall.database, town, ("L1",), clock=hall.clock)
    sandbox.plan_fault("POST /v2/payments", "drop_after", times=1)
    assert payments.open_at_provider(hall, placed.payment_id) is None
    payments.settle(hall, placed.payment_id)
    assert len(book_payments(sandbox)) == 1


def test_the_last_piece_is_sold_once(hall: Hall, town: Town) -> None:
    place(hall.database, town, ("F2",), clock=hall.clock)
    with pytest.raises((NotEnoughStock, orders.BasketChanged)):
        place_from_full_basket(hall, town)
    assert _stock(hall, town, "F2") == (1, 1)


def place_from_full_basket(hall: Hall, town: Town) -> None:
    """Somebody whose basket was filled while the piece was still there."""
    with hall.database.transaction() as session:
        basket = open_basket(session, hall.clock.now())
        session.add(Line(basket_id=basket.id, variant_id=town.variant("F2"), qty=1, seen_price=Money(500)))
        session.flush()
        orders.place_order(session, order_command(basket.id), clock=hall.clock)
