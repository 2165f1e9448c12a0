"""A quote: a basket priced at one instant, per shop, with all that stands in its way.

Basket page, check page, order and API are drawn from the same quote.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from basket.models import Line
from basket.rules import NO_FEE, Fee, delivery_fee
from marketplace.clock import local_day
from marketplace.delivery.pricing import DeliveryTerms, Sold, contributions
from marketplace.delivery.rules import NO_LOAD, Load
from marketplace.money import ZERO, Money, share_of
from merchants.commission import rates_on
from merchants.kinds import Kind, get_kind
from merchants.models import Merchant, Product, Shop, Variant
from merchants.rules import PERISHABLE

#: Shops often leave sizes out; a round that is planned with nothing at all would be overloaded.
PIECE_GRAMS, PIECE_ML = 300, 1000


@dataclass(frozen=True, slots=True)
class QuotedLine:
    """`problem` says why the line cannot be ordered as it stands: not_for_sale, sold_out, too_many, or None."""

    line_id: int
    variant_id: int
    product_id: int
    reference: str
    name: str
    label: str
    brand: str
    kind: Kind
    drawing: str
    allergens: tuple[str, ...] | None
    #: What each piece weighs, for what is sold with its weight.
    net_grams: int | None
    qty: int
    unit_price: Money
    seen_price: Money
    available_qty: int
    problem: str | None
    load: Load

    @property
    def total(self) -> Money:
        return self.unit_price * self.qty

    @property
    def is_price_changed(self) -> bool:
        return self.unit_price != self.seen_price


@dataclass(frozen=True, slots=True)
class QuotedShop:
    """A shop as a buyer must know it (domain M4), and where its parcels are collected."""

    id: int
    slug: str
    name: str
    awning: int
    street: str
    postcode: str
    city: str
    lat: float
    lon: float
    phone: str
    opening_hours: str
    preparation_minutes: int
    sells_books: bool
    party: str
    seller_name: str
    seller_registration: str
    seller_address: str
    seller_contact: str
    #: None: nobody has set one, and nothing of the merchant can be sold.
    commission_permille: int | None
    #: Sells without VAT: its lines are at no rate, whatever their kind.
    is_vat_exempt: bool


@dataclass(frozen=True, slots=True)
class QuotedGroup:
    """One shop's part. `is_payable`: its merchant can receive payments, and has agreed on a commission."""

    shop: QuotedShop
    lines: tuple[QuotedLine, ...]
    is_payable: bool
    #: What its merchant bears of the delivery.
    contribution: Money = ZERO

    @property
    def goods(self) -> Money:
        return Money.total([line.total for line in self.lines])

    @property
    def commission(self) -> Money:
        """What the association keeps of this sale."""
        permille = self.shop.commission_permille
        assert permille is not None, "without a rate nothing is sold"
        return share_of(self.goods, permille)

    @property
    def new_books(self) -> Money:
        return Money.total([line.total for line in self.lines if line.kind.is_new_book])

    @property
    def load(self) -> Load:
        load = NO_LOAD
        for line in self.lines:
            load += line.load
        return load

    @property
    def pieces_qty(self) -> int:
        return sum(line.qty for line in self.lines)


@dataclass(frozen=True, slots=True)
class Quote:
    """`groups` stand in the order in which the shops entered the basket; totals are derived, never stored."""

    basket_id: int
    groups: tuple[QuotedGroup, ...]
    fee: Fee

    @property
    def lines(self) -> tuple[QuotedLine, ...]:
        return tuple(line for group in self.groups for line in group.lines)

    @property
    def goods(self) -> Money:
        return Money.total([group.goods for group in self.groups])

    @property
    def total(self) -> Money:
        return self.goods + self.fee.total

    def fee_with(self, terms: DeliveryTerms, on: date) -> Fee:
        """What one common delivery of this basket costs in a zone with these terms: what a page shows before the
        choice is what is charged after it."""
        return delivery_fee(terms, self.goods, [group.new_books for group in self.groups], on)

    def delivered(self, terms: DeliveryTerms, on: date) -> Quote:
        """The same basket, brought home in such a zone: with its fee, and with what each merchant bears."""
        fee = self.fee_with(terms, on)
        parts = [
            Sold(group.goods, group.goods - group.commission if group.is_payable else ZERO) for group in self.groups
        ]
        borne = contributions(terms, paid=fee.total, parts=parts)
        groups = (replace(group, contribution=part) for group, part in zip(self.groups, borne, strict=True))
        return replace(self, groups=tuple(groups), fee=fee)

    @property
    def load(self) -> Load:
        load = NO_LOAD
        for group in self.groups:
            load += group.load
        return load

    @property
    def pieces_qty(self) -> int:
        return sum(group.pieces_qty for group in self.groups)

    @property
    def minimum_age(self) -> int | None:
        ages = [line.kind.minimum_age for line in self.lines if line.kind.minimum_age is not None]
        return max(ages, default=None)

    @property
    def keeps(self) -> bool:
        """Whether nothing in it spoils while a slow payment is on its way."""
        return not any(line.kind.key in PERISHABLE or line.kind.is_chilled for line in self.lines)

    @property
    def changed_lines(self) -> tuple[QuotedLine, ...]:
        return tuple(line for line in self.lines if line.is_price_changed)

    @property
    def blocked_lines(self) -> tuple[QuotedLine, ...]:
        return tuple(line for line in self.lines if line.problem is not None)

    @property
    def unpayable_groups(self) -> tuple[QuotedGroup, ...]:
        return tuple(group for group in self.groups if not group.is_payable)

    @property
    def to_order(self) -> Quote:
        """The part whose shops can be paid online."""
        return replace(self, groups=tuple(group for group in self.groups if group.is_payable))

    @property
    def to_reserve(self) -> Quote:
        """The part that its shops keep for whoever pays there: nothing of it travels, and no fee is asked for it."""
        return replace(self, groups=self.unpayable_groups, fee=NO_FEE)

    @property
    def can_be_ordered(self) -> bool:
        return bool(self.groups) and not self.blocked_lines and not self.unpayable_groups


def quote_basket(
    session: Session,
    *,
    basket_id: int,
    payable: frozenset[str],
    now: datetime,
    terms: DeliveryTerms | None = None,
) -> Quote:
    """Price a basket as of `now`; with a zone's `terms` for one common delivery, else for collection.

    `payable` are the parties whose goods may be paid online.
    """
    today = local_day(now)
    rows = session.execute(
        select(Line, Variant, Product, Shop, Merchant)
        .join(Variant, Line.variant_id == Variant.id)
        .join(Product, Variant.product_id == Product.id)
        .join(Shop, Variant.shop_id == Shop.id)
        .join(Merchant, Shop.merchant_id == Merchant.id)
        .where(Line.basket_id == basket_id)
        .order_by(Line.id)
    ).all()
    rates = rates_on(session, {merchant.id for *_, merchant in rows}, today)
    lines: dict[int, list[QuotedLine]] = {}
    shops: dict[int, QuotedShop] = {}
    for line, variant, product, shop, merchant in rows:
        lines.setdefault(shop.id, []).append(_quoted_line(line, variant, product, shop, today))
        if shop.id not in shops:
            shops[shop.id] = _quoted_shop(shop, merchant, rates.get(merchant.id))
    groups = tuple(
        QuotedGroup(shop, tuple(lines[shop_id]), shop.party in payable and shop.commission_permille is not None)
        for shop_id, shop in shops.items()
    )
    quote = Quote(basket_id, groups, NO_FEE)
    return quote.delivered(terms, today) if terms is not None and groups else quote


def _quoted_line(line: Line, variant: Variant, product: Product, shop: Shop, on: date) -> QuotedLine:
    if not (variant.is_offered and product.is_published and shop.state == "open"):
        problem = "not_for_sale"
    elif variant.available_qty < 1:
        problem = "sold_out"
    elif variant.available_qty < line.qty:
        problem = "too_many"
    else:
        problem = None
    kind = get_kind(product.kind, on)
    volume = (variant.volume_ml or PIECE_ML) * line.qty
    return QuotedLine(
        line_id=line.id,
        variant_id=variant.id,
        product_id=product.id,
        reference=variant.reference,
        name=product.name,
        label=variant.label,
        brand=product.brand,
        kind=kind,
        drawing=product.drawing,
        allergens=None if product.allergens is None else tuple(product.allergens),
        net_grams=(variant.net_amount or None) if variant.net_unit == "g" else None,
        qty=line.qty,
        unit_price=variant.price,
        seen_price=line.seen_price,
        available_qty=variant.available_qty,
        problem=problem,
        load=Load(
            grams=(variant.weight_grams or PIECE_GRAMS) * line.qty,
            ml=volume,
            cold_ml=volume if kind.is_chilled else 0,
        ),
    )


def _quoted_shop(shop: Shop, merchant: Merchant, permille: int | None) -> QuotedShop:
    return QuotedShop(
        id=shop.id,
        slug=shop.slug,
        name=shop.name,
        awning=shop.awning,
        street=shop.street,
        postcode=shop.postcode,
        city=shop.city,
        lat=shop.lat,
        lon=shop.lon,
        phone=shop.phone,
        opening_hours=shop.opening_hours,
        preparation_minutes=shop.preparation_minutes,
        sells_books=shop.sells_books,
        party=f"merchant:{merchant.key}",
        seller_name=merchant.legal_name,
        seller_registration=merchant.registration,
        seller_address=f"{merchant.street}, {merchant.postcode} {merchant.city}",
        seller_contact=f"{merchant.phone}, {merchant.email}",
        commission_permille=permille,
        is_vat_exempt=merchant.is_vat_exempt,
    )
