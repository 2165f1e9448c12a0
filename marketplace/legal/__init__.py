"""Legal figures, each with the days on which it holds and its source; never written into code (domain.md)."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class LegalValue:
    """`value` holds from `valid_from` until the day before `valid_to` (None: until further notice)."""

    key: str
    valid_from: date
    valid_to: date | None
    value: str
    source: str


@cache
def _values() -> dict[str, tuple[LegalValue, ...]]:
    table: defaultdict[str, list[LegalValue]] = defaultdict(list)
    with (Path(__file__).parent / "values.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter=";"):
            end = date.fromisoformat(row["valid_to"]) if row["valid_to"] else None
            table[row["key"]].append(
                LegalValue(row["key"], date.fromisoformat(row["valid_from"]), end, row["value"], row["source"])
            )
    return {key: tuple(values) for key, values in table.items()}


def legal_value(key: str, on: date) -> LegalValue:
    """The value of `key` that holds on a day; LookupError when the table has none."""
    for value in _values().get(key, ()):
        if value.valid_from <= on and (value.valid_to is None or on < value.valid_to):
            return value
    raise LookupError(f"no value of {key} on {on}")


def legal_number(key: str, on: date) -> int:
    """The same, as a whole number (cents, basis points, days: the key's last word says which)."""
    return int(legal_value(key, on).value)
