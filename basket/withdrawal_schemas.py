"""What the withdrawal function sends, and the shop that has its goods back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from marshmallow.fields import Field

from basket.schemas import CheckoutKeyField
from marketplace.schemas import Boundary, ChoiceField, CountField, EmailField, TextField


class _Declaration(Boundary):
    """A declaration asks for no reason (domain W6). `form_key`: pressed twice, it declares once."""

    form_key = CheckoutKeyField(required=True, max_length=64)
    step = ChoiceField(("look", "do", "change"), load_default="look")
    name = TextField(required=True, max_length=100)


class _Withdraw(_Declaration):
    email = EmailField(required=True, max_length=254)


class _ByTelephone(_Declaration):
    """Who said it may read no letters."""

    email = EmailField(load_default="", max_length=254)


def withdraw(line_ids: Iterable[int], *, by_telephone: bool = False) -> Boundary:
    """How many pieces of each line are renounced: a field `qty-<line id>` each, 0 to 99, 0 when it is left out."""
    fields: dict[str, Field[Any]] = {
        f"qty-{line_id}": CountField(load_default=0, low=0, high=99) for line_id in line_ids
    }
    base = _ByTelephone if by_telephone else _Withdraw
    schema: Boundary = base.from_dict(fields, name="Withdraw")()  # type: ignore[assignment]  # from_dict says Schema
    return schema


class GoodsBack(Boundary):
    """What the shop has: the goods themselves, or the proof that they were sent."""

    basis = ChoiceField(("goods", "sent"), required=True)


class WentBack(Boundary):
    """How the resident brought or sent the goods back: where, when, the number of the parcel."""

    proof = TextField(required=True, max_length=200)
