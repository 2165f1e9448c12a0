"""What kind of thing a product is: VAT, withdrawal, cold and age follow from it (domain 9b).

Merchants choose a kind, never the flags. The table is dated, because its figures are law.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Kind:
    """`vat_bp` in basis points; `cold` none | cool | chilled; `relay` yes | no | same_day | counter | books."""

    key: str
    valid_from: date
    vat_bp: int
    withdrawal: str
    cold: str
    relay: str
    minimum_age: int | None
    needs: tuple[str, ...]
    label: str

    @property
    def is_new_book(self) -> bool:
        return self.key == "livre-neuf"

    @property
    def is_chilled(self) -> bool:
        return self.cold == "chilled"


@cache
def _kinds() -> dict[str, tuple[Kind, ...]]:
    table: dict[str, list[Kind]] = {}
    with (Path(__file__).parent / "kinds.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter=";"):
            table.setdefault(row["key"], []).append(
                Kind(
                    key=row["key"],
                    valid_from=date.fromisoformat(row["valid_from"]),
                    vat_bp=int(row["vat_bp"]),
                    withdrawal=row["withdrawal"],
                    cold=row["cold"],
                    relay=row["relay"],
                    minimum_age=int(row["age"]) if row["age"] else None,
                    needs=tuple(need for need in row["needs"].split(",") if need),
                    label=row["label"],
                )
            )
    return {key: tuple(sorted(kinds, key=lambda k: k.valid_from, reverse=True)) for key, kinds in table.items()}


def kind_keys() -> tuple[str, ...]:
    return tuple(_kinds())


def get_kind(key: str, on: date) -> Kind:
    """The kind as the law has it on a day; LookupError for an unknown key."""
    for kind in _kinds().get(key, ()):
        if kind.valid_from <= on:
            return kind
    raise LookupError(f"no kind {key!r} on {on}")
