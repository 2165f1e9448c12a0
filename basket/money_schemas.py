"""What a person of the association sends about an order's money."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from marshmallow import ValidationError
from marshmallow.fields import Field

from basket import by_hand
from marketplace.money import ZERO, Money
from marketplace.payments.rules import LIABLE
from marketplace.schemas import Boundary, ChoiceField, CountField, QueryBoundary, TextField
from merchants.schemas import PriceField


class OrderQuery(QueryBoundary):
    """The order whose money somebody looks for."""

    code = TextField(load_default="", max_length=40)


class SumField(PriceField):
    """A sum that may be left out. Code: not_a_sum."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Money:
        try:
            return super()._deserialize(value, attr, data, **kwargs)
        except ValidationError:
            raise ValidationError("not_a_sum") from None


#: The first button looks, the second does it, the third goes back to the form.
STEPS = ("look", "do", "change")


class _ByHand(Boundary):
    """`seen_refund_id` is the last time that money had gone back when the form was drawn (`by_hand`)."""

    seen_refund_id = CountField(required=True, low=0, high=2**62)
    step = ChoiceField(STEPS, load_default="look")
    note = TextField(required=True, max_length=500, multiline=True)


class CancelPart(_ByHand):
    liable = ChoiceField(LIABLE, required=True)


class GiveGesture(_ByHand):
    """What goes back for no shop in particular is the association's own."""

    delivery = SumField(load_default=ZERO)
    gesture = SumField(load_default=ZERO)


class _GiveBack(GiveGesture):
    reason = ChoiceField(by_hand.REASONS, required=True)
    liable = ChoiceField(LIABLE, required=True)


def give_back(line_ids: Iterable[int]) -> Boundary:
    """What goes back of a part: `qty-<line id>` and `amount-<line id>` for each line, each may be left out."""
    fields: dict[str, Field[Any]] = {}
    for line_id in line_ids:
        fields[f"qty-{line_id}"] = CountField(load_default=0, low=0, high=99)
        fields[f"amount-{line_id}"] = SumField(load_default=None)
    schema: Boundary = _GiveBack.from_dict(fields, name="GiveBack")()  # type: ignore[assignment]  # from_dict says Schema
    return schema
