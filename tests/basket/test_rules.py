"""The basket's decisions, every pair of every table."""

from __future__ import annotations

from datetime import date
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from basket.examples import examples
from basket.rules import (
    ORDER_NEXT,
    PROGRESS,
    SUB_ORDER_NEXT,
    SUB_ORDER_STATES,
    Fee,
    delivery_back,
    delivery_fee,
    initials,
    is_behind,
    progress_of,
)
from marketplace.delivery.pricing import DeliveryTerms
from marketplace.money import Money

TODAY = date(2026, 11, 24)

ORDER_MOVES = {
    ("awaiting_payment", "confirm"): "confirmed",
    ("awaiting_payment", "lapse"): "lapsed",
    ("awaiting_payment", "cancel"): "cancelled",
    ("lapsed", "confirm"): "confirmed",
    ("lapsed", "cancel"): "cancelled",
    ("confirmed", "complete"): "completed",
    ("confirmed", "cancel"): "cancelled",
}
SUB_ORDER_MOVES = {
    ("awaiting_payment", "confirm"): "received",
    ("awaiting_payment", "cancel"): "cancelled",
    ("received", "accept"): "accepted",
    ("accepted", "pack"): "packed",
    ("packed", "hand_over"): "handed_over",
    ("handed_over", "deliver"): "delivered",
    ("received", "cancel"): "cancelled",
    ("accepted", "cancel"): "cancelled",
    ("packed", "cancel"): "cancelled",
    ("handed_over", "cancel"): "cancelled",
}


@pytest.mark.parametrize("state", ["awaiting_payment", "lapsed", "confirmed", "completed", "cancelled"])
@pytest.mark.parametrize("event", ["confirm", "lapse", "cancel", "complete", "place"])
def test_an_order_moves_only_so(state: str, event: str) -> None:
    assert ORDER_NEXT.get((state, event)) == ORDER_MOVES.get((state, event))


def test_the_order_table_has_nothing_else() -> None:
    assert ORDER_NEXT == ORDER_MOVES


@pytest.mark.parametrize(
    "state", ["awaiting_payment", "received", "accepted", "packed", "handed_over", "delivered", "cancelled"]
)
@pytest.mark.parametrize("event", ["confirm", "cancel", "accept", "pack", "hand_over", "deliver"])
def test_a_shops_part_moves_only_so(state: str, event: str) -> None:
    assert SUB_ORDER_NEXT.get((state, event)) == SUB_ORDER_MOVES.get((state, event))


def test_the_sub_order_table_has_nothing_else() -> None:
    assert SUB_ORDER_NEXT == SUB_ORDER_MOVES


@pytest.mark.parametrize(
    ("state", "behind"),
    [
        ("awaiting_payment", set()),
        ("received", {"confirm"}),
        ("accepted", {"confirm", "accept"}),
        ("packed", {"confirm", "accept", "pack"}),
        ("handed_over", {"confirm", "accept", "pack", "hand_over"}),
        ("delivered", {"confirm", "accept", "pack", "hand_over", "deliver"}),
        ("cancelled", set()),
    ],
)
def test_an_act_once_more_has_nothing_to_do(state: str, behind: set[str]) -> None:
    events = ("confirm", "accept", "pack", "hand_over", "deliver")
    assert {event for event in events if is_behind(state, event)} == behind


@pytest.mark.parametrize(
    ("case", "fee_cents", "book_goods_cents", "total_cents", "floor_cents"),
    [
        # Domain B19: the promotion makes the round free, the law does not.
        ("a book of 18.00 beside cheese, round offered", 0, [1800], 300, 300),
        ("books of 36.00, round offered", 0, [3600], 1, 1),
        ("a used book counts as no new book", 0, [], 0, 0),
        ("just below the threshold", 0, [3499], 300, 300),
        ("at the threshold", 0, [3500], 1, 1),
        # B8: the duty is each retailer's own.
        ("two bookshops of 18.00", 0, [1800, 1800], 600, 600),
        ("two bookshops, the round costs less than both floors", 450, [1800, 1800], 600, 600),
        ("one below and one above", 0, [1800, 4000], 301, 301),
        # B10: the round's own fee contains the floor.
        ("a round of 4.50 and a book of 18.00", 450, [1800], 450, 300),
        ("a round of 3.00 exactly", 300, [1800], 300, 300),
        ("a round of 2.99", 299, [1800], 300, 300),
        ("no books", 450, [], 450, 0),
        ("a shop whose books are all free gifts", 450, [0], 450, 0),
    ],
)
def test_the_delivery_of_new_books_is_never_below_the_law(
    case: str, fee_cents: int, book_goods_cents: list[int], total_cents: int, floor_cents: int
) -> None:
    fee = delivery_fee(_round(fee_cents), Money(4800), [Money(cents) for cents in book_goods_cents], TODAY)
    assert (fee.total, fee.book_floor) == (Money(total_cents), Money(floor_cents)), case


@pytest.mark.parametrize(
    ("case", "goods_cents", "book_goods_cents", "fee"),
    [
        ("too small by a cent", 3999, [], Fee(Money(450), Money(0), "usual", Money(1))),
        ("large enough", 4000, [], Fee(Money(0), Money(0), "free")),
        # Domain B7, B19: what the association offers, the law does not.
        ("large enough, with a book of 18.00", 4800, [1800], Fee(Money(300), Money(300), "law")),
        ("large enough, with books of 36.00", 4800, [3600], Fee(Money(1), Money(1), "law")),
        ("too small, and the law wants more", 3600, [1800, 1800], Fee(Money(600), Money(600), "law")),
        ("too small, with a book", 3000, [1800], Fee(Money(450), Money(300), "usual")),
    ],
)
def test_a_delivery_is_free_from_a_sum_on_but_not_that_of_new_books(
    case: str, goods_cents: int, book_goods_cents: list[int], fee: Fee
) -> None:
    terms = DeliveryTerms(cost=Money(700), fee=Money(450), free_from=Money(4000))
    found = delivery_fee(terms, Money(goods_cents), [Money(cents) for cents in book_goods_cents], TODAY)
    assert found == fee, case


def _round(fee_cents: int) -> DeliveryTerms:
    return DeliveryTerms(cost=Money(fee_cents), fee=Money(fee_cents))


@given(st.integers(0, 10_000), st.lists(st.integers(0, 20_000), max_size=8))
def test_no_fee_is_below_the_rounds_or_below_the_floor(fee_cents: int, book_goods_cents: list[int]) -> None:
    fee = delivery_fee(_round(fee_cents), Money(0), [Money(cents) for cents in book_goods_cents], TODAY)
    assert fee.total >= Money(fee_cents)
    assert fee.total >= fee.book_floor >= Money(0)


@pytest.mark.parametrize(
    ("states", "progress"),
    [
        ((), "cancelled"),
        (("cancelled",), "cancelled"),
        (("cancelled", "cancelled"), "cancelled"),
        (("awaiting_payment", "awaiting_payment"), "awaiting_payment"),
        (("received", "packed", "delivered"), "received"),
        (("packed", "handed_over"), "packed"),
        (("cancelled", "delivered"), "delivered"),
        (("delivered", "handed_over", "cancelled"), "handed_over"),
    ],
)
def test_an_order_is_as_far_as_its_slowest_part(states: tuple[str, ...], progress: str) -> None:
    assert progress_of(states) == progress


@pytest.mark.parametrize(("one", "other"), list(product(SUB_ORDER_STATES, SUB_ORDER_STATES)))
def test_progress_of_two_parts_is_the_earlier_letter_and_does_not_depend_on_their_order(one: str, other: str) -> None:
    letters = ("awaiting_payment", *PROGRESS)
    live = [letter for letter in letters if letter in (one, other)]
    assert progress_of((one, other)) == progress_of((other, one)) == (live[0] if live else "cancelled")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Jeanne Martin", "Jeanne M."),
        ("Jeanne", "Jeanne"),
        ("  Jeanne  ", "Jeanne"),
        ("Jean-Marc de la Tour", "Jean-Marc T."),
        ("Zoé élan", "Zoé É."),
        ("", ""),
        ("   ", ""),
    ],
)
def test_a_courier_sees_a_first_name_and_an_initial(name: str, shown: str) -> None:
    assert initials(name) == shown


#: The worked example of mollie.md 6: 4.90 over 19.95, 10.95 and 8.49 of goods is 2.48, 1.36 and 1.06.
THREE = (Money(1995), Money(1095), Money(849))


@pytest.mark.parametrize(
    ("part", "back", "is_last", "floor", "given"),
    [
        (2, 0, False, 0, 106),
        (0, 0, False, 0, 248),
        # A book still comes: no less than 3.00 is paid for it.
        (0, 0, False, 300, 190),
        (0, 190, False, 300, 0),
        # With the last part, all that is left.
        (1, 354, True, 0, 136),
        (0, 0, True, 0, 490),
    ],
)
def test_a_cancelled_part_gives_its_share_of_the_delivery_back(
    part: int, back: int, is_last: bool, floor: int, given: int
) -> None:
    assert delivery_back(Money(490), THREE, part, back=Money(back), is_last=is_last, floor=Money(floor)) == Money(given)


def test_the_try_out_says_which_basket_nobody_could_pay() -> None:
    """Free delivery from 10.00 on. At 5 % 15.00 leave 0.75, and the fee is 0.67 at most; at 4 % they leave 0.60. The
    floor of 3.00 for books of 18.00 bears its fee at any rate; at 2 % nothing else does."""
    terms = DeliveryTerms(Money(500), Money(450), Money(1000), 0, Money(0))
    assert [one.is_refused for one in examples(terms, TODAY, permille=50)] == [False] * 5
    assert [one.is_refused for one in examples(terms, TODAY, permille=40)] == [True, False, False, False, False]
    assert [one.is_refused for one in examples(terms, TODAY, permille=20)] == [True, True, True, False, True]
