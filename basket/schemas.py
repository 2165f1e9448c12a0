"""What the pages of the walk send: the resident's, and the shops' about their parts of orders."""

from __future__ import annotations

from marshmallow import ValidationError

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
