"""What the pages of the round send."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields
from werkzeug.datastructures import MultiDict

from marketplace.schemas import Boundary, ChoiceField, CountField, FlagField, TextField

#: Ids are BIGINT: what is larger names no row.
LARGEST_ID = 2**63 - 1
#: More couriers than the association has, more parcels than a shop hands over at once.
MOST_VEHICLES, MOST_PARCELS = 200, 500


class HandoverCodeField(TextField):
    """Four digits as a resident reads them out, spaces do not matter. Code: not_a_handover_code."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=20, **kwargs)

    def checked(self, text: str) -> str:
        digits = "".join(c for c in text if c not in " .-\u00a0\u202f")
        if not (len(digits) == 4 and digits.isascii() and digits.isdigit()):
            raise ValidationError("not_a_handover_code")
        return digits


class IdsField(fields.List):
    """The ids of ticked boxes. Code: not_a_choice."""

    def __init__(self, *, most: int, **kwargs: Any) -> None:
        super().__init__(CountField(low=1, high=LARGEST_ID), **kwargs)
        self.most = most

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        if isinstance(value, list) and len(value) > self.most:
            raise ValidationError("not_a_choice")
        try:
            return list(super()._deserialize(value, attr, data, **kwargs))
        except ValidationError:
            # Nobody types these: which of them is wrong helps nobody.
            raise ValidationError("not_a_choice") from None


def with_boxes(form: MultiDict[str, str], name: str) -> dict[str, Any]:
    """A form as a mapping, with every value of the ticked boxes called `name`."""
    return {**form.to_dict(), name: form.getlist(name)}


class PlanForm(Boundary):
    vehicle = IdsField(most=MOST_VEHICLES, load_default=list)


class CollectForm(Boundary):
    parcel = IdsField(most=MOST_PARCELS, load_default=list)
    without_rest = FlagField(load_default=False)


class DeliverForm(Boundary):
    """Either the four digits or a name; the age where somebody has to look."""

    code = HandoverCodeField(load_default="")
    receiver = TextField(load_default="", max_length=80)
    is_adult = ChoiceField(("yes", "no"), load_default="")
