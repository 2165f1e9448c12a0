"""What the exports of online shops have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from merchants.imports import cells as cell
from merchants.imports.cells import CellError, Cells, fold
from merchants.imports.kind_words import kinds_of_paths
from merchants.imports.parsed import Problem


def index_of(header: Sequence[str], names: Mapping[str, str]) -> dict[str, int]:
    """Our name → position, for the titles that `names` knows (folded title → our name); the first of two counts.

    Exports carry dozens of columns that are none of our business, purchase prices among them: what has no name
    here is never read.
    """
    index: dict[str, int] = {}
    for position, title in enumerate(header):
        name = names.get(fold(title).replace(" ?", "?"))
        if name:
            index.setdefault(name, position)
    return index


@dataclass(frozen=True, slots=True)
class KindStandIns:
    """What kind products are of whose file does not say: `asked` for this file, or what the `shop` sells as a rule."""

    asked: str | None = None
    shop: str | None = None


def read_kind(cells: Cells, name: str, paths: list[str], stand_ins: KindStandIns, notes: list[Problem]) -> str | None:
    """The kind that the categories name beyond doubt, else the one asked for, else the shop's own with a note.

    A problem at column `name` when there is none, or when the categories name several others.
    """
    named = kinds_of_paths(paths)
    if len(named) == 1:
        return next(iter(named))
    if stand_ins.asked:
        return stand_ins.asked
    if stand_ins.shop and (not named or stand_ins.shop in named):
        notes.append(Problem(cells.line, name, "kind_of_shop"))
        return stand_ins.shop
    cells.refuse(name, "kind_ambiguous" if named else "kind_missing")
    return None


def read_barcode(cells: Cells, name: str, notes: list[Problem]) -> str | None:
    """The barcode. A shop's own code in that column is left out with a note; a damaged EAN is a problem."""
    value = cells.raw(name)
    try:
        return cell.barcode(value) if value else None
    except CellError as error:
        if error.code == "ean_not_digits" or (error.code == "ean_wrong" and len(value) not in (8, 12, 13)):
            notes.append(Problem(cells.line, name, "barcode_not_used", cell.shown(value)))
        else:
            cells.refuse(name, error.code)
        return None


def read_stock(cells: Cells, name: str, notes: list[Problem]) -> int | None:
    """The pieces; None with a note where the shop sells without counting."""
    value = cells.raw(name)
    try:
        return cell.stock(value) if value else None
    except CellError as error:
        if error.code != "stock_word":
            cells.refuse(name, error.code)
        return None
