"""WooCommerce's export: published goods come in with the price of the day, all else is named."""

from __future__ import annotations

import csv
import io
from datetime import date

import pytest

from marketplace.money import Money
from merchants.imports.formats import parse_catalogue
from merchants.imports.parsed import ParsedCatalogue

TITLES = [
    "ID", "Type", "SKU", "Name", "Published", "Visibility in catalog", "Short description", "Description",
    "Date sale price starts", "Date sale price ends", "In stock?", "Stock", "Weight (kg)", "Length (cm)", "Width (cm)",
    "Height (cm)", "Sale price", "Regular price", "Categories", "Parent", "GTIN, UPC, EAN, or ISBN", "Brands",
    "Attribute 1 name", "Attribute 1 value(s)", "Attribute 1 visible", "Attribute 2 name", "Attribute 2 value(s)",
    "Attribute 2 visible", "Meta: cost",
]  # fmt: skip
SIMPLE = {
    "ID": "7", "Type": "simple", "SKU": "bol", "Name": "Bol", "Published": "1", "Visibility in catalog": "visible",
    "In stock?": "1", "Stock": "4", "Regular price": "12.5", "Categories": "Décoration",
}  # fmt: skip
ON = date(2026, 11, 21)


def export(*rows: dict[str, str], titles: list[str] = TITLES) -> bytes:
    file = io.StringIO()
    writer = csv.DictWriter(file, titles, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue().encode("utf-8-sig")


def parse(*rows: dict[str, str], default_kind: str | None = None) -> ParsedCatalogue:
    return parse_catalogue(export(*rows), on=ON, default_kind=default_kind)


def marks(catalogue: ParsedCatalogue) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    return [(p.line, p.code) for p in catalogue.problems], [(n.line, n.code) for n in catalogue.notes]


def test_a_simple_product_comes_in() -> None:
    catalogue = parse(
        SIMPLE
        | {
            "Short description": "<p>Tourné &agrave; la main.</p>",
            "Weight (kg)": ".45",
            "Length (cm)": "10",
            "Width (cm)": "10",
            "Height (cm)": "5.5",
            "GTIN, UPC, EAN, or ISBN": "3017620422003",
            "Brands": "Poterie du Port",
            "Attribute 1 name": "Matière",
            "Attribute 1 value(s)": "Grès",
            "Attribute 1 visible": "1",
            "Attribute 2 name": "Fournisseur",
            "Attribute 2 value(s)": "secret",
            "Attribute 2 visible": "0",
            "Meta: cost": "3.10",
        }
    )
    assert marks(catalogue) == ([], [])
    (product,) = catalogue.products
    assert (product.reference, product.name, product.kind) == ("bol", "Bol", "maison")
    assert (product.brand, product.description) == ("Poterie du Port", "Tourné à la main.")
    assert product.details == {"matiere": "Grès"}
    (variant,) = product.variants
    assert (variant.reference, variant.label, variant.price, variant.stock_qty) == ("bol", "", Money(1250), 4)
    assert (variant.weight_grams, variant.volume_ml, variant.ean) == (450, 550, "3017620422003")


def test_french_titles_are_known() -> None:
    content = (
        "ID,Type,UGS,Nom,Publié,Visibilité dans le catalogue,Description courte,En stock ?,Stock,Poids (kg),"
        'Tarif promo,Tarif régulier,Catégories,Parent,"Nom de l’attribut 1","Valeur(s) de l’attribut 1"\n'
        '1,variable,pull,Pull marin,1,visible,,1,,"0,6",,,Pulls,,Taille,"S, M"\n'
        '2,variation,pull-s,Pull marin - S,1,visible,,1,2,,"49,9","59,90",,pull,Taille,S\n'
        '3,variation,,Pull marin - M,1,visible,,0,,,,"59,90",,id:1,Taille,M\n'
    ).encode()
    (product,) = parse_catalogue(content, on=ON).products
    assert product.kind == "vetement"
    assert [(v.reference, v.label, v.price, v.stock_qty, v.weight_grams) for v in product.variants] == [
        ("pull-s", "S", Money(4990), 2, 600),
        ("id-3", "M", Money(5990), 0, 600),
    ]


def test_variations_find_their_parent_wherever_it_stands_by_sku_or_id() -> None:
    catalogue = parse(
        SIMPLE | {"ID": "2", "Type": "variation", "SKU": "b", "Parent": "id:9", "Attribute 1 value(s)": "Bleu"},
        SIMPLE | {"ID": "9", "Type": "variable", "SKU": "bols", "Regular price": "", "Stock": ""},
        SIMPLE | {"ID": "3", "Type": "variation", "SKU": "r", "Parent": "BOLS", "Attribute 1 value(s)": "Rouge"},
    )
    assert marks(catalogue) == ([], [])
    (product,) = catalogue.products
    assert (product.reference, [v.label for v in product.variants]) == ("bols", ["Bleu", "Rouge"])


def test_what_is_no_goods_of_this_shop_is_left_out_with_a_note() -> None:
    catalogue = parse(
        SIMPLE | {"Type": "grouped"},
        SIMPLE | {"Type": "external"},
        SIMPLE | {"Type": "simple, downloadable, virtual"},
        SIMPLE | {"Type": "subscription"},
        SIMPLE | {"Published": "0"},
        SIMPLE | {"Published": "-1"},
        SIMPLE | {"Visibility in catalog": "hidden"},
        SIMPLE | {"ID": "50", "SKU": "x", "Type": "variable", "Published": "-1"},
        SIMPLE | {"SKU": "x1", "Type": "variation", "Parent": "id:50"},
    )
    assert catalogue.products == ()
    assert marks(catalogue) == (
        [],
        [
            (2, "grouped_product"),
            (3, "external_product"),
            (4, "download"),
            (5, "type_unknown"),
            (6, "not_published"),
            (7, "not_published"),
            (8, "hidden_product"),
            (9, "not_published"),
            (10, "parent_left_out"),
        ],
    )


def test_a_variation_that_is_not_published_is_not_sold() -> None:
    (product,) = parse(
        SIMPLE | {"ID": "9", "Type": "variable", "SKU": "bols"},
        SIMPLE | {"ID": "1", "Type": "variation", "SKU": "a", "Parent": "bols", "Attribute 1 value(s)": "Bleu"},
        SIMPLE | {"ID": "2", "Type": "variation", "SKU": "b", "Parent": "bols", "Published": "-1"},
    ).products
    assert [v.reference for v in product.variants] == ["a"]


@pytest.mark.parametrize(
    ("starts", "ends", "price"),
    [
        ("", "", 900),
        ("2026-11-21", "2026-11-21", 900),
        ("2026-11-01 00:00:00", "2026-11-30 23:59:59", 900),
        ("2026-11-22", "", 1250),
        ("", "2026-11-20", 1250),
    ],
)
def test_the_sale_price_counts_on_its_days_only(starts: str, ends: str, price: int) -> None:
    sale = {"Sale price": "9", "Date sale price starts": starts, "Date sale price ends": ends}
    assert parse(SIMPLE | sale).products[0].variants[0].price == Money(price)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"Regular price": ""}, "price_missing"),
        ({"Regular price": "12 CHF"}, "price_currency"),
        ({"Stock": "1.5"}, "stock_not_whole"),
        ({"Name": ""}, "name_missing"),
        ({"Categories": ""}, "kind_missing"),
        ({"Categories": "Livres"}, "kind_missing"),
        ({"Categories": "Fleurs"}, "kind_missing"),
        ({"Categories": "Vaisselle, Jouets"}, "kind_ambiguous"),
        ({"Categories": "Cuisine > Tasses à café"}, "kind_missing"),
        ({"GTIN, UPC, EAN, or ISBN": "8.0E+12"}, "ean_rounded"),
        ({"GTIN, UPC, EAN, or ISBN": "3017620422004"}, "ean_wrong"),
        ({"Weight (kg)": "lourd"}, "weight_unclear"),
        ({"Date sale price ends": "demain"}, "date_unclear"),
        ({"Type": "variable"}, "no_variations"),
        ({"Type": "variation", "Parent": "nobody"}, "parent_missing"),
        ({"SKU": "", "ID": "", "Name": "!!"}, "name_missing"),
    ],
)
def test_what_a_person_must_decide_is_a_problem(change: dict[str, str], code: str) -> None:
    catalogue = parse(SIMPLE | change)
    assert catalogue.products == ()
    assert code in [problem.code for problem in catalogue.problems]


@pytest.mark.parametrize(
    ("categories", "kind"),
    [
        ("Épicerie > Vins rouges", "alcool"),
        ("Clothing > Tshirts", "vetement"),
        ("Bonbons de chocolat", "chocolat"),
        ("Confiserie", "confiserie"),
        ("Fromages de chèvre, Fromagerie", "fromage"),
        ("Bijoux > Boucles d’oreilles", "hygiene-scelle"),
        ("Livres d’occasion", "livre-occasion"),
        ("Thés, Café\\, thés", "epicerie"),
    ],
)
def test_a_category_that_leaves_no_doubt_names_the_kind(categories: str, kind: str) -> None:
    assert parse(SIMPLE | {"Categories": categories}).products[0].kind == kind


def test_a_kind_given_for_the_file_fills_the_doubts_and_no_more() -> None:
    catalogue = parse(
        SIMPLE | {"Categories": "Livres"}, SIMPLE | {"SKU": "o", "Categories": "Jouets"}, default_kind="livre-neuf"
    )
    assert [product.kind for product in catalogue.products] == ["livre-neuf", "jouet"]


def test_stock_that_is_not_counted_or_shared_is_said_and_left_open() -> None:
    stocks = {"a": "", "b": "parent", "c": "-2"}
    catalogue = parse(*(SIMPLE | {"SKU": sku, "Stock": stock} for sku, stock in stocks.items()))
    assert [product.variants[0].stock_qty for product in catalogue.products] == [None, None, 0]
    assert marks(catalogue) == ([], [(2, "stock_not_counted"), (3, "stock_not_counted")])


def test_a_shops_own_code_is_no_barcode_and_no_problem() -> None:
    catalogue = parse(SIMPLE | {"GTIN, UPC, EAN, or ISBN": "BOL-7"})
    assert catalogue.products[0].variants[0].ean is None
    assert marks(catalogue) == ([], [(2, "barcode_not_used")])


def test_without_a_sku_the_number_or_the_words_are_the_reference() -> None:
    catalogue = parse(SIMPLE | {"SKU": ""}, SIMPLE | {"SKU": "", "ID": "", "Name": "Bol bleu nuit"})
    assert [product.reference for product in catalogue.products] == ["id-7", "bol-bleu-nuit"]


def test_variations_that_repeat_their_parents_sku_are_told_apart_by_their_numbers() -> None:
    child = SIMPLE | {"Type": "variation", "SKU": "bols", "Parent": "bols"}
    catalogue = parse(
        SIMPLE | {"ID": "9", "Type": "variable", "SKU": "bols"},
        child | {"ID": "1", "Attribute 1 value(s)": "Bleu"},
        child | {"ID": "2", "Attribute 1 value(s)": "Vert"},
    )
    assert [variant.reference for variant in catalogue.products[0].variants] == ["id-1", "id-2"]


def test_products_of_one_name_without_any_number_cannot_be_told_apart() -> None:
    nameless = SIMPLE | {"SKU": "", "ID": ""}
    assert marks(parse(nameless, nameless)) == ([(3, "reference_twice")], [])


def test_allergens_come_from_an_attribute_of_that_name() -> None:
    attribute = {"Attribute 1 name": "Allergènes", "Attribute 1 visible": "1"}
    lait = parse(SIMPLE | attribute | {"Attribute 1 value(s)": "Lait, Gluten"})
    other = parse(SIMPLE | attribute | {"Attribute 1 value(s)": "voir étiquette"})
    assert lait.products[0].allergens == ("gluten", "lait")
    assert other.products[0].allergens is None
    assert marks(other) == ([], [(2, "allergens_not_used")])


def test_pounds_and_inches_become_grams_and_millilitres() -> None:
    titles = [t.replace("(kg)", "(lbs)").replace("(cm)", "(in)") for t in TITLES]
    size = {"Weight (lbs)": "2", "Length (in)": "10", "Width (in)": "8", "Height (in)": "1"}
    (product,) = parse_catalogue(export(SIMPLE | size, titles=titles), on=ON).products
    assert (product.variants[0].weight_grams, product.variants[0].volume_ml) == (907, 1310)


def test_a_second_export_with_other_names_has_the_same_references() -> None:
    first = parse(SIMPLE).products[0]
    second = parse(SIMPLE | {"ID": "", "Name": "Bol Override", "Regular price": "112.5"}).products[0]
    assert first.reference == second.reference
    assert second.variants[0].price == Money(11250)
