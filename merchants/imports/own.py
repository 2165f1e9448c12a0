"""The market's own catalogue format, described for shopkeepers in docs/catalogue-format.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from marketplace.drawings.catalogue import RANGE_OF
from merchants.imports import cells as cell
from merchants.imports.assembling import assemble
from merchants.imports.cells import CellError, Cells, fold, slug
from merchants.imports.parsed import ParsedCatalogue, ParsedProduct, ParsedVariant, Problem
from merchants.imports.reading import Sheet, UnreadableFile
from merchants.kinds import kind_keys

COLUMNS = (
    "reference", "article", "nom", "declinaison", "genre", "marque", "description", "prix", "stock", "ean", "poids_g",
    "volume_ml", "contenance", "allergenes", "image", "details",
)  # fmt: skip
REQUIRED = ("reference", "nom", "genre", "prix")


def _column(title: str) -> str:
    """A title as people type it: "Référence", "Poids (g)" and "poids_g" are columns of ours."""
    return slug(title).replace("-", "_")


def is_own(header: Sequence[str]) -> bool:
    """Three titles of ours, the reference among them, or all that are required: the rest can be complained about."""
    known = {_column(title) for title in header} & set(COLUMNS)
    return ("reference" in known and len(known) >= 3) or len(known & set(REQUIRED)) >= 3


@dataclass(frozen=True, slots=True)
class _Line:
    """One sound row: what it says of the product, and its variant."""

    article: str
    product: ParsedProduct


def parse_own(sheet: Sheet, *, default_kind: str | None = None) -> ParsedCatalogue:
    """The products of a file in our own format. `default_kind` stands in where `genre` is empty.

    UnreadableFile column_missing: without its required columns, no row means anything.
    """
    index, problems = _index(sheet.header)
    missing = [name for name in REQUIRED if name not in index and not (name == "genre" and default_kind)]
    if missing:
        raise UnreadableFile("column_missing", columns=missing)
    problems = [*sheet.problems, *problems]
    lines: list[_Line] = []
    faulty_articles: set[str] = set()
    for row in sheet.rows:
        line, cells = _read_line(Cells(row, index, sheet.header, problems), default_kind)
        if line:
            lines.append(line)
        else:
            faulty_articles.add(fold(cells.raw("article")))
    # A product short of one of its variants would look as if the shop had dropped it.
    whole = [line for line in lines if not (line.article and fold(line.article) in faulty_articles)]
    return assemble("own", _products(whole, problems), problems, sheet.notes)


def _index(header: Sequence[str]) -> tuple[dict[str, int], list[Problem]]:
    index: dict[str, int] = {}
    problems = []
    for position, title in enumerate(header):
        name = _column(title)
        if name not in COLUMNS:
            problems.append(Problem(1, cell.shown(title), "column_unknown"))
        elif name in index:
            problems.append(Problem(1, cell.shown(title), "column_twice"))
        else:
            index[name] = position
    return index, problems


def _kind(default_kind: str | None) -> Callable[[str], str]:
    def parse(value: str) -> str:
        key = slug(value) if value else default_kind
        if not key:
            raise CellError("kind_missing")
        if key not in kind_keys():
            raise CellError("kind_unknown")
        return key

    return parse


def _drawing(value: str) -> str:
    key = fold(value)
    if key not in RANGE_OF:
        raise CellError("drawing_unknown")
    return key


def _read_line(cells: Cells, default_kind: str | None) -> tuple[_Line | None, Cells]:
    reference = cells.required("reference", cell.required_text(80, "reference_missing"))
    article = cells.read("article", cell.text(80)) or ""
    name = cells.required("nom", cell.required_text(160, "name_missing"))
    label = cells.read("declinaison", cell.text(80)) or ""
    kind = cells.required("genre", _kind(default_kind))
    brand = cells.read("marque", cell.text(80))
    description = cells.read("description", cell.text(10_000, lines=True))
    price = cells.required("prix", cell.price)
    variant = {
        "stock_qty": cells.read("stock", cell.stock),
        "weight_grams": cells.read("poids_g", cell.weight_grams),
        "volume_ml": cells.read("volume_ml", cell.volume_ml),
    }
    ean = cells.read("ean", cell.barcode)
    net = cells.read("contenance", cell.net_content)
    allergens = cells.read("allergenes", cell.allergens)
    drawing = cells.read("image", _drawing)
    details = cells.read("details", cell.details)
    if not (cells.is_sound and reference and name and kind and price):
        return None, cells
    product = ParsedProduct(
        reference=article or reference,
        name=name,
        kind=kind,
        line=cells.line,
        variants=(ParsedVariant(reference, label, price, cells.line, ean=ean, net=net, **variant),),
        brand=brand,
        description=description,
        drawing=drawing,
        allergens=allergens,
        details=details or {},
    )
    return _Line(article, product), cells


#: What all rows of one article must agree on, with the column that says it.
_SHARED = {
    "name": "nom",
    "kind": "genre",
    "brand": "marque",
    "description": "description",
    "drawing": "image",
    "allergens": "allergenes",
}


def _products(lines: Sequence[_Line], problems: list[Problem]) -> list[ParsedProduct]:
    """One product per article; a shared column may stand in the first of its rows only, or be repeated."""
    groups: dict[str, list[ParsedProduct]] = {}
    for number, line in enumerate(lines):
        groups.setdefault(line.article or f"\0{number}", []).append(line.product)
    # Two spellings of one key would be two products with half the variants each.
    spellings = Counter(fold(article) for article in groups)
    products = []
    for article, rows in groups.items():
        if spellings[fold(article)] > 1:
            problems.append(Problem(rows[0].line, "article", "article_spelling", cell.shown(article)))
            continue
        disagreements = [problem for row in rows[1:] for problem in _disagreements(rows[0], row)]
        problems.extend(disagreements)
        if not disagreements:
            products.append(_merged(rows))
    return products


def _disagreements(first: ParsedProduct, row: ParsedProduct) -> list[Problem]:
    found = []
    for field, column in _SHARED.items():
        said = getattr(row, field)
        if said is not None and said != getattr(first, field):
            found.append(Problem(row.line, column, "article_disagrees", cell.shown(str(said))))
    if not row.variants[0].label:
        found.append(Problem(row.line, "declinaison", "label_missing"))
    return found


def _merged(rows: Sequence[ParsedProduct]) -> ParsedProduct:
    first = rows[0]
    details = {name: sentence for row in reversed(rows) for name, sentence in row.details.items()}
    return ParsedProduct(
        reference=first.reference,
        name=first.name,
        kind=first.kind,
        line=first.line,
        variants=tuple(row.variants[0] for row in rows),
        brand=first.brand,
        description=first.description,
        drawing=first.drawing,
        allergens=first.allergens,
        details=details,
    )
