"""What visitors may ask of the catalogue, and what shopkeepers send from their shelf."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields, validate

from marketplace.delivery.schemas import DayField
from marketplace.money import Money
from marketplace.schemas import (
    Boundary,
    ChoiceField,
    CountField,
    FlagField,
    PermilleField,
    PostcodeField,
    QueryBoundary,
    TextField,
)
from merchants.imports import cells
from merchants.queries import Cursor


class CursorField(fields.Field[Cursor]):
    """A place in a list, from the list's own links. Code: not_a_cursor."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Cursor:
        try:
            return Cursor.parse(value)
        except ValueError:
            raise ValidationError("not_a_cursor") from None


class ListingQuery(QueryBoundary):
    """The listing's address: /produits?q=&genre=&boutique=&page=&apres=&avant=&exact=."""

    q = TextField(max_length=200, load_default="")
    genre = TextField(max_length=64, load_default="")
    boutique = TextField(max_length=64, load_default="")
    page = CountField(low=1, high=100_000, load_default=1)
    apres = CursorField(load_default=None)
    avant = CursorField(load_default=None)
    #: Search for what was typed, not for what it was taken for.
    exact = FlagField(load_default=False)


class PriceField(fields.Field[Money]):
    """A price as French shops write it ("12,50", "1 299,00 €"), more than nothing. Codes: those of the files' cells."""

    default_error_messages = {"required": "price_missing", "null": "price_missing"}  # noqa: RUF012  # marshmallow's own attribute

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Money:
        if not isinstance(value, str):
            raise ValidationError("price_not_number")
        try:
            return cells.price(value)
        except cells.CellError as refused:
            raise ValidationError(refused.code) from None


class ShelfQuery(QueryBoundary):
    """The shelf's address: /boutique/rayon?boutique=&q=&apres=&avant=."""

    boutique = TextField(max_length=64, load_default="")
    q = TextField(max_length=200, load_default="")
    apres = CountField(low=1, high=2**62, load_default=None)
    avant = CountField(low=1, high=2**62, load_default=None)


class ShelfCount(Boundary):
    """`seen_qty` is the count that stood on the page, `step` the button pressed beside the field."""

    qty = CountField(required=True, low=0, high=cells.MAX_STOCK_QTY)
    seen_qty = CountField(required=True, low=0, high=cells.MAX_STOCK_QTY)
    step = CountField(load_default=0, low=-1, high=1)


class ShelfPrice(Boundary):
    price = PriceField(required=True)


class NewRate(Boundary):
    """What the association keeps of a merchant's sales, from a day on."""

    rate = PermilleField(required=True)
    valid_from = DayField(required=True)


class NewVatStatus(Boundary):
    """Whether the association charges VAT, from a day on."""

    vat = ChoiceField(("charged", "exempt"), required=True)
    valid_from = DayField(required=True)


class Settled(Boundary):
    """What somebody says about a difference between the provider's book and ours."""

    note = TextField(required=True, max_length=500, multiline=True)


class WayToConnect(Boundary):
    """With an account that the merchant has, or with a new one."""

    way = fields.String(required=True, validate=validate.OneOf(("consent", "new"), error="choice_unknown"))


class MandateSignature(Boundary):
    """What a merchant says of itself when it signs: legal form, VAT, the name of the hand, and that it agrees."""

    legal_form = TextField(required=True, max_length=80)
    vat = ChoiceField(("charged", "exempt"), required=True)
    signed_by = TextField(required=True, max_length=120)
    agrees = FlagField(required=True, error_messages={"required": "mandate_not_agreed"})


class MandateEnd(Boundary):
    """The first day on which the mandate holds no longer."""

    ended_on = DayField(required=True)


#: The id of the search field in the layout.
SEARCH_FIELD = "chercher"

_LISTING_QUERY = ListingQuery()


def read_listing_query(args: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """The values of an address, and what is wrong with `q`, the only one that a person types, at its field's id.

    Other values come from links; one that was damaged on its way counts as absent, and the list begins at its start.
    """
    try:
        return dict(_LISTING_QUERY.load(args)), {}
    except ValidationError as refused:
        wrong = dict(refused.normalized_messages())
        sound = {name: value for name, value in args.items() if name not in wrong}
        return dict(_LISTING_QUERY.load(sound)), {SEARCH_FIELD: wrong["q"]} if "q" in wrong else {}


class MerchantFile(Boundary):
    """What a merchant's papers name of it."""

    registration = TextField(required=True, max_length=100)
    street = TextField(required=True, max_length=200)
    postcode = PostcodeField(required=True, max_length=20)
    city = TextField(required=True, max_length=100)
    legal_form = TextField(load_default="", max_length=80)
    born_on = DayField(load_default=None, max_length=20)
    #: Asked for where the SIREN is another than before.
    reason = TextField(load_default="", max_length=300, multiline=True)
