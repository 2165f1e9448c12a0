"""What a resident gets back."""

from __future__ import annotations

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from marketplace.db import Database
from merchants.models import Product
from merchants.search.find import suggest
from merchants.search.index import index_products
from tests.merchants.search.market import Market


def put_many(market: Market, qty: int, title: str = "Pain") -> list[int]:
    ids = [market.shelve(f"{title} {number}", shop=f"Four {number % 7}").id for number in range(qty)]
    index_products(market.session, ids)
    return ids


def test_titles_come_before_descriptions(market: Market) -> None:
    told = market.put("Coffret gourmand", description="Avec un pot de miel.")
    named = market.put("Miel de tilleul")
    assert market.find("miel").product_ids == (named, told)


def test_a_title_is_not_lost_among_many_descriptions(market: Market) -> None:
    ids = [market.shelve(f"Article {number}", description="miel").id for number in range(230)]
    named = market.shelve("Miel de tilleul").id
    index_products(market.session, [*ids, named])
    found = market.find("miel")
    assert found.product_ids[0] == named
    assert found.is_capped


def test_all_words_must_be_met(market: Market) -> None:
    market.put("Miel de tilleul")
    both = market.put("Miel de châtaignier")
    assert market.find("miel châtaigniers").product_ids == (both,)


def test_counting_stops_at_two_hundred_and_says_so(market: Market) -> None:
    put_many(market, 203)
    found = market.find("pain")
    assert (found.total_qty, found.is_capped, found.page_qty, len(found.product_ids)) == (200, True, 9, 24)


def test_exactly_two_hundred_is_not_more(market: Market) -> None:
    put_many(market, 200)
    found = market.find("pain")
    assert (found.total_qty, found.is_capped) == (200, False)


def test_the_pages_hold_every_product_once(market: Market) -> None:
    ids = put_many(market, 60)
    pages = [market.find("pain", page=page).product_ids for page in (1, 2, 3, 4)]
    assert [len(page) for page in pages] == [24, 24, 12, 0]
    assert sorted(id_ for page in pages for id_ in page) == ids


def test_a_search_can_stay_in_one_shop_or_one_kind(market: Market) -> None:
    here = market.put("Pain de seigle", shop="Four", kind="pain")
    market.put("Pain d'épices", shop="Panier", kind="epicerie")
    assert market.find("pain", shop_id=market.shop("Four")).product_ids == (here,)
    assert market.find("pain", kind="pain").product_ids == (here,)
    assert market.find("pain", kind="jouet").product_ids == ()


def test_a_slip_is_mended_and_said(market: Market) -> None:
    made = market.put("Sécateur à lame franche")
    found = market.find("sekateur franc")
    assert found.product_ids == (made,)
    assert found.corrected_query == "sécateur franc"
    assert found.corrected_ids == {made}


def test_what_the_typed_words_find_comes_first_and_is_not_called_corrected(market: Market) -> None:
    right = [market.put(f"Sécateur {name}") for name in ("droit", "courbe", "long")]
    odd = market.put("Coffret du jardinier", description="Un sekateur et des gants.")
    found = market.find("sekateur")
    assert found.product_ids[0] == odd
    assert set(found.product_ids[1:]) == set(right) == found.corrected_ids
    assert found.corrected_query == "sécateur"


def test_three_hits_are_enough_to_leave_the_words_alone(market: Market) -> None:
    for number in range(3):
        market.put(f"Sekateur {number}")
    market.put("Sécateur droit")
    assert market.find("sekateur").corrected_query is None


def test_correcting_never_invents_when_nothing_is_near(market: Market) -> None:
    market.put("Miel de tilleul")
    found = market.find("xylophone")
    assert (found.product_ids, found.corrected_query, found.total_qty) == ((), None, 0)


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("huile dolive", "huile d'olive"),
        ("porte feuille", "portefeuille"),
        ("porteplume", "porte plume"),
        ("housse 240x220", "housse"),
    ],
)
def test_words_run_together_torn_apart_or_unknown_are_mended(market: Market, typed: str, shown: str) -> None:
    for title in ("Huile d'olive", "Portefeuille en cuir", "Housse de couette", "Plume", "Porte"):
        market.put(title)
    found = market.find(typed)
    assert found.corrected_query == shown
    assert found.product_ids or found.is_partial


def test_a_word_that_nobody_sells_is_missed_and_not_taken_for_another(market: Market) -> None:
    """Who looks for bread without gluten must not be told that "bread without" was meant."""
    bread = market.put("Pain sans croûte")
    found = market.find("pain sans gluten")
    assert found.product_ids == (bread,)
    assert found.is_partial
    assert (found.corrected_query, found.corrected_ids) == (None, frozenset())


def test_words_that_no_product_unites_find_some_and_say_so(market: Market) -> None:
    honey = market.put("Miel de tilleul")
    soap = market.put("Savon noir")
    found = market.find("miel savon")
    assert set(found.product_ids) == {honey, soap}
    assert found.is_partial
    assert found.corrected_query is None


def test_all_words_but_one_come_before_any_single_word(market: Market) -> None:
    near = market.put("Savon noir au miel")
    market.put("Savon blanc")
    assert market.find("savon noir miel lavande").product_ids == (near,)


def test_an_article_code_finds_its_product_however_it_is_grouped(market: Market) -> None:
    made = market.put("Les Brumes", ean="9782070368228")
    assert market.find("9782070368228").product_ids == (made,)
    assert market.find("978-2-07-036822-8").product_ids == (made,)
    assert market.find("2-07-036822-X").product_ids == (made,)


def test_an_unknown_article_code_finds_nothing(market: Market) -> None:
    market.put("Les Brumes", ean="9782070368228")
    market.put("Sans code")
    assert market.find("3017620422003").product_ids == ()


def test_an_article_code_of_a_hidden_product_finds_nothing(session: Session, market: Market) -> None:
    made = market.put("Les Brumes", ean="9782070368228")
    session.get_one(Product, made).is_published = False
    index_products(session, [made])
    assert market.find("9782070368228").product_ids == ()


@pytest.mark.parametrize(
    "nasty",
    [
        "",
        "  ",
        "!!!",
        "\ud800" * 10,
        "日" * 10,
        "'",
        "a'; DROP TABLE product; --",
        "\x00",
        "% _",
        "😀",
        "x" * 100_000,
        "1 " * 500,
        "ou ou ou",
    ],
)
def test_nothing_that_is_typed_can_break_search(market: Market, nasty: str) -> None:
    market.put("Miel de tilleul")
    assert market.find(nasty).product_ids == ()
    assert suggest(market.session, nasty) == []


def test_the_word_begun_is_completed_without_its_accents(market: Market) -> None:
    market.put("Pâté de lièvre")
    market.put("Pâtés de canard")
    market.put("Pâté en croûte")
    market.put("Patère en chêne")
    assert suggest(market.session, "pat") == ["pâté", "patère"]


def test_one_letter_is_not_enough_to_propose(market: Market) -> None:
    market.put("Miel de tilleul")
    assert suggest(market.session, "m") == []


def test_only_words_that_go_with_those_before_are_proposed(market: Market) -> None:
    market.put("Roses anciennes")
    market.put("Antivol en U")
    assert suggest(market.session, "roses an") == ["roses anciennes"]
    assert suggest(market.session, "Bouquet d'an") == []


def test_every_search_is_planned_for_its_own_words(session: Session, market: Market) -> None:
    """psycopg prepares after five uses and PostgreSQL plans generically after five more: hence twenty on one line."""
    put_many(market, 30)
    for number in range(20):
        market.find(f"pain {number}")
        suggest(session, "pai")
    generic = session.scalar(text("SELECT count(*) FROM pg_prepared_statements WHERE generic_plans > 0"))
    prepared = session.scalar(text("SELECT count(*) FROM pg_prepared_statements"))
    assert (generic, prepared) == (0, 0)


def test_the_watch_on_plans_would_see_a_connection_that_prepares(session: Session, database: Database) -> None:
    with psycopg.connect(database.conninfo()) as connection:
        for number in range(20):
            connection.execute(
                "SELECT count(*) FROM product_search WHERE body @@ CAST(%s AS tsquery)", [f"pain{number}"]
            )
        (prepared,) = connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() or (0,)
    assert prepared == 1
