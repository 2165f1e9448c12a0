"""How people write addresses: accents, abbreviations and slips."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from rapidfuzz.distance import DamerauLevenshtein

ABBREVIATIONS = {
    "all": "allee",
    "av": "avenue",
    "ave": "avenue",
    "bd": "boulevard",
    "bld": "boulevard",
    "blvd": "boulevard",
    "boul": "boulevard",
    "bvd": "boulevard",
    "ch": "chemin",
    "che": "chemin",
    "crs": "cours",
    "dr": "docteur",
    "fbg": "faubourg",
    "fg": "faubourg",
    "gal": "general",
    "gd": "grand",
    "imp": "impasse",
    "mal": "marechal",
    "pdt": "president",
    "pl": "place",
    "prt": "president",
    "r": "rue",
    "rem": "rempart",
    "rpt": "rempart",
    "rte": "route",
    "sq": "square",
    "st": "saint",
    "ste": "sainte",
}
#: What a street is: says less than its name, so that a wrong one costs less.
KINDS = frozenset(
    ("allee", "avenue", "boulevard", "chemin", "cours", "faubourg", "impasse")
    + ("passage", "place", "quai", "rempart", "route", "rue", "square")
)
#: Words that tell no street from another.
EMPTY_WORDS = frozenset(
    ("a", "au", "aux", "cedex", "d", "de", "des", "du", "en", "et", "france", "l", "la", "le", "les")
)
REPETITIONS = frozenset(["bis", "ter", "quater"])
#: Below this likeness two words are different words: "Hergé" and "Perge", not "Périgueux" and "Perigeux".
SLIP_LIKENESS = 0.75


@dataclass(frozen=True, slots=True)
class AskedAddress:
    """An address as somebody typed it, taken apart. `number` is "14" or "12bis"."""

    words: tuple[str, ...]
    number: str | None
    postcode: str | None


def words_of(text: str) -> list[str]:
    """The words of a text in small letters without accents, abbreviations written out."""
    letters = unicodedata.normalize("NFKD", text.replace("œ", "oe").replace("Œ", "OE")).lower()
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return [ABBREVIATIONS.get(word, word) for word in re.findall(r"[a-z0-9]+", plain)]


def telling_words(text: str) -> tuple[str, ...]:
    """The words that tell one street or town from another."""
    return tuple(word for word in words_of(text) if word not in EMPTY_WORDS)


def take_apart(text: str) -> AskedAddress:
    """House number, postcode and telling words of a typed address, in whatever order they came."""
    words = words_of(text)
    postcode = next((word for word in reversed(words) if re.fullmatch(r"\d{5}", word)), None)
    if postcode is not None:
        words.remove(postcode)
    place = _place_of_number(words)
    number = None
    if place is not None:
        number = words.pop(place).lstrip("0")
        if place < len(words) and words[place] in REPETITIONS:
            number += words.pop(place)
    telling = tuple(word for word in words if word not in EMPTY_WORDS)
    return AskedAddress(telling, number or None, postcode)


def _place_of_number(words: list[str]) -> int | None:
    """Where the house number stands: before the kind of street, else first, else last ("Rue Hergé 14")."""
    numbers = [place for place, word in enumerate(words) if re.fullmatch(r"\d{1,4}(bis|ter|quater|[a-f])?", word)]
    for place in numbers:
        following = [word for word in words[place + 1 : place + 3] if word not in REPETITIONS]
        if following and following[0] in KINDS:
            return place
    if 0 in numbers:
        return 0
    return numbers[-1] if numbers else None


def likeness(word: str, asked: str) -> float:
    """1 for the same word, less for a typing slip in a word of four letters or more, 0 for another word."""
    if word == asked:
        return 1.0
    if min(len(word), len(asked)) < 4:
        return 0.0
    alike = float(DamerauLevenshtein.normalized_similarity(word, asked))
    return alike if alike >= SLIP_LIKENESS else 0.0
