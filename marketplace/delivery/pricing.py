"""What one common delivery costs, and who pays how much of it: pure decisions over values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from marketplace.legal import legal_number
from marketplace.money import ZERO, Money, divide, share_of


@dataclass(frozen=True, slots=True)
class DeliveryTerms:
    """A zone's terms. The resident pays `fee`, nothing from `free_from` of goods on (None: never free).

    Of the rest of `cost` each merchant in the basket bears `merchants_permille` of its goods and `per_parcel`, and the
    association what is left then.
    """

    cost: Money
    fee: Money
    free_from: Money | None = None
    merchants_permille: int = 0
    per_parcel: Money = ZERO

    def fee_for(self, goods: Money) -> Money:
        """What a resident with so much in the basket is asked for, before the law has its say."""
        return ZERO if self.free_from is not None and goods >= self.free_from else self.fee

    @property
    def merchants_bear(self) -> bool:
        """Whether merchants give anything."""
        return bool(self.merchants_permille or self.per_parcel) and bool(self._most_left)

    def is_dearer_for_merchants(self, before: DeliveryTerms) -> bool:
        """Whether some basket may cost a merchant more than under the terms of before."""
        return self.merchants_bear and (
            self.merchants_permille > before.merchants_permille
            or self.per_parcel > before.per_parcel
            or self._most_left > before._most_left
            or self.cost - self.fee > before.cost - before.fee
            or (self.free_from is not None and (before.free_from is None or self.free_from < before.free_from))
        )

    @property
    def _most_left(self) -> Money:
        """The most that a resident's fee can leave of the cost."""
        return max(self.cost - (self.fee if self.free_from is None else ZERO), ZERO)


@dataclass(frozen=True, slots=True)
class Sold:
    """One shop's part of a delivery: its goods, and what is its merchant's of them after commission."""

    goods: Money
    merchants: Money


def contributions(terms: DeliveryTerms, *, paid: Money, parts: Sequence[Sold]) -> list[Money]:
    """What each shop bears of one delivery, for which the resident pays `paid`.

    No shop bears more than its merchant gets, and all together no more than what the fee leaves of the cost: where
    they would, that is shared in proportion, by largest remainder.
    """
    wanted = [min(share_of(part.goods, terms.merchants_permille) + terms.per_parcel, part.merchants) for part in parts]
    left = max(terms.cost - paid, ZERO)
    if Money.total(wanted) <= left:
        return wanted
    return divide(left, [one.cents for one in wanted])


def first_day(before: DeliveryTerms, terms: DeliveryTerms, *, today: date) -> date:
    """From which day terms may count: from tomorrow, and after the merchants' notice where they may bear more (M7)."""
    notice = legal_number("terms.notice_days", today) if terms.is_dearer_for_merchants(before) else 1
    return today + timedelta(days=notice)
