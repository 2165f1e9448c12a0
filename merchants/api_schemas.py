"""The catalogue as programs ask for it and read it."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from marketplace.schemas import Boundary, CentsField, TextField
from merchants.queries import Cursor

#: A page's number; more pages than any catalogue of a town has.
HIGHEST_PAGE = 99_999


class PageField(fields.Field[Any]):
    """Which part of a list: a number from 1 on, or the cursor of a `next` address. Code: not_a_page."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int | Cursor:
        text = str(value)
        if text.isascii() and text.isdigit() and len(text) <= 5 and int(text) >= 1:
            return int(text)
        try:
            return Cursor.parse(text)
        except ValueError:
            raise ValidationError("not_a_page") from None


class ProductsQuery(Boundary):
    q = TextField(max_length=200, load_default="", metadata={"description": "Words to search for, in French"})
    shop = TextField(max_length=64, load_default="", metadata={"description": "A shop’s slug"})
    category = TextField(
        max_length=64, load_default="", metadata={"description": "A product’s kind (fromage), or a trade (cheese)"}
    )
    page = PageField(
        load_default=1,
        metadata={
            "type": "string",
            "pattern": "^([1-9][0-9]{0,4}|[0-9]+-[0-9]+)$",
            "default": "1",
            "description": "A number from 1 on, or what stands in the address of `next`, which costs the same at any"
            " depth. A search knows numbers only, and shows 200 products at most.",
        },
    )


class NoQuery(Boundary):
    """Nothing may be asked beside the address."""


class ShopRef(Schema):
    slug = fields.String(required=True)
    name = fields.String(required=True)


class UnitPriceShape(Schema):
    """The price of one `per`: kg, L, 100 g or 100 ml."""

    price_cents = CentsField(required=True, attribute="price")
    per = fields.String(required=True)


class ProductShape(Schema):
    """`price_cents` is the lowest that can be had now, `available_qty` counts all variants."""

    id = fields.Integer(required=True)
    name = fields.String(required=True)
    kind = fields.String(required=True)
    shop = fields.Nested(ShopRef, required=True)
    price_cents = CentsField(required=True, attribute="price")
    has_dearer = fields.Boolean(required=True, metadata={"description": "Whether other variants cost more"})
    available_qty = fields.Integer(required=True)
    unit_price = fields.Nested(UnitPriceShape, required=True, allow_none=True)
    url = fields.String(required=True, metadata={"format": "uri", "description": "The product’s page for people"})
    drawing_url = fields.String(required=True, metadata={"format": "uri", "description": "A drawing of such a thing"})


class VariantShape(Schema):
    """What goes into a basket. `label` may be empty for an only variant."""

    id = fields.Integer(required=True)
    label = fields.String(required=True)
    price_cents = CentsField(required=True, attribute="price")
    available_qty = fields.Integer(required=True)
    unit_price = fields.Nested(UnitPriceShape, required=True, allow_none=True)


class SellerShape(Schema):
    """The legal seller: who must be named before a sale."""

    legal_name = fields.String(required=True)
    registration = fields.String(required=True)
    street = fields.String(required=True)
    postcode = fields.String(required=True)
    city = fields.String(required=True)
    phone = fields.String(required=True)
    email = fields.String(required=True)


class ProductDetailShape(ProductShape):
    brand = fields.String(required=True)
    description = fields.String(required=True)
    trade = fields.String(required=True)
    allergens = fields.List(
        fields.String(), required=True, allow_none=True, metadata={"description": "null: the shop has not said"}
    )
    minimum_age = fields.Integer(required=True, allow_none=True)
    details = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    seller = fields.Nested(SellerShape, required=True)
    variants = fields.List(fields.Nested(VariantShape), required=True, validate=validate.Length(min=1))


class ShopShape(ShopRef):
    trade = fields.String(required=True)
    tagline = fields.String(required=True)
    street = fields.String(required=True)
    city = fields.String(required=True)
    opening_hours = fields.String(required=True, metadata={"description": "In OpenStreetMap’s notation"})
    url = fields.String(required=True, metadata={"format": "uri", "description": "The shop’s page for people"})


def next_field() -> fields.String:
    return fields.String(
        required=True, allow_none=True, metadata={"description": "The address of the following part, null at the end"}
    )


class ProductList(Schema):
    items = fields.List(fields.Nested(ProductShape), required=True)
    next = next_field()
    corrected_query = fields.String(
        allow_none=True,
        metadata={"description": "What was looked for as well or instead, where `q` looked mistyped; searches only"},
    )


class ShopList(Schema):
    items = fields.List(fields.Nested(ShopShape), required=True)
    next = next_field()
