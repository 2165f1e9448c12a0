"""From plan to shelf, in the caller's one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.orm import Session

from marketplace.errors import MarketplaceError
from marketplace.money import Money
from merchants.imports.parsed import NetContent
from merchants.imports.plan import ImportPlan, ShelfProduct, ShelfVariant
from merchants.models import PriceChange, Product, Shop, StockMove, Variant
from merchants.search.index import index_products

Progress = Callable[[int, int], None]

#: Rows of one statement: a few MB at most, and a sign of life every second.
BATCH = 500


class ImportRefused(MarketplaceError):
    """The plan has problems, or would empty the shelf; nothing was changed."""

    code = "import_refused"
    status = 422


def read_shelf(session: Session, *, shop_id: int) -> tuple[ShelfProduct, ...]:
    """All products of a shop as `compare` wants them, withdrawn ones included, in the order they were added."""
    variants: dict[int, list[ShelfVariant]] = defaultdict(list)
    for row in session.execute(
        select(
            Variant.product_id, Variant.reference, Variant.label, Variant.price, Variant.ean, Variant.on_hand_qty,
            Variant.held_qty, Variant.weight_grams, Variant.volume_ml, Variant.net_amount, Variant.net_unit,
            Variant.is_offered,
        ).where(Variant.shop_id == shop_id).order_by(Variant.product_id, Variant.position, Variant.id)
    ):  # fmt: skip
        variants[row.product_id].append(
            ShelfVariant(
                reference=row.reference,
                label=row.label,
                price=row.price,
                ean=row.ean,
                on_hand_qty=row.on_hand_qty,
                held_qty=row.held_qty,
                weight_grams=row.weight_grams,
                volume_ml=row.volume_ml,
                net=NetContent(row.net_amount, row.net_unit) if row.net_amount and row.net_unit else None,
                is_offered=row.is_offered,
            )
        )
    products = session.execute(
        select(
            Product.id, Product.reference, Product.name, Product.kind, Product.brand, Product.description,
            Product.drawing, Product.allergens, Product.details, Product.is_published,
        ).where(Product.shop_id == shop_id).order_by(Product.id)
    )  # fmt: skip
    return tuple(
        ShelfProduct(
            reference=row.reference,
            name=row.name,
            kind=row.kind,
            brand=row.brand,
            description=row.description,
            drawing=row.drawing,
            allergens=None if row.allergens is None else tuple(row.allergens),
            details=row.details,
            is_published=row.is_published,
            variants=tuple(variants[row.id]),
        )
        for row in products
    )


def lock_shelf(session: Session, *, shop_id: int) -> tuple[ShelfProduct, ...]:
    """Like `read_shelf`, and nobody else changes this shelf before the transaction ends.

    The shop's row lets a second import wait. The variants are locked in the order of their ids, as holds are taken
    (reliability.md 2.3); orders for other shops, and reading, go on.
    """
    session.execute(select(Shop.id).where(Shop.id == shop_id).with_for_update(key_share=True))
    session.execute(
        select(Variant.id).where(Variant.shop_id == shop_id).order_by(Variant.id).with_for_update(key_share=True)
    )
    return read_shelf(session, shop_id=shop_id)


def apply_import(
    session: Session,
    *,
    shop_id: int,
    plan: ImportPlan,
    actor: str,
    now: datetime,
    progress: Progress | None = None,
) -> None:
    """The shelf is what the plan says; every new price and count is recorded with `actor` and `now`.

    The plan must have been compared with `lock_shelf` in the same transaction. Holds and orders are not touched.
    ImportRefused if the plan has problems or a refusal.
    """
    if not plan.is_applicable:
        raise ImportRefused(refusal=plan.refusal, problems_qty=len(plan.problems))
    touched: list[int] = []
    todo = [*plan.added, *plan.changed]
    for start in range(0, len(todo), BATCH):
        touched += _put(session, shop_id, [planned.after for planned in todo[start : start + BATCH]], actor, now)
        if progress:
            progress(min(start + BATCH, len(todo)), len(todo))
    if plan.withdraws_missing:
        touched += session.scalars(
            update(Product)
            .where(Product.shop_id == shop_id, Product.reference.in_([product.reference for product in plan.missing]))
            .values(is_published=False, updated_at=now)
            .returning(Product.id)
        ).all()
    index_products(session, touched)


def _put(session: Session, shop_id: int, products: list[ShelfProduct], actor: str, now: datetime) -> list[int]:
    """The shelf holds these products as given, price changes and stock moves recorded; their ids.

    A few statements for the whole batch, where catalogue.put_product needs six for each product: buyers wait at most
    3 s for the shelf's lock, and a shop's 1,500 new prices took longer than that one by one.
    """
    ids = _put_products(session, shop_id, products, now)
    known = {
        row.reference: row
        for row in session.execute(
            select(
                Variant.id, Variant.reference, Variant.price, Variant.on_hand_qty, Variant.is_offered
            ).where(Variant.product_id.in_(ids.values()))
        )
    }  # fmt: skip
    new: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    prices: dict[str, Money] = {}
    counts: dict[str, int] = {}
    for product in products:
        for position, variant in enumerate(v for v in product.variants if v.is_offered):
            values = _variant_values(variant, position)
            old = known.pop(variant.reference, None)
            if old:
                changed.append(values | {"id": old.id})
            else:
                new.append(values | {"shop_id": shop_id, "product_id": ids[product.reference], "on_hand_qty": 0})
            if old is None or old.price != variant.price:
                prices[variant.reference] = variant.price
            counts[variant.reference] = variant.on_hand_qty - (old.on_hand_qty if old else 0)
    changed += [{"id": row.id, "is_offered": False} for row in known.values() if row.is_offered]
    is_new = {values["reference"] for values in new}
    if new:
        session.execute(insert(Variant), new)
    for shape in _by_shape(changed):
        session.execute(update(Variant), shape)
    written = session.execute(select(Variant.reference, Variant.id).where(Variant.product_id.in_(ids.values())))
    id_of = {row.reference: row.id for row in written}
    _record_prices(session, {id_of[reference]: price for reference, price in prices.items()}, actor, now)
    for reason, chosen in (("opening", is_new), ("counted", counts.keys() - is_new)):
        moves = {id_of[reference]: qty for reference, qty in counts.items() if qty and reference in chosen}
        _move_stock(session, moves, reason, actor, now)
    return list(ids.values())


def _put_products(session: Session, shop_id: int, products: list[ShelfProduct], now: datetime) -> dict[str, int]:
    """The products' rows hold these values; id by reference."""
    find = select(Product.reference, Product.id).where(
        Product.shop_id == shop_id, Product.reference.in_([product.reference for product in products])
    )
    ids = {row.reference: row.id for row in session.execute(find)}
    new, changed = [], []
    for product in products:
        values: dict[str, Any] = {
            "name": product.name,
            "kind": product.kind,
            "brand": product.brand,
            "description": product.description,
            "drawing": product.drawing,
            "allergens": None if product.allergens is None else list(product.allergens),
            "details": dict(product.details),
            "is_published": product.is_published,
            "updated_at": now,
        }
        if product.reference in ids:
            changed.append(values | {"id": ids[product.reference]})
        else:
            new.append(values | {"shop_id": shop_id, "reference": product.reference, "created_at": now})
    if changed:
        session.execute(update(Product), changed)
    if new:
        session.execute(insert(Product), new)
    return {row.reference: row.id for row in session.execute(find)}


def _variant_values(variant: ShelfVariant, position: int) -> dict[str, Any]:
    return {
        "reference": variant.reference,
        "label": variant.label,
        "position": position,
        "price": variant.price,
        "ean": variant.ean,
        "weight_grams": variant.weight_grams,
        "volume_ml": variant.volume_ml,
        "net_amount": variant.net.amount if variant.net else None,
        "net_unit": variant.net.unit if variant.net else None,
        "is_offered": True,
    }


def _by_shape(rows: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Rows with the same columns together: one prepared UPDATE each."""
    shapes: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        shapes[tuple(row)].append(row)
    return list(shapes.values())


def _record_prices(session: Session, prices: dict[int, Money], actor: str, now: datetime) -> None:
    rows = [{"variant_id": id_, "price": price, "at": now, "actor": actor} for id_, price in sorted(prices.items())]
    if rows:
        session.execute(insert(PriceChange), rows)


def _move_stock(session: Session, moves: dict[int, int], reason: str, actor: str, now: datetime) -> None:
    """So many pieces more (or fewer) on each shelf, each with its move; relative, like every change of stock."""
    if not moves:
        return
    session.connection().execute(
        update(Variant.__table__)  # type: ignore[arg-type]  # declared as FromClause, is a Table
        .where(Variant.__table__.c.id == bindparam("variant"))
        .values(on_hand_qty=Variant.__table__.c.on_hand_qty + bindparam("change")),
        [{"variant": id_, "change": qty} for id_, qty in sorted(moves.items())],
    )
    session.execute(
        insert(StockMove),
        [
            {"variant_id": id_, "qty": qty, "reason": reason, "at": now, "actor": actor}
            for id_, qty in sorted(moves.items())
        ],
    )
