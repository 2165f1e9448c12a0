"""The shelf as its shopkeeper turns its pages: every product once, by name, nobody else's."""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy.orm import Session

from marketplace.errors import NotFound
from merchants.shelf import ShelfPage, get_own_variant, list_shelf, search_shelf
from tests.factories import open_shop, put_goods

NAMES = ("Abat-jour", "Écharpe", "échelle", "Dé", "Étagère", "Zèbre", "Épice", "Fauteuil", "carafe")
BY_NAME = ["Abat-jour", "carafe", "Dé", "Écharpe", "échelle", "Épice", "Étagère", "Fauteuil", "Zèbre"]


def names(page: ShelfPage) -> list[str]:
    return [product.name for product in page.products]


@pytest.fixture
def shop_id(session: Session) -> int:
    shop_id = open_shop(session, "deco", "Lueur")
    for name in NAMES:
        put_goods(session, shop_id, name)
    put_goods(session, open_shop(session, "autre", "Autre"), "Canari")
    return shop_id


def test_the_pages_hold_every_product_once_by_its_french_name(session: Session, shop_id: int) -> None:
    seen, after = [], None
    for _ in range(3):
        page = list_shelf(session, shop_id=shop_id, after=after, limit=4)
        seen += names(page)
        after = page.next
    assert seen == BY_NAME
    assert after is None


def test_the_way_back_shows_the_same_pages(session: Session, shop_id: int) -> None:
    first = list_shelf(session, shop_id=shop_id, limit=4)
    second = list_shelf(session, shop_id=shop_id, after=first.next, limit=4)
    back = list_shelf(session, shop_id=shop_id, before=second.previous, limit=4)
    assert names(back) == names(first) == BY_NAME[:4]
    assert (first.previous, back.previous) == (None, None)
    assert back.next == first.next


def test_products_of_one_name_are_all_reached(session: Session, shop_id: int) -> None:
    for name in ("LAMPE", "lampe", "Lampé"):
        put_goods(session, shop_id, name)
    page = list_shelf(session, shop_id=shop_id, limit=10)
    rest = list_shelf(session, shop_id=shop_id, after=page.next)
    assert names(page)[8:] + names(rest) == ["LAMPE", "lampe", "Lampé", "Zèbre"]


def test_a_place_in_another_shops_shelf_begins_at_the_start(session: Session, shop_id: int) -> None:
    other = list_shelf(session, shop_id=shop_id + 1).products[0]
    assert other.name == "Canari"
    assert names(list_shelf(session, shop_id=shop_id, after=other.id, limit=2)) == BY_NAME[:2]


def test_search_stays_in_the_shop(session: Session, shop_id: int) -> None:
    on = date(2026, 11, 24)
    assert names(search_shelf(session, shop_id=shop_id, words="etageres", on=on)) == ["Étagère"]
    assert names(search_shelf(session, shop_id=shop_id, words="canari", on=on)) == []
    assert names(search_shelf(session, shop_id=shop_id, words="dé", on=on)) == ["Dé"]


def test_somebody_elses_variant_is_not_there(session: Session, shop_id: int) -> None:
    [product] = list_shelf(session, shop_id=shop_id + 1).products
    variant_id = product.variants[0].id
    with pytest.raises(NotFound):
        get_own_variant(session, variant_id=variant_id, shop_ids=frozenset({shop_id}))
    with pytest.raises(NotFound):
        get_own_variant(session, variant_id=variant_id, shop_ids=frozenset())
    assert get_own_variant(session, variant_id=variant_id, shop_ids=frozenset({shop_id + 1})).name == "Canari"
