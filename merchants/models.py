"""The stalls: who sells, where, what, at which price, and how many pieces are left."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from marketplace.db import Base, Id, Key
from marketplace.money import Money

#: What `rules.siren_of` finds in a register's words, for the database.
SIREN_IN_REGISTRATION = (
    '"left"(regexp_replace("substring"(registration, '
    r"'(?<![A-Za-z0-9])[0-9](?:[ .\u00a0\u202f]?[0-9]){8}(?:[ .\u00a0\u202f]?[0-9]{5})?(?![0-9])'::text), "
    "'[^0-9]'::text, ''::text, 'g'::text), 9)"
)


class Merchant(Base):
    """The legal seller, who is paid. One merchant may run several shops: a company is one merchant, by its SIREN."""

    __tablename__ = "merchant"
    __table_args__ = (
        # The nine digits as `rules.siren_of` finds them; who has none yet stands in nobody's way.
        Index("uq_merchant_siren", text(SIREN_IN_REGISTRATION), unique=True),
    )

    id: Mapped[Id]
    #: Stable word for accounts and routes: the ledger knows `merchant:<key>`.
    key: Mapped[Key] = mapped_column(unique=True)
    legal_name: Mapped[str]
    registration: Mapped[str]
    #: "SARL", "EI": invoices name it. Empty until the merchant has said it.
    legal_form: Mapped[str] = mapped_column(server_default="")
    #: Of a sole trader: the tax office asks for it once a year (domain M10), and nobody else sees it.
    born_on: Mapped[date | None]
    #: Sells without VAT (franchise en base): its sales are at no rate, and its invoices say so.
    is_vat_exempt: Mapped[bool] = mapped_column(server_default=text("false"))
    street: Mapped[str]
    postcode: Mapped[str]
    city: Mapped[str]
    phone: Mapped[str]
    email: Mapped[str]
    created_at: Mapped[datetime]

    shops: Mapped[list[Shop]] = relationship(back_populates="merchant", lazy="raise")


class FileChange(Base):
    """Who changed what in a merchant's file, when; append-only."""

    __tablename__ = "file_change"

    id: Mapped[Id]
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchant.id"), index=True)
    at: Mapped[datetime]
    actor: Mapped[str]
    #: {column: [before, after], …}
    changed: Mapped[dict[str, Any]] = mapped_column(JSONB)
    #: Never empty where one SIREN took the place of another.
    reason: Mapped[str] = mapped_column(server_default="")


class CommissionRate(Base):
    """What the association keeps of a merchant's sales, from a day on; frozen into each sale.

    Append-only: of two rates from the same day the one that was set later counts.
    """

    __tablename__ = "commission_rate"
    __table_args__ = (
        CheckConstraint("permille BETWEEN 0 AND 500", name="permille_in_range"),
        Index("ix_commission_rate_merchant_id", "merchant_id", "valid_from"),
    )

    id: Mapped[Id]
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchant.id"))
    permille: Mapped[int] = mapped_column(SmallInteger)
    valid_from: Mapped[date]
    set_at: Mapped[datetime]
    actor: Mapped[str]


class Shop(Base):
    """A stall with a page."""

    __tablename__ = "shop"
    __table_args__ = (
        CheckConstraint("state IN ('open', 'paused')", name="state_known"),
        CheckConstraint("preparation_minutes BETWEEN 0 AND 2880", name="preparation_in_range"),
        CheckConstraint("awning BETWEEN 0 AND 23", name="awning_in_range"),
        Index("ix_shop_sort_name", "sort_name"),
    )

    id: Mapped[Id]
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchant.id"), index=True)
    slug: Mapped[Key] = mapped_column(unique=True)
    name: Mapped[str]
    #: Folded name: the embedded PostgreSQL has no French collation.
    sort_name: Mapped[str]
    trade: Mapped[Key]
    tagline: Mapped[str] = mapped_column(server_default="")
    description: Mapped[str] = mapped_column(server_default="")
    street: Mapped[str]
    postcode: Mapped[str]
    city: Mapped[str]
    lat: Mapped[float]
    lon: Mapped[float]
    #: OpenStreetMap's opening_hours syntax.
    opening_hours: Mapped[str]
    phone: Mapped[str]
    preparation_minutes: Mapped[int]
    #: Domain B6: a shop that really and permanently sells books may hand them over without the delivery floor.
    sells_books: Mapped[bool] = mapped_column(server_default=text("false"))
    awning: Mapped[int] = mapped_column(SmallInteger)
    state: Mapped[Key] = mapped_column(server_default="open")

    merchant: Mapped[Merchant] = relationship(back_populates="shops", lazy="raise")


class Member(Base):
    """Somebody who works for a merchant and may act in its name."""

    __tablename__ = "member"
    __table_args__ = (CheckConstraint("role IN ('owner', 'staff')", name="role_known"),)

    user_id: Mapped[int] = mapped_column(ForeignKey("user_account.id"), primary_key=True)
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchant.id"), primary_key=True)
    role: Mapped[Key]


class Product(Base):
    """One thing on a shop's shelf; its variants carry price and stock. Never deleted: orders point at it."""

    __tablename__ = "product"
    __table_args__ = (
        UniqueConstraint("shop_id", "reference"),
        Index("ix_product_shop_listing", "shop_id", "id", postgresql_where=text("is_published")),
        Index("ix_product_kind_listing", "kind", "id", postgresql_where=text("is_published")),
    )

    id: Mapped[Id]
    shop_id: Mapped[int] = mapped_column(ForeignKey("shop.id"))
    #: The merchant's own key of the product, by which a second import finds it again.
    reference: Mapped[str]
    name: Mapped[str]
    #: A key of kinds.csv; VAT, withdrawal, cold and age follow from it (domain 9b).
    kind: Mapped[Key]
    brand: Mapped[str] = mapped_column(server_default="")
    description: Mapped[str] = mapped_column(server_default="")
    #: A key of marketplace.drawings, shown until there is a photo.
    drawing: Mapped[Key]
    #: None: not asked for this kind; an empty list: the merchant says "none" (domain F2).
    allergens: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    #: What the kind requires before publication (publisher, degree, composition…), as name → sentence.
    details: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    is_published: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    shop: Mapped[Shop] = relationship(lazy="raise")
    variants: Mapped[list[Variant]] = relationship(back_populates="product", order_by="Variant.position", lazy="raise")


class Variant(Base):
    """What can be put into a basket: one size, colour or content of a product."""

    __tablename__ = "variant"
    __table_args__ = (
        UniqueConstraint("shop_id", "reference"),
        CheckConstraint("price >= 0", name="price_not_negative"),
        CheckConstraint("on_hand_qty >= 0", name="on_hand_not_negative"),
        CheckConstraint("held_qty >= 0", name="held_not_negative"),
        CheckConstraint("held_qty <= on_hand_qty", name="held_within_on_hand"),
        CheckConstraint("weight_grams >= 0 AND volume_ml >= 0", name="size_not_negative"),
        CheckConstraint("net_unit IN ('g', 'ml', 'piece')", name="net_unit_known"),
        Index("ix_variant_product", "product_id", "position"),
        Index("ix_variant_ean", "ean", postgresql_where=text("ean <> ''")),
    )

    id: Mapped[Id]
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"))
    shop_id: Mapped[int] = mapped_column(ForeignKey("shop.id"))
    reference: Mapped[str]
    #: Empty for a product of a single variant.
    label: Mapped[str] = mapped_column(server_default="")
    position: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    #: What a resident pays, VAT included.
    price: Mapped[Money]
    ean: Mapped[str] = mapped_column(server_default="")
    on_hand_qty: Mapped[int]
    held_qty: Mapped[int] = mapped_column(server_default=text("0"))
    weight_grams: Mapped[int] = mapped_column(server_default=text("0"))
    volume_ml: Mapped[int] = mapped_column(server_default=text("0"))
    #: Net content, for the price per kilogram or litre (domain P1); amounts in thousandths of the unit would be
    #: false precision: shops label whole grams and millilitres.
    net_amount: Mapped[int | None]
    net_unit: Mapped[Key | None]
    is_offered: Mapped[bool] = mapped_column(server_default=text("true"))

    product: Mapped[Product] = relationship(back_populates="variants", lazy="raise")

    @property
    def available_qty(self) -> int:
        return self.on_hand_qty - self.held_qty


class PriceChange(Base):
    """Every price that a variant ever had, with who set it; append-only (domain P11)."""

    __tablename__ = "price_change"
    __table_args__ = (Index("ix_price_change_variant", "variant_id", "at"),)

    id: Mapped[Id]
    variant_id: Mapped[int] = mapped_column(ForeignKey("variant.id"))
    price: Mapped[Money]
    at: Mapped[datetime]
    actor: Mapped[str]


class StockMove(Base):
    """Every change of the pieces on hand, with who and why; they sum to `on_hand_qty` (I01)."""

    __tablename__ = "stock_move"
    __table_args__ = (
        CheckConstraint("qty <> 0", name="qty_moves"),
        CheckConstraint("reason IN ('opening', 'counted', 'sold', 'restocked')", name="reason_known"),
        Index("ix_stock_move_variant", "variant_id", "at"),
    )

    id: Mapped[Id]
    variant_id: Mapped[int] = mapped_column(ForeignKey("variant.id"))
    qty: Mapped[int]
    reason: Mapped[Key]
    #: The order's code for sales and restocking, else empty.
    reference: Mapped[str] = mapped_column(server_default="")
    at: Mapped[datetime]
    actor: Mapped[str]


class StockHold(Base):
    """Pieces promised to one order until an instant; ends sold or released, once (M02)."""

    __tablename__ = "stock_hold"
    __table_args__ = (
        CheckConstraint("qty > 0", name="qty_positive"),
        CheckConstraint("state IN ('held', 'sold', 'released')", name="state_known"),
        # One live promise for each order and variant; released ones stay beside it as history.
        Index(
            "uq_stock_hold_one_live",
            "reference",
            "variant_id",
            unique=True,
            postgresql_where=text("state IN ('held', 'sold')"),
        ),
        Index("ix_stock_hold_live", "variant_id", postgresql_where=text("state = 'held'")),
    )

    id: Mapped[Id]
    variant_id: Mapped[int] = mapped_column(ForeignKey("variant.id"))
    reference: Mapped[str]
    qty: Mapped[int]
    state: Mapped[Key]
    until_at: Mapped[datetime]
