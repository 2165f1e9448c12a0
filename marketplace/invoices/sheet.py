"""Everything that is read on a document, ready for paper and screen; light, for the process that prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """The first column is text, the others are figures. `widths` are shares of the paper's; none: those of invoices."""

    headings: Row
    rows: tuple[Row, ...]
    widths: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Sheet:
    """A document's parts in their order; `warnings` stand first and cannot be overlooked.

    `words` are those that the layout itself needs, by name.
    """

    title: str
    seller_name: str
    warnings: Row
    seller: Row
    buyer: Row
    facts: tuple[tuple[str, str], ...]
    lines: Table
    vat: Table
    totals: tuple[tuple[str, str], ...]
    notes: Row
    words: Mapping[str, str]
