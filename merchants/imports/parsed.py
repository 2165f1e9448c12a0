"""What a catalogue file says, whatever its format.

None means that the file says nothing about it: what the shop already wrote stays. A second import must not
wipe the allergens that somebody typed by hand because an online shop's export has no column for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from marketplace.money import Money


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about one cell or row; `code` names the sentence, `value` is what stood there (shortened)."""

    line: int
    column: str
    code: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class NetContent:
    """What is inside, for the price per kilogram or litre; `unit` is g, ml or piece."""

    amount: int
    unit: str


@dataclass(frozen=True, slots=True)
class ParsedVariant:
    reference: str
    label: str
    price: Money
    line: int
    stock_qty: int | None = None
    ean: str | None = None
    weight_grams: int | None = None
    volume_ml: int | None = None
    net: NetContent | None = None


@dataclass(frozen=True, slots=True)
class ParsedProduct:
    """`kind` is a key of kinds.csv; `drawing` a key of the drawings; `allergens` () for "none" said aloud."""

    reference: str
    name: str
    kind: str
    line: int
    variants: tuple[ParsedVariant, ...]
    brand: str | None = None
    description: str | None = None
    drawing: str | None = None
    allergens: tuple[str, ...] | None = None
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ParsedCatalogue:
    """Every row of the file is in a product, in a problem or in a note; none is lost silently.

    `problems` stop the import. `notes` do not: rows left out on purpose (a draft, a download) and values that
    were repaired or not used.
    """

    format: str
    products: tuple[ParsedProduct, ...]
    problems: tuple[Problem, ...]
    notes: tuple[Problem, ...]
