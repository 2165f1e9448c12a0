"""Typing slips: which known word did somebody mean? Pure.

Two words at most one slip apart share a key when each gives up one letter at most, so that a GIN look-up over
integers finds the near words at a cost that does not grow with the vocabulary: 0.22 ms whether 5,000 or 200,000
words, 90 % right at first, against 43 ms for trigrams (search.md 3).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from zlib import crc32

from rapidfuzz.distance import OSA

#: Only so many first letters give up one: slips sit early enough, and long words would fill the index.
KEYED_LETTERS = 8

_SOUNDS = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"eaux?|aux?", "o"),
        (r"ph", "f"),
        (r"ti(?=on|el|eu)", "ssi"),
        (r"s?c(?=[eiy])|sc(?=h)", "ss"),
        (r"oua|oi(?!n(?![aeiouy]))", "wa"),
        (r"(?<=^or)ch|(?<=psy)ch|ch(?=[rl])", "k"),  # orchidée, psychologie, chrome
        (r"ch", "S"),
        (r"qu?|ck?|k", "k"),
        (r"ge(?=[ao])|g(?=[eiy])|j", "j"),
        (r"gu(?=[eiy])", "g"),
        (r"h", ""),
        (r"[ea][nm](?![aeiouynm])", "A"),
        (r"ain|ein|[iy][nm](?![aeiouynm])", "I"),
        (r"y", "i"),
        (r"z", "s"),
        (r"(.)\1", r"\1"),
        (r"(?<=..)(es|e|t|d|s|x)$", ""),
    )
)


@dataclass(frozen=True, slots=True)
class Known:
    """A word of the catalogue: as it is written, without accents, its form and stem, and in how many products."""

    word: str
    folded: str
    form: str
    stem: str
    product_qty: int


@lru_cache(maxsize=20_000)
def sound(form: str) -> str:
    """Roughly how a form is heard; words that only spelling tells apart are equal in it ("couto", "couteau")."""
    for pattern, replacement in _SOUNDS:
        form = pattern.sub(replacement, form)
    return form


def keys(folded: str, form: str) -> list[int]:
    """Signed 32-bit keys of a word: its form, the form less any one of its first letters, and its sounds. Sorted.

    The folded word is heard as well as its form: "journeaux" sounds like "journaux", but no longer like "journal".
    """
    start, after = form[:KEYED_LETTERS], form[KEYED_LETTERS : KEYED_LETTERS + 1]
    # When a letter falls, the ninth may move up among the first eight: both readings must meet the other word's.
    cut = {start}
    for at in range(len(start)):
        less = start[:at] + start[at + 1 :]
        cut |= {less, less + after}
    cut |= {f"~{sound(folded)}", f"~{sound(form)}"}
    return sorted(crc32(key.encode()) - 2**31 for key in cut)


def slips_allowed(form: str) -> int:
    """How many slips a word of this length may hold; in short words one slip is another word."""
    return 0 if len(form) < 4 else 1 if len(form) < 7 else 2


def nearest(folded: str, form: str, candidates: Iterable[Known]) -> Known | None:
    """The word that was most likely meant, or None when none is near enough.

    Fewest slips first (insertion, loss, swap, replacement: optimal string alignment; a word that sounds the same
    counts one), half a slip more when the first letter differs, which is seldom mistyped, and a little less for
    frequent words (search.md 3).
    """
    best: tuple[float, str] | None = None
    meant: Known | None = None
    heard = {sound(folded), sound(form)}
    for candidate in candidates:
        slips = OSA.distance(form, candidate.form)
        if 1 < slips < 5 and heard & {sound(candidate.folded), sound(candidate.form)}:
            slips = 1
        if slips > slips_allowed(form):
            continue
        cost = slips + (form[0] != candidate.form[0]) / 2 - 0.12 * math.log10(max(candidate.product_qty, 1))
        if best is None or (cost, candidate.word) < best:
            best, meant = (cost, candidate.word), candidate
    return meant
