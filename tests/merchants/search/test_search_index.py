"""The search tables follow the products."""

from __future__ import annotations

from datetime import date

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from marketplace.drawings.catalogue import RANGE_OF
from merchants.kinds import kind_keys
from merchants.models import Product, Shop, Variant
from merchants.search import french
from merchants.search.headings import DRAWING_WORDS, KIND_WORDS
from merchants.search.index import find_stale, index_products, rebuild, rotate, unindex_products
from merchants.search.models import ProductSearch, Vocabulary
from tests.merchants.search.market import Market


def counts(session: Session) -> dict[str, int]:
    rows = session.execute(select(Vocabulary.word, Vocabulary.product_qty).where(Vocabulary.product_qty != 0))
    return {row.word: row.product_qty for row in rows}


def product_rows(session: Session) -> list[tuple[object, ...]]:
    columns = [column for column in ProductSearch.__table__.columns if column.name != "score"]
    return [tuple(row) for row in session.execute(select(*columns).order_by(ProductSearch.product_id))]


def test_a_new_product_is_found_in_the_same_transaction(market: Market) -> None:
    made = market.put("Gigot d'agneau")
    assert market.find("gigots").product_ids == (made,)


def test_a_renamed_product_is_found_by_its_new_name_only(session: Session, market: Market) -> None:
    made = market.put("Gigot d'agneau")
    session.get_one(Product, made).name = "Épaule de veau"
    index_products(session, [made])
    assert market.find("épaule").product_ids == (made,)
    assert market.find("gigot").product_ids == ()
    assert "gigot" not in counts(session)


def test_an_unpublished_product_leaves_search(session: Session, market: Market) -> None:
    made = market.put("Gigot d'agneau")
    session.get_one(Product, made).is_published = False
    index_products(session, [made])
    assert market.find("gigot").product_ids == ()
    assert "gigot" not in counts(session)


def test_unindexing_twice_counts_once(session: Session, market: Market) -> None:
    made = market.put("Gigot d'agneau")
    market.put("Gigot de chevreuil")
    unindex_products(session, [made])
    unindex_products(session, [made])
    assert counts(session)["gigot"] == 1
    assert "agneau" not in counts(session)


def test_indexing_again_changes_nothing(session: Session, market: Market) -> None:
    made = [market.put("Gigot d'agneau", brand="Vergnaud"), market.put("Gigot de chevreuil")]
    before = (product_rows(session), counts(session))
    index_products(session, made)
    assert (product_rows(session), counts(session)) == before
    assert counts(session)["gigot"] == 2


def test_products_nobody_knows_are_no_error(session: Session, market: Market) -> None:
    index_products(session, [987654])
    index_products(session, [])
    unindex_products(session, [987654])
    assert market.find("gigot").product_ids == ()


def test_a_rebuild_gives_what_single_writes_gave(session: Session, market: Market) -> None:
    for title in ("Gigot d'agneau", "Tire-bouchon", "Œufs frais", "Robe d'été"):
        market.put(title, brand="Maison Vergnaud", description="Fait ici, 75 cl.")
    gone = market.put("Pain")
    unindex_products(session, [gone])
    session.get_one(Product, gone).is_published = False
    session.flush()
    before = (product_rows(session), counts(session))
    steps: list[tuple[int, int]] = []
    assert rebuild(session, progress=lambda done, total: steps.append((done, total))) == 4
    assert (product_rows(session), counts(session)) == before
    assert steps == [(5, 5)]


def test_a_rebuild_forgets_words_that_no_product_bears(session: Session, market: Market) -> None:
    made = market.put("Gigot d'agneau")
    session.get_one(Product, made).is_published = False
    rebuild(session)
    assert session.scalar(select(func.count()).select_from(Vocabulary)) == 0


def test_what_search_holds_wrongly_is_named(session: Session, market: Market) -> None:
    right = market.put("Pain")
    missing = market.shelve("Brioche").id
    hidden = market.put("Croissant")
    session.get_one(Product, hidden).is_published = False
    old = market.put("Baguette")
    session.flush()
    session.get_one(ProductSearch, old).stemmer = french.VERSION - 1
    session.flush()
    assert find_stale(session) == [missing, hidden, old]
    assert right not in find_stale(session)


def test_indexing_the_stale_cures_them(session: Session, market: Market) -> None:
    market.shelve("Brioche")
    old = market.put("Baguette")
    session.get_one(ProductSearch, old).stemmer = french.VERSION - 1
    session.flush()
    index_products(session, find_stale(session))
    session.expire_all()
    assert find_stale(session) == []


def test_scores_turn_with_the_days_and_only_then(session: Session, market: Market) -> None:
    for number in range(14):
        market.put(f"Pain numéro {number}")
    rotate(session, on=date(2026, 11, 21))
    assert rotate(session, on=date(2026, 11, 21)) == 0
    assert rotate(session, on=date(2026, 11, 22)) == 2


def test_a_score_survives_an_edit(session: Session, market: Market) -> None:
    made = market.put("Pain")
    rotate(session, on=date(2026, 11, 21))
    score = select(ProductSearch.score).where(ProductSearch.product_id == made)
    before = session.scalar(score)
    session.get_one(Product, made).name = "Pain de seigle"
    index_products(session, [made])
    assert session.scalar(score) == before


def test_a_very_long_description_is_indexed(market: Market) -> None:
    made = market.put("Pain", description="farine " * 60_000 + "x" * 5_000 + " \u2028 ' \\ \" :* & ")
    assert market.find("farine").product_ids == (made,)


def test_the_shop_and_its_trade_are_words_of_each_product(market: Market) -> None:
    made = market.put("Dynamo", shop="Chez Rustine", trade="bike")
    assert market.find("rustine").product_ids == (made,)
    assert market.find("vélo dynamo").product_ids == (made,)


def test_every_heading_belongs_to_a_key_that_exists() -> None:
    assert KIND_WORDS.keys() <= set(kind_keys())
    assert DRAWING_WORDS.keys() <= RANGE_OF.keys()


def test_a_wine_with_a_poetic_name_is_found_as_what_it_is(session: Session, market: Market) -> None:
    product = market.shelve("Tout doux le mulet", kind="alcool", trade="wine")
    product.drawing = "wine-red"
    index_products(session, [product.id])
    named = market.put("Vin rouge de pays")
    assert market.find("vins rouges").product_ids == (named, product.id)


def test_a_book_is_found_by_its_author(session: Session, market: Market) -> None:
    product = market.shelve("La Cousine Bette", kind="livre-neuf", trade="books")
    product.details = {"auteur": "Honoré de Balzac", "fabricant": "12 rue du Moulin, Poitiers", "annee": 1953}
    index_products(session, [product.id])
    assert market.find("balsac").product_ids == (product.id,)
    assert market.find("cousine 1953").product_ids == (product.id,)
    assert market.find("poitiers").product_ids == ()


def test_colours_of_variants_are_found(session: Session, market: Market) -> None:
    product = market.shelve("Pull marin")
    session.scalars(select(Variant).where(Variant.product_id == product.id)).one().label = "Écru"
    index_products(session, [product.id])
    assert market.find("pull écru").product_ids == (product.id,)
    session.scalars(select(Variant).where(Variant.product_id == product.id)).one().is_offered = False
    index_products(session, [product.id])
    assert market.find("écru").product_ids == ()


def test_a_product_leaves_search_with_its_shop_paused_and_comes_back(session: Session, market: Market) -> None:
    made = market.put("Pain", shop="Le Four Banal")
    shop = session.get_one(Shop, market.shop("Le Four Banal"))
    shop.state = "paused"
    session.flush()
    assert market.find("pain").product_ids == ()
    shop.state = "open"
    session.flush()
    assert market.find("pain").product_ids == (made,)
