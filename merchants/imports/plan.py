"""What a file would change on a shop's shelves. Pure: the same answer for the preview and for the import itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TypeVar

from marketplace.money import Money
from merchants.imports.parsed import NetContent, ParsedCatalogue, ParsedProduct, ParsedVariant, Problem
from merchants.imports.stand_ins import drawing_of_kind
from merchants.kinds import get_kind

T = TypeVar("T")

#: More than this share of a shop's products vanishing at once is the wrong file, not a change of season (M16).
VANISHING_LIMIT_PERCENT = 30


@dataclass(frozen=True, slots=True)
class ShelfVariant:
    """A variant as it stands, or will stand, on the shelf; `held_qty` of `on_hand_qty` is promised to orders."""

    reference: str
    label: str
    price: Money
    ean: str = ""
    on_hand_qty: int = 0
    held_qty: int = 0
    weight_grams: int = 0
    volume_ml: int = 0
    net: NetContent | None = None
    is_offered: bool = True


@dataclass(frozen=True, slots=True)
class ShelfProduct:
    reference: str
    name: str
    kind: str
    brand: str = ""
    description: str = ""
    drawing: str = ""
    allergens: tuple[str, ...] | None = None
    details: Mapping[str, str] = field(default_factory=dict)
    is_published: bool = True
    variants: tuple[ShelfVariant, ...] = ()


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One difference; `reference` is the product's or the variant's. `old` None: it was not there before."""

    reference: str
    field: str
    old: object
    new: object


@dataclass(frozen=True, slots=True)
class PlannedProduct:
    """A product that the file adds or changes. `lacking` names what its kind asks for and nobody has given yet."""

    line: int
    after: ShelfProduct
    changes: tuple[FieldChange, ...]
    lacking: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """Everything that an import would do; nothing else happens.

    `missing` products are on sale and not in the file, `missing_variants` likewise of products that are; they are
    withdrawn only if `withdraws_missing`. `refusal` names why the plan must not be applied, problems aside.
    """

    added: tuple[PlannedProduct, ...]
    changed: tuple[PlannedProduct, ...]
    unchanged_qty: int
    missing: tuple[ShelfProduct, ...]
    missing_variants: tuple[ShelfVariant, ...]
    withdraws_missing: bool
    problems: tuple[Problem, ...]
    notes: tuple[Problem, ...]
    refusal: str | None

    @property
    def is_applicable(self) -> bool:
        return not self.problems and self.refusal is None

    @property
    def changes_nothing(self) -> bool:
        withdraws = self.withdraws_missing and (self.missing or self.missing_variants)
        return not (self.added or self.changed or withdraws)


def compare(
    current: Sequence[ShelfProduct], parsed: ParsedCatalogue, *, on: date, withdraw_missing: bool = False
) -> ImportPlan:
    """The plan that brings the shelf to what the file says; what the file leaves open stays.

    Products and variants are found again by their references. What the file lists is on sale afterwards, except
    food without its allergens, which the law keeps off the page (domain F2). `on` is the day whose kinds count.
    """
    before_of = {product.reference: product for product in current}
    owner_of = {variant.reference: product.reference for product in current for variant in product.variants}
    problems = list(parsed.problems)
    added: list[PlannedProduct] = []
    changed: list[PlannedProduct] = []
    missing_variants: list[ShelfVariant] = []
    unchanged_qty = 0
    for product in parsed.products:
        moved = [v for v in product.variants if owner_of.get(v.reference, product.reference) != product.reference]
        problems.extend(Problem(v.line, "", "variant_moved", v.reference) for v in moved)
        if moved:
            continue
        before = before_of.get(product.reference)
        if before is None:
            added.append(_planned(product, None, (), on))
            continue
        gone = _not_in(product, before)
        missing_variants.extend(gone)
        planned = _planned(product, before, () if withdraw_missing else gone, on)
        if planned.changes:
            changed.append(planned)
        else:
            unchanged_qty += 1
    listed = {product.reference for product in parsed.products}
    on_sale = [product for product in current if product.is_published]
    missing = tuple(product for product in on_sale if product.reference not in listed)
    vanishes = withdraw_missing and len(missing) * 100 > len(on_sale) * VANISHING_LIMIT_PERCENT
    return ImportPlan(
        added=tuple(added),
        changed=tuple(changed),
        unchanged_qty=unchanged_qty,
        missing=missing,
        missing_variants=tuple(missing_variants),
        withdraws_missing=withdraw_missing,
        problems=tuple(sorted(problems, key=lambda problem: problem.line)),
        notes=parsed.notes,
        refusal="too_many_missing" if vanishes else None,
    )


def _not_in(product: ParsedProduct, before: ShelfProduct) -> tuple[ShelfVariant, ...]:
    listed = {variant.reference for variant in product.variants}
    return tuple(v for v in before.variants if v.is_offered and v.reference not in listed)


def _planned(
    product: ParsedProduct, before: ShelfProduct | None, kept: Sequence[ShelfVariant], on: date
) -> PlannedProduct:
    after = _after(product, before, kept)
    lacking = what_lacks(after, on)
    after = replace(after, is_published="allergenes" not in lacking)
    return PlannedProduct(product.line, after, _differences(before, after), lacking)


def _after(product: ParsedProduct, before: ShelfProduct | None, kept: Sequence[ShelfVariant]) -> ShelfProduct:
    known = {variant.reference: variant for variant in before.variants} if before else {}
    old = before or ShelfProduct(product.reference, product.name, product.kind)
    return ShelfProduct(
        reference=product.reference,
        name=product.name,
        kind=product.kind,
        brand=_or(product.brand, old.brand),
        description=_or(product.description, old.description),
        drawing=_or(product.drawing, old.drawing) or drawing_of_kind(product.kind),
        allergens=_or(product.allergens, old.allergens),
        details={**old.details, **product.details},
        variants=(*(_variant_after(v, known.get(v.reference)) for v in product.variants), *kept),
    )


def _variant_after(variant: ParsedVariant, before: ShelfVariant | None) -> ShelfVariant:
    old = before or ShelfVariant(variant.reference, variant.label, variant.price)
    return ShelfVariant(
        reference=variant.reference,
        label=variant.label,
        price=variant.price,
        ean=_or(variant.ean, old.ean),
        # Pieces promised to orders stay counted, whatever the file says.
        on_hand_qty=max(_or(variant.stock_qty, old.on_hand_qty), old.held_qty),
        held_qty=old.held_qty,
        weight_grams=_or(variant.weight_grams, old.weight_grams),
        volume_ml=_or(variant.volume_ml, old.volume_ml),
        net=_or(variant.net, old.net),
    )


def _or(said: T | None, before: T) -> T:
    return before if said is None else said


def what_lacks(product: ShelfProduct, on: date) -> tuple[str, ...]:
    """What the product's kind asks for before it may be sold (domain 9b) and the product does not have."""
    offered = [variant for variant in product.variants if variant.is_offered]
    given = {
        "allergenes": product.allergens is not None,
        "contenance": all(variant.net for variant in offered),
        "ean": all(variant.ean for variant in offered),
    }
    needs = get_kind(product.kind, on).needs
    return tuple(need for need in needs if not given.get(need, bool(product.details.get(need))))


_PRODUCT_FIELDS = ("name", "kind", "brand", "description", "drawing", "allergens", "details", "is_published")
_VARIANT_FIELDS = ("label", "price", "ean", "on_hand_qty", "weight_grams", "volume_ml", "net", "is_offered")


def _differences(before: ShelfProduct | None, after: ShelfProduct) -> tuple[FieldChange, ...]:
    if before is None:
        return ()
    found = _changed_fields(_PRODUCT_FIELDS, before, after)
    old_of = {variant.reference: variant for variant in before.variants}
    for variant in after.variants:
        old = old_of.pop(variant.reference, None)
        if old is None:
            found.append(FieldChange(variant.reference, "variant", None, variant))
        else:
            found.extend(_changed_fields(_VARIANT_FIELDS, old, variant))
    for gone in old_of.values():
        if gone.is_offered:
            found.append(FieldChange(gone.reference, "is_offered", True, False))
    return tuple(found)


def _changed_fields(
    names: Sequence[str], old: ShelfProduct | ShelfVariant, new: ShelfProduct | ShelfVariant
) -> list[FieldChange]:
    pairs = ((name, getattr(old, name), getattr(new, name)) for name in names)
    return [FieldChange(new.reference, name, was, will) for name, was, will in pairs if was != will]
