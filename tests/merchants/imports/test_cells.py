"""Each kind of cell is understood as French shops and their programs write it, or refused with a reason."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from marketplace.money import Money
from merchants.imports import cells
from merchants.imports.cells import CellError
from merchants.imports.parsed import NetContent


def outcome(parse: Callable[[str], object], value: str) -> object:
    """The parsed value, or the code of the refusal."""
    try:
        return parse(value)
    except CellError as error:
        return error.code


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("12,50", Money(1250)),
        ("12.50", Money(1250)),
        ("12,5", Money(1250)),
        ("12", Money(1200)),
        ("0,31", Money(31)),
        ("1\u00a0299,00\u00a0€", Money(129900)),
        ("1\u202f299,00 €", Money(129900)),
        ("1 299,00 €", Money(129900)),
        ("1.299,00", Money(129900)),
        ("1,299.00", Money(129900)),
        ("€ 12,50", Money(1250)),
        ("12,50 EUR", Money(1250)),
        ("12,50 euros", Money(1250)),
        ("12,5000", Money(1250)),
        ("1,299", "price_ambiguous"),
        ("1.299", "price_ambiguous"),
        ("0,299", "price_precision"),
        ("12,505", "price_ambiguous"),
        ("", "price_missing"),
        ("   ", "price_missing"),
        ("0", "price_zero"),
        ("0,00", "price_zero"),
        ("-3,00", "price_negative"),
        ("15 000 Fcfa", "price_currency"),
        ("$12.50", "price_currency"),
        ("12,50 CHF", "price_currency"),
        ("12,50 £", "price_currency"),
        ("12,50 USD", "price_currency"),
        ("100 F", "price_currency"),
        ("sur devis", "price_not_number"),
        ("12,50/kg", "price_not_number"),
        ("1,2,3", "price_not_number"),
        ("1２,50", "price_not_number"),
        ("=12", "price_not_number"),
        ("1e3", "price_not_number"),
        ("9999999,00", "price_too_high"),
        ("9" * 400, "price_not_number"),
    ],
)
def test_prices_are_euros_or_refused(value: str, expected: object) -> None:
    assert outcome(cells.price, value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("8.990", Money(899)), ("8.333", "price_precision"), ("1299", Money(129900)), ("12,5", Money(1250))],
)
def test_an_export_writes_no_thousands(value: str, expected: object) -> None:
    assert outcome(cells.export_price, value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("12", 12),
        ("3.0", 3),
        ("1 200", 1200),
        ("0", 0),
        ("-4", 0),
        ("Rupture", 0),
        ("épuisé", 0),
        ("outofstock", 0),
        ("en stock", "stock_word"),
        ("1,5", "stock_not_whole"),
        ("beaucoup", "stock_not_number"),
        ("１", "stock_not_number"),
        ("1000000000", "stock_too_high"),
    ],
)
def test_stock_is_whole_pieces(value: str, expected: object) -> None:
    assert outcome(cells.stock, value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("9782070368228", "9782070368228"),
        ("978-2-07-036822-8", "9782070368228"),
        ("9782070368228.0", "9782070368228"),
        ("'9782070368228", "9782070368228"),
        ('="9782070368228"', "9782070368228"),
        ("207036822X", "9782070368228"),
        ("96385074", "96385074"),
        ("036000291452", "0036000291452"),
        ("36000291452", "0036000291452"),
        ("03017620422003", "3017620422003"),
        ("8.0E+12", "ean_rounded"),
        ("9,78207E+12", "ean_rounded"),
        ("9782070368229", "ean_wrong"),
        ("36000291453", "ean_wrong"),
        ("123", "ean_wrong"),
        ("13017620422000", "ean_wrong"),
        ("VIN-2024", "ean_not_digits"),
    ],
)
def test_a_barcode_is_repaired_only_when_its_check_digit_proves_it(value: str, expected: object) -> None:
    assert outcome(cells.barcode, value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("400 g", NetContent(400, "g")),
        ("1,5 kg", NetContent(1500, "g")),
        ("75 cl", NetContent(750, "ml")),
        ("0,75 L", NetContent(750, "ml")),
        ("6 x 33 cl", NetContent(1980, "ml")),
        ("6 pièces", NetContent(6, "piece")),
        ("1 pièce", NetContent(1, "piece")),
        ("environ 400 g", "content_unclear"),
        ("400", "content_unclear"),
        ("0 g", "content_unclear"),
        ("0,4 g", "content_unclear"),
        ("une bouteille", "content_unclear"),
    ],
)
def test_contents_become_grams_millilitres_or_pieces(value: str, expected: object) -> None:
    assert outcome(cells.net_content, value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("aucun", ()),
        ("lait, gluten", ("gluten", "lait")),
        ("Œufs, Fruits à coque, BLÉ", ("gluten", "oeufs", "fruits à coque")),
        ("lait, poussière", "allergen_unknown"),
        ("aucun, lait", "allergen_unknown"),
        (",", "allergen_unknown"),
    ],
)
def test_allergens_are_the_fourteen_of_the_law_or_none_said_aloud(value: str, expected: object) -> None:
    assert outcome(cells.allergens, value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("lait=brebis|Affinage = 6 mois", {"lait": "brebis", "affinage": "6 mois"}),
        ("Degré=13,5 %", {"degre": "13,5 %"}),
        ("lait", "details_unclear"),
        ("lait=", "details_unclear"),
        ("lait=brebis|Lait=vache", "detail_twice"),
    ],
)
def test_details_are_names_and_sentences(value: str, expected: object) -> None:
    assert outcome(cells.details, value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("  Pain   de\tseigle ", "Pain de seigle"),
        ("=HYPERLINK(1)", "=HYPERLINK(1)"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("שלום", "שלום"),
        ("Pain\u202egepj.exe", "control_character"),
        ("Pain\u2067x", "control_character"),
        ("Pain\x07", "control_character"),
        ("caf\ufffd", "damaged_character"),
        ("x" * 41, "text_too_long"),
        ("  ", "name_missing"),
        ("---", "name_missing"),
    ],
)
def test_a_name_is_one_honest_line(value: str, expected: object) -> None:
    assert outcome(cells.required_text(40, "name_missing"), value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("<p>Un pot</p><p>en <b>terre</b> cuite</p>", "Un pot\nen terre cuite"),
        ("Un pot<br/>cuit", "Un pot\ncuit"),
        ("Sel &amp; poivre &lt; 3 &eacute;pices", "Sel & poivre < 3 épices"),
        ("<script>alert('x')</script>Pot", "Pot"),
        ("<style>p{}</style><img src=x onerror=alert(1)>Pot", "Pot"),
        ("<![CDATA[x]]>Pot<![if foo", "Pot"),
        ("Poids < 3 kg", "Poids < 3 kg"),
    ],
)
def test_html_becomes_plain_lines(value: str, expected: str) -> None:
    assert cells.description(value) == expected


def test_what_is_shown_back_is_short_and_harmless() -> None:
    assert cells.shown("a\u202e\nb") == "a b"
    assert len(cells.shown("x" * 1_000)) == 60
