"""The people of the invoices' tests: an association, two merchants, a resident; none of them exists."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

from marketplace.invoices.rules import GOODS, INVOICE, ONLINE, Address, Draft, Line, Party
from marketplace.money import Money

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
TODAY = date(2026, 11, 24)

ASSOCIATION = Party(
    key="association",
    name="Les Halles d’Angoulême",
    legal_form="Association loi 1901",
    registration="RNA W161000000",
    siren="000000018",
    vat_number="FR18000000018",
    address=Address("1 place des Halles", "16000", "Angoulême"),
)
CHEESE = Party(
    key="merchant:fromagerie",
    name="Fromagerie du Breuil",
    legal_form="SARL",
    registration="RCS Angoulême 000 000 026",
    siren="000000026",
    vat_number="FR42000000026",
    address=Address("12 rue de Beaulieu", "16000", "Angoulême"),
)
#: Sells under the franchise: no VAT number, no VAT.
CANDLES = replace(CHEESE, key="merchant:cire", name="Cire & Mèche", legal_form="EI", siren="000000034", vat_number="")
JEANNE = Party(key="", name="Jeanne Œuvrard", address=Address("3 rue Hergé", "16000", "Angoulême"))

#: Merchant M1 of the worked example (mollie.md 6), and a bottle at another rate.
BASKET = (
    Line("Salade", 3, Money(235), 550),
    Line("Panier de légumes", 1, Money(1290), 550),
    Line("Cidre", 1, Money(849), 2000),
)


def sale(seller: Party = CHEESE, lines: tuple[Line, ...] = BASKET, kind: str = INVOICE, buyer: Party = JEANNE) -> Draft:
    return Draft(
        kind=kind,
        seller=seller,
        buyer=buyer,
        lines=lines,
        supplied_on=date(2026, 11, 21),
        supply=GOODS,
        settlement=ONLINE,
        reference="12345678",
    )
