"""The plan names exactly what would change, and what the file leaves open stays."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from marketplace.money import Money
from merchants.imports.formats import parse_catalogue
from merchants.imports.parsed import NetContent
from merchants.imports.plan import FieldChange, ImportPlan, ShelfProduct, ShelfVariant, compare

ON = date(2026, 11, 21)
BOWL = ShelfProduct(
    reference="bol",
    name="Bol",
    kind="maison",
    brand="Poterie du Port",
    description="Tourné à la main.",
    drawing="plate",
    details={"matiere": "grès"},
    variants=(
        ShelfVariant("bol", "", Money(1250), ean="3017620422003", on_hand_qty=4, weight_grams=450, volume_ml=600),
    ),
)
VASE = ShelfProduct(
    reference="vase", name="Vase", kind="maison", drawing="vase", variants=(ShelfVariant("vase", "", Money(2000)),)
)
SWEATER = ShelfProduct(
    reference="pull",
    name="Pull",
    kind="vetement",
    drawing="sweater",
    details={"composition": "laine"},
    variants=(ShelfVariant("pull-s", "S", Money(5900)), ShelfVariant("pull-m", "M", Money(5900))),
)


def plan_for(text: str, *current: ShelfProduct, withdraw_missing: bool = False) -> ImportPlan:
    return compare(current, parse_catalogue(text.encode(), on=ON), on=ON, withdraw_missing=withdraw_missing)


def test_a_file_that_says_what_the_shelf_says_changes_nothing() -> None:
    plan = plan_for("reference;nom;genre;prix;stock\nbol;Bol;maison;12,50;4\n", BOWL)
    assert plan.changes_nothing
    assert plan.is_applicable
    assert plan.unchanged_qty == 1


def test_each_changed_field_is_named_with_old_and_new() -> None:
    plan = plan_for("reference;nom;genre;prix;stock;marque\nbol;Bol bleu;maison;13;6;\n", BOWL)
    (changed,) = plan.changed
    assert changed.changes == (
        FieldChange("bol", "name", "Bol", "Bol bleu"),
        FieldChange("bol", "price", Money(1250), Money(1300)),
        FieldChange("bol", "on_hand_qty", 4, 6),
    )


def test_what_the_file_leaves_open_stays() -> None:
    (changed,) = plan_for("reference;nom;genre;prix\nbol;Bol bleu;maison;12,50\n", BOWL).changed
    assert changed.after == replace(BOWL, name="Bol bleu")


def test_details_are_added_to_those_already_known() -> None:
    (changed,) = plan_for("reference;nom;genre;prix;details\nbol;Bol;maison;12,50;etat=neuf\n", BOWL).changed
    assert changed.after.details == {"matiere": "grès", "etat": "neuf"}


def test_pieces_promised_to_orders_stay_counted() -> None:
    held = replace(BOWL, variants=(replace(BOWL.variants[0], held_qty=3),))
    (changed,) = plan_for("reference;nom;genre;prix;stock\nbol;Bol;maison;12,50;1\n", held).changed
    assert changed.changes == (FieldChange("bol", "on_hand_qty", 4, 3),)


def test_a_new_product_gets_the_drawing_of_its_kind_and_no_stock() -> None:
    (added,) = plan_for("reference;nom;genre;prix\nours;Ours;jouet;18\n").added
    assert (added.after.drawing, added.after.variants[0].on_hand_qty) == ("blocks", 0)
    assert added.lacking == ("age",)


def test_products_missing_from_the_file_stay_unless_asked_otherwise() -> None:
    text = "reference;nom;genre;prix\nbol;Bol;maison;12,50\n"
    others = [replace(VASE, reference=f"v{n}", variants=()) for n in range(3)]
    kept = plan_for(text, BOWL, VASE)
    assert [product.reference for product in kept.missing] == ["vase"]
    assert kept.changes_nothing
    everything = text + "".join(f"v{n};Vase;maison;20\n" for n in range(3))
    withdrawn = plan_for(everything, BOWL, VASE, *others, withdraw_missing=True)
    assert [product.reference for product in withdrawn.missing] == ["vase"]
    assert withdrawn.is_applicable
    assert not withdrawn.changes_nothing


def test_a_file_that_would_empty_the_shelf_is_refused() -> None:
    shelf = [replace(VASE, reference=f"v{n}", variants=(ShelfVariant(f"v{n}", "", Money(2000)),)) for n in range(10)]
    seven = "reference;nom;genre;prix\n" + "".join(f"v{n};Vase;maison;20\n" for n in range(7))
    six = "reference;nom;genre;prix\n" + "".join(f"v{n};Vase;maison;20\n" for n in range(6))
    assert plan_for(seven, *shelf, withdraw_missing=True).refusal is None
    assert plan_for(six, *shelf, withdraw_missing=True).refusal == "too_many_missing"
    assert plan_for(six, *shelf).refusal is None


def test_a_variant_missing_from_the_file_goes_only_when_asked() -> None:
    text = "reference;article;nom;declinaison;genre;prix\npull-s;pull;Pull;S;vetement;59\n"
    kept = plan_for(text, SWEATER)
    assert kept.changes_nothing
    assert [variant.reference for variant in kept.missing_variants] == ["pull-m"]
    (changed,) = plan_for(text, SWEATER, withdraw_missing=True).changed
    assert changed.changes == (FieldChange("pull-m", "is_offered", True, False),)


def test_what_was_withdrawn_and_is_listed_again_returns() -> None:
    (changed,) = plan_for("reference;nom;genre;prix\nvase;Vase;maison;20\n", replace(VASE, is_published=False)).changed
    assert changed.changes == (FieldChange("vase", "is_published", False, True),)


def test_a_new_variant_of_a_known_product_is_named() -> None:
    rows = "pull-s;pull;Pull;S;vetement;59\npull-l;pull;Pull;L;vetement;61\n"
    (changed,) = plan_for("reference;article;nom;declinaison;genre;prix\n" + rows, SWEATER).changed
    assert changed.changes == (FieldChange("pull-l", "variant", None, ShelfVariant("pull-l", "L", Money(6100))),)


def test_a_reference_cannot_walk_to_another_product() -> None:
    plan = plan_for("reference;article;nom;genre;prix\nbol;service;Bol;maison;12,50\n", BOWL)
    assert [(problem.line, problem.code, problem.value) for problem in plan.problems] == [(2, "variant_moved", "bol")]
    assert not plan.is_applicable


def test_food_without_its_allergens_stays_off_the_page_until_they_are_given() -> None:
    text = "reference;nom;genre;prix;contenance;allergenes\nmiel;Miel;epicerie;8;500 g;{}\n"
    (silent,) = plan_for(text.format("")).added
    assert (silent.after.is_published, silent.lacking) == (False, ("allergenes",))
    (said,) = plan_for(text.format("aucun")).added
    assert (said.after.is_published, said.lacking) == (True, ())
    assert said.after.variants[0].net == NetContent(500, "g")


def test_problems_of_the_file_forbid_the_whole_import() -> None:
    plan = plan_for("reference;nom;genre;prix\nbol;Bol;maison;12,50\nvase;Vase;maison;cher\n")
    assert [planned.after.reference for planned in plan.added] == ["bol"]
    assert not plan.is_applicable
