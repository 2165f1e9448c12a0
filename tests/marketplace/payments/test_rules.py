"""What a provider's answer means, and who gets what of a payment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.money import Money, share_of
from marketplace.payments.rules import (
    ENDED,
    LIABLE,
    NEXT,
    MerchantPart,
    PlannedShare,
    bear,
    commission_back,
    commission_by_line,
    contribution_back,
    contribution_by_line,
    next_poll,
    split,
)

BEGAN = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)

#: State by state: what each of the provider's words makes of it. What is missing changes nothing.
MOVES: dict[str, dict[str, str]] = {
    "creating": {
        "open": "open",
        "pending": "pending",
        "authorized": "pending",
        "paid": "paid",
        "failed": "failed",
        "canceled": "canceled",
        "expired": "expired",
    },
    "unknown": {
        "open": "open",
        "pending": "pending",
        "authorized": "pending",
        "paid": "paid",
        "failed": "failed",
        "canceled": "canceled",
        "expired": "expired",
    },
    "open": {
        "open": "open",
        "pending": "pending",
        "authorized": "pending",
        "paid": "paid",
        "failed": "failed",
        "canceled": "canceled",
        "expired": "expired",
    },
    "pending": {
        "pending": "pending",
        "authorized": "pending",
        "paid": "paid",
        "failed": "failed",
        "canceled": "canceled",
        "expired": "expired",
    },
    "paid": {},
    "failed": {"paid": "paid"},
    "canceled": {"paid": "paid"},
    "expired": {"paid": "paid"},
    "rejected": {"paid": "paid"},
}
WORDS = ("open", "pending", "authorized", "paid", "failed", "canceled", "expired", "a-word-of-next-year", "")


@pytest.mark.parametrize("state", MOVES)
@pytest.mark.parametrize("word", WORDS)
def test_a_payment_moves_only_so(state: str, word: str) -> None:
    assert NEXT.get((state, word)) == MOVES[state].get(word)


def test_the_table_has_nothing_else() -> None:
    assert {(state, word): after for state, moves in MOVES.items() for word, after in moves.items()} == NEXT


def test_paid_never_goes_back_and_an_end_ends_only_in_money() -> None:
    assert not any(state == "paid" for state, _ in NEXT)
    assert {after for (state, _), after in NEXT.items() if state in ENDED} == {"paid"}


@pytest.mark.parametrize(
    ("polls_qty", "age_minutes", "wait_minutes"),
    [(0, 0, 1), (1, 1, 1), (2, 2, 3), (3, 5, 5), (4, 10, 5), (5, 15, 15), (6, 30, 60), (40, 1440, 60)],
)
def test_an_open_payment_is_looked_at_time_and_again(polls_qty: int, age_minutes: int, wait_minutes: int) -> None:
    now = BEGAN + timedelta(minutes=age_minutes)
    assert next_poll(BEGAN, polls_qty, now) == now + timedelta(minutes=wait_minutes)


def test_a_poll_that_came_late_is_followed_by_another_half_a_minute_later_at_the_earliest() -> None:
    now = BEGAN + timedelta(minutes=20)
    assert next_poll(BEGAN, 0, now) == now + timedelta(seconds=30)


def test_after_two_days_nobody_looks_any_more() -> None:
    assert next_poll(BEGAN, 60, BEGAN + timedelta(days=2)) == BEGAN + timedelta(days=2, hours=1)
    assert next_poll(BEGAN, 60, BEGAN + timedelta(days=2, seconds=1)) is None


def test_the_worked_example_is_split_to_the_cent() -> None:
    """mollie.md section 6: 8 % of each merchant's goods, a round of 4.90."""
    goods = {"M1": Money(1995), "M2": Money(1095), "M3": Money(849)}
    parts = tuple(MerchantPart(party, sum_, share_of(sum_, 80)) for party, sum_ in goods.items())
    assert [part.commission for part in parts] == [Money(160), Money(88), Money(68)]
    shares = split(parts, Money(490))
    assert shares == (
        PlannedShare("M1", "goods", Money(1835)),
        PlannedShare("M2", "goods", Money(1007)),
        PlannedShare("M3", "goods", Money(781)),
        PlannedShare("association", "commission", Money(316)),
        PlannedShare("association", "delivery", Money(490)),
    )
    assert Money.total([share.amount for share in shares]) == Money(4429)
    assert Money.total([share.amount for share in shares if share.party == "association"]) == Money(806)


@pytest.mark.parametrize(
    ("commission_cents", "line_cents", "share_cents"),
    [
        (160, (705, 1290), [57, 103]),
        (88, (680, 415), [55, 33]),
        (68, (849,), [68]),
        (1, (500, 500), [1, 0]),
        (2, (333, 333, 333), [1, 1, 0]),
        (0, (500, 500), [0, 0]),
        (5, (0, 0), [3, 2]),
    ],
)
def test_a_commission_is_spread_over_its_lines(
    commission_cents: int, line_cents: tuple[int, ...], share_cents: list[int]
) -> None:
    shares = commission_by_line(Money(commission_cents), tuple(Money(cents) for cents in line_cents))
    assert [share.cents for share in shares] == share_cents


def test_a_commission_above_its_goods_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        split((MerchantPart("M1", Money(100), Money(101)),), Money(0))


@given(
    st.lists(
        st.tuples(st.lists(st.integers(0, 300_000), min_size=1, max_size=6), st.integers(0, 500)),
        min_size=1,
        max_size=12,
    ),
    st.integers(0, 5_000),
)
def test_shares_sum_to_the_amount_and_none_is_negative(
    merchants: list[tuple[list[int], int]], delivery_cents: int
) -> None:
    parts = []
    for number, (lines, permille) in enumerate(merchants):
        goods = Money(sum(lines))
        commission = share_of(goods, permille)
        parts.append(MerchantPart(f"merchant:{number}", goods, commission))
        by_line = commission_by_line(commission, tuple(Money(cents) for cents in lines))
        assert Money.total(by_line) == commission
        assert all(Money(0) <= share for share in by_line)
    shares = split(tuple(parts), Money(delivery_cents))
    assert sum(share.amount.cents for share in shares) == sum(sum(lines) for lines, _ in merchants) + delivery_cents
    assert all(share.amount >= Money(0) for share in shares)


def test_commission_goes_back_on_the_sum_so_far() -> None:
    """Three times 4.30 of a line of 12.90 gives back the line's commission to the cent (mollie.md 6)."""
    line, commission, step = Money(1290), Money(103), Money(430)
    back = [commission_back(commission, line, refunded=step * times, more=step) for times in range(3)]
    assert [money.cents for money in back] == [34, 35, 34]
    assert [(step - money).cents for money in back] == [396, 395, 396]
    assert commission_back(Money(0), Money(0), refunded=Money(0), more=Money(0)) == Money(0)
    with pytest.raises(AssertionError):
        commission_back(commission, line, refunded=Money(1000), more=Money(291))


def test_what_a_merchant_bears_of_a_delivery_is_kept_beside_the_commission() -> None:
    shares = split(
        (
            MerchantPart("M1", Money(1995), Money(160), Money(100)),
            MerchantPart("M2", Money(1095), Money(88), Money(55)),
            MerchantPart("M1", Money(849), Money(68), Money(42)),
        ),
        Money(0),
    )
    assert shares == (
        PlannedShare("M1", "goods", Money(2474)),
        PlannedShare("M2", "goods", Money(952)),
        PlannedShare("association", "commission", Money(316)),
        PlannedShare("association", "delivery", Money(0)),
        PlannedShare("association", "contribution", Money(197)),
    )
    with pytest.raises(AssertionError):
        split((MerchantPart("M1", Money(100), Money(8), Money(93)),), Money(0))


def test_a_contribution_is_spread_over_what_commission_leaves() -> None:
    spread = contribution_by_line(Money(100), (Money(705), Money(1290)), (Money(57), Money(103)))
    assert [part.cents for part in spread] == [35, 65]
    assert contribution_by_line(Money(1), (Money(1), Money(1)), (Money(1), Money(0))) == [Money(0), Money(1)]


@given(st.integers(1, 600), st.data(), st.lists(st.integers(1, 60), max_size=12))
def test_no_step_of_a_refund_takes_more_than_it_gives(total: int, data: st.DataObject, steps: list[int]) -> None:
    commission = Money(data.draw(st.integers(0, total)))
    contribution = Money(data.draw(st.integers(0, total - commission.cents)))
    line, refunded, back = Money(total), Money(0), Money(0)
    for step in (*steps, total):
        more = min(Money(step), line - refunded)
        given_back = commission_back(commission, line, refunded=refunded, more=more)
        part = contribution_back(contribution, commission, line, refunded=refunded, more=more)
        for liable in LIABLE:
            parts = bear("merchant:m", more, given_back, part, liable=liable)
            assert Money.total([one.amount for one in parts]) == more
            assert all(one.amount >= Money(0) for one in parts)
        refunded, back = refunded + more, back + part
    assert (refunded, back) == (line, contribution)


@given(st.integers(1, 5000), st.integers(0, 1000), st.lists(st.integers(1, 400), max_size=12))
def test_no_step_of_a_refund_gains_or_loses_a_cent(total: int, permille: int, steps: list[int]) -> None:
    line, commission = Money(total), share_of(Money(total), permille)
    refunded, back = Money(0), Money(0)
    for step in steps:
        more = min(Money(step), line - refunded)
        given_back = commission_back(commission, line, refunded=refunded, more=more)
        assert Money(0) <= given_back <= more
        for liable in LIABLE:
            parts = bear("merchant:m", more, given_back, liable=liable)
            assert Money.total([part.amount for part in parts]) == more
            assert all(part.amount >= Money(0) for part in parts)
        refunded, back = refunded + more, back + given_back
    assert back == commission_back(commission, line, refunded=Money(0), more=refunded)
    rest = commission_back(commission, line, refunded=refunded, more=line - refunded)
    assert back + rest == commission
