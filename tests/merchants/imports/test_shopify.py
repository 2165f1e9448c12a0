"""Shopify's export: active products come in with their variants, purchase prices never."""

from __future__ import annotations

import csv
import io
from datetime import date

import pytest

from marketplace.money import Money
from merchants.imports.formats import parse_catalogue
from merchants.imports.parsed import ParsedCatalogue

TITLES = [
    "Handle", "Title", "Body (HTML)", "Vendor", "Product Category", "Type", "Tags", "Published", "Option1 Name",
    "Option1 Value", "Option2 Name", "Option2 Value", "Option3 Name", "Option3 Value", "Variant SKU", "Variant Grams",
    "Variant Inventory Tracker", "Variant Inventory Qty", "Variant Price", "Variant Compare At Price",
    "Variant Barcode", "Image Src", "Gift Card", "Cost per item", "Status",
]  # fmt: skip
LAMP = {
    "Handle": "lampe", "Title": "Lampe", "Body (HTML)": "<p>En laiton</p>", "Vendor": "Atelier", "Type": "Luminaires",
    "Published": "true", "Option1 Name": "Title", "Option1 Value": "Default Title", "Variant SKU": "L1",
    "Variant Grams": "1200", "Variant Inventory Tracker": "shopify", "Variant Inventory Qty": "3",
    "Variant Price": "59.99", "Variant Compare At Price": "75", "Cost per item": "11.00", "Status": "active",
}  # fmt: skip


def parse(*rows: dict[str, str], default_kind: str | None = None) -> ParsedCatalogue:
    file = io.StringIO()
    writer = csv.DictWriter(file, TITLES, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return parse_catalogue(file.getvalue().encode(), on=date(2026, 11, 21), default_kind=default_kind)


def marks(catalogue: ParsedCatalogue) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    return [(p.line, p.code) for p in catalogue.problems], [(n.line, n.code) for n in catalogue.notes]


def test_a_product_without_options_has_one_nameless_variant() -> None:
    catalogue = parse(LAMP)
    assert marks(catalogue) == ([], [])
    (product,) = catalogue.products
    assert (product.reference, product.name, product.kind) == ("lampe", "Lampe", "electrique")
    assert (product.brand, product.description) == ("Atelier", "En laiton")
    (variant,) = product.variants
    assert (variant.reference, variant.label, variant.price) == ("L1", "", Money(5999))
    assert (variant.stock_qty, variant.weight_grams) == (3, 1200)


def test_the_purchase_price_is_nowhere_in_what_is_read() -> None:
    assert "11" not in repr(parse(LAMP)).replace("line=", "")


def test_rows_that_repeat_the_handle_are_variants_or_pictures() -> None:
    catalogue = parse(
        LAMP | {"Option1 Name": "Taille", "Option1 Value": "S", "Option2 Name": "Teinte", "Option2 Value": "Or"},
        {"Handle": "lampe", "Option1 Value": "M", "Option2 Value": "Or", "Variant Price": "69.99"},
        {"Handle": "lampe", "Image Src": "https://example.org/lampe.jpg"},
    )
    assert marks(catalogue) == ([], [(3, "stock_not_counted")])
    (product,) = catalogue.products
    assert [(v.reference, v.label, v.price) for v in product.variants] == [
        ("L1", "S, Or", Money(5999)),
        ("lampe-m-or", "M, Or", Money(6999)),
    ]


@pytest.mark.parametrize(
    ("change", "note"),
    [
        ({"Status": "draft"}, "not_published"),
        ({"Status": "archived"}, "not_published"),
        ({"Published": "false"}, "not_published"),
        ({"Gift Card": "true"}, "gift_card"),
    ],
)
def test_what_the_shop_does_not_sell_online_is_left_out(change: dict[str, str], note: str) -> None:
    catalogue = parse(LAMP | change, {"Handle": "lampe", "Option1 Value": "M", "Variant Price": "3"})
    assert catalogue.products == ()
    assert marks(catalogue) == ([], [(2, note)])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"Title": ""}, "name_missing"),
        ({"Handle": ""}, "reference_missing"),
        ({"Variant Price": ""}, "price_missing"),
        ({"Variant Price": "59.99 USD"}, "price_currency"),
        ({"Type": "Indoor"}, "kind_missing"),
        ({"Type": "", "Product Category": "Home & Garden > Decor, Toys"}, "kind_ambiguous"),
        ({"Variant Barcode": "3.01762E+12"}, "ean_rounded"),
        ({"Variant Inventory Qty": "many"}, "stock_not_number"),
    ],
)
def test_what_a_person_must_decide_is_a_problem(change: dict[str, str], code: str) -> None:
    catalogue = parse(LAMP | change)
    assert catalogue.products == ()
    assert [problem.code for problem in catalogue.problems] == [code]


def test_a_kind_given_for_the_file_fills_the_doubts() -> None:
    assert parse(LAMP | {"Type": "Indoor"}, default_kind="maison").products[0].kind == "maison"


def test_tags_name_no_kind() -> None:
    assert marks(parse(LAMP | {"Type": "", "Tags": "Plantes"}))[0] == [(2, "kind_missing")]


def test_one_sku_on_two_products_is_refused_at_the_second() -> None:
    catalogue = parse(LAMP, LAMP | {"Handle": "lampe-2"})
    assert [product.reference for product in catalogue.products] == ["lampe"]
    assert marks(catalogue)[0] == [(3, "reference_twice")]


@pytest.mark.parametrize(
    ("tracker", "qty", "expected"),
    [("shopify", "0", 0), ("shopify", "-3", 0), ("", "0", None), ("", "4", 4), ("shopify", "", None)],
)
def test_stock_without_a_tracker_is_not_counted(tracker: str, qty: str, expected: int | None) -> None:
    catalogue = parse(LAMP | {"Variant Inventory Tracker": tracker, "Variant Inventory Qty": qty})
    assert catalogue.products[0].variants[0].stock_qty == expected


def test_the_titles_since_2025_are_known() -> None:
    content = (
        b"Title,URL handle,Description,Vendor,Product category,Type,Published on online store,Status,SKU,Barcode,"
        b"Option1 name,Option1 value,Price,Compare-at price,Cost per item,Inventory tracker,Inventory quantity,"
        b"Weight value (grams)\n"
        b'Lampe,lampe,"<p>En laiton</p>",Atelier,,Lampes,TRUE,Active,L1,,Title,Default Title,59.99,,11,shopify,3,1200\n'
    )
    (product,) = parse_catalogue(content, on=date(2026, 11, 21)).products
    assert (product.reference, product.kind, product.variants[0].stock_qty) == ("lampe", "electrique", 3)
