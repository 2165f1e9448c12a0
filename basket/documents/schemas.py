"""What merchants type about the papers that they write themselves."""

from __future__ import annotations

from marketplace.delivery.schemas import DayField
from marketplace.schemas import Boundary, TextField


class OwnNote(Boundary):
    """The number that a credit note has in the merchant's own books, and its day if they say it."""

    number = TextField(required=True, max_length=40)
    written_on = DayField(load_default=None)
