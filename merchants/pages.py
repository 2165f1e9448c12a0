"""One page of the catalogue for programs: by shop, kind and trade, from a cursor or from a number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from merchants.queries import PAGE, Cursor, ProductCard, products_in_order


@dataclass(frozen=True, slots=True)
class Page:
    """`next` is where the following page begins, None at the end."""

    items: Sequence[ProductCard]
    next: Cursor | None


def list_page(
    session: Session,
    *,
    shop_id: int | None = None,
    kind: str | None = None,
    trade: str | None = None,
    after: Cursor | None = None,
    number: int = 1,
) -> Page:
    """Products for sale in the order of the draw: those after a cursor, else the page of that number.

    Only the narrow search table is walked, and the cards of one page are read: after a cursor every page costs
    the same, and a number costs its way through an index, without a card.
    """
    filters = {"shop_id": shop_id, "kind": kind, "trade": trade}
    wanted = {name: value for name, value in filters.items() if value is not None}
    skipped_qty = 0 if after else (number - 1) * PAGE
    rows = session.execute(
        _statement(tuple(wanted), after is not None),
        {
            **wanted,
            **({"score": after.score, "product_id": after.product_id} if after else {}),
            "skipped_qty": skipped_qty,
            "one_more": PAGE + 1,
        },
    ).all()
    here = rows[:PAGE]
    return Page(
        items=products_in_order(session, [row.product_id for row in here]),
        next=Cursor(here[-1].score, here[-1].product_id) if len(rows) > PAGE else None,
    )


_CONDITIONS = {
    "shop_id": "AND shop_id = :shop_id",
    "kind": "AND kind = :kind",
    "trade": "AND shop_id = ANY (ARRAY(SELECT id FROM shop WHERE trade = :trade))",
}


def _statement(filters: Sequence[str], from_cursor: bool) -> TextClause:
    parts = [
        "SELECT product_id, score FROM product_search",
        "WHERE shop_id <> ALL (ARRAY(SELECT id FROM shop WHERE state <> 'open'))",
        *(_CONDITIONS[name] for name in filters),
        "AND (score, product_id) < (:score, :product_id)" if from_cursor else "",
        "ORDER BY score DESC, product_id DESC OFFSET :skipped_qty LIMIT :one_more",
    ]
    return text(" ".join(parts))
