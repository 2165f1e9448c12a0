"""Who works for which merchant. Everything that a shopkeeper reads or changes is looked up with these shops (M17)."""

from __future__ import annotations

from dataclasses import dataclass

from flask import g
from flask_login import current_user
from sqlalchemy import select
from sqlalchemy.orm import Session

from marketplace.hall import the_hall
from marketplace.web.access import signed_in
from merchants.models import Member, Shop


@dataclass(frozen=True, slots=True)
class ShopRow:
    """A shop that somebody works for."""

    id: int
    slug: str
    name: str
    awning: int
    state: str


def shops_of(session: Session, user_id: int) -> tuple[ShopRow, ...]:
    """The shops of every merchant that the person works for, by name; none for a stranger."""
    rows = session.execute(
        select(Shop.id, Shop.slug, Shop.name, Shop.awning, Shop.state)
        .join(Member, Member.merchant_id == Shop.merchant_id)
        .where(Member.user_id == user_id)
        .order_by(Shop.sort_name, Shop.id)
    )
    return tuple(ShopRow(*row) for row in rows)


def my_shops() -> tuple[ShopRow, ...]:
    """The shops of the person behind the request; read once for each request."""
    if "my_shops" not in g:
        with the_hall().database.glance() as session:
            g.my_shops = shops_of(session, current_user.id)
    shops: tuple[ShopRow, ...] = g.my_shops
    return shops


def my_shop_ids() -> frozenset[int]:
    return frozenset(shop.id for shop in my_shops())


def merchant_member() -> bool:
    """Whether the visitor works for a merchant; for `open_to`."""
    return signed_in() and bool(my_shops())
