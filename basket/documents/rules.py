"""What of a sale stands after refunds, line by line. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from marketplace.invoices.rules import Line
from marketplace.money import ZERO, Money

#: A slip of the pen is seen within the month; what was said before is in the accountant's books.
UNDO_WITHIN = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class SoldLine:
    """A line of an order as it was promised; `text` is what a document calls it."""

    id: int
    text: str
    qty: int
    unit_price: Money
    vat_bp: int


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What refunds undid of a line's sale: pieces, and the money that the merchant and the commission gave.

    What the association gave of its own leaves the merchant its sale, and is not in it.
    """

    qty: int
    amount: Money


def lines_left(sold: Sequence[SoldLine], taken: Mapping[int, TakenBack], *, partly: str) -> tuple[Line, ...]:
    """What a document says of the sale: the pieces that were supplied, at what the sale still costs.

    A line of which the price, not the pieces, was cut is one piece of what is left, worded by `partly`, a text with
    %(qty)s and %(text)s. A line of which nothing is left is not there.
    """
    lines = []
    for line in sold:
        back = taken.get(line.id, TakenBack(0, ZERO))
        # Pieces that are given back without a cent of the merchant's are still sold.
        qty = line.qty - back.qty if back.amount or not line.unit_price else line.qty
        amount = line.unit_price * line.qty - back.amount
        if qty > 0 and amount == line.unit_price * qty:
            lines.append(Line(line.text, qty, line.unit_price, line.vat_bp, str(line.id)))
        elif amount:
            text = partly % {"qty": qty if qty > 0 else line.qty, "text": line.text}
            lines.append(Line(text, 1, amount, line.vat_bp, str(line.id)))
    return tuple(lines)


def may_undo(noted_at: datetime, now: datetime) -> bool:
    """Whether a merchant may still take back that it has written a paper itself."""
    return now < noted_at + UNDO_WITHIN
