"""The quality of search, as a list of what people type and what they must find: pairs.csv over shelf.csv.

Whoever meets a query that fails in a shop adds it here first.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from merchants.search.index import rebuild
from tests.merchants.search.market import Market

HERE = Path(__file__).parent


def _rows(name: str) -> list[dict[str, str]]:
    with (HERE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def shelves(session: Session, market: Market) -> Market:
    for row in _rows("shelf.csv"):
        market.shelve(
            row["title"],
            brand=row["brand"],
            kind=row["kind"],
            shop=row["shop"],
            trade=row["trade"],
            description=row["description"],
        )
    rebuild(session)
    return market


def test_ninety_five_of_a_hundred_ordinary_queries_find_their_product_on_page_one(shelves: Market) -> None:
    asked = [row for row in _rows("pairs.csv") if row["expected"] and row["why"] != "slip"]
    missed = [row["query"] for row in asked if row["expected"] not in shelves.titles(row["query"])]
    assert len(asked) >= 80
    assert len(missed) <= len(asked) * 0.05, missed


def test_eighty_five_of_a_hundred_typing_slips_find_their_product_on_page_one(shelves: Market) -> None:
    asked = [row for row in _rows("pairs.csv") if row["expected"] and row["why"] == "slip"]
    missed = [row["query"] for row in asked if row["expected"] not in shelves.titles(row["query"])]
    assert len(asked) >= 25
    assert len(missed) <= len(asked) * 0.15, missed


def test_words_that_only_look_alike_do_not_meet(shelves: Market) -> None:
    never = [row for row in _rows("pairs.csv") if row["never"]]
    met = [row["query"] for row in never if row["never"] in shelves.titles(row["query"])]
    assert len(never) >= 8
    assert met == []


def test_among_words_that_differ_by_an_accent_the_one_typed_comes_first(shelves: Market) -> None:
    assert shelves.titles("pâtes")[0] == "Pâtes de fruits à l'abricot"
    assert shelves.titles("pâté")[0] == "Pâté en croûte aux pistaches"
    assert shelves.titles("rosé")[0] == "Rosé gris de gris"
    assert shelves.titles("roses")[0] == "Bouquet de roses anciennes"
