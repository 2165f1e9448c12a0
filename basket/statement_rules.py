"""What an entry on a merchant's account means to the merchant: pure decisions over values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from marketplace.money import ZERO, Money, vat_in


@dataclass(frozen=True, slots=True)
class Sums:
    """What happened to a merchant's money, in its own words; none is negative but what was undone later.

    `commission_vat` is within `kept`. `contribution`: what the merchant bears of
    deliveries, less what of it was given back. `taken_back`: what the provider has taken from the merchant's own
    account for a refund. `other`: entries that no word here explains, so that the sums always add up.
    """

    sold: Money = ZERO
    commission: Money = ZERO
    commission_vat: Money = ZERO
    refunded: Money = ZERO
    commission_back: Money = ZERO
    contribution: Money = ZERO
    routed: Money = ZERO
    taken_back: Money = ZERO
    other: Money = ZERO

    def __add__(self, more: Sums) -> Sums:
        return Sums(*(getattr(self, one.name) + getattr(more, one.name) for one in fields(self)))

    @property
    def commission_kept(self) -> Money:
        return self.commission - self.commission_back

    @property
    def kept(self) -> Money:
        """What the association keeps for its services, and invoices together at one rate of VAT."""
        return self.commission_kept + self.contribution

    @property
    def earned(self) -> Money:
        """What the sales and what was undone of them leave to the merchant."""
        return self.sold - self.commission - self.contribution - self.refunded + self.commission_back

    @property
    def change(self) -> Money:
        """By how much more the merchant is owed afterwards."""
        return self.earned - self.routed + self.taken_back + self.other


NO_SUMS = Sums()


def total(sums: Sequence[Sums]) -> Sums:
    whole = NO_SUMS
    for one in sums:
        whole += one
    return whole


def sums_of(
    kind: str,
    entry: Money,
    *,
    commission: Money,
    contribution: Money = ZERO,
    goods_back: Money,
    reversed_back: Money,
) -> Sums:
    """An entry (a credit is negative) in the merchant's words; its `change` is exactly the entry, whatever the kind.

    `commission` and `contribution` are what the sale, or the refund, has of them. `goods_back` and `reversed_back`
    matter for a refund that did not come about: what it had taken of the merchant's part, and what of that the provider
    had fetched already.
    """
    if kind == "allocated":
        return Sums(sold=commission + contribution - entry, commission=commission, contribution=contribution)
    if kind == "refund":
        refunded = entry + commission + contribution
        return Sums(refunded=refunded, commission_back=commission, contribution=-contribution)
    if kind == "routed":
        return Sums(routed=entry)
    if kind == "reversed":
        return Sums(taken_back=-entry)
    if kind in ("failed", "canceled"):
        undone = Sums(
            refunded=-goods_back - commission - contribution,
            commission_back=-commission,
            contribution=contribution,
            taken_back=-reversed_back,
        )
        return undone + Sums(other=-entry - undone.change)
    return Sums(other=-entry)


def vat_along(kept: Sequence[tuple[Money, int]]) -> list[Money]:
    """The VAT within each of (commission, rate in basis points), one after the other.

    Reckoned on the sum so far at each rate: the amounts of a month sum to the VAT of its whole commission to the cent,
    which is how its invoice is written (invoices.rules.vat_totals); what is given back takes its VAT along.
    """
    so_far: dict[int, Money] = {}
    found = []
    for amount, rate_bp in kept:
        before = so_far.get(rate_bp, ZERO)
        after = so_far[rate_bp] = before + amount
        found.append(vat_in(after, rate_bp) - vat_in(before, rate_bp))
    return found
