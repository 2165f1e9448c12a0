"""What a shopkeeper sees of the own shelf: products by name, with counts and prices that can be changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import ColumnElement, func, select, tuple_
from sqlalchemy.orm import Session

from marketplace.errors import NotFound
from marketplace.money import Money
from merchants.models import Product, Variant
from merchants.search.find import find_products

PAGE = 20

#: The embedded PostgreSQL sorts by code points: folded here, Éclair stands between Dentelle and Farine.
_NAME = func.lower(func.translate(Product.name, "ÀÂÄÇÉÈÊËÎÏÔÖÙÛÜŸàâäçéèêëîïôöùûüÿ", "AAACEEEEIIOOUUUYaaaceeeeiioouuuy"))


@dataclass(frozen=True, slots=True)
class ShelfVariant:
    """`on_hand_qty` pieces are there, `held_qty` of them promised to orders that are being paid."""

    id: int
    label: str
    reference: str
    price: Money
    on_hand_qty: int
    held_qty: int


@dataclass(frozen=True, slots=True)
class ShelfProduct:
    id: int
    name: str
    drawing: str
    variants: tuple[ShelfVariant, ...]


@dataclass(frozen=True, slots=True)
class ShelfPage:
    """Some products of one shop; `previous` and `next` are the product ids to go on from, None at the ends."""

    products: tuple[ShelfProduct, ...]
    previous: int | None
    next: int | None


@dataclass(frozen=True, slots=True)
class OwnVariant:
    """A variant that the visitor may change, as it is called in a sentence."""

    id: int
    name: str


def get_own_variant(session: Session, *, variant_id: int, shop_ids: frozenset[int]) -> OwnVariant:
    """A variant of one of these shops; NotFound for any other shop's."""
    row = session.execute(
        select(Product.name, Variant.label)
        .join(Product, Variant.product_id == Product.id)
        .where(Variant.id == variant_id, Variant.shop_id.in_(shop_ids))
    ).one_or_none()
    if row is None:
        raise NotFound()
    return OwnVariant(variant_id, f"{row.name} ({row.label})" if row.label else row.name)


def list_shelf(
    session: Session, *, shop_id: int, after: int | None = None, before: int | None = None, limit: int = PAGE
) -> ShelfPage:
    """The shop's offered products by name, after or before one of them; from the start without."""
    backwards = before is not None and after is None
    place = tuple_(_NAME, Product.id)
    statement = select(Product.id).where(_on_shelf(shop_id)).limit(limit + 1)
    start = _place_of(session, shop_id, before if backwards else after)
    if start is not None:
        statement = statement.where(place < start if backwards else place > start)
    order = (_NAME.desc(), Product.id.desc()) if backwards else (_NAME, Product.id)
    ids = list(session.scalars(statement.order_by(*order)))
    has_more = len(ids) > limit
    ids = ids[:limit][::-1] if backwards else ids[:limit]
    has_previous = has_more if backwards else start is not None
    has_next = backwards or has_more
    return ShelfPage(
        products=_products(session, ids),
        previous=ids[0] if ids and has_previous else None,
        next=ids[-1] if ids and has_next else None,
    )


def search_shelf(session: Session, *, shop_id: int, words: str, on: date, limit: int = PAGE) -> ShelfPage:
    """The shop's products that answer the words as residents' search would, or that carry this reference."""
    by_reference = session.scalars(
        select(Product.id)
        .join(Variant, Variant.product_id == Product.id)
        .where(_on_shelf(shop_id), func.lower(Variant.reference) == words.lower())
        .distinct()
    ).all()
    found = find_products(session, query=words, on=on, shop_id=shop_id).product_ids
    ids = list(dict.fromkeys([*by_reference, *found]))[:limit]
    return ShelfPage(_products(session, ids), None, None)


def _on_shelf(shop_id: int) -> ColumnElement[bool]:
    return (Product.shop_id == shop_id) & Product.is_published & Product.variants.any(Variant.is_offered)


def _place_of(session: Session, shop_id: int, product_id: int | None) -> tuple[str, int] | None:
    """Where a product stands in its shop's list; None for somebody else's: the list then begins at its start."""
    if product_id is None:
        return None
    row = session.execute(select(_NAME, Product.id).where(Product.id == product_id, Product.shop_id == shop_id))
    found = row.one_or_none()
    return (found[0], found[1]) if found else None


def _products(session: Session, ids: Sequence[int]) -> tuple[ShelfProduct, ...]:
    variants: dict[int, list[ShelfVariant]] = {}
    products: dict[int, tuple[str, str]] = {}
    rows = session.execute(
        select(Product.id, Product.name, Product.drawing, Variant)
        .join(Variant, Variant.product_id == Product.id)
        .where(Product.id.in_(ids), Variant.is_offered)
        .order_by(Variant.position, Variant.id)
    )
    for product_id, name, drawing, variant in rows:
        products[product_id] = (name, drawing)
        variants.setdefault(product_id, []).append(
            ShelfVariant(
                variant.id,
                variant.label,
                variant.reference,
                variant.price,
                variant.on_hand_qty,
                variant.held_qty,
            )
        )
    return tuple(ShelfProduct(id_, *products[id_], tuple(variants[id_])) for id_ in ids if id_ in products)
