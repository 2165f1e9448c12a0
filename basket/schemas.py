"""What the pages of the walk send: the resident's, and the shops' about their parts of orders."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from marshmallow import ValidationError
from marshmallow.fields import Field

from basket import pinning
from basket.reservations import SHOP_REASONS
from marketplace.ids import is_token
from marketplace.schemas import (
    Boundary,
    ChoiceField,
    CountField,
    EmailField,
    FlagField,
    PhoneField,
    PostcodeField,
    TextField,
)

SHORTAGES = ("refund", "substitute", "call")
LARGEST_ID = 2**62


class AddLine(Boundary):
    """`product_id` is the page that the form stands on, to be shown again with what is wrong."""

    variant_id = CountField(required=True, low=1, high=LARGEST_ID)
    product_id = CountField(load_default=None, low=1, high=LARGEST_ID)
    qty = CountField(load_default=1, low=1, high=99)
    back = TextField(load_default="", max_length=500)


class ChangeLine(Boundary):
    """`step` is the button pressed beside the quantity; `remove` the one that takes the line out."""

    qty = CountField(load_default=None, low=0, high=99)
    step = CountField(load_default=0, low=-1, high=1)
    remove = FlagField(load_default=False)


class Place(Boundary):
    mode = ChoiceField(("delivery", "collection"), required=True)
    street = TextField(load_default="", max_length=120)
    postcode = PostcodeField(load_default="", max_length=20)
    city = TextField(load_default="", max_length=80)
    access_note = TextField(load_default="", max_length=300, multiline=True)
    #: "lat,lon" of one of the places that we proposed, or "unsure" to be called.
    pin = TextField(load_default="", max_length=60)
    #: The other button: the place will be shown on the plan.
    on_plan = FlagField(load_default=False)


class DegreesField(TextField):
    """Degrees between `-most` and `most`, as our own pages write them: "-0.158446". Code: not_a_coordinate."""

    def __init__(self, *, most: int, **kwargs: Any) -> None:
        super().__init__(max_length=30, **kwargs)
        self.most = most

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        # float() alone would take "nan", "1e2", "1_0" and digits of other alphabets.
        if text and not re.fullmatch(r"-?[0-9]{1,3}(\.[0-9]{1,15})?", text):
            raise ValidationError("not_a_coordinate")
        degrees = float(text) if text else None
        if degrees is not None and not -self.most <= degrees <= self.most:
            raise ValidationError("not_a_coordinate")
        return degrees


class Pin(Boundary):
    """What the page with the plan sends: where the pin stood, and the button or the spot of the plan that was pressed.

    A picture that is a button sends the spot as "<name>.x" and "<name>.y"; the name is that of the paper.
    """

    lat = DegreesField(most=90, required=True)
    lon = DegreesField(most=180, required=True)
    zoom = CountField(required=True, low=0, high=pinning.FINEST)
    move = ChoiceField(pinning.MOVES, load_default="")
    #: Filled by script, for "here".
    here_lat = DegreesField(most=90, load_default=None)
    here_lon = DegreesField(most=180, load_default=None)
    small_x = CountField(data_key="small.x", low=0, high=pinning.SMALL.width_px, load_default=None)
    small_y = CountField(data_key="small.y", low=0, high=pinning.SMALL.height_px, load_default=None)
    large_x = CountField(data_key="large.x", low=0, high=pinning.LARGE.width_px, load_default=None)
    large_y = CountField(data_key="large.y", low=0, high=pinning.LARGE.height_px, load_default=None)


class Slot(Boundary):
    slot_id = CountField(required=True, low=1, high=LARGEST_ID)


class Contact(Boundary):
    name = TextField(required=True, max_length=100)
    phone = PhoneField(required=True, max_length=40)
    email = EmailField(required=True, max_length=254)
    shortage = ChoiceField(SHORTAGES, required=True)


class CheckoutKeyField(TextField):
    """The key of the form's own checkout. A program's key, which looks otherwise, opens nothing here: form_too_old."""

    def checked(self, text: str) -> str:
        if not is_token(text):
            raise ValidationError("form_too_old")
        return text


class Confirm(Boundary):
    checkout_key = CheckoutKeyField(required=True, max_length=64)
    seen_total_cents = CountField(required=True, low=1, high=10**9)
    accepts_terms = FlagField(load_default=False)
    is_adult = FlagField(load_default=False)


class Act(Boundary):
    """A shop's act on its part of an order; the code only where a resident collects it."""

    event = ChoiceField(("accept", "pack", "hand_over"), required=True)
    collection_code = TextField(load_default="", max_length=10)


class FindOrder(Boundary):
    code = TextField(required=True, max_length=40)
    phone_end = TextField(required=True, max_length=10)


def available(line_ids: Iterable[int]) -> Boundary:
    """How many pieces of each line are there: a field `available-<line id>` each, 0 to 99."""
    fields: dict[str, Field[Any]] = {
        f"available-{line_id}": CountField(required=True, low=0, high=99) for line_id in line_ids
    }
    schema: Boundary = Boundary.from_dict(fields, name="Available")()  # type: ignore[assignment]  # from_dict says Schema
    return schema


def weights(line_ids: Iterable[int]) -> Boundary:
    """How many grams of each line the scale says: a field `grams-<line id>` each, which may be left out."""
    fields: dict[str, Field[Any]] = {f"grams-{line_id}": CountField(low=1, high=100_000) for line_id in line_ids}
    fields["ticket"] = TextField(load_default="", max_length=40)
    schema: Boundary = Boundary.from_dict(fields, name="Weights")()  # type: ignore[assignment]  # from_dict says Schema
    return schema


class Keep(Boundary):
    """Who reserves, to pay in the shop; who has no e-mail reads everything on the page."""

    request_key = CheckoutKeyField(required=True, max_length=64)
    seen_goods_cents = CountField(required=True, low=0, high=10**9)
    name = TextField(required=True, max_length=100)
    phone = PhoneField(required=True, max_length=40)
    email = EmailField(load_default="", max_length=254)


class KeepAct(Boundary):
    """A shop's act on a reservation; the code, and the look at the age, only where it is collected."""

    event = ChoiceField(("ready", "collect"), required=True)
    collection_code = TextField(load_default="", max_length=10)
    is_adult = FlagField(load_default=False)


class KeepNoMore(Boundary):
    reason = ChoiceField(SHOP_REASONS, required=True)
