"""What pages and the API read of the stalls: frozen rows, one statement each, no object of the ORM.

Lists follow the draw (merchants.search.ranking.static_score: every product's place is drawn anew each seventh day,
each day for a seventh of them) and continue from a cursor: page 50 costs what page 1 costs.

The three statements that most pages ask are written as text: a composed one of that size costs as much to compose
again, for its cache key, as the database takes to answer it (0.4 of 0.9 ms).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Text, TextClause, bindparam, select, text
from sqlalchemy.orm import Session

from marketplace.drawings import colourway_for
from marketplace.errors import NotFound
from marketplace.money import Money
from merchants.models import Merchant, Product, Shop
from merchants.rules import UnitPrice, unit_price
from merchants.search.models import ProductSearch

PAGE = 24


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a list; as text "score-id"."""

    score: int
    product_id: int

    def __str__(self) -> str:
        return f"{self.score}-{self.product_id}"

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Read the text back; ValueError for anything else."""
        score, dash, product_id = text.partition("-")
        if not (dash and (score + product_id).isascii() and score.isdigit() and product_id.isdigit()):
            raise ValueError(f"not a cursor: {text[:40]!r}")
        # The columns hold 32 and 64 bits; a number beyond them lies beyond every product too.
        return cls(min(int(score[:10]), 2**31 - 1), min(int(product_id[:19]), 2**63 - 1))


@dataclass(frozen=True, slots=True)
class ShopSign:
    """What a product's card shows of its shop."""

    slug: str
    name: str
    awning: int


@dataclass(frozen=True, slots=True)
class ProductCard:
    """One product of a list. `price` is the lowest that can be had now; `has_dearer`: other variants cost more."""

    id: int
    name: str
    kind: str
    drawing: str
    shop: ShopSign
    price: Money
    has_dearer: bool
    available_qty: int
    unit_price: UnitPrice | None

    @property
    def colourway(self) -> int:
        return colourway_for(str(self.id))


@dataclass(frozen=True, slots=True)
class ProductList:
    """Some products of a list and the cursors before and after them, None at the ends."""

    items: tuple[ProductCard, ...]
    previous: Cursor | None
    next: Cursor | None


@dataclass(frozen=True, slots=True)
class VariantRow:
    """What a resident can choose. `label` may be empty for an only variant; `net_amount` in `net_unit` g, ml, piece."""

    id: int
    label: str
    price: Money
    available_qty: int
    net_amount: int | None
    net_unit: str | None
    unit_price: UnitPrice | None


@dataclass(frozen=True, slots=True)
class Seller:
    """The legal seller, as it must be named before a sale (domain M4)."""

    legal_name: str
    registration: str
    street: str
    postcode: str
    city: str
    phone: str
    email: str


@dataclass(frozen=True, slots=True)
class ProductPage:
    """Everything that a product's page says. `variants` in the shop's order, at least one."""

    id: int
    name: str
    kind: str
    brand: str
    description: str
    drawing: str
    allergens: tuple[str, ...] | None
    details: dict[str, str]
    shop: ShopSign
    trade: str
    seller: Seller
    variants: tuple[VariantRow, ...]

    @property
    def colourway(self) -> int:
        return colourway_for(str(self.id))

    @property
    def available_qty(self) -> int:
        return sum(variant.available_qty for variant in self.variants)


@dataclass(frozen=True, slots=True)
class ShopCard:
    """One shop of a list."""

    id: int
    slug: str
    name: str
    trade: str
    tagline: str
    awning: int
    street: str
    city: str
    opening_hours: str


@dataclass(frozen=True, slots=True)
class ShopPlace:
    """A shop as a landmark; `at` is (lat, lon)."""

    name: str
    awning: int
    at: tuple[float, float]


@dataclass(frozen=True, slots=True)
class ShopPage:
    """Everything that a shop's page says. A paused shop has a page that says so, and sells nothing."""

    id: int
    slug: str
    name: str
    trade: str
    tagline: str
    description: str
    awning: int
    street: str
    postcode: str
    city: str
    lat: float
    lon: float
    opening_hours: str
    phone: str
    is_open: bool
    seller: Seller


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A product that is no longer sold, and the shop that sold it."""

    name: str
    shop: ShopSign
    shop_is_open: bool


def list_products(
    session: Session,
    *,
    shop: str | None = None,
    kind: str | None = None,
    after: Cursor | None = None,
    before: Cursor | None = None,
    limit: int = PAGE,
) -> ProductList:
    """Published products of open shops in the order of the draw, of one shop (its slug) or kind if asked.

    `after` and `before` continue from another list's `next` and `previous`.
    """
    backwards = before is not None and after is None
    start = before if backwards else after
    rows = session.execute(
        _list_statement(shop is not None, kind is not None, start is not None, backwards),
        {
            "shop": shop,
            "kind": kind,
            "score": start.score if start else None,
            "product_id": start.product_id if start else None,
            "one_more": limit + 1,
        },
    ).all()
    has_more = len(rows) > limit
    rows = rows[:limit]
    if backwards:
        rows = rows[::-1]
    ends = (Cursor(rows[0].score, rows[0].id), Cursor(rows[-1].score, rows[-1].id)) if rows else (None, None)
    return ProductList(
        items=tuple(_card(*row) for row in rows),
        previous=ends[0] if (has_more if backwards else start is not None) else None,
        next=ends[1] if backwards or has_more else None,
    )


def products_in_order(session: Session, product_ids: Sequence[int]) -> tuple[ProductCard, ...]:
    """The cards of these products, in this order (search's); what is not for sale is left out."""
    if not product_ids:
        return ()
    rows = session.execute(_BY_ID, {"ids": list(product_ids)})
    cards = {row.id: _card(*row) for row in rows}
    return tuple(cards[id_] for id_ in product_ids if id_ in cards)


def get_product(session: Session, product_id: int) -> ProductPage:
    """A published product of an open shop; NotFound otherwise."""
    rows = session.execute(_PRODUCT, {"product_id": product_id}).all()
    if not rows:
        raise NotFound()
    row = rows[0]
    return ProductPage(
        id=row.id,
        name=row.name,
        kind=row.kind,
        brand=row.brand,
        description=row.description,
        drawing=row.drawing,
        allergens=None if row.allergens is None else tuple(row.allergens),
        details=dict(row.details),
        shop=ShopSign(row.shop_slug, row.shop_name, row.shop_awning),
        trade=row.trade,
        seller=_seller(row),
        variants=tuple(
            VariantRow(
                id=variant.variant_id,
                label=variant.label,
                price=Money(variant.price),
                available_qty=variant.available_qty,
                net_amount=variant.net_amount,
                net_unit=variant.net_unit,
                unit_price=unit_price(row.kind, Money(variant.price), variant.net_amount, variant.net_unit),
            )
            for variant in rows
        ),
    )


def find_withdrawn(session: Session, product_id: int) -> Withdrawn | None:
    """A product that was once for sale and is not now, or whose shop makes a pause."""
    row = session.execute(
        select(Product.name, Shop.slug, Shop.name.label("shop_name"), Shop.awning, Shop.state)
        .join(Shop, Shop.id == Product.shop_id)
        .where(Product.id == product_id)
    ).one_or_none()
    if row is None:
        return None
    return Withdrawn(row.name, ShopSign(row.slug, row.shop_name, row.awning), row.state == "open")


def list_shops(session: Session) -> tuple[ShopCard, ...]:
    """The open shops by name."""
    return tuple(ShopCard(*row) for row in session.execute(_SHOPS))


def shop_places(session: Session) -> tuple[ShopPlace, ...]:
    """Where the open shops are, by name."""
    query = select(Shop.name, Shop.awning, Shop.lat, Shop.lon).where(Shop.state == "open")
    return tuple(
        ShopPlace(row.name, row.awning, (row.lat, row.lon))
        for row in session.execute(query.order_by(Shop.sort_name, Shop.id))
    )


def get_shop(session: Session, slug: str) -> ShopPage:
    """A shop, open or paused; NotFound for a slug that no shop has."""
    row = session.execute(_SHOP, {"slug": slug}).one_or_none()
    if row is None:
        raise NotFound()
    return ShopPage(
        id=row.id,
        slug=row.slug,
        name=row.name,
        trade=row.trade,
        tagline=row.tagline,
        description=row.description,
        awning=row.awning,
        street=row.shop_street,
        postcode=row.shop_postcode,
        city=row.shop_city,
        lat=row.lat,
        lon=row.lon,
        opening_hours=row.opening_hours,
        phone=row.shop_phone,
        is_open=row.state == "open",
        seller=_seller(row),
    )


def list_sellers(session: Session) -> tuple[tuple[Seller, tuple[ShopSign, ...]], ...]:
    """Every merchant with an open shop, by name, and the shops that it runs."""
    sellers: dict[Seller, list[ShopSign]] = {}
    for row in session.execute(_SELLERS):
        sellers.setdefault(_seller(row), []).append(ShopSign(row.slug, row.name, row.awning))
    return tuple((seller, tuple(shops)) for seller, shops in sellers.items())


def list_kinds(session: Session) -> frozenset[str]:
    """The kinds of which something is for sale."""
    return frozenset(session.scalars(_KINDS))


def _seller(row: Any) -> Seller:
    return Seller(row.legal_name, row.registration, row.street, row.postcode, row.city, row.phone, row.email)


def _card(
    id_: int,
    name: str,
    kind: str,
    drawing: str,
    slug: str,
    shop_name: str,
    awning: int,
    price_cents: int,
    net_amount: int | None,
    net_unit: str | None,
    highest_cents: int,
    available_qty: int,
    _score: int,
) -> ProductCard:
    price = Money(price_cents)
    return ProductCard(
        id=id_,
        name=name,
        kind=kind,
        drawing=drawing,
        shop=ShopSign(slug, shop_name, awning),
        price=price,
        has_dearer=highest_cents != price_cents,
        available_qty=int(available_qty),
        unit_price=unit_price(kind, price, net_amount, net_unit),
    )


#: The variant whose price a card shows is the cheapest that is left, else the cheapest; a product without any is not
#: for sale and falls out of the join.
_CARD = """
    SELECT product.id, product.name, product.kind, product.drawing, shop.slug, shop.name, shop.awning,
           shown.price, shown.net_amount, shown.net_unit, shown.highest_price, shown.available_qty,
"""
_SHOWN = """
    JOIN shop ON shop.id = product.shop_id
    CROSS JOIN LATERAL (
        SELECT price, net_amount, net_unit, max(price) OVER () AS highest_price,
               sum(on_hand_qty - held_qty) OVER () AS available_qty
        FROM variant
        WHERE variant.product_id = product.id AND is_offered
        ORDER BY on_hand_qty > held_qty DESC, price, position
        LIMIT 1
    ) AS shown
    WHERE product.is_published AND shop.state = 'open'
"""
_CARDS = f"""{_CARD} product_search.score
    FROM product_search JOIN product ON product.id = product_search.product_id {_SHOWN}"""
_BY_ID = text(f"{_CARD} 0 AS score FROM product {_SHOWN} AND product.id = ANY (CAST(:ids AS bigint[]))")
_PRODUCT = text(
    """
    SELECT product.id, product.name, product.kind, product.brand, product.description, product.drawing,
           product.allergens, product.details, shop.slug AS shop_slug, shop.name AS shop_name,
           shop.awning AS shop_awning, shop.trade, merchant.legal_name, merchant.registration, merchant.street,
           merchant.postcode, merchant.city, merchant.phone, merchant.email, variant.id AS variant_id, variant.label,
           variant.price, variant.on_hand_qty - variant.held_qty AS available_qty, variant.net_amount,
           variant.net_unit
    FROM product
    JOIN shop ON shop.id = product.shop_id
    JOIN merchant ON merchant.id = shop.merchant_id
    JOIN variant ON variant.product_id = product.id
    WHERE product.id = :product_id AND product.is_published AND shop.state = 'open' AND variant.is_offered
    ORDER BY variant.position, variant.id
    """
)
_SELLER = (
    Merchant.legal_name,
    Merchant.registration,
    Merchant.street,
    Merchant.postcode,
    Merchant.city,
    Merchant.phone,
    Merchant.email,
)
_SHOPS = (
    select(
        Shop.id,
        Shop.slug,
        Shop.name,
        Shop.trade,
        Shop.tagline,
        Shop.awning,
        Shop.street,
        Shop.city,
        Shop.opening_hours,
    )
    .where(Shop.state == "open")
    .order_by(Shop.sort_name, Shop.id)
)
_SHOP = (
    select(
        Shop.id,
        Shop.slug,
        Shop.name,
        Shop.trade,
        Shop.tagline,
        Shop.description,
        Shop.awning,
        Shop.street.label("shop_street"),
        Shop.postcode.label("shop_postcode"),
        Shop.city.label("shop_city"),
        Shop.lat,
        Shop.lon,
        Shop.opening_hours,
        Shop.phone.label("shop_phone"),
        Shop.state,
        *_SELLER,
    )
    .join_from(Shop, Merchant, Merchant.id == Shop.merchant_id)
    .where(Shop.slug == bindparam("slug", type_=Text))
)
_SELLERS = (
    select(*_SELLER, Shop.slug, Shop.name, Shop.awning)
    .join_from(Merchant, Shop, Shop.merchant_id == Merchant.id)
    .where(Shop.state == "open")
    .order_by(Merchant.legal_name, Merchant.id, Shop.sort_name)
)
_KINDS = select(ProductSearch.kind).distinct()


@cache
def _list_statement(by_shop: bool, by_kind: bool, from_cursor: bool, backwards: bool) -> TextClause:
    """The statement of a list, built once for each combination."""
    parts = [_CARDS]
    if by_shop:
        # A scalar, not a join: the planner then walks the index of one shop's scores.
        parts.append("AND product_search.shop_id = (SELECT id FROM shop WHERE slug = :shop)")
    if by_kind:
        parts.append("AND product_search.kind = :kind")
    if from_cursor:
        parts.append("AND (product_search.score, product_search.product_id)")
        parts.append("> (:score, :product_id)" if backwards else "< (:score, :product_id)")
    parts.append("ORDER BY product_search.score")
    parts.append(", product_search.product_id" if backwards else "DESC, product_search.product_id DESC")
    parts.append("LIMIT :one_more")
    return text(" ".join(parts))
