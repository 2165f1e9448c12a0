"""What terms of delivery would mean for some baskets: whoever sets them sees it before they count. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from basket.rules import Fee, delivery_fee
from marketplace.delivery.pricing import DeliveryTerms, Sold, contributions
from marketplace.money import Money, divide


@dataclass(frozen=True, slots=True)
class Example:
    """A basket from so many shops that sell as much each. What is paid and borne sums to the cost of the delivery.

    `association` is what is left for it; less than nothing where the resident pays more than a delivery costs.
    """

    goods: Money
    shops_qty: int
    has_books: bool
    fee: Fee
    borne: Money
    association: Money


#: (goods, shops, whether all of it is new books)
BASKETS = (
    (Money(1500), 1, False),
    (Money(3500), 2, False),
    (Money(8000), 4, False),
    (Money(1800), 1, True),
    (Money(6000), 1, True),
)


def examples(terms: DeliveryTerms, on: date) -> tuple[Example, ...]:
    return tuple(_example(terms, goods, shops_qty, has_books, on) for goods, shops_qty, has_books in BASKETS)


def _example(terms: DeliveryTerms, goods: Money, shops_qty: int, has_books: bool, on: date) -> Example:
    parts = divide(goods, [1] * shops_qty)
    fee = delivery_fee(terms, goods, parts if has_books else (), on)
    borne = Money.total(contributions(terms, paid=fee.total, parts=[Sold(part, part) for part in parts]))
    return Example(goods, shops_qty, has_books, fee, borne, terms.cost - fee.total - borne)
