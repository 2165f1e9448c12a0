"""Who pays how much of one delivery: the resident's fee, what the shops bear, and no cent lost between them."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.delivery.pricing import DeliveryTerms, Sold, contributions, first_day
from marketplace.money import Money, share_of

TODAY = date(2026, 11, 24)
TOMORROW, IN_15_DAYS = date(2026, 11, 25), date(2026, 12, 9)
OWN = DeliveryTerms(cost=Money(450), fee=Money(450))


def _parts(*goods_cents: int) -> list[Sold]:
    """Shops that sell so much, at a commission of 8 %."""
    return [Sold(Money(cents), Money(cents) - share_of(Money(cents), 80)) for cents in goods_cents]


@pytest.mark.parametrize(
    ("case", "terms", "paid_cents", "goods_cents", "borne_cents"),
    [
        ("nothing is left to bear", OWN, 450, (2000, 1500), [0, 0]),
        ("20 per mille of goods", DeliveryTerms(Money(800), Money(450), None, 20), 450, (2000, 1525), [40, 31]),
        ("50 cents a parcel", DeliveryTerms(Money(800), Money(450), None, 0, Money(50)), 450, (2000, 15), [50, 14]),
        ("both", DeliveryTerms(Money(800), Money(450), None, 20, Money(50)), 450, (2000, 1525), [90, 81]),
        # 3.50 are left of 8.00: never more than that, in proportion.
        ("more than is left", DeliveryTerms(Money(800), Money(450), None, 0, Money(200)), 450, (900, 900), [175, 175]),
        ("an odd cent", DeliveryTerms(Money(801), Money(450), None, 0, Money(200)), 450, (900, 900), [176, 175]),
        ("the law asks for the whole cost", DeliveryTerms(Money(600), Money(450), None, 20), 600, (900,), [0]),
    ],
)
def test_the_shops_bear_their_part_of_what_the_fee_leaves(
    case: str, terms: DeliveryTerms, paid_cents: int, goods_cents: tuple[int, ...], borne_cents: list[int]
) -> None:
    borne = contributions(terms, paid=Money(paid_cents), parts=_parts(*goods_cents))
    assert [part.cents for part in borne] == borne_cents, case


@given(
    st.integers(0, 2000),
    st.integers(0, 1000),
    st.integers(0, 500),
    st.integers(0, 500),
    st.lists(st.integers(0, 20_000), min_size=1, max_size=8),
)
def test_no_shop_bears_more_than_it_gets_nor_all_together_more_than_is_left(
    cost: int, paid: int, permille: int, per_parcel: int, goods_cents: list[int]
) -> None:
    terms = DeliveryTerms(Money(cost), Money(paid), None, permille, Money(per_parcel))
    parts = _parts(*goods_cents)
    borne = contributions(terms, paid=Money(paid), parts=parts)
    assert Money.total(borne) <= max(Money(cost - paid), Money(0))
    assert all(Money(0) <= one <= part.merchants for one, part in zip(borne, parts, strict=True))


@pytest.mark.parametrize(
    ("case", "before", "after", "day"),
    [
        ("the resident pays more", OWN, DeliveryTerms(Money(500), Money(500)), TOMORROW),
        ("free, and the association bears it", OWN, DeliveryTerms(Money(500), Money(450), Money(4000)), TOMORROW),
        ("merchants begin to bear", OWN, DeliveryTerms(Money(800), Money(450), None, 20), IN_15_DAYS),
        (
            "merchants bear less",
            DeliveryTerms(Money(800), Money(450), None, 20, Money(50)),
            DeliveryTerms(Money(800), Money(450), None, 20, Money(40)),
            TOMORROW,
        ),
        (
            "the same part of a larger rest",
            DeliveryTerms(Money(800), Money(450), None, 20),
            DeliveryTerms(Money(900), Money(450), None, 20),
            IN_15_DAYS,
        ),
        (
            "free from less on",
            DeliveryTerms(Money(800), Money(450), Money(6000), 20),
            DeliveryTerms(Money(800), Money(450), Money(4000), 20),
            IN_15_DAYS,
        ),
        (
            "a smaller fee below the sum that frees",
            DeliveryTerms(Money(800), Money(450), Money(6000), 20),
            DeliveryTerms(Money(800), Money(400), Money(6000), 20),
            IN_15_DAYS,
        ),
        (
            "a part of nothing",
            OWN,
            DeliveryTerms(Money(450), Money(450), None, 20),
            TOMORROW,
        ),
    ],
)
def test_merchants_who_may_bear_more_are_told_in_time(
    case: str, before: DeliveryTerms, after: DeliveryTerms, day: date
) -> None:
    assert first_day(before, after, today=TODAY) == day, case
