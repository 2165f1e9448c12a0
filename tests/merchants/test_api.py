"""The catalogue through JSON: the small town, and a shelf long enough to be turned over."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from marketplace.hall import Hall
from marketplace.money import Money
from merchants.catalogue import ProductDraft, VariantDraft, put_product
from merchants.models import Shop
from tests.walk import NOW, Town

V1 = "/api/v1"


def get(client: FlaskClient, address: str, status: int = 200, **headers: str) -> Any:
    answer = client.get(address if address.startswith("http") else f"{V1}/{address}", headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json


def put(hall: Hall, shop: str, name: str, *variants: VariantDraft, kind: str = "epicerie") -> int:
    with hall.database.transaction() as session:
        shop_id = session.scalars(select(Shop.id).where(Shop.slug == shop)).one()
        draft = ProductDraft(
            reference=name, name=name, kind=kind, brand="", description="", drawing="jar", allergens=None,
            variants=variants or (VariantDraft(name, "", Money(500), 3),),
        )  # fmt: skip
        return put_product(session, shop_id=shop_id, draft=draft, actor="test", now=NOW)


def names(answer: Any) -> list[str]:
    return sorted(item["name"] for item in answer["items"])


@pytest.fixture
def long_shelf(hall: Hall, town: Town) -> list[str]:
    """Sixty jars in the cheese shop: three pages of its list."""
    jars = [f"Bocal {n:02d}" for n in range(58)]
    for jar in jars:
        put(hall, "fromagerie", jar)
    return sorted([*jars, "Tomme fermière", "Confiture de figues"])


# --- Lists -----------------------------------------------------------------------------------------------------


def test_a_product_of_a_list_says_what_it_is_where_and_for_how_much(client: FlaskClient, town: Town) -> None:
    [tomme] = get(client, "products?category=fromage")["items"]
    assert tomme == {
        "id": 3,
        "name": "Tomme fermière",
        "kind": "fromage",
        "shop": {"slug": "fromagerie", "name": "Fromagerie des Halles"},
        "price_cents": 996,
        "has_dearer": False,
        "available_qty": 8,
        "unit_price": None,
        "url": "http://localhost/produits/3-tomme-fermiere",
        "drawing_url": tomme["drawing_url"],
    }
    assert client.get(tomme["url"]).status_code == 200
    assert client.get(tomme["drawing_url"]).mimetype == "image/svg+xml"


EVERYTHING = ["Carnet bleu", "Confiture de figues", "L’Assommoir", "Rouge des coteaux", "Tomme fermière"]


def test_a_list_holds_what_was_asked_for(client: FlaskClient, town: Town) -> None:
    for query, found in {
        "": EVERYTHING,
        "?q=": EVERYTHING,
        "?shop=librairie": ["Carnet bleu", "L’Assommoir"],
        "?category=alcool": ["Rouge des coteaux"],
        "?category=cheese": ["Confiture de figues", "Tomme fermière"],
        "?shop=fromagerie&category=fromage": ["Tomme fermière"],
        "?shop=cave&category=fromage": [],
        "?q=tome fermiere": ["Tomme fermière"],
        "?q=figues": ["Confiture de figues"],
        "?q=figues&shop=cave": [],
        "?q=figues&category=cheese": ["Confiture de figues"],
        "?q=figues&category=wine": [],
        "?q=figues&category=epicerie": ["Confiture de figues"],
    }.items():
        answer = get(client, f"products{query}")
        assert (query, names(answer)) == (query, found)
        assert answer["next"] is None


def test_following_next_meets_every_product_once(client: FlaskClient, long_shelf: list[str]) -> None:
    met: list[str] = []
    address, parts = "products?shop=fromagerie", 0
    while address:
        answer = get(client, address)
        met += [item["name"] for item in answer["items"]]
        address, parts = answer["next"], parts + 1
    assert sorted(met) == long_shelf
    assert parts == 3


def test_page_numbers_work_as_a_person_would_try_them(client: FlaskClient, long_shelf: list[str]) -> None:
    first = get(client, "products?category=cheese")
    assert get(client, "products?category=cheese&page=1") == first
    second = get(client, "products?category=cheese&page=2")
    assert get(client, first["next"]) == second
    assert [len(get(client, f"products?category=cheese&page={n}")["items"]) for n in (2, 3, 4)] == [24, 12, 0]
    assert get(client, "products?category=cheese&page=3")["next"] is None


def test_a_search_is_turned_over_by_numbers(client: FlaskClient, long_shelf: list[str]) -> None:
    first = get(client, "products?q=bocal")
    assert first["next"] == "http://localhost/api/v1/products?q=bocal&page=2"
    third = get(client, get(client, first["next"])["next"])
    assert (len(first["items"]), len(third["items"]), third["next"]) == (24, 10, None)


def test_a_corrected_search_says_so(client: FlaskClient, town: Town) -> None:
    assert get(client, "products?q=tomme")["corrected_query"] is None
    answer = get(client, "products?q=confitrue")
    assert answer["corrected_query"] == "confiture"
    assert names(answer) == ["Confiture de figues"]


def test_a_wrong_question_is_answered_at_its_field(client: FlaskClient, town: Town) -> None:
    for query, field in (
        ("page=0", "page"),
        ("page=-1", "page"),
        ("page=1.5", "page"),
        ("page=１", "page"),
        ("page=1000000", "page"),
        ("page=x", "page"),
        ("page=", "page"),
        ("q=tomme&page=5-5", "page"),
        ("shop=nobody", "shop"),
        ("shop=%00", "shop"),
        ("category=nothing", "category"),
        (f"q={'a' * 201}", "q"),
        ("q=a%00b", "q"),
        ("search=tomme", "search"),
    ):
        problem = get(client, f"products?{query}", 422)
        assert (query, list(problem["errors"])) == (query, [field])
        assert all(sentence for sentence in problem["errors"][field])


def test_a_cursor_beyond_everything_is_an_empty_part(client: FlaskClient, town: Town) -> None:
    assert get(client, "products?page=0-0") == {"items": [], "next": None}
    assert len(get(client, f"products?page={'9' * 40}-{'9' * 40}")["items"]) == 5


# --- One product, and the shops --------------------------------------------------------------------------------


def test_a_product_has_its_variants_and_the_price_of_the_cheapest_that_is_left(
    client: FlaskClient, hall: Hall, town: Town
) -> None:
    product_id = put(
        hall,
        "fromagerie",
        "Miel",
        VariantDraft("M1", "250 g", Money(450), 0, net_amount=250, net_unit="g"),
        VariantDraft("M2", "500 g", Money(800), 4, net_amount=500, net_unit="g"),
        VariantDraft("M3", "1 kg", Money(1500), 2, net_amount=1000, net_unit="g"),
    )
    honey = get(client, f"products/{product_id}")
    [card] = get(client, "products?q=miel")["items"]
    assert {name: honey[name] for name in card} == card
    assert (honey["price_cents"], honey["available_qty"], honey["has_dearer"]) == (800, 6, True)
    assert honey["unit_price"] == {"price_cents": 1600, "per": "kg"}
    assert [(v["label"], v["price_cents"], v["available_qty"]) for v in honey["variants"]] == [
        ("250 g", 450, 0),
        ("500 g", 800, 4),
        ("1 kg", 1500, 2),
    ]


def test_a_product_names_its_seller_its_allergens_and_an_age(client: FlaskClient, town: Town) -> None:
    tomme, wine = get(client, "products/3"), get(client, "products/5")
    assert (tomme["allergens"], tomme["minimum_age"], tomme["trade"]) == (["lait"], None, "cheese")
    assert (wine["allergens"], wine["minimum_age"]) == (None, 18)
    assert wine["seller"]["legal_name"] == "SARL Cave du Minage"


def test_an_unknown_product_is_not_found(client: FlaskClient, town: Town) -> None:
    for id_ in ("99", "x", str(10**30), "-1", "0", "%00"):
        assert get(client, f"products/{id_}", 404)["status"] == 404


def test_shops_are_listed_by_name(client: FlaskClient, town: Town) -> None:
    answer = get(client, "shops")
    assert [(shop["slug"], shop["trade"]) for shop in answer["items"]] == [
        ("cave", "wine"),
        ("fromagerie", "cheese"),
        ("librairie", "books"),
    ]
    assert answer["next"] is None
    assert client.get(answer["items"][0]["url"]).status_code == 200


def test_a_paused_shop_sells_nothing(client: FlaskClient, hall: Hall, town: Town) -> None:
    with hall.database.transaction() as session:
        session.scalars(select(Shop).where(Shop.slug == "cave")).one().state = "paused"
    assert get(client, "products?shop=cave") == {"items": [], "next": None}
    assert get(client, "products?category=wine")["items"] == []
    assert [shop["slug"] for shop in get(client, "shops")["items"]] == ["fromagerie", "librairie"]
    get(client, "products/5", 404)
