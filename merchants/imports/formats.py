"""From a file's bytes to its catalogue, whichever of the known formats it is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from merchants.imports.exports import KindStandIns
from merchants.imports.own import is_own, parse_own
from merchants.imports.parsed import ParsedCatalogue
from merchants.imports.reading import read_sheet
from merchants.imports.shopify import is_shopify, parse_shopify
from merchants.imports.woocommerce import is_woocommerce, parse_woocommerce


def detect(header: Sequence[str]) -> str | None:
    """The format that a header belongs to: woocommerce, shopify or own; None for any other table."""
    if is_woocommerce(header):
        return "woocommerce"
    if is_shopify(header):
        return "shopify"
    return "own" if is_own(header) else None


def parse_catalogue(
    content: bytes, *, on: date, default_kind: str | None = None, shop_kind: str | None = None
) -> ParsedCatalogue:
    """What a file says on the day `on`; UnreadableFile if it is no catalogue of a known format.

    `default_kind` stands in where the file names no kind; failing that, for the exports of online shops, which know
    no kinds of ours, `shop_kind`.
    """
    stand_ins = KindStandIns(default_kind, shop_kind)
    sheet = read_sheet(content, detect)
    if sheet.format == "woocommerce":
        return parse_woocommerce(sheet, on=on, stand_ins=stand_ins)
    if sheet.format == "shopify":
        return parse_shopify(sheet, stand_ins=stand_ins)
    return parse_own(sheet, default_kind=default_kind)
