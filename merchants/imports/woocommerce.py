"""WooCommerce's own product export (Products → Export), with English or French titles.

Seen in the wild: variations before or after their parent, `Parent` as SKU or "id:44"; "simple, virtual" types;
stock "parent" on variations; sale prices with dates; drafts (-1), private (0) and hidden products.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from math import prod

from marketplace.money import Money
from merchants.imports import cells as cell
from merchants.imports.assembling import assemble
from merchants.imports.cells import CellError, Cells, fold, slug
from merchants.imports.exports import KindStandIns, index_of, read_barcode, read_kind, read_stock
from merchants.imports.parsed import ParsedCatalogue, ParsedProduct, ParsedVariant, Problem
from merchants.imports.reading import Row, Sheet

#: Folded title → our name.
_TITLES = {
    "id": "id",
    "type": "type",
    "sku": "sku",
    "ugs": "sku",
    "name": "name",
    "nom": "name",
    "published": "published",
    "publie": "published",
    "visibility in catalog": "visibility",
    "visibilite dans le catalogue": "visibility",
    "short description": "summary",
    "description courte": "summary",
    "description": "description",
    "date sale price starts": "sale_from",
    "date de debut de promo": "sale_from",
    "date sale price ends": "sale_to",
    "date de fin de promo": "sale_to",
    "in stock?": "in_stock",
    "en stock?": "in_stock",
    "stock": "stock",
    "sale price": "sale_price",
    "tarif promo": "sale_price",
    "regular price": "price",
    "tarif regulier": "price",
    "categories": "categories",
    "parent": "parent",
    "gtin, upc, ean, or isbn": "ean",
    "gtin, upc, ean ou isbn": "ean",
    "gtin, upc, ean, ou isbn": "ean",
    "brand": "brand",
    "brands": "brand",
    "marque": "brand",
    "marques": "brand",
}
#: Four attributes tell every variation apart; shops with more repeat themselves.
ATTRIBUTES_QTY = 6
for _n in range(1, ATTRIBUTES_QTY + 1):
    _TITLES |= {
        f"attribute {_n} name": f"attribute_{_n}_name",
        f"nom de l'attribut {_n}": f"attribute_{_n}_name",
        f"attribute {_n} value(s)": f"attribute_{_n}_values",
        f"valeur(s) de l'attribut {_n}": f"attribute_{_n}_values",
        f"attribute {_n} visible": f"attribute_{_n}_visible",
        f"attribut {_n} visible": f"attribute_{_n}_visible",
    }

_GRAMS = {"kg": "1000", "g": "1", "lbs": "453.59237", "lb": "453.59237", "oz": "28.349523125", "livres": "453.59237"}
_CENTIMETRES = {"cm": "1", "mm": "0.1", "m": "100", "in": "2.54", "yd": "91.44", "pouce": "2.54"}
_MEASURES = {
    "weight": "weight", "poids": "weight", "length": "length", "longueur": "length", "width": "width",
    "largeur": "width", "height": "height", "hauteur": "height",
}  # fmt: skip

#: Kinds of row that are no goods to carry, with the note that says so.
_LEFT_OUT = {"grouped": "grouped_product", "external": "external_product", "downloadable": "download"}


def is_woocommerce(header: Sequence[str]) -> bool:
    index = index_of(header, _TITLES)
    return {"type", "name", "price"} <= index.keys() and ("sku" in index or "id" in index)


def parse_woocommerce(sheet: Sheet, *, on: date, stand_ins: KindStandIns) -> ParsedCatalogue:
    """The published products of a WooCommerce export, with the prices that hold on the day `on`.

    Left out with a note: drafts, private and hidden products, groups, products sold elsewhere, downloads and
    types of plug-ins. A variation's product is found by the parent's SKU or id, wherever it stands in the file.
    """
    return _Export(sheet, on, stand_ins).parse()


class _Export:
    """One export while it is read."""

    def __init__(self, sheet: Sheet, on: date, stand_ins: KindStandIns) -> None:
        self.sheet, self.on, self.stand_ins = sheet, on, stand_ins
        self.index = index_of(sheet.header, _TITLES)
        self.factors = self._units()
        self.problems: list[Problem] = list(sheet.problems)
        self.notes: list[Problem] = list(sheet.notes)

    def _units(self) -> dict[str, Decimal]:
        factors: dict[str, Decimal] = {}
        for position, title in enumerate(self.sheet.header):
            match = re.fullmatch(r"([a-z]+) \(([a-z]+)\)", fold(title))
            if match and (name := _MEASURES.get(match[1])):
                factor = (_GRAMS if name == "weight" else _CENTIMETRES).get(match[2])
                if factor and name not in factors:
                    factors[name] = Decimal(factor)
                    self.index[name] = position
        return factors

    def parse(self) -> ParsedCatalogue:
        parents: list[tuple[Cells, list[Cells]]] = []
        by_key: dict[str, list[Cells]] = {}
        variations: list[Cells] = []
        left_out: set[str] = set()
        for row in self.sheet.rows:
            cells = self._cells(row)
            types = {fold(word) for word in cells.raw("type").split(",")}
            if "variation" in types:
                variations.append(cells)
                continue
            children: list[Cells] = []
            why = self._why_left_out(cells, types)
            if why:
                self.notes.append(Problem(row.line, "", why, cell.shown(cells.raw("name"))))
            else:
                parents.append((cells, children))
            for key in self._keys(cells):
                by_key.setdefault(key, children)
                if why:
                    left_out.add(key)
        for cells in variations:
            self._join(cells, by_key, left_out)
        products = [self._product(cells, children) for cells, children in parents]
        return assemble("woocommerce", [p for p in products if p], self.problems, self.notes)

    def _cells(self, row: Row) -> Cells:
        return Cells(row, self.index, self.sheet.header, self.problems)

    def _keys(self, cells: Cells) -> list[str]:
        return [key for key in (fold(cells.raw("sku")), f"id:{cells.raw('id')}") if key not in ("", "id:")]

    def _why_left_out(self, cells: Cells, types: set[str]) -> str | None:
        for word, note in _LEFT_OUT.items():
            if word in types:
                return note
        if not types & {"simple", "variable", ""}:
            return "type_unknown"
        # WooCommerce: 1 published, 0 private, -1 draft; the column may be missing in a chosen export.
        if cells.raw("published") not in ("", "1"):
            return "not_published"
        return "hidden_product" if fold(cells.raw("visibility")) == "hidden" else None

    def _join(self, cells: Cells, by_key: dict[str, list[Cells]], left_out: set[str]) -> None:
        key = fold(cells.raw("parent")).replace("id: ", "id:")
        if key in left_out:
            self.notes.append(Problem(cells.line, "", "parent_left_out", cell.shown(cells.raw("name"))))
        elif key in by_key:
            by_key[key].append(cells)
        else:
            cells.refuse("parent", "parent_missing")

    def _product(self, cells: Cells, children: list[Cells]) -> ParsedProduct | None:
        name = cells.required("name", cell.required_text(160, "name_missing"))
        summary = cells.read("summary", cell.description)
        long = cells.read("description", cell.description)
        kind = read_kind(cells, "categories", _paths(cells.raw("categories")), self.stand_ins, self.notes)
        is_variable = "variable" in fold(cells.raw("type")).split(", ") or bool(children)
        if is_variable and not children:
            cells.refuse("type", "no_variations")
        told_apart = self._told_apart(children)
        brand = cells.read("brand", cell.text(80))
        details, allergens = self._details(cells, told_apart)
        published = [child for child in children if child.raw("published") in ("", "1")]
        if is_variable and children and not published:
            self.notes.append(Problem(cells.line, "", "not_published", cell.shown(cells.raw("name"))))
            return None
        reference = self._reference(cells, name or "", "")
        variants = [
            self._variant(child, label, self._reference(child, name or "", label), cells)
            for child in published
            for label in [self._label(child, name or "")]
        ] or [self._variant(cells, "", reference, cells)]
        found = [variant for variant in variants if variant]
        if not (name and kind and cells.is_sound and len(found) == len(variants)):
            return None
        return ParsedProduct(
            reference=reference,
            name=name,
            kind=kind,
            line=cells.line,
            variants=tuple(found),
            brand=brand,
            description="\n\n".join(part for part in (summary, long) if part) or None,
            allergens=allergens,
            details=details,
        )

    def _reference(self, cells: Cells, name: str, label: str) -> str:
        """The SKU; else the number that WooCommerce never changes; else the words.

        A variation that repeats its parent's SKU has none of its own.
        """
        sku = cells.read("sku", cell.text(80))
        if sku and label and fold(sku) == fold(cells.raw("parent")):
            sku = None
        number = cells.raw("id")
        return sku or (f"id-{number}" if re.fullmatch("[0-9]{1,12}", number) else slug(f"{name} {label}"))

    def _variant(self, cells: Cells, label: str, reference: str, parent: Cells) -> ParsedVariant | None:
        price = self._price(cells)
        if not reference:
            cells.refuse("sku", "reference_missing")
        ean = read_barcode(cells, "ean", self.notes)
        stock_qty = self._stock(cells)
        # What a variation does not say, it has from its parent.
        weight_grams = self._weight(cells) or self._weight(parent)
        volume_ml = self._volume(cells) or self._volume(parent)
        if not (price and cells.is_sound):
            return None
        return ParsedVariant(reference, label, price, cells.line, stock_qty, ean, weight_grams, volume_ml)

    def _price(self, cells: Cells) -> Money | None:
        """The regular price, or the sale price while it holds: what a customer pays on that day."""
        regular = cells.required("price", cell.export_price)
        sale = cells.read("sale_price", cell.export_price)
        starts = cells.read("sale_from", _day)
        ends = cells.read("sale_to", _day)
        holds = (starts is None or starts <= self.on) and (ends is None or self.on <= ends)
        return sale if regular and sale and holds and sale < regular else regular

    def _stock(self, cells: Cells) -> int | None:
        if fold(cells.raw("in_stock")) in ("0", "non", "no", "outofstock"):
            return 0
        # "parent": the variations share one number, which cannot be shared out without asking.
        stock_qty = None if fold(cells.raw("stock")) == "parent" else read_stock(cells, "stock", self.notes)
        if stock_qty is None and cells.is_sound:
            self.notes.append(Problem(cells.line, "stock", "stock_not_counted", cell.shown(cells.raw("name"))))
        return stock_qty

    def _measure(self, cells: Cells, name: str, wrong: str, most: int, scale: Decimal) -> int | None:
        if name not in self.factors:
            return None
        parse: Callable[[str], int] = cell.measure(self.factors[name] * scale, wrong, most, wrong)
        return cells.read(name, parse)

    def _weight(self, cells: Cells) -> int | None:
        return self._measure(cells, "weight", "weight_unclear", cell.MAX_WEIGHT_GRAMS, Decimal(1)) or None

    def _volume(self, cells: Cells) -> int | None:
        """The box around the goods; a side that is missing or 0 leaves it unknown."""
        # In tenths of a millimetre, so that a rounded side does not spoil the product.
        sides = [self._measure(cells, n, "size_unclear", 50_000, Decimal(100)) for n in ("length", "width", "height")]
        known = [side for side in sides if side]
        return min(max(prod(known) // 1_000_000, 1), cell.MAX_VOLUME_ML) if len(known) == 3 else None

    def _attributes(self, cells: Cells) -> list[tuple[str, str]]:
        pairs = []
        for n in range(1, ATTRIBUTES_QTY + 1):
            name = cells.read(f"attribute_{n}_name", cell.text(60))
            values = cells.read(f"attribute_{n}_values", cell.text(300))
            if name and values and cells.raw(f"attribute_{n}_visible") in ("", "1"):
                pairs.append((name, values))
        return pairs

    def _told_apart(self, children: list[Cells]) -> set[str]:
        return {fold(child.raw(f"attribute_{n}_name")) for child in children for n in range(1, ATTRIBUTES_QTY + 1)}

    def _details(self, cells: Cells, told_apart: set[str]) -> tuple[dict[str, str], tuple[str, ...] | None]:
        """The attributes that do not tell variations apart; one named "Allergènes" fills the structured field."""
        details: dict[str, str] = {}
        allergens: tuple[str, ...] | None = None
        for name, values in self._attributes(cells):
            key = slug(name, 40).replace("-", "_")
            if fold(name) in told_apart or not key:
                continue
            if key in ("allergenes", "allergene", "allergens"):
                try:
                    allergens = cell.allergens(values)
                    continue
                except CellError:
                    self.notes.append(Problem(cells.line, name, "allergens_not_used", cell.shown(values)))
            details.setdefault(key, values)
        return details, allergens

    def _label(self, cells: Cells, parent_name: str) -> str:
        values = []
        for n in range(1, ATTRIBUTES_QTY + 1):
            value = cells.read(f"attribute_{n}_values", cell.text(80))
            if value:
                values.append(value)
        if values:
            return ", ".join(values)[:80]
        name = cells.read("name", cell.text(160)) or ""
        return (name.removeprefix(parent_name).strip(" -–") or name)[:80]


def _paths(categories: str) -> list[str]:
    r"""Category paths; WooCommerce writes a comma that is part of a name as "\,"."""
    parts = re.split(r"(?<!\\),", categories)
    return [part.replace("\\,", ",").strip() for part in parts if part.strip()]


def _day(value: str) -> date:
    """The day of "2026-11-30" or "2026-11-30 00:00:00"."""
    try:
        return date.fromisoformat(value[:10])
    except ValueError:
        raise CellError("date_unclear") from None
