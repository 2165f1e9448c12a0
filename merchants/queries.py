"""What pages and the API read of the stalls: frozen rows, one statement each, no object of the ORM.

Lists follow the draw (merchants.search.ranking.static_score: every product's place is drawn anew each seventh day,
each day for a seventh of them) and continue from a cursor: page 50 costs what page 1 costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import ARRAY, BigInteger, Select, Text, any_, bindparam, func, select, true, tuple_
from sqlalchemy.orm import Session

from marketplace.drawings import colourway_for
from marketplace.errors import NotFound
from marketplace.money import Money
from marketplace.web.filters import slug as address_word
from merchants.models import Merchant, Product, Shop, Variant
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
    def word(self) -> str:
        return address_word(self.name)

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
    def word(self) -> str:
        return address_word(self.name)

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
    statement = _list_statement(shop is not None, kind is not None, start is not None, backwards)
    rows = session.execute(
        statement,
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
        items=tuple(_card(row) for row in rows),
        previous=ends[0] if (has_more if backwards else start is not None) else None,
        next=ends[1] if backwards or has_more else None,
    )


def products_in_order(session: Session, product_ids: Sequence[int]) -> tuple[ProductCard, ...]:
    """The cards of these products, in this order (search's); what is not for sale is left out."""
    if not product_ids:
        return ()
    rows = session.execute(_BY_ID, {"ids": list(product_ids)})
    cards = {row.id: _card(row) for row in rows}
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
                price=variant.price,
                available_qty=variant.available_qty,
                net_amount=variant.net_amount,
                net_unit=variant.net_unit,
                unit_price=unit_price(row.kind, variant.price, variant.net_amount, variant.net_unit),
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


def _card(row: Any) -> ProductCard:
    return ProductCard(
        id=row.id,
        name=row.name,
        kind=row.kind,
        drawing=row.drawing,
        shop=ShopSign(row.slug, row.shop_name, row.awning),
        price=row.price,
        has_dearer=row.highest_price != row.price,
        available_qty=row.available_qty,
        unit_price=unit_price(row.kind, row.price, row.net_amount, row.net_unit),
    )


_AVAILABLE = Variant.on_hand_qty - Variant.held_qty

#: The variant whose price a card shows: the cheapest that is left, else the cheapest; a product without any is not
#: for sale and falls out of the join.
_SHOWN = (
    select(
        Variant.price,
        Variant.net_amount,
        Variant.net_unit,
        func.max(Variant.price).over().label("highest_price"),
        func.sum(_AVAILABLE).over().label("available_qty"),
    )
    .where(Variant.product_id == Product.id, Variant.is_offered)
    .order_by((_AVAILABLE > 0).desc(), Variant.price, Variant.position)
    .limit(1)
    .lateral("shown")
)
_CARD = (
    Product.id,
    Product.name,
    Product.kind,
    Product.drawing,
    Shop.slug,
    Shop.name.label("shop_name"),
    Shop.awning,
    _SHOWN.c.price,
    _SHOWN.c.net_amount,
    _SHOWN.c.net_unit,
    _SHOWN.c.highest_price,
    _SHOWN.c.available_qty,
)
_BY_ID = (
    select(*_CARD)
    .join_from(Product, Shop, Shop.id == Product.shop_id)
    .join(_SHOWN, true())
    .where(
        Product.id == any_(bindparam("ids", type_=ARRAY(BigInteger))),
        Product.is_published,
        Shop.state == "open",
    )
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
_PRODUCT = (
    select(
        Product.id,
        Product.name,
        Product.kind,
        Product.brand,
        Product.description,
        Product.drawing,
        Product.allergens,
        Product.details,
        Shop.slug.label("shop_slug"),
        Shop.name.label("shop_name"),
        Shop.awning.label("shop_awning"),
        Shop.trade,
        *_SELLER,
        Variant.id.label("variant_id"),
        Variant.label,
        Variant.price,
        _AVAILABLE.label("available_qty"),
        Variant.net_amount,
        Variant.net_unit,
    )
    .join_from(Product, Shop, Shop.id == Product.shop_id)
    .join(Merchant, Merchant.id == Shop.merchant_id)
    .join(Variant, Variant.product_id == Product.id)
    .where(
        Product.id == bindparam("product_id", type_=BigInteger),
        Product.is_published,
        Shop.state == "open",
        Variant.is_offered,
    )
    .order_by(Variant.position, Variant.id)
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
def _list_statement(by_shop: bool, by_kind: bool, from_cursor: bool, backwards: bool) -> Select[Any]:
    """The statement of a list, built once for each combination; only its values change."""
    score, product_id = ProductSearch.score, ProductSearch.product_id
    statement = (
        select(*_CARD, score)
        .join_from(ProductSearch, Product, Product.id == product_id)
        .join(Shop, Shop.id == Product.shop_id)
        .join(_SHOWN, true())
        .where(Product.is_published, Shop.state == "open")
        .limit(bindparam("one_more", literal_execute=False))
    )
    if by_shop:
        # A scalar, not a join: the planner then walks the index of one shop's scores.
        chosen = select(Shop.id).where(Shop.slug == bindparam("shop", type_=Text)).correlate(None).scalar_subquery()
        statement = statement.where(ProductSearch.shop_id == chosen)
    if by_kind:
        statement = statement.where(ProductSearch.kind == bindparam("kind", type_=Text))
    if from_cursor:
        place = tuple_(score, product_id)
        start = tuple_(bindparam("score", type_=BigInteger), bindparam("product_id", type_=BigInteger))
        statement = statement.where(place > start if backwards else place < start)
    if backwards:
        return statement.order_by(score, product_id)
    return statement.order_by(score.desc(), product_id.desc())
