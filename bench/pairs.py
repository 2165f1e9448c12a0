"""(a) French queries and what they must find: the pairs of a file, on fixtures inside the large catalogue."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from bench.reporting import Report
from bench.town import NOW
from marketplace.db import Database
from marketplace.money import Money
from merchants.catalogue import ProductDraft, VariantDraft, put_product
from merchants.models import Product
from merchants.search.find import find_products

ON = date(2026, 11, 24)


def measure_pairs(database: Database, folder: Path, report: Report) -> None:
    """`folder` holds pairs.csv and fixtures.csv; the fixtures are put on the shelf, searched, and undone."""
    pairs = [pair for pair in _rows(folder / "pairs.csv") if pair["expected_title"]]
    with database.reading() as session:
        _shelve(session, folder / "fixtures.csv")
        found = {id(pair): _is_found(session, pair["query"], pair["expected_title"]) for pair in pairs}
    typos = [pair for pair in pairs if "typo" in pair["category"]]
    plain = [pair for pair in pairs if pair not in typos]
    report.at_least("plain and synonym pairs on page one", _share(found, plain), 0.95, f"{len(plain)} pairs")
    report.at_least("typing slips on page one", _share(found, typos), 0.85, f"{len(typos)} pairs")


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _shelve(session: Session, path: Path) -> None:
    for n, row in enumerate(_rows(path)):
        put_product(
            session,
            shop_id=1,
            draft=ProductDraft(
                reference=f"fixture-{n}",
                name=row["title"],
                kind="maison",
                brand=row["brand"],
                # The file's kinds are words, not ours: as in a shop that writes them into its text.
                description=f"{row['kind']}. {row['description']}",
                drawing="parcel",
                allergens=None,
                variants=(VariantDraft(f"fixture-{n}", "", Money(100), 5),),
            ),
            actor="bench",
            now=NOW,
        )


def _is_found(session: Session, query: str, title: str) -> bool:
    ids = find_products(session, query=query, on=ON).product_ids
    return title in session.scalars(select(Product.name).where(Product.id.in_(ids))).all()


def _share(found: dict[int, bool], pairs: list[dict[str, str]]) -> float:
    return sum(found[id(pair)] for pair in pairs) / len(pairs)
