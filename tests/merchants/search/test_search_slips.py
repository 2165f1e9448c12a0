"""Typing slips: the word that was meant."""

from __future__ import annotations

import random
import string

import pytest

from merchants.search import french, slips
from merchants.search.slips import Known

WORDS = [
    *("sécateur", "secteur", "saumon", "savon", "saucisse", "saucisson", "couteau", "coteau", "bouteille"),
    *("chandelle", "chandail", "orchidée", "brioche", "broche", "baguette", "bague", "électrique", "mécanique"),
    *("journaux", "jouet", "croquettes", "crevettes", "cafetière", "théière"),
]


def known(word: str, product_qty: int = 5) -> Known:
    (read,) = french.words(word)
    return Known(read.surface, french.fold(read.surface), read.form, read.stem, product_qty)


def meant(typed: str, words: list[str] | None = None) -> str | None:
    (read,) = french.words(typed)
    folded = french.fold(read.surface)
    asked = set(slips.keys(folded, read.form))
    near = [known(word) for word in words or WORDS]
    near = [word for word in near if asked & set(slips.keys(word.folded, word.form))]
    found = slips.nearest(folded, read.form, near)
    return found.word if found else None


@pytest.mark.parametrize(
    ("typed", "word"),
    [
        ("secateru", "sécateur"),
        ("sekateur", "sécateur"),
        ("saumont", "saumon"),
        ("sosisson", "saucisson"),
        ("couto", "couteau"),
        ("orkidée", "orchidée"),
        ("journeaux", "journaux"),
        ("electrik", "électrique"),
        ("krevette", "crevettes"),
        ("bouteile", "bouteille"),
        ("cafettiere", "cafetière"),
    ],
)
def test_a_slip_finds_the_word_that_was_meant(typed: str, word: str) -> None:
    assert meant(typed) == word


@pytest.mark.parametrize("typed", ["xylophone", "vis", "sel", "zzzzzz"])
def test_what_is_near_nothing_stays_unknown(typed: str) -> None:
    assert meant(typed) is None


def test_short_words_are_never_changed() -> None:
    assert meant("vin", ["vis", "lin"]) is None


def test_among_words_equally_near_the_more_frequent_is_meant() -> None:
    candidates = [known("bague", 2), known("bogue", 200)]
    found = slips.nearest("bugue", "bugue", candidates)
    assert found
    assert found.word == "bogue"


def test_a_slip_in_the_first_letter_is_the_less_likely() -> None:
    candidates = [known("coussin"), known("boussin")]
    found = slips.nearest("coissin", "coissin", candidates)
    assert found
    assert found.word == "coussin"


def test_every_single_slip_shares_a_key_with_its_word() -> None:
    draw = random.Random(17)
    for word in WORDS:
        right = known(word)
        for _ in range(30):
            letters = list(right.form)
            at = draw.randrange(len(letters))
            slip = draw.choice(["lose", "double", "replace", "swap"])
            if slip == "lose":
                letters.pop(at)
            elif slip == "double":
                letters.insert(at, letters[at])
            elif slip == "replace":
                letters[at] = draw.choice(string.ascii_lowercase)
            elif at:
                letters[at - 1], letters[at] = letters[at], letters[at - 1]
            typed = "".join(letters)
            assert set(slips.keys(typed, typed)) & set(slips.keys(right.folded, right.form)), (word, typed)


def test_keys_fit_a_column_of_integers() -> None:
    for word in WORDS:
        right = known(word)
        assert all(-(2**31) <= key < 2**31 for key in slips.keys(right.folded, right.form))
