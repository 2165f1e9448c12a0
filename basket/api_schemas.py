"""Baskets and orders as programs send and read them."""

from __future__ import annotations

from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, validates_schema

from basket.rules import ORDER_NEXT, SUB_ORDER_STATES
from basket.schemas import SHORTAGES
from marketplace.schemas import (
    Boundary,
    CentsField,
    ChoiceField,
    CountField,
    EmailField,
    FlagField,
    IdField,
    PhoneField,
    PostcodeField,
    TextField,
)
from merchants.api_schemas import ShopRef, next_field

#: All states that an order can be in.
ORDER_STATES = tuple(dict.fromkeys([state for state, _ in ORDER_NEXT] + list(ORDER_NEXT.values())))
PAYMENT_STATES = ("creating", "unknown", "open", "pending", "paid", "failed", "canceled", "expired", "rejected")
LINE_PROBLEMS = ("not_for_sale", "sold_out", "too_many", "price_changed")


def _instant(description: str, *, allow_none: bool = False) -> fields.AwareDateTime:
    return fields.AwareDateTime(required=True, allow_none=allow_none, metadata={"description": description})


# --- Sent ------------------------------------------------------------------------------------------------------


class CoordinateField(fields.Float):
    """Degrees between `-most` and `most`, as a JSON number. Code: not_a_coordinate."""

    def __init__(self, *, most: int, **kwargs: Any) -> None:
        super().__init__(load_default=None, metadata={"minimum": -most, "maximum": most}, **kwargs)
        self.most = most

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> float:
        # A bool is an int to Python; a number of hundreds of digits is none that a float can hold.
        if isinstance(value, bool) or not isinstance(value, int | float) or not -self.most <= value <= self.most:
            raise ValidationError("not_a_coordinate")
        return float(value)


class SlotsQuery(Boundary):
    postcode = PostcodeField(required=True, max_length=20)


class NoBody(Boundary):
    """Nothing has to be said."""


class NewLine(Boundary):
    """One of `variant_id` and `product_id`; the latter for a product with a single variant."""

    variant_id = IdField(load_default=None)
    product_id = IdField(load_default=None)
    qty = CountField(load_default=1, low=1, high=99, from_text=False)

    @validates_schema
    def names_one_thing(self, asked: dict[str, Any], **_: object) -> None:
        if (asked["variant_id"] is None) == (asked["product_id"] is None):
            raise ValidationError("variant_or_product", "variant_id")


class LineChange(Boundary):
    qty = CountField(required=True, low=1, high=99, from_text=False)


class Contact(Boundary):
    name = TextField(required=True, max_length=100)
    email = EmailField(required=True, max_length=254)
    phone = PhoneField(required=True, max_length=40)


class Delivery(Boundary):
    """For a delivery `slot_id`, `street`, `postcode` and `city` are asked for; a collection looks at none of them.

    `lat` and `lon` come together, from a map that the resident was shown; without them the address is looked up.
    """

    mode = ChoiceField(("delivery", "collection"), required=True)
    slot_id = IdField(load_default=None)
    street = TextField(load_default="", max_length=120)
    postcode = PostcodeField(load_default="", max_length=20)
    city = TextField(load_default="", max_length=80)
    access_note = TextField(load_default="", max_length=300, multiline=True)
    lat = CoordinateField(most=90)
    lon = CoordinateField(most=180)

    @validates_schema
    def says_where(self, asked: dict[str, Any], **_: object) -> None:
        if asked["mode"] != "delivery":
            return
        wrong = {name: ["required"] for name in ("slot_id", "street", "postcode", "city") if not asked[name]}
        if (asked["lat"] is None) != (asked["lon"] is None):
            wrong["lat" if asked["lat"] is None else "lon"] = ["required"]
        if wrong:
            raise ValidationError(wrong)


class NewOrder(Boundary):
    basket = TextField(required=True, max_length=64, metadata={"description": "The basket’s id"})
    contact = fields.Nested(Contact, required=True, error_messages={"required": "required", "null": "required"})
    delivery = fields.Nested(Delivery, required=True, error_messages={"required": "required", "null": "required"})
    shortage = ChoiceField(
        SHORTAGES, load_default="refund", metadata={"description": "What a shop does when something has run out"}
    )
    declares_majority = FlagField(
        load_default=None,
        from_text=False,
        metadata={
            "description": "Whether the resident says to be of age. An explicit false with alcohol in the basket is"
            " refused. Absent: whoever sends this answers for having asked, and the courier checks anyway."
        },
    )
    accepts_terms = FlagField(
        load_default=None,
        from_text=False,
        metadata={
            "description": "Whether the resident accepts the terms of sale. An explicit false is refused. Absent:"
            " whoever sends this answers for having shown them."
        },
    )


class OrderHeaders(Schema):
    class Meta:
        unknown = EXCLUDE

    idempotency_key = TextField(
        data_key="Idempotency-Key",
        load_default="",
        max_length=255,
        metadata={
            "description": "A key of your own, unguessable, one for each order (a UUID). The same key with the same"
            " body gives the same answer and never a second order; with another body 409."
        },
    )


class OrderQuery(Boundary):
    token = TextField(
        load_default="", max_length=64, metadata={"description": "The order’s token, unless it is sent as Bearer"}
    )


# --- Answered --------------------------------------------------------------------------------------------------


class SlotShape(Schema):
    id = fields.Integer(required=True)
    starts_at = _instant("When the window of delivery begins")
    ends_at = _instant("When it ends")
    cut_off_at = _instant("Until when orders are taken")
    fee_cents = CentsField(
        required=True,
        attribute="fee",
        metadata={"description": "For one common delivery; a large basket may pay less, new books more"},
    )
    places_left = fields.Integer(required=True)
    is_full = fields.Boolean(required=True)


class SlotList(Schema):
    items = fields.List(fields.Nested(SlotShape), required=True)
    next = next_field()


class LineProduct(Schema):
    """The product of a line as it is now; `label` tells the variant."""

    id = fields.Integer(required=True)
    name = fields.String(required=True)
    label = fields.String(required=True)
    brand = fields.String(required=True)
    kind = fields.String(required=True)
    shop = fields.Nested(ShopRef, required=True)
    price_cents = CentsField(required=True, attribute="price")
    available_qty = fields.Integer(required=True)
    allergens = fields.List(fields.String(), required=True, allow_none=True)
    minimum_age = fields.Integer(required=True, allow_none=True)
    url = fields.String(required=True, metadata={"format": "uri"})
    drawing_url = fields.String(required=True, metadata={"format": "uri"})


class LineShape(Schema):
    """`problem` says why the line cannot be ordered as it stands. price_changed: set the quantity once more to accept
    today's price; `seen_price_cents` is the one that was accepted before."""

    id = fields.Integer(required=True)
    variant_id = fields.Integer(required=True)
    product = fields.Nested(LineProduct, required=True)
    qty = fields.Integer(required=True)
    unit_price_cents = CentsField(required=True, attribute="unit_price")
    seen_price_cents = CentsField(required=True, attribute="seen_price")
    total_cents = CentsField(required=True, attribute="total")
    problem = fields.String(required=True, allow_none=True, metadata={"enum": [*LINE_PROBLEMS, None]})


class GroupShape(Schema):
    """One shop's part. `is_payable` is false while the shop cannot be paid online; it then blocks the order."""

    shop = fields.Nested(ShopRef, required=True)
    line_ids = fields.List(fields.Integer(), required=True)
    goods_cents = CentsField(required=True, attribute="goods")
    is_payable = fields.Boolean(required=True)


class BasketShape(Schema):
    """Prices and stock are those of this instant. `minimum_age` is the highest that a product in it asks for."""

    id = fields.String(required=True, metadata={"description": "The token: whoever has it has the basket"})
    lines = fields.List(fields.Nested(LineShape), required=True)
    groups = fields.List(fields.Nested(GroupShape), required=True)
    goods_cents = CentsField(required=True, attribute="goods")
    minimum_age = fields.Integer(required=True, allow_none=True)
    can_be_ordered = fields.Boolean(required=True)


class PlacedShape(Schema):
    """The order is held for a quarter of an hour: send the resident to `checkout_url` to pay.

    `checkout_url` is null while the payment provider does not answer; the order's own page, `url`, offers it later.
    """

    code = fields.String(required=True)
    token = fields.String(required=True, metadata={"description": "Opens the order; keep it as you keep a password"})
    checkout_url = fields.String(required=True, allow_none=True)
    url = fields.String(required=True, metadata={"format": "uri", "description": "The order’s page for the resident"})


class OrderLineShape(Schema):
    variant_id = fields.Integer(required=True)
    name = fields.String(required=True)
    label = fields.String(required=True)
    kind = fields.String(required=True)
    qty = fields.Integer(required=True)
    unit_price_cents = CentsField(required=True, attribute="unit_price")
    total_cents = CentsField(required=True, attribute="total")
    allergens = fields.List(fields.String(), required=True, allow_none=True)


class SubOrderShape(Schema):
    """The contract with one shop. `collection_code` is shown there when the resident collects."""

    shop = fields.Nested(ShopRef, required=True)
    seller_name = fields.String(required=True)
    state = fields.String(required=True, metadata={"enum": list(SUB_ORDER_STATES)})
    total_cents = CentsField(required=True, attribute="goods")
    ready_by_at = _instant("When the shop has it packed")
    collection_code = fields.String(required=True, allow_none=True)
    lines = fields.List(fields.Nested(OrderLineShape), required=True)


class SplitShape(Schema):
    party = fields.String(required=True, metadata={"description": "A merchant’s slug, or association"})
    amount_cents = CentsField(required=True, attribute="amount")


class PaymentShape(Schema):
    """The parts of `split` sum to `amount_cents`: each merchant's goods less commission, the association the rest."""

    state = fields.String(required=True, metadata={"enum": list(PAYMENT_STATES)})
    amount_cents = CentsField(required=True, attribute="amount")
    checkout_url = fields.String(required=True, allow_none=True)
    paid_at = _instant("When the resident paid", allow_none=True)
    split = fields.List(fields.Nested(SplitShape), required=True)


class OrderDeliveryShape(Schema):
    mode = fields.String(required=True, metadata={"enum": ["delivery", "collection"]})
    street = fields.String(required=True)
    postcode = fields.String(required=True)
    city = fields.String(required=True)
    access_note = fields.String(required=True)
    starts_at = _instant("When the window begins; null for a collection", allow_none=True)
    ends_at = _instant("When it ends", allow_none=True)
    handover_code = fields.String(
        required=True, allow_none=True, metadata={"description": "Four digits to show to the courier"}
    )


class OrderShape(Schema):
    """What was promised, and how far it is. Names, prices and address are those of the moment of ordering."""

    code = fields.String(required=True)
    state = fields.String(required=True, metadata={"enum": list(ORDER_STATES)})
    progress = fields.String(
        required=True, metadata={"enum": list(SUB_ORDER_STATES), "description": "The state of the slowest sub-order"}
    )
    placed_at = _instant("When it was ordered")
    hold_until_at = _instant("Until when it is kept while it waits for its payment")
    goods_cents = CentsField(required=True, attribute="goods")
    delivery_cents = CentsField(required=True, attribute="delivery_fee")
    total_cents = CentsField(required=True, attribute="total")
    refunded_cents = CentsField(required=True, attribute="refunded")
    delivery = fields.Nested(OrderDeliveryShape, required=True)
    sub_orders = fields.List(fields.Nested(SubOrderShape), required=True)
    payment = fields.Nested(PaymentShape, required=True, allow_none=True)
    url = fields.String(required=True, metadata={"format": "uri", "description": "The order’s page for the resident"})
