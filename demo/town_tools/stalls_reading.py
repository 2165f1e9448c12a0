"""Reading a stall: the short notes from which one shop's catalogue is made.

A stall is a text file, one product to a line:

    = fromage | cheese-wedge | lait:vache cru; al:lait; o:France
    Tomme du Breuil | 6,90 ~250 g | Trois mois de cave, une croûte grise et un goût de noisette. | m:Ferme du Breuil

A line that begins with "=" says kind, drawing and whatever holds for the products below it. A product has a
name, a price with its contents ("~" marks a portion that is only about that heavy), a description and its own
remarks. Remarks are "key:value; key:value"; SHORT lists the abbreviated keys, other keys become details.
"tailles", "pointures", "couleurs" and "formats" make variants; formats carry their own price and contents
("formats:250 g=4,90/500 g=8,90").
"""

import re
from dataclasses import dataclass, replace

SHORT = {
    "m": "marque",
    "al": "allergenes",
    "p": "poids",
    "v": "volume",
    "s": "stock",
    "img": "image",
    "a": "auteur",
    "e": "editeur",
    "d": "parution",
    "i": "ingredients",
    "o": "origine",
    "c": "composition",
}
VARIANT_KEYS = {"tailles": "Taille ", "pointures": "Pointure ", "couleurs": "", "modeles": "", "formats": ""}
ALLERGENS = (
    "gluten",
    "crustacés",
    "oeufs",
    "poisson",
    "arachides",
    "soja",
    "lait",
    "fruits à coque",
    "céleri",
    "moutarde",
    "sésame",
    "sulfites",
    "lupin",
    "mollusques",
)
_PRICE = re.compile(r"^(?P<euros>\d+)(?:,(?P<cents>\d\d))?(?:\s+(?P<about>~)?(?P<contents>\d.*))?$")
_CONTENTS = re.compile(r"^\d[\d,x ]*(kg|g|cl|ml|l|pièces?)$")


class StallError(ValueError):
    """A stall has a line that cannot be read. The message names the line."""


@dataclass(frozen=True, slots=True)
class Variant:
    label: str
    price_cents: int
    contents: str


@dataclass(frozen=True, slots=True)
class Article:
    """One product of a stall; remarks still hold everything that is not a column of its own."""

    name: str
    kind: str
    image: str
    description: str
    remarks: dict[str, str]
    variants: tuple[Variant, ...]


def read_stall(text: str) -> list[Article]:
    """The products of one stall, in the order of its lines. Raises StallError."""
    kind, image, shared = "", "", dict[str, str]()
    articles = list[Article]()
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            if line.startswith("="):
                kind, image, *rest = (cell.strip() for cell in line[1:].split("|"))
                shared = read_remarks(rest[0] if rest else "")
            else:
                articles.append(read_article(line, kind, image, shared))
        except ValueError as wrong:
            raise StallError(f"line {number}: {wrong}: {line}") from wrong
    return articles


def read_article(line: str, kind: str, image: str, shared: dict[str, str]) -> Article:
    """One product line under the block that holds for it. Raises ValueError."""
    name, price, description, *rest = (cell.strip() for cell in line.split("|"))
    if len(rest) > 1:
        raise ValueError("too many cells")
    if not kind or not image:
        raise ValueError("no block above this product")
    remarks = shared | read_remarks(rest[0] if rest else "")
    only, about = read_price(price)
    if about:
        name = f"{name}, environ {only.contents}"
    variants = read_variants(remarks, only)
    for key in VARIANT_KEYS:
        remarks.pop(key, None)
    return Article(name, kind, remarks.pop("image", image), description, remarks, variants)


def read_remarks(cell: str) -> dict[str, str]:
    """Remarks ("k:v; k:v") as a dictionary with the long names of the keys. Raises ValueError."""
    remarks = dict[str, str]()
    for part in filter(None, (piece.strip() for piece in cell.split(";"))):
        key, colon, value = part.partition(":")
        if not colon or not value.strip():
            raise ValueError(f"remark without a value: {part!r}")
        remarks[SHORT.get(key.strip(), key.strip())] = value.strip()
    return remarks


def read_price(cell: str) -> tuple[Variant, bool]:
    """The price cell ("6,90 ~250 g") as an unlabelled variant, and whether the contents are only about right."""
    found = _PRICE.match(cell)
    if found is None:
        raise ValueError(f"not a price: {cell!r}")
    cents = int(found["euros"]) * 100 + int(found["cents"] or 0)
    return Variant("", cents, (found["contents"] or "").strip()), found["about"] is not None


def read_variants(remarks: dict[str, str], only: Variant) -> tuple[Variant, ...]:
    """The variants that the remarks name, or the single unlabelled one."""
    if formats := remarks.get("formats"):
        read = list[Variant]()
        for part in formats.split("/"):
            label, _, price = (piece.strip() for piece in part.partition("="))
            contents = label if _CONTENTS.match(label) else only.contents
            read.append(Variant(label, read_price(price)[0].price_cents, contents))
        return tuple(read)
    for key, prefix in VARIANT_KEYS.items():
        if named := remarks.get(key):
            labels = named.split("/") if "/" in named else named.split()
            return tuple(replace(only, label=prefix + label.strip()) for label in labels)
    return (only,)
