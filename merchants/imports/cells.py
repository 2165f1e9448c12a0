"""What one cell means: prices, stock, barcodes, weights, contents, allergens, text.

Pure functions from a cell to a value. CellError carries the code of the sentence that tells the shopkeeper what
to do; an empty cell is the caller's business, except for a price.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import TypeVar

import nh3
from stdnum import ean, isbn

from marketplace.money import Money
from merchants.imports.parsed import NetContent, Problem
from merchants.imports.reading import Row

T = TypeVar("T")

#: A value shown back in a problem; the rest of a long cell helps nobody.
SHOWN_CHARS = 60

#: Dearest thing in a town-centre shop window; above it a comma is missing.
MAX_PRICE = Money(10_000_000)
MAX_STOCK_QTY = 100_000
#: A cargo bike carries less than a hundred kilograms, and a cubic metre.
MAX_WEIGHT_GRAMS = 100_000
MAX_VOLUME_ML = 1_000_000

#: The 14 allergens of the INCO rules (domain F2), as `key: other ways to write it`.
ALLERGENS = {
    "gluten": ("ble", "cereales", "cereales contenant du gluten"),
    "crustacés": ("crustace",),
    "oeufs": ("oeuf",),
    "poisson": ("poissons",),
    "arachides": ("arachide", "cacahuete", "cacahuetes"),
    "soja": (),
    "lait": ("lactose", "produits laitiers"),
    "fruits à coque": ("fruit a coque", "noix", "noisettes", "amandes"),
    "céleri": (),
    "moutarde": (),
    "sésame": (),
    "sulfites": ("sulfite", "anhydride sulfureux et sulfites"),
    "lupin": (),
    "mollusques": ("mollusque",),
}


class CellError(Exception):
    """A cell that cannot be used, for the reason `code`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Cells:
    """One row's cells by the names that a format gives them. What is wrong is collected, not raised.

    `titles` are the column titles as the file writes them, so that a problem names what the shopkeeper sees.
    """

    def __init__(self, row: Row, index: dict[str, int], titles: Sequence[str], problems: list[Problem]) -> None:
        self.line = row.line
        self._cells = row.cells
        self._index = index
        self._titles = titles
        self._problems = problems
        self.is_sound = True

    def raw(self, name: str) -> str:
        """The cell's text; empty if the file has no such column."""
        position = self._index.get(name)
        return "" if position is None else self._cells[position]

    def read(self, name: str, parse: Callable[[str], T]) -> T | None:
        """The cell's meaning; None if it is empty, or wrong (then a problem is noted)."""
        return self.required(name, parse) if self.raw(name) else None

    def required(self, name: str, parse: Callable[[str], T]) -> T | None:
        """Like `read`, but the empty cell is the parser's to judge."""
        try:
            return parse(self.raw(name))
        except CellError as error:
            self.refuse(name, error.code)
            return None

    def refuse(self, name: str, code: str) -> None:
        """Note that this cell cannot be used; the row's product will not come in."""
        self.is_sound = False
        position = self._index.get(name)
        title = name if position is None else self._titles[position]
        self._problems.append(Problem(self.line, title, code, shown(self.raw(name))))


def shown(value: str) -> str:
    """A cell as a message may show it: short, one line, no control or direction signs."""
    plain = "".join(" " if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") else c for c in value[:200])
    plain = " ".join(plain.split())
    return plain if len(plain) <= SHOWN_CHARS else plain[: SHOWN_CHARS - 1] + "…"


def fold(text: str) -> str:
    """Letters without accents or case, single spaces: what titles and words are compared by."""
    plain = unicodedata.normalize("NFKD", text.replace("œ", "oe").replace("Œ", "oe").replace("’", "'"))
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    return " ".join(plain.casefold().split())


def slug(text: str, limit_chars: int = 80) -> str:
    """`text` as a reference: "Thé vert – 100 g" → "the-vert-100-g"."""
    return re.sub(r"[^a-z0-9]+", "-", fold(text)).strip("-")[:limit_chars].strip("-")


#: Controls, and the signs that turn the direction of what follows: they make a name read as another one.
_UNFIT = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def text(max_chars: int, *, lines: bool = False) -> Callable[[str], str]:
    """A parser for plain text of at most `max_chars`; one line, unless `lines`."""

    def parse(value: str) -> str:
        value = value.replace("\x0b", "\n").replace("\x0c", "\n").replace("\ufeff", "")
        if _UNFIT.search(value):
            raise CellError("control_character")
        if "\ufffd" in value:
            raise CellError("damaged_character")
        if lines:
            value = "\n".join(" ".join(line.split()) for line in value.splitlines()).strip()
            value = re.sub(r"\n{3,}", "\n\n", value)
        else:
            value = " ".join(value.split())
        if len(value) > max_chars:
            raise CellError("text_too_long")
        return value

    return parse


def required_text(max_chars: int, missing: str) -> Callable[[str], str]:
    """A parser for one line that must not be empty; CellError(`missing`) if it is."""
    parse_text = text(max_chars)

    def parse(value: str) -> str:
        value = parse_text(value)
        if not any(c.isalnum() for c in value):
            raise CellError(missing)
        return value

    return parse


_BREAKS = re.compile(r"<br\s*/?>|</(?:p|div|li|h[1-6]|tr|ul|ol)\s*>", re.IGNORECASE)


def plain_text(value: str) -> str:
    """HTML from an online shop as plain text: paragraphs become lines, scripts vanish with what they hold."""
    if "<" not in value and "&" not in value:
        return value
    return html.unescape(nh3.clean(_BREAKS.sub("\n", value), tags=set()))


def description(value: str) -> str:
    """A parser for the description in an online shop's export."""
    return text(10_000, lines=True)(plain_text(value))


_SPACES = re.compile(r"[\s\u00a0\u202f\u2009']+")
_EURO = re.compile(r"^(?:€|eur|euros?)|(?:€|eur|euros?)$", re.IGNORECASE)
_OTHER_CURRENCY = re.compile(
    r"[$£¥₣₤₹₽]|\b(?:f?cfa|chf|usd|gbp|xof|xaf|xpf|cad|pln|mad|dzd|tnd|frs?|francs?|f)\b", re.IGNORECASE
)


def price(value: str) -> Money:
    """A price in euros with VAT, as French shops write it: "12,50", "1 299,00 €", "1.299,00", "12.5"."""
    return _price(value, lone_mark_is_decimal=False)


def export_price(value: str) -> Money:
    """A price in an online shop's export, which never groups thousands: "8.990" is 8.99."""
    return _price(value, lone_mark_is_decimal=True)


def _price(value: str, *, lone_mark_is_decimal: bool) -> Money:
    if not value.strip():
        raise CellError("price_missing")
    if _OTHER_CURRENCY.search(re.sub(r"\d", " ", value)):
        raise CellError("price_currency")
    digits = _EURO.sub("", _SPACES.sub("", value.replace("’", "'")))
    if digits.startswith(("-", "−")):
        raise CellError("price_negative")
    if not re.fullmatch(r"[0-9]+(?:[.,][0-9]+)*", digits) or len(digits) > 20:
        raise CellError("price_not_number")
    cents = _cents(digits, lone_mark_is_decimal)
    if cents == 0:
        raise CellError("price_zero")
    if cents > MAX_PRICE.cents:
        raise CellError("price_too_high")
    return Money(cents)


def _cents(digits: str, lone_mark_is_decimal: bool) -> int:
    marks = re.findall("[.,]", digits)
    whole, _, decimals = digits.rpartition(marks[-1]) if marks else (digits, "", "")
    groups = re.split("[.,]", whole)
    if len(marks) > 1:
        if any(len(group) != 3 for group in groups[1:]) or len(set(marks[:-1])) != 1 or not 1 <= len(groups[0]) <= 3:
            raise CellError("price_not_number")
        if marks[-1] == marks[0]:  # 1.299.000: thousands to the end
            if len(decimals) != 3:
                raise CellError("price_not_number")
            groups.append(decimals)
            decimals = ""
    elif marks and len(decimals) == 3 and not lone_mark_is_decimal and 1 <= len(whole) <= 3 and whole != "0":
        raise CellError("price_ambiguous")  # 1,299 is a thousand or one euro thirty: ask
    if len(decimals.rstrip("0")) > 2:
        raise CellError("price_precision")
    return int("".join(groups)) * 100 + int((decimals + "00")[:2])


_NO_STOCK = {"rupture", "en rupture", "rupture de stock", "epuise", "indisponible", "out of stock", "outofstock", "non"}
_SOME_STOCK = {"en stock", "disponible", "in stock", "instock", "oui", "illimite", "onbackorder", "sur commande"}


def stock(value: str) -> int:
    """Pieces on the shelf. "rupture" is 0; "en stock" is no number (stock_word); a sale on credit is 0 left."""
    word = fold(value)
    if word in _NO_STOCK:
        return 0
    if word in _SOME_STOCK:
        raise CellError("stock_word")
    number = _number(value)
    if number is None:
        raise CellError("stock_not_number")
    if number != number.to_integral_value():
        raise CellError("stock_not_whole")
    if number > MAX_STOCK_QTY:
        raise CellError("stock_too_high")
    return max(int(number), 0)


def _number(value: str) -> Decimal | None:
    digits = _SPACES.sub("", value).replace(",", ".")
    return Decimal(digits) if re.fullmatch(r"-?[0-9]{1,12}(?:\.[0-9]{1,6})?", digits) else None


def barcode(value: str) -> str:
    """An EAN-8 or EAN-13 (ISBN-10 and UPC-A become EAN-13).

    A spreadsheet drops leading zeros and adds ".0": put back where the check digit then proves it. "8.0E+12"
    has lost its digits for good.
    """
    # Some programs write ="0123" so that a spreadsheet keeps the zero.
    digits = re.sub(r"[\s\u00a0\u202f'‘’–-]|^=?\"|\"$", "", value)
    if re.fullmatch(r"[0-9][.,]?[0-9]*[eE]\+?[0-9]{1,2}", digits):
        raise CellError("ean_rounded")
    digits = re.sub(r"[.,]0+$", "", digits)
    if isbn.is_valid(digits.upper()) and not ean.is_valid(digits.zfill(13)):
        return str(isbn.to_isbn13(digits.upper()))
    if not re.fullmatch("[0-9]+", digits):
        raise CellError("ean_not_digits")
    if len(digits) > 13:
        digits = digits.removeprefix("0") if len(digits) == 14 else digits
    width = 8 if len(digits) in (7, 8) else 13
    if not 7 <= len(digits) <= 13 or not ean.is_valid(digits.zfill(width)):
        raise CellError("ean_wrong")
    return digits.zfill(width)


def weight_grams(value: str) -> int:
    """Whole grams; "0,4" or "1,2 kg" is refused rather than guessed at."""
    return whole(value, "weight_not_grams", MAX_WEIGHT_GRAMS, "weight_too_high")


def volume_ml(value: str) -> int:
    """Whole millilitres of room in a crate."""
    return whole(value, "volume_not_ml", MAX_VOLUME_ML, "volume_too_high")


def whole(value: str, wrong: str, most: int, too_high: str) -> int:
    number = _number(value)
    if number is None or number < 0 or number != number.to_integral_value():
        raise CellError(wrong)
    if number > most:
        raise CellError(too_high)
    return int(number)


def measure(factor: Decimal, wrong: str, most: int, too_high: str) -> Callable[[str], int]:
    """A parser for a decimal in a foreign unit: how many of ours one of theirs is, rounded half up."""

    def parse(value: str) -> int:
        number = _number(value if not value.strip().startswith((".", ",")) else "0" + value.strip())
        if number is None or number < 0:
            raise CellError(wrong)
        ours = int((number * factor).to_integral_value(ROUND_HALF_UP))
        if ours > most:
            raise CellError(too_high)
        return ours

    return parse


_UNITS = {
    "g": ("g", 1), "gr": ("g", 1), "grammes": ("g", 1), "gramme": ("g", 1), "kg": ("g", 1000),
    "ml": ("ml", 1), "cl": ("ml", 10), "dl": ("ml", 100), "l": ("ml", 1000), "litre": ("ml", 1000),
    "litres": ("ml", 1000), "piece": ("piece", 1), "pieces": ("piece", 1), "pce": ("piece", 1), "pcs": ("piece", 1),
}  # fmt: skip


def net_content(value: str) -> NetContent:
    """What is inside: "400 g", "1,5 kg", "75 cl", "6 x 33 cl", "6 pièces"."""
    match = re.fullmatch(r"(?:([0-9]{1,3})\s*[x×*]\s*)?([0-9]{1,6}(?:[.,][0-9]{1,3})?)\s*([a-z]+)", fold(value))
    if not match or match[3] not in _UNITS:
        raise CellError("content_unclear")
    unit, factor = _UNITS[match[3]]
    amount = Decimal(match[2].replace(",", ".")) * factor * int(match[1] or 1)
    if amount != amount.to_integral_value() or not 0 < amount <= 1_000_000:
        raise CellError("content_unclear")
    return NetContent(int(amount), unit)


_ALLERGEN_OF = {fold(word): key for key, others in ALLERGENS.items() for word in (key, *others)}


def allergens(value: str) -> tuple[str, ...]:
    """The allergens' keys in the law's order; () for "aucun". A word that is none of the 14 is refused."""
    words = [fold(word) for word in re.split(r"[,;|/]", value) if word.strip()]
    if words in (["aucun"], ["aucune"], ["sans"], ["neant"]):
        return ()
    if not words or any(word not in _ALLERGEN_OF for word in words):
        raise CellError("allergen_unknown")
    found = {_ALLERGEN_OF[word] for word in words}
    return tuple(key for key in ALLERGENS if key in found)


def details(value: str) -> dict[str, str]:
    """ "lait=brebis|affinage=6 mois" as names and sentences; names are folded words."""
    found: dict[str, str] = {}
    for part in value.split("|"):
        if not part.strip():
            continue
        name, equals, sentence = part.partition("=")
        key = slug(name, 40).replace("-", "_")
        sentence = text(300)(sentence)
        if not (equals and key and sentence):
            raise CellError("details_unclear")
        if key in found:
            raise CellError("detail_twice")
        found[key] = sentence
    return found
