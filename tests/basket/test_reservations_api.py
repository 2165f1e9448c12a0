"""Programs reserve too: the same rules, the same refusals, as JSON."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from marketplace.hall import Hall
from tests.buyer import CONTACT, Buyer
from tests.reserving import open_till
from tests.sandbox_server import Sandbox, running_sandbox
from tests.walk import Town, register_merchants

KEY = "4b7f0c86-2f7e-4d0e-9c53-1f5a0f4f3b11"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """One sandbox for all tests here: nobody pays."""
    with running_sandbox() as sandbox:
        register_merchants(sandbox)
        yield sandbox


@pytest.fixture
def town(hall: Hall, town: Town) -> Town:
    """The cheese shop and the wine shop cannot be paid online; the bookshop can."""
    open_till(hall.database, "fromagerie", "cave", is_open=False)
    return town


def test_a_program_reserves_reads_and_cancels(buyer: Buyer, town: Town) -> None:
    basket_id = buyer.fill(town.variant("F1"), town.variant("C1"), town.variant("L1"))
    sent = {"basket": basket_id, "contact": CONTACT, "seen_goods_cents": 2196}
    made = buyer.call("POST", "reservations", sent, 201, Idempotency_Key=KEY)
    assert buyer.call("POST", "reservations", sent, 201, Idempotency_Key=KEY) == made
    cheese, wine = made["items"]
    assert [line["variant_id"] for line in buyer.get(f"baskets/{basket_id}")["lines"]] == [town.variant("L1")]
    kept = buyer.get(f"reservations/{wine['code']}?token={wine['token']}")
    assert kept["url"] == wine["url"] == f"http://127.0.0.1:5000/reservation/{wine['code']}/{wine['token']}"
    assert {name: kept[name] for name in ("state", "ending", "kept_until_on", "goods_cents", "minimum_age")} == {
        "state": "reserved",
        "ending": None,
        "kept_until_on": "2026-11-26",
        "goods_cents": 1200,
        "minimum_age": 18,
    }
    assert (kept["shop"], len(kept["collection_code"])) == ({"slug": "cave", "name": "Cave du Minage"}, 4)
    assert [(line["name"], line["qty"]) for line in kept["lines"]] == [("Rouge des coteaux", 1)]
    for _ in range(2):
        gone = buyer.call("DELETE", f"reservations/{cheese['code']}", Authorization=f"Bearer {cheese['token']}")
        assert (gone["state"], gone["ending"], gone["collection_code"]) == ("cancelled", "resident", None)


def test_refusals_are_named(buyer: Buyer, hall: Hall, town: Town) -> None:
    def refused(sent: object, status: int, key: str = "") -> dict[str, object]:
        answer: dict[str, object] = buyer.call("POST", "reservations", sent, status, Idempotency_Key=key)
        return answer

    books = {"basket": buyer.fill(town.variant("L1")), "contact": CONTACT}
    assert refused(books, 409)["code"] == "nothing_to_reserve"
    assert "basket" in str(refused(books | {"basket": "none"}, 422)["errors"])
    assert "contact.phone" in str(refused(books | {"contact": {"name": "Jeanne"}}, 422)["errors"])
    wine = {"basket": buyer.fill(town.variant("C1")), "contact": CONTACT}
    assert refused(wine | {"seen_goods_cents": 1199}, 409)["code"] == "basket_changed"
    jam = {"basket": buyer.fill(town.variant("F2")), "contact": CONTACT}
    first = {"basket": buyer.fill(town.variant("F2")), "contact": CONTACT}
    (made,) = buyer.call("POST", "reservations", first, 201, Idempotency_Key=KEY)["items"]
    assert refused(wine, 409, KEY)["code"] == "key_used_otherwise"
    answer = refused(jam, 409)
    assert (answer["code"], answer["details"]) == ("basket_changed", {"lines": [{"id": 3, "problem": "sold_out"}]})
    assert buyer.get(f"reservations/{made['code']}", 401)["code"] == "token_missing"
    assert buyer.get(f"reservations/{made['code']}?token=no", 404)["code"] == "not_found"
    buyer.call("DELETE", f"reservations/{made['code']}?token=no", status=404)
