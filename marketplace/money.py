"""Money: integer euro cents, and the one way to share a sum without losing a cent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, order=True, slots=True)
class Money:
    """A sum in euro cents; negative sums are allowed (refunds, corrections).

    The association trades in euros only, so a currency would be a field that is never read;
    a price in another currency is refused at the boundary.
    """

    cents: int

    def __post_init__(self) -> None:
        if type(self.cents) is not int:
            raise TypeError(f"Money wants whole cents, got {self.cents!r}")

    def __add__(self, other: Money) -> Money:
        return Money(self.cents + other.cents)

    def __sub__(self, other: Money) -> Money:
        return Money(self.cents - other.cents)

    def __neg__(self) -> Money:
        return Money(-self.cents)

    def __mul__(self, quantity: int) -> Money:
        return Money(self.cents * quantity)

    __rmul__ = __mul__

    def __bool__(self) -> bool:
        return self.cents != 0

    def __str__(self) -> str:
        """The sum as Mollie writes it, "12.50"; people read the `money` template filter instead."""
        sign = "-" if self.cents < 0 else ""
        euros, cents = divmod(abs(self.cents), 100)
        return f"{sign}{euros}.{cents:02d}"

    @classmethod
    def parse(cls, value: str) -> Money:
        """Read Mollie's "12.50" back; raise ValueError for anything else."""
        euros, dot, cents = value.partition(".")
        digits = euros.removeprefix("-")
        if not (dot and len(cents) == 2 and (digits + cents).isascii() and (digits + cents).isdigit()):
            raise ValueError(f"not an amount with two decimals: {value!r}")
        sum_cents = int(digits) * 100 + int(cents)
        return cls(-sum_cents if euros.startswith("-") else sum_cents)

    @classmethod
    def total(cls, sums: Sequence[Money]) -> Money:
        return cls(sum(s.cents for s in sums))


ZERO = Money(0)


def half_up(value: Fraction) -> int:
    """Round to the nearest whole, halves away from zero (the accountants' rule, mollie.md section 6)."""
    doubled = abs(value) * 2
    rounded = (doubled.numerator + doubled.denominator) // (2 * doubled.denominator)
    return rounded if value >= 0 else -rounded


def share_of(amount: Money, permille: int) -> Money:
    """`permille` thousandths of `amount`, half-up to the cent (commission: the `rate` of domain I10)."""
    return Money(half_up(Fraction(amount.cents * permille, 1000)))


def vat_in(amount_incl: Money, rate_bp: int) -> Money:
    """The VAT contained in a price that includes it; `rate_bp` in basis points (5.5 % = 550)."""
    return Money(half_up(Fraction(amount_incl.cents * rate_bp, 10_000 + rate_bp)))


def divide(amount: Money, weights: Sequence[int]) -> list[Money]:
    """Share `amount` in proportion to `weights`; the shares add up to it exactly.

    Largest remainder: each share is rounded towards zero, then the cents left over go one by one to the
    largest remainders, ties to the lowest index, so that the same sale always splits the same way.
    All weights zero: equal shares. ValueError for no weight or a negative one.
    """
    if not weights or min(weights) < 0:
        raise ValueError("divide wants at least one weight, none of them negative")
    if sum(weights) == 0:
        weights = [1] * len(weights)
    whole, sign = sum(weights), -1 if amount.cents < 0 else 1
    cents = abs(amount.cents)
    shares = [cents * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(cents * weights[i] % whole), i))
    for i in by_remainder[: cents - sum(shares)]:
        shares[i] += 1
    return [Money(sign * share) for share in shares]
