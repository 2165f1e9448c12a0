"""Putting things on the shelf: products, variants, prices; each change with who and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from marketplace.money import Money
from merchants.models import PriceChange, Product, StockMove, Variant
from merchants.search.index import index_products, unindex_products


@dataclass(frozen=True, slots=True)
class VariantDraft:
    """A variant as its merchant states it. `on_hand_qty` None: leave the count as it is (0 for a new one)."""

    reference: str
    label: str
    price: Money
    on_hand_qty: int | None
    ean: str = ""
    weight_grams: int = 0
    volume_ml: int = 0
    net_amount: int | None = None
    net_unit: str | None = None


@dataclass(frozen=True, slots=True)
class ProductDraft:
    """A product as its merchant states it; `reference` is the merchant's own key of it."""

    reference: str
    name: str
    kind: str
    brand: str
    description: str
    drawing: str
    allergens: tuple[str, ...] | None
    details: dict[str, str] = field(default_factory=dict)
    variants: Sequence[VariantDraft] = ()


def put_product(session: Session, *, shop_id: int, draft: ProductDraft, actor: str, now: datetime) -> int:
    """The shop offers exactly what the draft says under its reference; the product's id.

    A variant that the draft leaves out is no longer offered; it stays, because orders point at it. Every new price
    is recorded, every changed count is a stock move.
    """
    product = session.scalars(
        select(Product).where(Product.shop_id == shop_id, Product.reference == draft.reference)
    ).one_or_none()
    if product is None:
        product = Product(shop_id=shop_id, reference=draft.reference, created_at=now)
        session.add(product)
    product.name, product.kind, product.brand = draft.name, draft.kind, draft.brand
    product.description, product.drawing = draft.description, draft.drawing
    product.allergens = None if draft.allergens is None else list(draft.allergens)
    product.details = dict(draft.details)
    product.is_published = True
    product.updated_at = now
    session.flush()
    known = {
        variant.reference: variant
        for variant in session.scalars(
            # As an import locks its shelf: in the order of ids, and open to the foreign keys of orders, which would
            # else wait for one variant while holding another.
            select(Variant).where(Variant.product_id == product.id).order_by(Variant.id).with_for_update(key_share=True)
        )
    }
    for position, wanted in enumerate(draft.variants):
        _put_variant(session, product, known.pop(wanted.reference, None), wanted, position, actor, now)
    for left_out in known.values():
        left_out.is_offered = False
    session.flush()
    index_products(session, [product.id])
    return product.id


def _put_variant(
    session: Session,
    product: Product,
    variant: Variant | None,
    wanted: VariantDraft,
    position: int,
    actor: str,
    now: datetime,
) -> None:
    is_new = variant is None
    if variant is None:
        variant = Variant(
            product_id=product.id,
            shop_id=product.shop_id,
            reference=wanted.reference,
            on_hand_qty=0,
            price=wanted.price,
        )
        session.add(variant)
    price_before, on_hand_before = variant.price, variant.on_hand_qty
    variant.label, variant.position, variant.ean = wanted.label, position, wanted.ean
    variant.weight_grams, variant.volume_ml = wanted.weight_grams, wanted.volume_ml
    variant.net_amount, variant.net_unit = wanted.net_amount, wanted.net_unit
    variant.is_offered = True
    variant.price = wanted.price
    if wanted.on_hand_qty is not None:
        # A count below what orders were promised would break a promise: those pieces stay counted.
        variant.on_hand_qty = max(wanted.on_hand_qty, variant.held_qty or 0)
    session.flush()
    if is_new or wanted.price != price_before:
        session.add(PriceChange(variant_id=variant.id, price=wanted.price, at=now, actor=actor))
    change = variant.on_hand_qty - on_hand_before
    if change:
        reason = "opening" if is_new else "counted"
        session.add(StockMove(variant_id=variant.id, qty=change, reason=reason, at=now, actor=actor))


def change_price(session: Session, *, variant_id: int, price: Money, actor: str, now: datetime) -> bool:
    """The variant costs `price` from now on, for whoever orders next; whether that is new.

    Orders and what residents were shown keep the former price: a basket says that it has changed (I14).
    """
    variant = session.get_one(Variant, variant_id, with_for_update=True, populate_existing=True)
    if variant.price == price:
        return False
    variant.price = price
    session.add(PriceChange(variant_id=variant.id, price=price, at=now, actor=actor))
    session.flush()
    return True


def withdraw_product(session: Session, *, product_id: int, now: datetime) -> None:
    """The product is no longer shown or sold; orders that hold it keep it."""
    product = session.get_one(Product, product_id)
    product.is_published, product.updated_at = False, now
    session.flush()
    unindex_products(session, [product_id])
