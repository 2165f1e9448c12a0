"""The whole walk of a program: it looks around, fills a basket over three shops, orders, pays, follows the order."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from basket import orders
from basket.handlers import let_unpaid_orders_lapse
from marketplace.clock import FixedClock
from marketplace.hall import Hall
from tests.buyer import Buyer, order_of
from tests.sandbox_server import Sandbox
from tests.walk import Town, book_payments, work


@pytest.fixture
def buyer(client: FlaskClient) -> Buyer:
    return Buyer(client)


def _page_of(checkout_url: str) -> str:
    return checkout_url.rsplit("/", 1)[1]


def test_three_shops_one_basket_one_payment_split_and_brought_home(
    buyer: Buyer, hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock
) -> None:
    products = {item["name"]: item for item in buyer.get("products")["items"]}
    [cheese] = buyer.get("products?q=tomme fermière")["items"]
    assert cheese == products["Tomme fermière"]
    basket_id = buyer.call("POST", "baskets", status=201)["id"]
    for name, qty in (("L’Assommoir", 1), ("Tomme fermière", 2), ("Rouge des coteaux", 1)):
        sent = {"product_id": products[name]["id"], "qty": qty}
        buyer.call("POST", f"baskets/{basket_id}/lines", sent, 201)
    basket = buyer.get(f"baskets/{basket_id}")
    assert (basket["goods_cents"], basket["minimum_age"], basket["can_be_ordered"]) == (4992, 18, True)
    slot = next(slot for slot in buyer.get("slots?postcode=16000")["items"] if not slot["is_full"])

    sent = order_of(basket_id, slot_id=slot["id"], declares_majority=True, accepts_terms=True)
    placed = buyer.order(sent, Idempotency_Key="5f0c6a1e")
    assert buyer.order(sent, Idempotency_Key="5f0c6a1e") == placed

    page = sandbox.http.get(placed["checkout_url"], timeout=10)
    assert page.status_code == 200 and "54,42" in page.text
    back = sandbox.press(_page_of(placed["checkout_url"]), "paid")
    assert back.headers["Location"].startswith(placed["url"])
    address, token = f"orders/{placed['code']}", {"Authorization": f"Bearer {placed['token']}"}
    work(hall)
    order = buyer.get(address, **token)
    assert (order["state"], order["progress"], order["payment"]["state"]) == ("confirmed", "received", "paid")
    assert (order["goods_cents"], order["delivery_cents"], order["total_cents"]) == (4992, 450, 5442)
    assert [(part["shop"]["slug"], part["state"], part["total_cents"]) for part in order["sub_orders"]] == [
        ("librairie", "received", 1800),
        ("fromagerie", "received", 1992),
        ("cave", "received", 1200),
    ]
    assert order["delivery"]["starts_at"] == slot["starts_at"]
    assert len(order["delivery"]["handover_code"]) == 4
    # 8 % of each shop's goods: 1.44, 1.59 and 0.96; with the delivery they are the association's.
    split = {part["party"]: part["amount_cents"] for part in order["payment"]["split"]}
    assert split == {"librairie": 1656, "fromagerie": 1833, "cave": 1104, "association": 849}
    assert sum(split.values()) == order["payment"]["amount_cents"] == 5442

    clock.advance(timedelta(hours=7))
    slugs = frozenset({"librairie", "fromagerie", "cave"})
    with hall.database.transaction() as session:
        orders.mark_travelling(session, code=placed["code"], shop_slugs=slugs, actor="courier:1", now=clock.now())
        orders.mark_delivered(session, code=placed["code"], actor="courier:1", now=clock.now())
    work(hall)
    order = buyer.get(address, **token)
    assert (order["state"], order["progress"]) == ("completed", "delivered")
    [payment] = book_payments(sandbox)
    routed = {route["organization_id"]: route["amount_cents"] for route in payment["routes"]}
    assert routed == {"org_librairie": 1656, "org_fromagerie": 1833, "org_cave": 1104}


def test_a_notice_that_never_comes_is_made_good_by_asking(
    buyer: Buyer, hall: Hall, town: Town, sandbox: Sandbox
) -> None:
    placed = buyer.order(order_of(buyer.fill(town.variant("F1"))))
    address = f"orders/{placed['code']}?token={placed['token']}"
    assert buyer.get(address)["state"] == "awaiting_payment"
    sandbox.pay(_page_of(placed["checkout_url"]), notify=False)
    order = buyer.get(address)
    assert (order["state"], order["payment"]["state"]) == ("confirmed", "paid")
    assert len(order["sub_orders"][0]["collection_code"]) == 4


def test_an_unpaid_order_lets_everything_go(
    buyer: Buyer, hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock
) -> None:
    basket_id = buyer.fill(town.variant("F2"))
    placed = buyer.order(order_of(basket_id))
    assert buyer.get("products?q=figues")["items"][0]["available_qty"] == 0
    sandbox.conclude(_page_of(placed["checkout_url"]), "expired", notify=False)
    order = buyer.get(f"orders/{placed['code']}?token={placed['token']}")
    assert (order["state"], order["payment"]["state"]) == ("awaiting_payment", "expired")
    clock.advance(timedelta(minutes=16))
    let_unpaid_orders_lapse(hall)
    assert buyer.get(f"orders/{placed['code']}?token={placed['token']}")["state"] == "lapsed"
    assert buyer.get("products?q=figues")["items"][0]["available_qty"] == 1
    assert buyer.get(f"baskets/{basket_id}")["can_be_ordered"] is True
