"""What terms of delivery would mean for some baskets: whoever sets them sees it before they count. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from basket.rules import Fee, delivery_fee
from marketplace.delivery.pricing import DeliveryTerms, Sold, contributions
from marketplace.money import Money, divide, share_of
from marketplace.payments.rules import fee_bound


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
    #: The association's part of the payment would not bear what the provider keeps of it: nobody could pay it (I7).
    is_refused: bool


#: (goods, shops, whether all of it is new books)
BASKETS = (
    (Money(1500), 1, False),
    (Money(3500), 2, False),
    (Money(8000), 4, False),
    (Money(1800), 1, True),
    (Money(6000), 1, True),
)


def examples(terms: DeliveryTerms, on: date, *, permille: int) -> tuple[Example, ...]:
    """The baskets under these terms; `permille` is the commission of shops that give the association the least."""
    return tuple(_example(terms, goods, shops_qty, has_books, on, permille) for goods, shops_qty, has_books in BASKETS)


def _example(terms: DeliveryTerms, goods: Money, shops_qty: int, has_books: bool, on: date, permille: int) -> Example:
    parts = divide(goods, [1] * shops_qty)
    fee = delivery_fee(terms, goods, parts if has_books else (), on)
    borne = Money.total(contributions(terms, paid=fee.total, parts=[Sold(part, part) for part in parts]))
    own = Money.total([share_of(part, permille) for part in parts]) + fee.total + borne
    return Example(
        goods=goods,
        shops_qty=shops_qty,
        has_books=has_books,
        fee=fee,
        borne=borne,
        association=terms.cost - fee.total - borne,
        is_refused=own < fee_bound(goods + fee.total, on),
    )
