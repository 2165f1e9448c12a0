"""The order of hits. Pure; nothing paid enters (domain M5).

1. How the words are met: in title, brand, kind or shop before synonyms there, before the description.
2. How exactly: each word typed that stands in the title with the same accents counts three ("rosé" is not "rose"),
   with others or in another gender one; one more when the title begins with the first word typed.
3. Among equals the shops take turns, in an order drawn anew each day: one product of each, then a second.
4. Within a shop the static score.

The static score only decides which 201 of many hits are looked at. It is drawn for each product, again every
seventh day, each day for a seventh of the catalogue: `static_score` is the whole formula. A score that moved daily
for all would rewrite every index entry each night (search.md 8).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from functools import lru_cache
from hashlib import blake2b
from operator import itemgetter
from typing import NamedTuple

from merchants.search.french import Word, words

#: Between the title's words with their accents and their forms without.
_TWO_READINGS = "/"


class Hit(NamedTuple):
    """A product that the statement found. `level`: 2 own words in the head, 1 synonyms there, 0 the description."""

    product_id: int
    shop_id: int
    score: int
    title_words: str
    level: int


def draw_of(product_id: int, on: date) -> int:
    """The number of the product's draw on a day; it changes every seventh day, on another weekday for each product."""
    return (on.toordinal() + product_id) // 7


def static_score(product_id: int, draw: int) -> int:
    """A number below 2**20, the same for every reader of one draw. A product that is new has draw 0."""
    return _lot(f"score:{product_id}:{draw}") >> 12


@lru_cache(8192)
def shop_turn(shop_id: int, on: date) -> int:
    """The shop's place of the day when shops take turns."""
    return _lot(f"turn:{shop_id}:{on.isoformat()}")


def _lot(ticket: str) -> int:
    """32 bits drawn for a ticket. Not a checksum: CRCs of neighbouring days would keep the shops in one order."""
    return int.from_bytes(blake2b(ticket.encode(), digest_size=4).digest())


def title_words(title: str) -> str:
    """A title as the ranking reads it: " pâte fraîche / pate frai ", with accents, then the forms."""
    found = words(title)
    accented = " ".join(word.accented for word in found)
    return f" {accented} {_TWO_READINGS} {' '.join(word.form for word in found)} "


def exactness(asked: Sequence[tuple[str, str]], title: str) -> int:
    """How exactly a title's words meet those asked, each as (" accented ", " form ")."""
    accented, _, forms = title.partition(_TWO_READINGS)
    points = 0
    for exact, form in asked:
        if exact in accented:
            points += 3
        elif form in forms:
            points += 1
    if asked and forms.startswith(asked[0][1]):
        points += 1
    return points


def rank(hits: Iterable[Hit], asked: Sequence[Word], on: date) -> list[int]:
    """The products' ids, best first; the same on every page of a day."""
    sought = [(f" {word.accented} ", f" {word.form} ") for word in asked]
    taken: dict[tuple[int, int, int], int] = defaultdict(int)
    places = []
    by_score = sorted(sorted(hits, key=itemgetter(0)), key=itemgetter(2), reverse=True)
    for hit in by_score:
        met = (hit.level, exactness(sought, hit.title_words))
        turn = taken[*met, hit.shop_id]
        taken[*met, hit.shop_id] += 1
        places.append((-met[0], -met[1], turn, shop_turn(hit.shop_id, on), hit.product_id))
    return [place[-1] for place in sorted(places)]
