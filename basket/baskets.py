"""Filling a basket. Nothing is held yet: a basket is a wish, an order is a promise."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from basket.models import Basket, Line
from marketplace.errors import MarketplaceError, NotFound
from marketplace.ids import is_token, new_token
from merchants.models import Product, Shop, Variant

#: More lines than any household buys; a basket is not a place to store things.
LINES_MOST, QTY_MOST = 100, 99


class NotForSale(MarketplaceError):
    """The thing was withdrawn, or its shop takes no orders now."""

    code = "not_for_sale"


class TooMany(MarketplaceError):
    """More pieces than the shop has left; `left` of them."""

    code = "too_many"


class BasketFull(MarketplaceError):
    code = "basket_full"


def open_basket(session: Session, now: datetime) -> Basket:
    """A new, empty basket."""
    basket = Basket(token=new_token(), created_at=now, touched_at=now)
    session.add(basket)
    session.flush()
    return basket


def get_basket_id(session: Session, token: str) -> int:
    """The basket that a token opens; NotFound for any other token."""
    basket_id = session.scalar(select(Basket.id).where(Basket.token == token)) if is_token(token) else None
    if basket_id is None:
        raise NotFound()
    return basket_id


def add_line(session: Session, *, basket_id: int, variant_id: int, qty: int, now: datetime) -> int:
    """`qty` more pieces of a variant are in the basket, at the price of now; the line's id.

    NotForSale, TooMany (with what is left) or BasketFull otherwise; the basket is then as before.
    """
    variant = _variant_for_sale(session, variant_id)
    lines_qty, has = session.execute(
        select(func.count(), func.coalesce(func.max(Line.qty).filter(Line.variant_id == variant_id), 0)).where(
            Line.basket_id == basket_id
        )
    ).one()
    _check_room(variant, has + qty)
    if not has and lines_qty >= LINES_MOST:
        raise BasketFull(most=LINES_MOST)
    line_id = session.scalar(
        upsert(Line)
        .values(basket_id=basket_id, variant_id=variant_id, qty=qty, seen_price=variant.price)
        .on_conflict_do_update(
            index_elements=[Line.basket_id, Line.variant_id],
            set_={"qty": func.least(Line.qty + qty, QTY_MOST), "seen_price": variant.price},
        )
        .returning(Line.id)
    )
    _touch(session, basket_id, now)
    assert line_id is not None
    return line_id


def change_line(session: Session, *, basket_id: int, line_id: int, qty: int, now: datetime) -> None:
    """The line holds exactly `qty` pieces at the price of now; none takes it out."""
    line = _line_of(session, basket_id, line_id)
    if qty == 0:
        remove_line(session, basket_id=basket_id, line_id=line_id, now=now)
        return
    variant = _variant_for_sale(session, line.variant_id)
    _check_room(variant, qty)
    line.qty, line.seen_price = qty, variant.price
    session.flush()
    _touch(session, basket_id, now)


def remove_line(session: Session, *, basket_id: int, line_id: int, now: datetime) -> None:
    """The line is gone; NotFound when it is another basket's."""
    session.delete(_line_of(session, basket_id, line_id))
    session.flush()
    _touch(session, basket_id, now)


def lock_lines(session: Session, *, basket_id: int) -> None:
    """Nobody else changes these lines before the transaction ends; in the order of ids, so that no two deadlock."""
    session.execute(select(Line.id).where(Line.basket_id == basket_id).order_by(Line.id).with_for_update())


def accept_prices(session: Session, *, basket_id: int) -> None:
    """The visitor has seen today's prices of every line (I14)."""
    lock_lines(session, basket_id=basket_id)
    session.execute(
        update(Line)
        .where(Line.basket_id == basket_id, Line.variant_id == Variant.id, Line.seen_price != Variant.price)
        .values(seen_price=Variant.price)
        .execution_options(synchronize_session=False)
    )


def pieces_qty(session: Session, token: str) -> int:
    """How many pieces the basket holds, for the number beside its link."""
    total = session.scalar(
        select(func.sum(Line.qty)).join(Basket, Line.basket_id == Basket.id).where(Basket.token == token)
    )
    return int(total or 0)


def forget_old(session: Session, *, before: datetime) -> int:
    """Baskets that nobody touched since `before` are gone (domain D1); how many."""
    return len(session.scalars(delete(Basket).where(Basket.touched_at < before).returning(Basket.id)).all())


def _variant_for_sale(session: Session, variant_id: int) -> Variant:
    variant = session.scalars(
        select(Variant)
        .join(Product, Variant.product_id == Product.id)
        .join(Shop, Variant.shop_id == Shop.id)
        .where(Variant.id == variant_id, Variant.is_offered, Product.is_published, Shop.state == "open")
    ).one_or_none()
    if variant is None:
        raise NotForSale()
    return variant


def _check_room(variant: Variant, qty: int) -> None:
    left = min(variant.available_qty, QTY_MOST)
    if qty > left:
        raise TooMany(left=left)


def _line_of(session: Session, basket_id: int, line_id: int) -> Line:
    line = session.scalars(select(Line).where(Line.id == line_id, Line.basket_id == basket_id)).one_or_none()
    if line is None:
        raise NotFound()
    return line


def _touch(session: Session, basket_id: int, now: datetime) -> None:
    session.execute(update(Basket).where(Basket.id == basket_id).values(touched_at=now))
