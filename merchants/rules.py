"""What follows from a product's kind, price and content. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from stdnum.fr import siren, siret

from marketplace.money import Money

#: Content that a price is compared by, in grams or millilitres (domain P1, G16): a kilogram or litre of food,
#: a hundred for creams and soaps.
_COMPARED_BY = dict.fromkeys(
    ("viande", "charcuterie", "plat-prepare", "fromage", "pain", "epicerie", "confiserie", "chocolat", "alcool"), 1000
) | {"hygiene-scelle": 100}
_NAMES = {("g", 1000): "kg", ("ml", 1000): "L", ("g", 100): "100 g", ("ml", 100): "100 ml"}

#: The goods that perish, whose buyer cannot change their mind (domain W4): what L221-28 calls quickly spoiled.
PERISHABLE = frozenset({"viande", "charcuterie", "plat-prepare", "fromage", "pain", "bouquet", "composition-florale"})
ALCOHOL = "alcool"

#: What a receipt has to name the legal guarantee for (domain C6): toys, electrical goods and lights, watches,
#: sunglasses, and what may be furniture or sports goods among the things for the home.
GUARANTEED = frozenset({"jouet", "electrique", "bijou", "lunettes-soleil", "maison"})

_SIREN = re.compile(r"(?<![A-Za-z0-9])[0-9](?:[ .\u00a0\u202f]?[0-9]){8}(?:[ .\u00a0\u202f]?[0-9]{5})?(?![0-9])")


@dataclass(frozen=True, slots=True)
class UnitPrice:
    """The price of one `per`: kg, L, 100 g or 100 ml."""

    price: Money
    per: str


def unit_price(kind: str, price: Money, net_amount: int | None, net_unit: str | None) -> UnitPrice | None:
    """What the law wants beside the price of food and hygiene goods, half-up to the cent (domain P1).

    `net_amount` in grams or millilitres. None for kinds that are not compared, and for content not stated or
    counted in pieces.
    """
    compared_by = _COMPARED_BY.get(kind)
    if compared_by is None or not net_amount or net_unit not in ("g", "ml"):
        return None
    # Half-up in whole numbers; a list asks this for each of its cards.
    cents = (2 * price.cents * compared_by + net_amount) // (2 * net_amount)
    return UnitPrice(Money(cents), _NAMES[net_unit, compared_by])


def number_of(registration: str) -> str:
    """The nine digits of the SIREN, or the fourteen of the SIRET, in what a register says; "" without one.

    An association's number (W161000000) has nine digits, too.
    """
    found = _SIREN.search(registration)
    return "".join(c for c in found[0] if c.isdigit()) if found else ""


def siren_of(registration: str) -> str:
    """The nine digits of the SIREN, alone or at the head of a SIRET; "" without one."""
    return number_of(registration)[:9]


def names_another_siren(terms: str, siren: str) -> bool:
    """Whether signed words were about a company of another number than the file's: it has been corrected since."""
    digits = re.sub(r"(?<=[0-9])[ .\u00a0\u202f](?=[0-9])", "", terms)
    return bool(terms and siren) and siren not in digits


def is_number_sound(number: str) -> bool:
    """Whether the key of a SIREN or SIRET holds, its last digit (Luhn): it tells of each digit that is wrong.

    A SIRET begins with a sound SIREN. La Poste has more counters than keys: the digits of their SIRETs sum to a
    multiple of five instead (Insee, definition of the SIRET).
    """
    return bool(siren.is_valid(number) if len(number) == 9 else siret.is_valid(number))


def vat_number_of(siren: str) -> str:
    """The French VAT number of whoever charges VAT: it follows from the SIREN (CGI annexe IV, 111 bis)."""
    return f"FR{(12 + 3 * (int(siren) % 97)) % 97:02d}{siren}" if siren else ""


#: Legal forms in which the merchant is a person of flesh and blood, as people write them.
_PERSONS = ("ei", "eirl", "entrepreneur individuel", "entrepreneuse individuelle", "entreprise individuelle")
_SMALL_PERSONS = ("micro-entreprise", "micro-entrepreneur", "auto-entrepreneur", "artisan")


def is_natural_person(legal_form: str) -> bool:
    """Whether the seller is a person, not a company: the tax office asks for a birth date then (domain M10)."""
    words = legal_form.casefold().strip()
    return words in _PERSONS or words.startswith(_SMALL_PERSONS + _PERSONS[2:])
