"""What was meant by words that the catalogue does not know. Asked only when those typed find next to nothing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import text
from sqlalchemy.orm import Session

from merchants.search import french, slips
from merchants.search.french import Word

#: A word that fewer products hold anywhere is taken for unknown: shops mistype in descriptions, too.
_USED = 3
_ELISIONS = ("d", "l", "qu")

_KNOWN = text("SELECT DISTINCT stem FROM vocabulary WHERE stem = ANY(CAST(:stems AS text[])) AND product_qty > 0")
_IN_DESCRIPTIONS = text(
    "SELECT count(*) FROM (SELECT 1 FROM product_search WHERE body @@ CAST(:stem AS tsquery) LIMIT 3) AS first_ones"
)
# The cast matters: psycopg sends small numbers as int2[], which no index of integer[] answers.
_NEAR = text(
    """
    SELECT word, folded, form, stem, product_qty FROM vocabulary
    WHERE keys && CAST(:keys AS integer[]) AND product_qty > 0
    ORDER BY product_qty DESC, word
    LIMIT 200
    """
)


@dataclass(frozen=True, slots=True)
class _Change:
    """Put `by` in place of a stretch of the text."""

    start: int
    end: int
    by: str


@dataclass(frozen=True, slots=True)
class Repaired:
    """What to ask instead. `leaves_out`: a word was given up, not just a number; "sans gluten" without "gluten" is
    another question."""

    query: str
    leaves_out: bool


def corrected(session: Session, query: str) -> Repaired | None:
    """`query` in words of the catalogue, as it can be shown; None when there is nothing better to ask.

    Each unknown word is, first that fits: freed of a letter that lost its apostrophe ("dagneau"), joined to its
    neighbour ("porte feuille"), replaced by the nearest known word, cut in two known ones, or left out.
    """
    plain = french.normal(query[: french.QUERY_CHARACTERS])
    typed = french.words(plain)[: french.QUERY_WORDS]
    pairs = [(one, two, french.joined([one, two])) for one, two in zip(typed, typed[1:], strict=False)]
    known = _known(session, [word.stem for word in typed] + [stem for *_, stem in pairs])
    changes: list[_Change] = []
    settled: set[int] = set()
    for one, two, stem in pairs:
        if stem in known and not {one.start, two.start} & settled:
            changes.append(_Change(one.start, two.end, plain[one.start : one.end] + plain[two.start : two.end]))
            settled |= {one.start, two.start}
    for word in typed:
        if word.start not in settled and word.stem not in known and not _is_described(session, word):
            changes.append(_Change(word.start, word.end, _meant(session, word)))
    better = plain
    for change in sorted(changes, key=lambda change: -change.start):
        better = better[: change.start] + change.by + better[change.end :]
    better = " ".join(better.split())
    if not changes or not french.words(better):
        return None
    given_up = (plain[change.start : change.end] for change in changes if not change.by)
    return Repaired(better, leaves_out=any(len(word) > 1 and word.isalpha() for word in given_up))


def _known(session: Session, stems: list[str]) -> set[str]:
    """Those of the stems that the catalogue or the table of synonyms knows."""
    answered = {word.stem for word in french.synonym_words()}
    return answered.intersection(stems) | set(session.scalars(_KNOWN, {"stems": sorted(set(stems))}))


def _is_described(session: Session, word: Word) -> bool:
    return (session.scalar(_IN_DESCRIPTIONS, {"stem": word.stem}) or 0) >= _USED


def _meant(session: Session, word: Word) -> str:
    """What to write for an unknown word; nothing when nothing is near."""
    if not word.form.isalpha():
        return ""
    freed = [(letter, word.surface[len(letter) :]) for letter in _ELISIONS if word.surface.startswith(letter)]
    freed = [(letter, rest) for letter, rest in freed if len(rest) > 2 and french.fold(rest)[:1] in "aeiouyh"]
    known = _known(session, [_stem(rest) for _, rest in freed]) if freed else set()
    for letter, rest in freed:
        if _stem(rest) in known:
            return f"{letter}'{rest}"
    folded = french.fold(word.surface)
    near = [slips.Known(*row) for row in session.execute(_NEAR, {"keys": slips.keys(folded, word.form)})]
    meant = slips.nearest(folded, word.form, near + _answered())
    if meant:
        return meant.word
    halves = _halves(word.surface)
    known = _known(session, [_stem(part) for half in halves for part in half]) if halves else set()
    for one, two in halves:
        if _stem(one) in known and _stem(two) in known:
            return f"{one} {two}"
    return ""


@lru_cache(maxsize=1)
def _answered() -> list[slips.Known]:
    return [
        slips.Known(word.surface, french.fold(word.surface), word.form, word.stem, 1) for word in french.synonym_words()
    ]


def _stem(surface: str) -> str:
    return french.stem(french.form(french.fold(surface)))


def _halves(surface: str) -> list[tuple[str, str]]:
    """Where a word may fall into two of three letters or more, nearest the middle first."""
    cuts = sorted(range(3, len(surface) - 2), key=lambda at: abs(2 * at - len(surface)))
    return [(surface[:at], surface[at:]) for at in cuts]
