"""The own format: every column is understood, every slip is named by line and column."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from marketplace.money import Money
from merchants.imports.formats import parse_catalogue
from merchants.imports.own import COLUMNS
from merchants.imports.parsed import NetContent, ParsedCatalogue, ParsedProduct, ParsedVariant
from merchants.imports.reading import UnreadableFile
from merchants.kinds import get_kind, kind_keys

DESCRIPTION = Path(__file__).parents[3] / "docs" / "catalogue-format.md"
HEADER = (
    "reference;article;nom;declinaison;genre;marque;description;prix;stock;ean;poids_g;volume_ml;"
    "contenance;allergenes;image;details\n"
)


def parse(text: str, default_kind: str | None = None) -> ParsedCatalogue:
    return parse_catalogue(text.encode(), on=date(2026, 11, 21), default_kind=default_kind)


def faults(catalogue: ParsedCatalogue) -> list[tuple[int, str, str]]:
    return [(problem.line, problem.column, problem.code) for problem in catalogue.problems]


def test_a_full_row_says_everything_about_an_article() -> None:
    catalogue = parse(
        HEADER + "tomme-b;;Tomme de brebis;;fromage;Ferme du Pré;Pâte pressée, six mois.;12,50;14;3017620422003;"
        "420;600;400 g;lait;cheese-wedge;lait=brebis|affinage=6 mois\n"
    )
    assert catalogue.problems == ()
    assert catalogue.products == (
        ParsedProduct(
            reference="tomme-b",
            name="Tomme de brebis",
            kind="fromage",
            line=2,
            variants=(
                ParsedVariant(
                    reference="tomme-b",
                    label="",
                    price=Money(1250),
                    line=2,
                    stock_qty=14,
                    ean="3017620422003",
                    weight_grams=420,
                    volume_ml=600,
                    net=NetContent(400, "g"),
                ),
            ),
            brand="Ferme du Pré",
            description="Pâte pressée, six mois.",
            drawing="cheese-wedge",
            allergens=("lait",),
            details={"lait": "brebis", "affinage": "6 mois"},
        ),
    )


def test_an_empty_cell_says_nothing() -> None:
    (product,) = parse(HEADER + "v1;;Vase;;maison;;;20;;;;;;;;\n").products
    assert (product.brand, product.description, product.allergens, product.details) == (None, None, None, {})
    assert product.variants == (ParsedVariant("v1", "", Money(2000), 2),)


def test_columns_come_in_any_order_and_spelling() -> None:
    (product,) = parse('PRIX,"Référence",Genre,Nom,Poids (g)\n"12,50",p1,Épicerie,Miel,500\n').products
    assert (product.kind, product.variants[0].price, product.variants[0].weight_grams) == (
        "epicerie",
        Money(1250),
        500,
    )


def test_rows_of_one_article_are_variants_of_one_product() -> None:
    catalogue = parse(
        "reference;article;nom;declinaison;genre;marque;prix;details\n"
        "pull-s;pull;Pull marin;S;vetement;Atelier;59;composition=laine\n"
        "vase;;Vase;;maison;;20;\n"
        "pull-m;pull;Pull marin;M;vetement;;59;\n"
    )
    assert catalogue.problems == ()
    pull, vase = catalogue.products
    assert (pull.reference, pull.brand, pull.details) == ("pull", "Atelier", {"composition": "laine"})
    assert [(v.reference, v.label, v.line) for v in pull.variants] == [("pull-s", "S", 2), ("pull-m", "M", 4)]
    assert vase.reference == "vase"


def test_two_products_of_one_name_stay_two() -> None:
    catalogue = parse("reference;nom;genre;prix\na;Bol;maison;8\nb;Bol;maison;9\n")
    assert [product.reference for product in catalogue.products] == ["a", "b"]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (";;Bol;;maison;;;8;;;;;;;;", (2, "reference", "reference_missing")),
        ("b;;;;maison;;;8;;;;;;;;", (2, "nom", "name_missing")),
        ("b;;Bol;;;;;8;;;;;;;;", (2, "genre", "kind_missing")),
        ("b;;Bol;;vaisselle;;;8;;;;;;;;", (2, "genre", "kind_unknown")),
        ("b;;Bol;;maison;;;;;;;;;;;", (2, "prix", "price_missing")),
        ("b;;Bol;;maison;;;8 CHF;;;;;;;;", (2, "prix", "price_currency")),
        ("b;;Bol;;maison;;;8;en stock;;;;;;;", (2, "stock", "stock_word")),
        ("b;;Bol;;maison;;;8;;8.0E+12;;;;;;", (2, "ean", "ean_rounded")),
        ("b;;Bol;;maison;;;8;;;0,4;;;;;", (2, "poids_g", "weight_not_grams")),
        ("b;;Bol;;maison;;;8;;;;1e3;;;;", (2, "volume_ml", "volume_not_ml")),
        ("b;;Bol;;maison;;;8;;;;;grand;;;", (2, "contenance", "content_unclear")),
        ("b;;Bol;;maison;;;8;;;;;;poussière;;", (2, "allergenes", "allergen_unknown")),
        ("b;;Bol;;maison;;;8;;;;;;;../../etc;", (2, "image", "drawing_unknown")),
        ("b;;Bol;;maison;;;8;;;;;;;;x", (2, "details", "details_unclear")),
        ("b;;Bol\u202e;;maison;;;8;;;;;;;;", (2, "nom", "control_character")),
    ],
)
def test_a_slip_is_named_by_line_and_column_and_its_article_stays_out(row: str, expected: tuple[int, str, str]) -> None:
    catalogue = parse(HEADER + row + "\n")
    assert faults(catalogue) == [expected]
    assert catalogue.products == ()


def test_every_slip_of_a_row_is_named_at_once() -> None:
    catalogue = parse(HEADER + "b;;Bol;;maison;;;gratuit;beaucoup;;;;;;;\n")
    assert faults(catalogue) == [(2, "prix", "price_not_number"), (2, "stock", "stock_not_number")]


def test_a_reference_used_twice_is_refused_at_the_second_row() -> None:
    catalogue = parse("reference;nom;genre;prix\na;Bol;maison;8\na;Vase;maison;9\n")
    assert faults(catalogue) == [(3, "", "reference_twice")]
    assert [product.name for product in catalogue.products] == ["Bol"]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("p-s;p;Pull;S;vetement;59\np-m;p;Robe;M;vetement;59\n", (3, "nom", "article_disagrees")),
        ("p-s;p;Pull;S;vetement;59\np-m;p;Pull;M;jouet;59\n", (3, "genre", "article_disagrees")),
        ("p-s;p;Pull;S;vetement;59\np-m;p;Pull;;vetement;59\n", (3, "declinaison", "label_missing")),
        ("p-s;p;Pull;S;vetement;59\np-m;p;Pull;s;vetement;59\n", (3, "", "label_twice")),
        ("p-s;p;Pull;S;vetement;59\np-m;p;Pull;M;vetement;?\n", (3, "prix", "price_not_number")),
    ],
)
def test_an_article_whose_rows_contradict_each_other_stays_out_whole(rows: str, expected: tuple[int, str, str]) -> None:
    catalogue = parse("reference;article;nom;declinaison;genre;prix\n" + rows)
    assert faults(catalogue) == [expected]
    assert catalogue.products == ()


def test_two_spellings_of_an_article_are_no_guess() -> None:
    catalogue = parse(
        "reference;article;nom;declinaison;genre;prix\na;Pull;Pull;S;vetement;59\nb;pull;Pull;M;vetement;59\n"
    )
    assert faults(catalogue) == [(2, "article", "article_spelling"), (3, "article", "article_spelling")]


def test_an_unknown_or_doubled_column_is_named() -> None:
    catalogue = parse("reference;nom;genre;prix;couleur;Prix\na;Bol;maison;8;bleu;9\n")
    assert faults(catalogue) == [(1, "couleur", "column_unknown"), (1, "Prix", "column_twice")]


def test_without_a_required_column_nothing_is_read() -> None:
    with pytest.raises(UnreadableFile) as caught:
        parse("reference;nom;prix;stock\na;Bol;8;1\n")
    assert (caught.value.code, caught.value.details) == ("column_missing", {"columns": ["genre"]})


def test_a_kind_given_for_the_file_stands_in_where_none_is_written() -> None:
    catalogue = parse("reference;nom;genre;prix\na;Bol;;8\nb;Ours;jouet;9\n", default_kind="maison")
    assert [product.kind for product in catalogue.products] == ["maison", "jouet"]
    assert parse("reference;nom;prix\na;Bol;8\n", default_kind="maison").products[0].kind == "maison"


def test_the_example_that_shopkeepers_are_shown_is_read() -> None:
    example = re.search(r"```\n(reference;.*?)```", DESCRIPTION.read_text(), re.DOTALL)
    assert example
    catalogue = parse(example[1])
    assert catalogue.problems == ()
    assert [len(product.variants) for product in catalogue.products] == [1, 2]


def test_the_description_lists_every_column_and_every_kind_with_its_needs() -> None:
    rows = re.findall(r"^\| `([a-z_-]+)` \|.*\|(.*)\|$", DESCRIPTION.read_text(), re.MULTILINE)
    told = dict(rows)
    assert told.keys() == {*COLUMNS, *kind_keys()}
    for key in kind_keys():
        needs = get_kind(key, date(2026, 11, 21)).needs
        words = told[key].replace("allergènes", "allergenes")
        assert [need for need in needs if need not in words] == []
