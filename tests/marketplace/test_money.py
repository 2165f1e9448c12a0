from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.money import Money, divide, half_up, share_of, vat_in


def test_the_shares_of_the_worked_example_add_up() -> None:
    # mollie.md section 6: delivery 4.90 over goods of 19.95, 10.95 and 8.49.
    assert divide(Money(490), [1995, 1095, 849]) == [Money(248), Money(136), Money(106)]


def test_commission_is_rounded_half_up_per_merchant() -> None:
    assert [share_of(Money(goods), 80).cents for goods in (1995, 1095, 849)] == [160, 88, 68]


def test_vat_is_found_in_the_price() -> None:
    assert vat_in(Money(849), 2000) == Money(142)  # 1.415 exactly, rounded up
    assert vat_in(Money(705), 550) == Money(37)


@pytest.mark.parametrize(
    ("value", "rounded"), [(Fraction(1, 2), 1), (Fraction(-1, 2), -1), (Fraction(49, 100), 0), (Fraction(3, 2), 2)]
)
def test_halves_go_away_from_zero(value: Fraction, rounded: int) -> None:
    assert half_up(value) == rounded


def test_ties_go_to_the_first() -> None:
    assert divide(Money(100), [1, 1, 1]) == [Money(34), Money(33), Money(33)]
    assert divide(Money(-100), [1, 1, 1]) == [Money(-34), Money(-33), Money(-33)]
    assert divide(Money(5), [0, 0]) == [Money(3), Money(2)]


@given(st.integers(-(10**9), 10**9), st.lists(st.integers(0, 10**6), min_size=1, max_size=40))
def test_no_cent_is_lost_or_made(cents: int, weights: list[int]) -> None:
    shares = divide(Money(cents), weights)
    assert sum(share.cents for share in shares) == cents
    whole = sum(weights) or len(weights)
    for share, weight in zip(shares, weights if sum(weights) else [1] * len(weights), strict=True):
        assert abs(share.cents - Fraction(cents * weight, whole)) < 1


@given(st.integers(-(10**12), 10**12))
def test_an_amount_survives_the_border(cents: int) -> None:
    assert Money.parse(str(Money(cents))) == Money(cents)


@pytest.mark.parametrize("text", ["", "1", "1.5", "1,50", "1.500", "a.00", "１.00", "--1.00", " 1.00", "1.0\n0"])
def test_anything_else_is_no_amount(text: str) -> None:
    with pytest.raises(ValueError, match="two decimals"):
        Money.parse(text)


@pytest.mark.parametrize("cents", [1.0, "1", True])
def test_money_is_whole_cents(cents: object) -> None:
    with pytest.raises(TypeError):
        Money(cents)  # type: ignore[arg-type]  # the very thing that is refused
