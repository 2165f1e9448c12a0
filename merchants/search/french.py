"""French words as search sees them: folded, singular, in one spelling, stemmed.

Pure. Both sides, what is indexed and what is asked, pass through this module and no other, so that they always
meet; PostgreSQL only compares the stems. Raise VERSION with any change that gives another stem for some word:
rows of an older version are found wrongly, not loudly, and are rebuilt (`index.rebuild`).

Measured on 341,000 dictionary words (search.md 2): folding alone before Snowball separates "grillé" from "grillée",
stemming before folding separates "fume" from "fumé". Making the folded word singular first, here, cures both.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

# The class itself: `snowballstemmer.stemmer()` silently becomes PyStemmer where that is installed, and the two
# differ on some words; two web machines would then write different stems.
from snowballstemmer.french_stemmer import FrenchStemmer

VERSION = 1

#: A name of 200 characters is the longest a shop types; a query beyond it is pasted text.
QUERY_CHARACTERS = 200
#: Each word costs an index look-up; nobody types twelve words that all matter.
QUERY_WORDS = 12
#: A tsvector may hold 1 MB and a word 2 kB; both stay far below.
DOCUMENT_WORDS = 4_000
WORD_CHARACTERS = 40

_TABLES = Path(__file__).parent

_APOSTROPHES = "'’‘ʼ`´′"
_HYPHENS = "-‐‑"
_ELIDED = frozenset(("d", "l", "s", "c", "j", "m", "n", "t", "qu", "jusqu", "lorsqu", "puisqu", "quoiqu"))
#: With their accents: "dé" to play with, "thé" and "été" are words, "de", "te" and "a" are not.
_STOP = frozenset(
    re.findall(
        r"\w+",
        """
        a à au aux avec c ce ces cet cette chez d dans de des dès du elle en et eux il ils j je l la là le les leur
        leurs lui m ma mes mon n ne nos notre nous on ou où par pour qu que qui s sa se ses sur t un une vos votre
        vous y
        """,
    )
)
_UNITS = {
    "litre": "l",
    "centilitre": "cl",
    "millilitre": "ml",
    "gramme": "g",
    "kilo": "kg",
    "kilogramme": "kg",
    "metre": "m",
    "centimetre": "cm",
    "millimetre": "mm",
    "watt": "w",
    "volt": "v",
}
_LIGATURES = str.maketrans(
    {"œ": "oe", "æ": "ae", "ß": "ss", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"}
)
#: Forms that Snowball would cut down to another good of the market hall: crème, sauce, mer, oreille, manger, colle…
_WHOLE = frozenset(
    ("cabane", "cassi", "collant", "cremant", "dose", "epicea", "fondant", "manga", "mere", "navette", "oreiller")
    + ("pater", "saucisse", "selle", "vae")
)
_RUN = re.compile(r"[^\W_]+")
_NUMBER_OR_LETTERS = re.compile(r"\d+|\D+")


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a text.

    `surface` is lower case with its accents, `form` folded and singular in the house's spelling, `stem` what is
    compared. `start` and `end` are its place in `normal(text)`. `group` numbers words that hyphens or apostrophes
    hold together.
    """

    surface: str
    form: str
    stem: str
    start: int
    end: int
    group: int

    @property
    def accented(self) -> str:
        """The surface without its mark of plural: "pâtés" and "pâté" are the same word, "pâtes" another."""
        return self.surface.rstrip("sx") or self.surface


@dataclass(frozen=True, slots=True)
class Document:
    """The two texts of a product, each a tsvector literal of plain stems (no positions, no weights).

    The two tiers replace weights and the ranking reads the title itself, so positions would only make the rows
    twice as long (search.md 1b). `body` contains `head`.
    """

    head: str
    body: str


@dataclass(frozen=True, slots=True)
class Query:
    """What somebody asks for; both texts are tsquery literals made only of [a-z0-9] stems and & | ( ).

    `typed` means the words themselves, `wide` their synonyms too. `words` are those that carry meaning, in order.
    """

    words: tuple[Word, ...]
    typed: str
    wide: str


def normal(text: str) -> str:
    """The text in composed, compatible lower-case characters: the same for a file of macOS and a phone."""
    return unicodedata.normalize("NFKC", text.translate(_APOSTROPHE_MAP)).lower()


#: Before NFKC, which takes the acute accent that some keyboards give as an apostrophe for a space.
_APOSTROPHE_MAP = str.maketrans(dict.fromkeys(_APOSTROPHES, "'") | dict.fromkeys(_HYPHENS, "-"))


@lru_cache(maxsize=50_000)
def fold(word: str) -> str:
    """A lower-case word in [a-z0-9] alone: no accents, no ligatures; what has no Latin letter vanishes."""
    plain = unicodedata.normalize("NFKD", word.translate(_LIGATURES))
    return "".join(c for c in plain if c in "abcdefghijklmnopqrstuvwxyz0123456789")


def singular(word: str) -> str:
    """A folded word without its marks of plural, and of the feminine where Snowball needs the accent to see it."""
    if len(word) > 3:
        if word.endswith("yaux"):
            word = word[:-1]
        elif word.endswith("aux") and not word.endswith("eaux"):
            word = word[:-3] + "al"
        elif word.endswith(("eaux", "eux", "oux")) or (word.endswith("s") and not word.endswith("ss")):
            word = word[:-1]
    if word.endswith("ail") and len(word) > 3:  # vitrail, vitraux: both become "vitral"
        return word[:-3] + "al"
    if word.endswith("ee"):  # grillée, grillé
        return word[:-1]
    if word.endswith("iere") or (word.endswith("ere") and len(word) > 5):  # fermière, légère; not mère, père
        return word[:-1]
    if word.endswith("euse"):  # moelleuse, moelleux
        return word[:-2]
    if word.endswith("ive") and len(word) > 5:  # sportive, sportif
        return word[:-2] + "f"
    if word.endswith(("aise", "oise")) and len(word) > 6:  # charentaise, charentais; not fraise, chaise
        return word[:-2]
    return word


@lru_cache(maxsize=50_000)
def form(folded: str) -> str:
    """The folded word, singular, in the one spelling that the house keeps for it (spellings.csv)."""
    single = singular(folded[:WORD_CHARACTERS])
    return _spellings().get(single, single)


@lru_cache(maxsize=50_000)
def stem(form_: str) -> str:
    """What Snowball leaves of a form. A new stemmer each time: it keeps its word in itself, and threads share us."""
    return form_ if form_ in _WHOLE else str(FrenchStemmer().stemWord(form_))


def words(text: str) -> list[Word]:
    """The words of a text in order, without stop words and elided letters."""
    return [word for word in _all_words(normal(text)) if word.surface not in _STOP]


def _all_words(text: str) -> Iterator[Word]:
    """Every word of a normal text, stop words included; digits and their unit apart ("75cl", "75 cl")."""
    group, last_end, is_elided, after_number = 0, 0, False, False
    for run in _RUN.finditer(text):
        if is_elided or text[last_end : run.start()] not in ("-", "'"):
            group += 1
        last_end = run.end()
        is_elided = run[0] in _ELIDED and text[last_end : last_end + 1] == "'"  # d'agneau is no compound
        start = run.start()
        for surface in _NUMBER_OR_LETTERS.findall(run[0]) if run[0][0].isdigit() else [run[0]]:
            if start > run.start():
                group += 1
            folded = fold(surface)
            end = start + len(surface)
            if folded:
                form_ = form(folded)
                if after_number and form_ in _UNITS:
                    surface = form_ = _UNITS[form_]
                yield Word(surface, form_, stem(form_), start, end, group)
            after_number = surface.isdigit()
            start = end


def _groups(found: list[Word]) -> Iterator[list[Word]]:
    start = 0
    for at in range(1, len(found) + 1):
        if at == len(found) or found[at].group != found[start].group:
            yield found[start:at]
            start = at


def joined(parts: list[Word]) -> str:
    """The stem of words written together: "tire-bouchon" and "tirebouchon" meet in it."""
    return stem(form("".join(part.form for part in parts)))


def _compound(parts: list[Word]) -> str | None:
    """The joined stem of a hyphenated word; None of a single one."""
    return joined(parts) if len(parts) > 1 else None


def stems(text: str) -> set[str]:
    """The stems by which a text is found, compounds also in one piece."""
    found: set[str] = set()
    for parts in _groups(list(islice(_all_words(normal(text)), DOCUMENT_WORDS))):
        found.update(part.stem for part in parts if part.surface not in _STOP)
        compound = _compound(parts)
        if compound:
            found.add(compound)
    return found


def document(*, title: str, brand: str, heading: str, shop: str, description: str) -> Document:
    """The search texts of a product; `heading` are words for its kind, trade and drawing."""
    head = stems(title) | stems(brand) | stems(heading) | stems(shop)
    body = head | stems(description)
    return Document(head=" ".join(sorted(head)), body=" ".join(sorted(body)))


def query(text: str) -> Query | None:
    """What `text` asks for: every word, in any of its spellings; "ou" between two words accepts either.

    None when it holds no word to look for. Never an error: all that is not a letter or a digit only separates.
    """
    units = _units(normal(text[:QUERY_CHARACTERS]))
    if not units:
        return None
    return Query(
        words=tuple(word for unit in units for word in unit.words),
        typed="&".join(unit.typed for unit in units),
        wide="&".join(unit.wide for unit in units),
    )


def relaxed(asked: Query) -> list[str]:
    """tsquery texts for products that lack some of the words: all but one of them, then any single one."""
    parts = list(dict.fromkeys(word.stem for word in asked.words))
    if len(parts) < 2:
        return []
    all_but_one = "|".join("&".join(parts[:at] + parts[at + 1 :]) for at in range(len(parts)))
    return [all_but_one] if len(parts) == 2 else [all_but_one, "|".join(parts)]


@dataclass(slots=True)
class _Unit:
    """A stretch of the query that is found or missed as one: a word, a compound, an expression of synonyms.csv."""

    words: list[Word]
    stems: tuple[str, ...]
    typed: str
    wide: str


def _units(text: str) -> list[_Unit]:
    units: list[_Unit] = []
    either = False
    for parts in _groups(list(_all_words(text))):
        if len(parts) == 1 and parts[0].surface == "ou":
            either = bool(units)
            continue
        kept = [part for part in parts if part.surface not in _STOP]
        if not kept:
            continue
        room = QUERY_WORDS - sum(len(unit.words) for unit in units)
        if not room:
            break
        unit = _unit(kept[:room], _compound(parts) if len(kept) <= room else None)
        if either:
            before = units.pop()
            unit = _Unit(
                before.words + unit.words,
                (),
                f"({before.typed}|{unit.typed})",
                f"({_widened([before]).wide}|{_widened([unit]).wide})",
            )
        units.append(unit)
        either = False
    return list(_with_synonyms(units))


def _unit(kept: list[Word], compound: str | None) -> _Unit:
    own = tuple(word.stem for word in kept)
    typed = "&".join(own)
    if compound and len(own) > 1:
        typed = f"(({typed})|{compound})"
    elif compound:  # t-shirt: its t counts in the compound only
        typed = f"({typed}|{compound})"
    return _Unit(kept, own, typed, typed)


def _with_synonyms(units: list[_Unit]) -> Iterator[_Unit]:
    at = 0
    while at < len(units):
        longest = next(
            (size for size in (3, 2) if at + size <= len(units) and _also(units[at : at + size])),
            1,
        )
        yield _widened(units[at : at + longest])
        at += longest


def _also(units: list[_Unit]) -> list[tuple[str, ...]]:
    """The stems that are looked for beside those of the units, when synonyms.csv knows them as one expression."""
    if not all(unit.stems for unit in units):
        return []
    typed = [word for unit in units for word in unit.words]
    rows = _synonyms().get(tuple(part for unit in units for part in unit.stems), ())
    return [also for asked, also in rows if all(map(_same_accents, typed, asked))]


def _same_accents(typed: Word, asked: Word) -> bool:
    """Whether the word typed can be the one of the table: "pâtes" is not "pâté", a plain "pate" may be."""
    return typed.surface == fold(typed.surface) or typed.accented == asked.accented


def _widened(units: list[_Unit]) -> _Unit:
    typed = "&".join(unit.typed for unit in units)
    also = _also(units)
    if not also:
        return units[0]
    wide = "|".join([f"({typed})" if len(units) > 1 else typed, *(_all_of(other) for other in also)])
    return _Unit(
        [word for unit in units for word in unit.words],
        tuple(part for unit in units for part in unit.stems),
        typed,
        f"({wide})",
    )


def _all_of(parts: tuple[str, ...]) -> str:
    return parts[0] if len(parts) == 1 else f"({'&'.join(parts)})"


def surface_words(text: str) -> list[Word]:
    """The words of a text that may be proposed to somebody who types or mistypes: letters only, three or more.

    Compounds come also in one piece, after their parts: surface "tire-bouchon", form "tirebouchon".
    """
    text = normal(text)
    found: list[Word] = []
    for parts in _groups(list(islice(_all_words(text), DOCUMENT_WORDS))):
        found.extend(part for part in parts if part.surface not in _STOP)
        if len(parts) > 1:
            start, end = parts[0].start, parts[-1].end
            form_ = form("".join(part.form for part in parts))
            found.append(Word(text[start:end], form_, stem(form_), start, end, parts[0].group))
    return [word for word in found if len(word.form) > 2 and word.form.isalpha()]


@lru_cache(maxsize=1)
def synonym_words() -> tuple[Word, ...]:
    """The single words for which synonyms.csv has an answer, though no product may bear them."""
    return tuple(asked[0] for rows in _synonyms().values() for asked, _ in rows[:1] if len(asked) == 1)


@lru_cache(maxsize=1)
def _spellings() -> dict[str, str]:
    """Form → the form that the house keeps, from spellings.csv (both sides are rewritten: a change is a VERSION)."""
    with (_TABLES / "spellings.csv").open(encoding="utf-8", newline="") as file:
        return {_spelled(row["written"]): _spelled(row["kept"]) for row in csv.DictReader(file)}


def _spelled(written: str) -> str:
    """The form of a word or a compound before any spelling is preferred; part by part, as compounds are joined."""
    return singular("".join(singular(fold(part)) for part in written.split("-")))


@lru_cache(maxsize=1)
def _synonyms() -> dict[tuple[str, ...], list[tuple[list[Word], tuple[str, ...]]]]:
    """Stems → (words as the table writes them, stems looked for as well); directed, one level, at query time only."""
    table: dict[tuple[str, ...], list[tuple[list[Word], tuple[str, ...]]]] = {}
    with (_TABLES / "synonyms.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            asked = words(row["asked"])
            also = tuple(word.stem for word in words(row["also"]))
            table.setdefault(tuple(word.stem for word in asked), []).append((asked, also))
    return table
