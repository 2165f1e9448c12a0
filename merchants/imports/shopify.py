"""Shopify's product export, with the titles of before and since 2025.

Rows that repeat a handle carry further variants, or only a picture. The title and what belongs to the product
stand in its first row alone. Purchase prices ("Cost per item") are never read.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from merchants.imports import cells as cell
from merchants.imports.assembling import assemble
from merchants.imports.cells import Cells, fold, slug
from merchants.imports.exports import KindStandIns, index_of, read_barcode, read_kind, read_stock
from merchants.imports.parsed import ParsedCatalogue, ParsedProduct, ParsedVariant, Problem
from merchants.imports.reading import Sheet

#: Folded title → our name.
_TITLES = {
    "handle": "handle",
    "url handle": "handle",
    "title": "title",
    "body (html)": "description",
    "body html": "description",
    "description": "description",
    "vendor": "vendor",
    "type": "type",
    "custom product type": "type",
    "product category": "category",
    "standardized product type": "category",
    "published": "published",
    "published on online store": "published",
    "status": "status",
    "option1 name": "option_1",
    "option1 value": "option_1_value",
    "option2 value": "option_2_value",
    "option3 value": "option_3_value",
    "variant sku": "sku",
    "sku": "sku",
    "variant grams": "grams",
    "weight value (grams)": "grams",
    "variant inventory tracker": "tracker",
    "inventory tracker": "tracker",
    "variant inventory qty": "stock",
    "inventory quantity": "stock",
    "variant price": "price",
    "price": "price",
    "variant barcode": "barcode",
    "barcode": "barcode",
    "gift card": "gift_card",
}


def is_shopify(header: Sequence[str]) -> bool:
    return {"handle", "title", "price"} <= index_of(header, _TITLES).keys()


def parse_shopify(sheet: Sheet, *, stand_ins: KindStandIns) -> ParsedCatalogue:
    """The active products of a Shopify export. Left out with a note: drafts, archived, unpublished, gift cards."""
    index = index_of(sheet.header, _TITLES)
    problems, notes = list(sheet.problems), list(sheet.notes)
    groups: dict[str, list[Cells]] = {}
    for row in sheet.rows:
        cells = Cells(row, index, sheet.header, problems)
        handle = slug(cells.raw("handle"), 120)
        if handle:
            groups.setdefault(handle, []).append(cells)
        elif _is_variant(cells) or cells.raw("title"):
            cells.refuse("handle", "reference_missing")
        else:
            notes.append(Problem(cells.line, "", "picture_only"))
    products = []
    for handle, rows in groups.items():
        why = _why_left_out(rows[0])
        if why:
            notes.append(Problem(rows[0].line, "", why, cell.shown(rows[0].raw("title") or handle)))
        elif product := _product(handle, rows, stand_ins, notes):
            products.append(product)
    return assemble("shopify", products, problems, notes)


def _why_left_out(first: Cells) -> str | None:
    if fold(first.raw("status")) not in ("", "active"):
        return "not_published"
    if fold(first.raw("published")) in ("false", "faux", "0"):
        return "not_published"
    return "gift_card" if fold(first.raw("gift_card")) in ("true", "vrai") else None


def _is_variant(cells: Cells) -> bool:
    return any(cells.raw(name) for name in ("price", "option_1_value", "sku"))


def _product(handle: str, rows: list[Cells], stand_ins: KindStandIns, notes: list[Problem]) -> ParsedProduct | None:
    first = rows[0]
    name = first.required("title", cell.required_text(160, "name_missing"))
    paths = [path for path in (first.raw("type"), first.raw("category")) if path]
    kind = read_kind(first, "type", paths, stand_ins, notes)
    brand = first.read("vendor", cell.text(80))
    description = first.read("description", cell.description)
    if not _is_variant(first):
        first.refuse("price", "price_missing")
    variants = [_variant(handle, cells, notes) for cells in rows if _is_variant(cells)]
    found = [variant for variant in variants if variant]
    if not (name and kind and first.is_sound and len(found) == len(variants)):
        return None
    return ParsedProduct(
        reference=handle,
        name=name,
        kind=kind,
        line=first.line,
        variants=tuple(found),
        brand=brand,
        description=description,
    )


def _variant(handle: str, cells: Cells, notes: list[Problem]) -> ParsedVariant | None:
    label = _label(cells)
    sku = cells.read("sku", cell.text(80))
    price = cells.required("price", cell.export_price)
    stock_qty = _stock(cells, notes)
    grams = cells.read("grams", _grams)
    ean = read_barcode(cells, "barcode", notes)
    if not (price and cells.is_sound):
        return None
    reference = sku or (f"{handle}-{slug(label)}" if label else handle)
    # Shopify writes 0 for a weight that nobody typed.
    return ParsedVariant(reference, label, price, cells.line, stock_qty, ean, weight_grams=grams or None)


_grams = cell.measure(Decimal(1), "weight_unclear", cell.MAX_WEIGHT_GRAMS, "weight_unclear")


def _label(cells: Cells) -> str:
    """The options' values; a product without options has the single value "Default Title"."""
    values = [cells.read(f"option_{n}_value", cell.text(80)) for n in (1, 2, 3)]
    label = ", ".join(value for value in values if value)[:80]
    return "" if label == "Default Title" else label


def _stock(cells: Cells, notes: list[Problem]) -> int | None:
    stock_qty = read_stock(cells, "stock", notes)
    # Without a tracker Shopify sells without counting and writes 0.
    if not cells.raw("tracker") and not stock_qty:
        stock_qty = None
    if stock_qty is None and cells.is_sound:
        notes.append(Problem(cells.line, "stock", "stock_not_counted", cell.shown(cells.raw("handle"))))
    return stock_qty
