"""Baskets and orders through JSON: what is answered, what is refused and how, and nothing half done."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import jsonschema_rs
from flask.testing import FlaskClient
from sqlalchemy import func, select, update

from basket.models import Line, Order
from marketplace.clock import FixedClock
from marketplace.delivery.models import Booking, Slot
from marketplace.hall import Hall
from marketplace.money import Money
from marketplace.payments.models import Payment
from merchants import stock
from merchants.catalogue import ProductDraft, VariantDraft, change_price, put_product, withdraw_product
from merchants.models import Shop, Variant
from tests.buyer import CONTACT, V1, Buyer, order_of
from tests.sandbox_server import Sandbox
from tests.walk import NOW, Town

NOT_QUANTITIES: tuple[object, ...] = (0, -1, 1.5, 10**9, "１", "2", "", None, True, [1], 2**70, 100)


def orders_qty(hall: Hall) -> int:
    with hall.database.reading() as session:
        return session.scalar(select(func.count()).select_from(Order)) or 0


def held(hall: Hall) -> tuple[int, int]:
    """(pieces, places) that somebody holds."""
    with hall.database.reading() as session:
        pieces = session.scalar(select(func.sum(Variant.held_qty))) or 0
        places = session.scalar(select(func.count()).select_from(Booking).where(Booking.state == "held")) or 0
    return int(pieces), places


# --- The basket ------------------------------------------------------------------------------------------------


def test_a_new_basket_is_empty_and_its_id_cannot_be_guessed(buyer: Buyer, town: Town) -> None:
    first, second = (buyer.call("POST", "baskets", status=201) for _ in range(2))
    assert first == {
        "id": first["id"], "lines": [], "groups": [], "goods_cents": 0, "minimum_age": None, "can_be_ordered": False,
    }  # fmt: skip
    assert len(first["id"]) == 22 and first["id"] != second["id"]
    assert buyer.get(f"baskets/{first['id']}") == first


def test_a_basket_is_priced_line_by_line_and_shop_by_shop(buyer: Buyer, town: Town) -> None:
    basket_id = buyer.fill(town.variant("F1"), town.variant("C1"))
    line = buyer.call("POST", f"baskets/{basket_id}/lines", {"product_id": 3, "qty": 2}, 201)
    assert (line["qty"], line["unit_price_cents"], line["total_cents"], line["problem"]) == (3, 996, 2988, None)
    assert line["product"]["shop"] == {"slug": "fromagerie", "name": "Fromagerie des Halles"}
    assert (line["product"]["name"], line["product"]["available_qty"]) == ("Tomme fermière", 8)
    basket = buyer.get(f"baskets/{basket_id}")
    assert basket["lines"][0] == line
    assert [(g["shop"]["slug"], g["goods_cents"], g["is_payable"]) for g in basket["groups"]] == [
        ("fromagerie", 2988, True),
        ("cave", 1200, True),
    ]
    assert (basket["goods_cents"], basket["minimum_age"], basket["can_be_ordered"]) == (4188, 18, True)


def test_a_line_is_changed_and_taken_out(buyer: Buyer, town: Town) -> None:
    basket_id = buyer.fill(town.variant("F1"))
    [line] = buyer.get(f"baskets/{basket_id}")["lines"]
    address = f"baskets/{basket_id}/lines/{line['id']}"
    assert buyer.call("PATCH", address, {"qty": 5})["total_cents"] == 4980
    buyer.call("DELETE", address, status=204)
    assert buyer.get(f"baskets/{basket_id}")["lines"] == []
    buyer.call("DELETE", address, status=404)
    buyer.call("PATCH", address, {"qty": 1}, 404)


def test_a_quantity_that_is_none_is_refused_at_its_field(buyer: Buyer, town: Town) -> None:
    basket_id = buyer.fill(town.variant("F1"))
    before = buyer.get(f"baskets/{basket_id}")
    for qty in NOT_QUANTITIES:
        sent = {"variant_id": town.variant("F1"), "qty": qty}
        for method, address, body in (
            ("POST", f"baskets/{basket_id}/lines", sent),
            ("PATCH", f"baskets/{basket_id}/lines/1", {"qty": qty}),
        ):
            problem = buyer.call(method, address, body, 422)
            assert list(problem["errors"]) == ["qty"], qty
            assert problem["errors"]["qty"][0]
    assert buyer.get(f"baskets/{basket_id}") == before


def test_more_than_the_shelf_holds_is_refused_with_what_is_left(buyer: Buyer, town: Town) -> None:
    basket_id = buyer.fill(town.variant("F2"))
    problem = buyer.call("POST", f"baskets/{basket_id}/lines", {"variant_id": town.variant("F2")}, 409)
    assert (problem["code"], problem["details"]) == ("too_many", {"left": 1})
    assert problem["type"] == "urn:marche-commun:too_many"
    assert problem["detail"] == "Choisissez une quantité plus petite\N{NO-BREAK SPACE}: il en reste 1."


def test_a_product_with_variants_wants_one_named(buyer: Buyer, hall: Hall, town: Town) -> None:
    with hall.database.transaction() as session:
        shop_id = session.scalars(select(Shop.id).where(Shop.slug == "cave")).one()
        draft = ProductDraft(
            reference="J", name="Jus", kind="epicerie", brand="", description="", drawing="jar", allergens=None,
            variants=(VariantDraft("J1", "50 cl", Money(300), 3), VariantDraft("J2", "1 l", Money(500), 3)),
        )  # fmt: skip
        product_id = put_product(session, shop_id=shop_id, draft=draft, actor="test", now=NOW)
    address = f"baskets/{buyer.fill()}/lines"
    assert list(buyer.call("POST", address, {"product_id": product_id}, 422)["errors"]) == ["variant_id"]
    larger = buyer.get(f"products/{product_id}")["variants"][1]["id"]
    assert buyer.call("POST", address, {"variant_id": larger}, 201)["product"]["label"] == "1 l"


def test_what_names_no_line_or_two_is_refused(buyer: Buyer, town: Town) -> None:
    address = f"baskets/{buyer.fill()}/lines"
    for sent, field in (
        ({}, "variant_id"),
        ({"variant_id": 1, "product_id": 1}, "variant_id"),
        ({"variant_id": "1"}, "variant_id"),
        ({"variant_id": 2**64}, "variant_id"),
        ({"product_id": 0}, "product_id"),
        ({"variant_id": 1, "price_cents": 1}, "price_cents"),
        ({"variant_id": 1, "unit_price": 1}, "unit_price"),
        ([], "body"),
        ("x", "body"),
        (None, "variant_id"),
    ):
        assert field in buyer.call("POST", address, sent, 422)["errors"], sent
    for id_ in ("variant_id", "product_id"):
        assert buyer.call("POST", address, {id_: 10**9}, 409)["code"] == "not_for_sale"


def test_another_baskets_line_is_not_found(buyer: Buyer, town: Town) -> None:
    mine, theirs = buyer.fill(town.variant("F1")), buyer.fill(town.variant("L1"))
    [line] = buyer.get(f"baskets/{theirs}")["lines"]
    address = f"baskets/{mine}/lines/{line['id']}"
    buyer.call("PATCH", address, {"qty": 3}, 404)
    buyer.call("DELETE", address, status=404)
    assert buyer.get(f"baskets/{theirs}")["lines"] == [line]


def test_an_unknown_basket_is_not_found(buyer: Buyer, town: Town) -> None:
    for basket_id in ("x" * 22, "1", "é", "a" * 300, "%F0%9F%99%82"):
        assert buyer.get(f"baskets/{basket_id}", 404)["code"] == "not_found"
        buyer.call("POST", f"baskets/{basket_id}/lines", {"variant_id": 1}, 404)
    assert buyer.get("baskets/%00", 404)["code"] == "http_404"  # no address of ours holds a NUL
    buyer.call("DELETE", f"baskets/{buyer.fill()}/lines/{10**40}", status=404)


def test_a_line_says_what_became_of_its_product(buyer: Buyer, hall: Hall, town: Town) -> None:
    basket_id = buyer.fill(town.variant("F1"), town.variant("F2"), town.variant("L1"))
    with hall.database.transaction() as session:
        change_price(session, variant_id=town.variant("F1"), price=Money(1096), actor="test", now=NOW)
        stock.count(session, variant_id=town.variant("F2"), on_hand_qty=0, actor="test", now=NOW)
        withdraw_product(session, product_id=1, now=NOW)
    basket = buyer.get(f"baskets/{basket_id}")
    assert [line["problem"] for line in basket["lines"]] == ["price_changed", "sold_out", "not_for_sale"]
    assert basket["can_be_ordered"] is False
    problem = buyer.order(order_of(basket_id), 409)
    assert problem["code"] == "basket_changed"
    assert [line["problem"] for line in problem["details"]["lines"]] == ["price_changed", "sold_out", "not_for_sale"]
    assert (orders_qty(hall), held(hall)) == (0, (0, 0))


def test_a_changed_price_is_accepted_by_setting_the_quantity_again(buyer: Buyer, hall: Hall, town: Town) -> None:
    basket_id = buyer.fill(town.variant("F1"))
    with hall.database.transaction() as session:
        change_price(session, variant_id=town.variant("F1"), price=Money(1096), actor="test", now=NOW)
    [line] = buyer.get(f"baskets/{basket_id}")["lines"]
    assert (line["unit_price_cents"], line["seen_price_cents"]) == (1096, 996)
    assert buyer.call("PATCH", f"baskets/{basket_id}/lines/{line['id']}", {"qty": 1})["problem"] is None
    buyer.order(order_of(basket_id))


# --- Slots -----------------------------------------------------------------------------------------------------


def test_slots_are_those_of_the_postcode_with_room_and_fee(buyer: Buyer, hall: Hall, town: Town) -> None:
    with hall.database.transaction() as session:
        session.execute(update(Slot).where(Slot.id == town.slots[1]).values(taken_stops=10))
    answer = buyer.get("slots?postcode=16000")
    assert answer["items"][0] == {
        "id": town.slots[0],
        "starts_at": "2026-11-24T15:00:00+00:00",
        "ends_at": "2026-11-24T17:00:00+00:00",
        "cut_off_at": "2026-11-24T14:00:00+00:00",
        "fee_cents": 450,
        "places_left": 10,
        "is_full": False,
    }
    assert [slot["is_full"] for slot in answer["items"]] == [False, True]
    assert buyer.get("slots?postcode=75001") == {"items": [], "next": None}
    for query in ("", "?postcode=", "?postcode=abc", "?postcode=160000", "?postcode=%00"):
        assert list(buyer.get(f"slots{query}", 422)["errors"]) == ["postcode"]
    with hall.database.transaction() as session:
        session.execute(update(Slot).where(Slot.id == town.slots[1]).values(taken_stops=0))


# --- Ordering --------------------------------------------------------------------------------------------------


def test_an_order_holds_everything_and_leads_to_the_payment_page(
    buyer: Buyer, hall: Hall, town: Town, sandbox: Sandbox
) -> None:
    basket_id = buyer.fill(town.variant("L1"), town.variant("F1"), town.variant("C1"))
    placed = buyer.order(order_of(basket_id, slot_id=town.slots[0]))
    assert list(placed) == ["code", "token", "checkout_url", "url"]
    assert placed["checkout_url"].startswith(f"{sandbox.url}/checkout/tr_")
    assert placed["url"] == f"{hall.settings.site_url}/commande/{placed['code']}/{placed['token']}"
    assert held(hall) == (3, 1)
    order = buyer.get(f"orders/{placed['code']}?token={placed['token']}")
    assert order["state"] == "awaiting_payment"
    assert (order["goods_cents"], order["delivery_cents"], order["total_cents"]) == (3996, 450, 4446)
    assert [(s["shop"]["slug"], s["state"], s["total_cents"]) for s in order["sub_orders"]] == [
        ("librairie", "awaiting_payment", 1800),
        ("fromagerie", "awaiting_payment", 996),
        ("cave", "awaiting_payment", 1200),
    ]
    assert order["payment"]["state"] == "open"
    assert order["payment"]["amount_cents"] == 4446
    assert order["payment"]["split"] == [
        {"party": "cave", "amount_cents": 1104},
        {"party": "fromagerie", "amount_cents": 916},
        {"party": "librairie", "amount_cents": 1656},
        {"party": "association", "amount_cents": 770},
    ]
    assert order["delivery"]["handover_code"] is None


def test_an_order_opens_to_its_token_alone(buyer: Buyer, town: Town) -> None:
    first, second = (buyer.order(order_of(buyer.fill(town.variant("L1")))) for _ in range(2))
    address = f"orders/{first['code']}"
    assert buyer.get(address, Authorization=f"Bearer {first['token']}")["code"] == first["code"]
    assert buyer.get(address, 401)["code"] == "token_missing"
    assert buyer.get(address, 401, Authorization="Basic eDp5")["code"] == "token_missing"
    for wrong in (second["token"], "x", "é", "a" * 60):
        assert buyer.get(f"{address}?token={wrong}", 404)["code"] == "not_found"
    buyer.get(f"orders/00000000?token={first['token']}", 404)
    buyer.get(f"orders/%00?token={first['token']}", 404)


def test_no_copy_of_a_basket_or_an_order_is_kept(buyer: Buyer, client: FlaskClient, town: Town) -> None:
    basket_id = buyer.fill(town.variant("F1"))
    placed = buyer.order(order_of(basket_id, slot_id=town.slots[0]))
    for address in (f"baskets/{basket_id}", f"orders/{placed['code']}?token={placed['token']}", "orders/0"):
        assert client.get(f"{V1}/{address}").headers["Cache-Control"] == "no-store", address


def test_the_same_key_and_body_give_the_same_answer(buyer: Buyer, hall: Hall, town: Town, sandbox: Sandbox) -> None:
    sent = order_of(buyer.fill(town.variant("F1")), slot_id=town.slots[0])
    first = buyer.order(sent, Idempotency_Key="9e1c-1")
    assert buyer.order(sent, Idempotency_Key="9e1c-1") == first
    sandbox.pay(first["checkout_url"].rsplit("/", 1)[1], notify=False)
    buyer.get(f"orders/{first['code']}?token={first['token']}")
    assert buyer.order(sent, Idempotency_Key="9e1c-1") == first  # paid, the basket empty: the answer stays
    assert (orders_qty(hall), held(hall)) == (1, (0, 0))
    with hall.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Payment)) == 1


def test_the_same_key_with_another_body_is_refused(buyer: Buyer, hall: Hall, town: Town) -> None:
    sent = order_of(buyer.fill(town.variant("F1")))
    buyer.order(sent, Idempotency_Key="k")
    for other in (
        {**sent, "basket": buyer.fill(town.variant("L1"))},
        {**sent, "contact": {**CONTACT, "name": "Jean Martin"}},
        {**sent, "shortage": "call"},
        order_of(sent["basket"], slot_id=town.slots[0]),
    ):
        assert buyer.order(other, 409, Idempotency_Key="k")["code"] == "key_used_otherwise"
    assert orders_qty(hall) == 1
    buyer.order(sent, Idempotency_Key="another")
    assert orders_qty(hall) == 2


def test_a_program_s_key_opens_its_order_to_nobody_on_the_pages(buyer: Buyer, client: FlaskClient, town: Town) -> None:
    """A visitor could otherwise try keys that programs are fond of, and be led to another household's order."""
    buyer.order(order_of(buyer.fill(town.variant("F1"))), Idempotency_Key="order-1")
    token = client.get("/aide").text.partition('name="csrf_token" value="')[2].partition('"')[0]
    for key in ("api:order-1", "order-1", "api:"):
        form = {"checkout_key": key, "seen_total_cents": "1", "accepts_terms": "1", "csrf_token": token}
        answer = client.post("/commande/verifier", data=form)
        assert (answer.status_code, answer.location) == (303, "/panier"), key


def test_without_a_key_each_call_is_an_order_of_its_own(buyer: Buyer, hall: Hall, town: Town) -> None:
    sent = order_of(buyer.fill(town.variant("F1")))
    assert buyer.order(sent)["code"] != buyer.order(sent)["code"]


def test_what_is_wrong_with_an_order_is_said_at_each_field(buyer: Buyer, hall: Hall, town: Town) -> None:
    good = order_of(buyer.fill(town.variant("C1")), slot_id=town.slots[0])

    def but(part: str, **changes: object) -> dict[str, Any]:
        return {**good, part: {**good[part], **changes}}

    for sent, fields in (
        ({}, {"basket", "contact", "delivery"}),
        ({**good, "basket": "x"}, {"basket"}),
        ({**good, "basket": "\u0000"}, {"basket"}),
        ({**good, "basket": "\ud800"}, {"basket"}),
        ({**good, "contact": None}, {"contact"}),
        ({**good, "contact": "Jeanne"}, {"contact"}),
        ({**good, "delivery": []}, {"delivery"}),
        ({**good, "paid": True}, {"paid"}),
        ({**good, "shortage": "later"}, {"shortage"}),
        ({**good, "accepts_terms": False}, {"accepts_terms"}),
        ({**good, "accepts_terms": "yes"}, {"accepts_terms"}),
        ({**good, "declares_majority": False}, {"declares_majority"}),
        (but("contact", phone="12"), {"contact.phone"}),
        (but("contact", email="jeanne", name=""), {"contact.email", "contact.name"}),
        (but("contact", is_admin=True), {"contact.is_admin"}),
        (but("delivery", mode="drone"), {"delivery.mode"}),
        (but("delivery", slot_id=None, street=""), {"delivery.slot_id", "delivery.street"}),
        (but("delivery", slot_id="1"), {"delivery.slot_id"}),
        (but("delivery", lat=None), {"delivery.lat"}),
        (but("delivery", lat=91), {"delivery.lat"}),
        (but("delivery", lat="45", lon=True), {"delivery.lat", "delivery.lon"}),
        (but("delivery", lat=10**400), {"delivery.lat"}),
        (but("delivery", postcode="1600"), {"delivery.postcode"}),
        (but("delivery", postcode="75001"), {"delivery.postcode"}),
        (but("delivery", lat=48.85, lon=2.35), {"delivery.postcode"}),
        (but("delivery", fee_cents=0), {"delivery.fee_cents"}),
    ):
        problem = buyer.order(sent, 422)
        assert set(problem["errors"]) == fields, sent
        assert all(sentence for sentences in problem["errors"].values() for sentence in sentences)
    assert (orders_qty(hall), held(hall)) == (0, (0, 0))


def test_whoever_asked_the_resident_need_not_say_so(buyer: Buyer, town: Town) -> None:
    buyer.order(order_of(buyer.fill(town.variant("C1"))))
    buyer.order(order_of(buyer.fill(town.variant("C1")), declares_majority=True, accepts_terms=True))
    buyer.order(order_of(buyer.fill(town.variant("L1")), declares_majority=False))


def test_an_empty_basket_is_no_order(buyer: Buyer, town: Town) -> None:
    assert buyer.order(order_of(buyer.fill()), 409)["code"] == "basket_empty"


def test_the_last_piece_gone_is_a_conflict_that_names_it(buyer: Buyer, hall: Hall, town: Town) -> None:
    late = buyer.fill(town.variant("F2"))
    buyer.order(order_of(buyer.fill(town.variant("F2"))))
    problem = buyer.order(order_of(late), 409)
    assert (problem["code"], problem["details"]["lines"][0]["problem"]) == ("basket_changed", "sold_out")
    assert (orders_qty(hall), held(hall)) == (1, (1, 0))


def test_a_full_slot_is_a_conflict_and_leaves_the_basket(buyer: Buyer, hall: Hall, town: Town) -> None:
    with hall.database.transaction() as session:
        session.execute(update(Slot).where(Slot.id == town.slots[0]).values(capacity_stops=1))
    basket_id = buyer.fill(town.variant("F1"))
    buyer.order(order_of(buyer.fill(town.variant("L1")), slot_id=town.slots[0]))
    assert buyer.order(order_of(basket_id, slot_id=town.slots[0]), 409)["code"] == "slot_full"
    assert held(hall) == (1, 1)
    buyer.order(order_of(basket_id, slot_id=town.slots[1]))


def test_after_the_cut_off_an_order_is_refused(buyer: Buyer, hall: Hall, town: Town, clock: FixedClock) -> None:
    sent = order_of(buyer.fill(town.variant("F1")), slot_id=town.slots[0])
    clock.advance(timedelta(hours=5))
    assert buyer.order(sent, 409)["code"] == "cut_off_passed"
    assert (orders_qty(hall), held(hall)) == (0, (0, 0))
    assert buyer.get("slots?postcode=16000")["items"] == []


def test_a_provider_that_is_silent_leaves_an_order_that_can_be_paid_later(
    buyer: Buyer, town: Town, sandbox: Sandbox
) -> None:
    sandbox.plan_fault("POST /v2/payments", "status", status=503, times=20)
    sent = order_of(buyer.fill(town.variant("F1")))
    placed = buyer.order(sent, Idempotency_Key="k")
    assert placed["checkout_url"] is None
    sandbox.clear_faults()
    order = buyer.get(f"orders/{placed['code']}?token={placed['token']}")
    assert order["payment"]["checkout_url"].startswith(sandbox.url)


# --- Addresses -------------------------------------------------------------------------------------------------


def test_an_address_is_looked_up_and_kept_as_the_map_has_it(guided_buyer: Buyer, town: Town) -> None:
    sent = order_of(guided_buyer.fill(town.variant("F1")), slot_id=town.slots[0])
    sent["delivery"] = {"mode": "delivery", "slot_id": town.slots[0], "street": "14 rue herge", "postcode": "16000",
                        "city": "angouleme", "access_note": "2e étage"}  # fmt: skip
    placed = guided_buyer.order(sent)
    order = guided_buyer.get(f"orders/{placed['code']}?token={placed['token']}")
    assert order["delivery"]["street"] == "14 Rue Hergé"
    assert order["delivery"]["access_note"] == "2e étage"


def test_an_unsure_address_is_refused_with_the_places_it_may_mean(guided_buyer: Buyer, hall: Hall, town: Town) -> None:
    sent = order_of(guided_buyer.fill(town.variant("F1")), slot_id=town.slots[0])
    typed = {"mode": "delivery", "slot_id": town.slots[0], "street": "900 rue Hergé", "postcode": "16000",
             "city": "Angoulême"}  # fmt: skip
    problem = guided_buyer.order({**sent, "delivery": typed}, 422)
    assert list(problem["errors"]) == ["delivery.street"]
    first = problem["details"]["candidates"][0]
    assert first["label"] == "Rue Hergé 16000 Angoulême"
    assert orders_qty(hall) == 0
    guided_buyer.order({**sent, "delivery": {**typed, "lat": first["lat"], "lon": first["lon"]}})
    problem = guided_buyer.order({**sent, "delivery": {**typed, "street": "14 rue des Nuages"}}, 422)
    assert list(problem["errors"]) == ["delivery.street"]


def test_a_map_that_does_not_answer_asks_to_come_back(buyer: Buyer, hall: Hall, town: Town) -> None:
    sent = order_of(buyer.fill(town.variant("F1")), slot_id=town.slots[0])
    del sent["delivery"]["lat"], sent["delivery"]["lon"]
    assert buyer.order(sent, 503)["status"] == 503
    assert (orders_qty(hall), held(hall)) == (0, (0, 0))


# --- The edges of the whole API --------------------------------------------------------------------------------


def test_what_is_not_json_is_refused_for_what_it_is(client: FlaskClient, buyer: Buyer, town: Town) -> None:
    address = f"/api/v1/baskets/{buyer.fill()}/lines"
    for body in (b"{", b"nothing", b"\xff\xfe", b"NaN", b'{"qty": NaN}', b"[" * 20_000, b"1" * 5_000, b'{"qty": 1e}'):
        answer = client.post(address, data=body, content_type="application/json")
        assert (answer.status_code, answer.json["code"]) == (400, "malformed_json"), body[:20]
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        assert client.post(address, data=b"variant_id=1", content_type=kind).status_code == 415
    answer = client.post(address, data=b'{"a":"' + b"x" * 70_000 + b'"}', content_type="application/json")
    assert (answer.status_code, answer.mimetype) == (413, "application/problem+json")


def test_an_unknown_address_and_a_wrong_method_are_problems_too(client: FlaskClient, town: Town) -> None:
    for address in ("/api/v1/nothing", "/api/v2/products", "/api/v1", "/api", "/api/v1/products/"):
        answer = client.get(address)
        assert (answer.status_code, answer.mimetype) == (404, "application/problem+json"), address
    answer = client.delete("/api/v1/products")
    assert (answer.status_code, answer.mimetype) == (405, "application/problem+json")
    assert {method.strip() for method in answer.headers["Allow"].split(",")} == {"GET", "HEAD", "OPTIONS"}


def test_sentences_are_in_the_language_of_the_headers(client: FlaskClient, town: Town) -> None:
    french = client.get("/api/v1/slots")
    english = client.get("/api/v1/slots", headers={"Accept-Language": "en-GB, de;q=0.9"})
    assert french.json["errors"] == {"postcode": ["Remplissez ce champ."]}
    assert french.vary and "Accept-Language" in french.headers["Vary"]
    assert english.status_code == 422
    assert client.get("/api/v1/slots", headers={"Accept-Language": "de"}).json == french.json


def test_no_cookie_is_read_or_set_and_no_other_site_is_invited(client: FlaskClient, town: Town) -> None:
    client.post("/langue", data={"language": "en"})
    client.set_cookie("session", "forged")
    for method, address in (("GET", "products"), ("POST", "baskets"), ("GET", "nothing"), ("GET", "openapi.json")):
        answer = client.open(f"/api/v1/{address}", method=method, headers={"Origin": "https://evil.example"})
        assert "Set-Cookie" not in answer.headers
        assert "Cookie" not in answer.headers.get("Vary", "")
        assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]


def test_too_many_writing_requests_are_told_to_wait(client: FlaskClient, town: Town) -> None:
    answers = [client.post("/api/v1/orders", json={}) for _ in range(121)]
    assert {answer.status_code for answer in answers[:120]} == {422}
    assert (answers[-1].status_code, answers[-1].mimetype) == (429, "application/problem+json")
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert client.get("/api/v1/products").status_code == 200


def test_the_description_is_openapi_and_names_every_operation(client: FlaskClient, town: Town) -> None:
    described = client.get("/api/v1/openapi.json").json
    assert described["openapi"].startswith("3.1")
    operations = {f"{method.upper()} {path}" for path, item in described["paths"].items() for method in item}
    assert {operation for operation in operations if not operation.startswith("PARAMETERS")} == {
        "GET /api/v1/products",
        "GET /api/v1/products/{product_id}",
        "GET /api/v1/shops",
        "GET /api/v1/slots",
        "POST /api/v1/baskets",
        "GET /api/v1/baskets/{basket_id}",
        "POST /api/v1/baskets/{basket_id}/lines",
        "PATCH /api/v1/baskets/{basket_id}/lines/{line_id}",
        "DELETE /api/v1/baskets/{basket_id}/lines/{line_id}",
        "POST /api/v1/orders",
        "GET /api/v1/orders/{code}",
        "POST /api/v1/reservations",
        "GET /api/v1/reservations/{code}",
        "DELETE /api/v1/reservations/{code}",
    }
    schemas = described["components"]["schemas"]
    for schema in schemas.values():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})
    assert schemas["NewOrder"]["required"] == ["basket", "contact", "delivery"]
    assert schemas["Delivery"]["properties"]["lat"] == {
        "type": ["number", "null"], "minimum": -90, "maximum": 90, "default": None,
    }  # fmt: skip
    assert schemas["LineShape"]["properties"]["problem"]["type"] == ["string", "null"]


def test_a_paid_order_empties_the_basket_of_what_was_bought(
    buyer: Buyer, hall: Hall, town: Town, sandbox: Sandbox
) -> None:
    basket_id = buyer.fill(town.variant("F1"))
    placed = buyer.order(order_of(basket_id))
    sandbox.pay(placed["checkout_url"].rsplit("/", 1)[1], notify=False)
    assert buyer.get(f"orders/{placed['code']}?token={placed['token']}")["state"] == "confirmed"
    assert buyer.get(f"baskets/{basket_id}")["lines"] == []
    with hall.database.reading() as session:
        assert session.scalars(select(Line.id)).all() == []
