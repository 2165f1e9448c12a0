"""Reservations as programs send and read them."""

from __future__ import annotations

from marshmallow import Schema, fields

from basket.reservations import SHOP_REASONS
from basket.rules import RESERVATION_NEXT
from marketplace.schemas import Boundary, CentsField, CountField, EmailField, PhoneField, TextField
from merchants.api_schemas import ShopRef, next_field

#: All states that a reservation can be in.
STATES = tuple(dict.fromkeys([state for state, _ in RESERVATION_NEXT] + list(RESERVATION_NEXT.values())))
ENDINGS = ("resident", *SHOP_REASONS)


class ReservationContact(Boundary):
    """Who has no email learns the collection code from whoever sends this."""

    name = TextField(required=True, max_length=100)
    phone = PhoneField(required=True, max_length=40)
    email = EmailField(load_default="", max_length=254)


class NewReservations(Boundary):
    basket = TextField(required=True, max_length=64, metadata={"description": "The basket’s id"})
    contact = fields.Nested(
        ReservationContact, required=True, error_messages={"required": "required", "null": "required"}
    )
    seen_goods_cents = CountField(
        load_default=None,
        low=0,
        high=10**9,
        from_text=False,
        metadata={
            "description": "The sum of what is reserved, as the resident saw it: 409 when it is another one now."
            " Absent: at the prices of this instant"
        },
    )


class MadeShape(Schema):
    code = fields.String(required=True)
    token = fields.String(
        required=True, metadata={"description": "Opens the reservation; keep it as you keep a password"}
    )
    url = fields.String(
        required=True, metadata={"format": "uri", "description": "The reservation’s page for the resident"}
    )


class MadeList(Schema):
    """One reservation for each shop of the basket that cannot be paid online."""

    items = fields.List(fields.Nested(MadeShape), required=True)
    next = next_field()


class KeptLineShape(Schema):
    variant_id = fields.Integer(required=True)
    name = fields.String(required=True)
    label = fields.String(required=True)
    kind = fields.String(required=True)
    qty = fields.Integer(required=True)
    unit_price_cents = CentsField(required=True, attribute="unit_price")
    total_cents = CentsField(required=True, attribute="total")
    allergens = fields.List(fields.String(), required=True, allow_none=True)


class ReservationShape(Schema):
    """What one shop keeps. `collection_code` is shown there; null once the reservation has ended."""

    code = fields.String(required=True)
    state = fields.String(required=True, metadata={"enum": list(STATES)})
    ending = fields.String(
        required=True,
        allow_none=True,
        metadata={"enum": [*ENDINGS, None], "description": "Who cancelled it, or why the shop did"},
    )
    shop = fields.Nested(ShopRef, required=True)
    seller_name = fields.String(required=True)
    reserved_at = fields.AwareDateTime(required=True)
    kept_until_on = fields.Date(required=True, metadata={"description": "The last day on which the shop keeps it"})
    goods_cents = CentsField(
        required=True, attribute="goods", metadata={"description": "What is paid in the shop, VAT included"}
    )
    minimum_age = fields.Integer(required=True, allow_none=True)
    collection_code = fields.String(required=True, allow_none=True)
    lines = fields.List(fields.Nested(KeptLineShape), required=True)
    url = fields.String(required=True, metadata={"format": "uri"})
