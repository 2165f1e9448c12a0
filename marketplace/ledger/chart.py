"""The accountant's numbers for the ledger's words, each with the days on which it holds (chart.csv)."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

#: Not one of the ledger's words: where the VAT within an income is written.
VAT = "vat"


@dataclass(frozen=True, slots=True)
class ChartAccount:
    """`account` is the ledger's word, with a star for all that begin so; `vat` names the legal rate (`legal`) of the
    VAT that the amounts contain, "" for none."""

    account: str
    valid_from: date
    valid_to: date | None
    number: str
    name: str
    vat: str
    source: str

    def is_for(self, account: str, on: date) -> bool:
        is_its = account.startswith(self.account[:-1]) if self.account.endswith("*") else account == self.account
        return is_its and self.valid_from <= on and (self.valid_to is None or on < self.valid_to)


@cache
def chart() -> tuple[ChartAccount, ...]:
    with (Path(__file__).parent / "chart.csv").open(encoding="utf-8", newline="") as file:
        return tuple(
            ChartAccount(
                row["account"],
                date.fromisoformat(row["valid_from"]),
                date.fromisoformat(row["valid_to"]) if row["valid_to"] else None,
                row["number"],
                row["name"],
                row["vat"],
                row["source"],
            )
            for row in csv.DictReader(file, delimiter=";")
        )


def chart_account(account: str, on: date) -> ChartAccount:
    """The accountant's account on a day; LookupError when the chart has none."""
    for one in chart():
        if one.is_for(account, on):
            return one
    raise LookupError(f"no number for the account {account} on {on}")
