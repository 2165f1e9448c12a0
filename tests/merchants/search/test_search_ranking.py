"""The order of hits."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

from merchants.search import french, ranking
from merchants.search.ranking import Hit

DAY = date(2026, 11, 21)


def hit(product_id: int, title: str, *, shop_id: int = 1, score: int = 0, level: int = 2) -> Hit:
    return Hit(product_id, shop_id, score, ranking.title_words(title), level)


def order(query: str, *hits: Hit, on: date = DAY) -> list[int]:
    return ranking.rank(hits, french.words(query), on)


def test_a_title_with_the_accents_typed_comes_before_one_with_others() -> None:
    assert order("rosé", hit(1, "Rose rouge", score=900), hit(2, "Vin rosé")) == [2, 1]
    assert order("rose", hit(1, "Vin rosé", score=900), hit(2, "Bouquet de roses")) == [2, 1]


def test_a_title_that_begins_with_the_word_comes_first() -> None:
    assert order("vin", hit(1, "Vinaigre de vin", score=900), hit(2, "Vin de pays")) == [2, 1]


def test_own_words_come_before_synonyms_and_both_before_descriptions() -> None:
    hits = [hit(1, "Terrine", level=1, score=900), hit(2, "Couteau", level=0, score=999), hit(3, "Pâté de lièvre")]
    assert order("pâté", *hits) == [3, 1, 2]


def test_equal_hits_let_every_shop_show_one_before_any_shows_two() -> None:
    hits = [hit(number, "Pain", shop_id=1, score=1000 - number) for number in range(5)]
    hits += [hit(10, "Pain", shop_id=2, score=1), hit(20, "Pain", shop_id=3, score=2)]
    first_three = order("pain", *hits)[:3]
    assert set(first_three) == {0, 10, 20}


def test_within_a_shop_the_score_decides() -> None:
    assert order("pain", hit(1, "Pain", score=5), hit(2, "Pain", score=9)) == [2, 1]


def test_the_order_holds_for_a_day_and_changes_over_days() -> None:
    hits = [hit(number, "Pain", shop_id=number) for number in range(1, 13)]
    assert order("pain", *hits) == order("pain", *reversed(hits))
    assert order("pain", *hits) != order("pain", *hits, on=DAY + timedelta(days=1))


def test_over_a_year_no_shop_of_sixty_is_favoured() -> None:
    shops = range(1, 61)
    first = Counter(
        min(shops, key=lambda shop: ranking.shop_turn(shop, DAY + timedelta(days=day))) for day in range(3650)
    )
    assert len(first) == 60
    assert max(first.values()) < 2 * 3650 / 60  # chance alone stays below


def test_a_score_is_drawn_again_every_seventh_day_for_a_seventh_of_the_products_a_day() -> None:
    tomorrow = DAY + timedelta(days=1)
    moved = [number for number in range(700) if ranking.draw_of(number, DAY) != ranking.draw_of(number, tomorrow)]
    assert len(moved) == 100
    assert ranking.draw_of(5, DAY + timedelta(days=7)) == ranking.draw_of(5, DAY) + 1


def test_scores_fit_twenty_bits() -> None:
    assert all(0 <= ranking.static_score(number, 3) < 2**20 for number in range(1000))
