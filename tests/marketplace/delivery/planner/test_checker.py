from __future__ import annotations

from dataclasses import replace

import pytest

from marketplace.delivery.planner import Load, Plan, Problem, Step, Window, violations
from tests.marketplace.delivery.planner.street import FITTING, NINE, RIDE, STREET, ridden, with_bike

PICK_A0, PICK_B0, PICK_A1, DROP_A0, DROP_A1, DROP_B0 = RIDE


def test_a_plan_that_uses_every_rule_to_the_limit_is_right() -> None:
    assert violations(STREET, FITTING) == ()


def test_a_courier_may_wait_longer_than_needed() -> None:
    roomy = with_bike(shift=Window(NINE, NINE + 1300))
    assert (
        violations(roomy, ridden(PICK_A0, PICK_B0, PICK_A1, DROP_A0, DROP_A1, replace(DROP_B0, at_s=NINE + 1040))) == ()
    )


def test_a_second_parcel_at_the_same_place_pays_no_setup() -> None:
    assert PICK_B0.at_s - PICK_A0.at_s == STREET.shop_service_s


def test_nobody_served_is_right_when_it_is_said() -> None:
    assert violations(STREET, Plan(routes=((), ()), unserved=("A", "B"))) == ()


BROKEN: list[tuple[str, Problem, Plan, set[str]]] = [
    ("a route without a vehicle", STREET, Plan(((*RIDE,), (), ()), ()), {"vehicle"}),
    ("a vehicle without a route", STREET, Plan(((*RIDE,),), ()), {"vehicle"}),
    ("a stranger's order", STREET, ridden(*RIDE, Step("pickup", "C", 0, NINE + 760)), {"unknown"}),
    ("a parcel too many", STREET, ridden(*RIDE, Step("pickup", "B", 1, NINE + 760)), {"unknown"}),
    ("a negative parcel", STREET, ridden(*RIDE, Step("pickup", "B", -1, NINE + 760)), {"unknown"}),
    (
        "picked up twice",
        with_bike(capacity=Load(70, 14, 4)),
        ridden(PICK_A0, PICK_B0, replace(PICK_B0, at_s=NINE + 110), replace(PICK_A1, at_s=NINE + 210), *RIDE[3:]),
        {"once"},
    ),
    (
        "dropped twice",
        with_bike(shift=Window(NINE, NINE + 1020)),
        ridden(*RIDE, replace(DROP_B0, at_s=NINE + 760)),
        {"once", "carrier"},
    ),
    ("dropped by another courier", STREET, Plan((RIDE[:5], (DROP_B0,)), ()), {"carrier", "aboard"}),
    ("never picked up", STREET, ridden(PICK_A0, *RIDE[2:]), {"carrier"}),
    (
        "dropped before it is picked up",
        replace(
            STREET, orders=(STREET.orders[0], replace(STREET.orders[1], place=1, window=Window(NINE, NINE + 3600)))
        ),
        ridden(
            PICK_A0, replace(DROP_B0, at_s=NINE + 100), replace(PICK_B0, at_s=NINE + 120), PICK_A1, DROP_A0, DROP_A1
        ),
        {"carrier", "aboard", "pace"},
    ),
    ("a second before the slot", STREET, ridden(*RIDE[:3], replace(DROP_A0, at_s=NINE + 599), *RIDE[4:]), {"window"}),
    (
        "a second after the slot",
        replace(STREET, orders=(STREET.orders[0], replace(STREET.orders[1], window=Window(NINE, NINE + 739)))),
        FITTING,
        {"window"},
    ),
    (
        "the shop is still closed",
        replace(STREET, shops=(STREET.shops[0], replace(STREET.shops[1], window=Window(NINE + 201, NINE + 3600)))),
        FITTING,
        {"window"},
    ),
    (
        "the shop has closed",
        replace(STREET, shops=(replace(STREET.shops[0], window=Window(NINE, NINE + 99)), STREET.shops[1])),
        FITTING,
        {"window"},
    ),
    ("faster than the road", STREET, ridden(*RIDE[:5], replace(DROP_B0, at_s=NINE + 739)), {"pace"}),
    ("parcels handed over at once", STREET, ridden(*RIDE[:4], replace(DROP_A1, at_s=NINE + 600), DROP_B0), {"pace"}),
    ("no time to park at a shop", STREET, ridden(replace(PICK_A0, at_s=NINE + 89), *RIDE[1:]), {"pace"}),
    ("out before the shift", with_bike(shift=Window(NINE + 1, NINE + 1000)), FITTING, {"pace"}),
    ("back after the shift", with_bike(shift=Window(NINE, NINE + 999)), FITTING, {"shift"}),
    ("too heavy", with_bike(capacity=Load(59, 12, 4)), FITTING, {"load"}),
    ("too big", with_bike(capacity=Load(60, 11, 4)), FITTING, {"load"}),
    ("cold box too small", with_bike(capacity=Load(60, 12, 3)), FITTING, {"load"}),
    ("chilled for too long", replace(STREET, chill_max_s=419), FITTING, {"cold"}),
    ("forgotten on board", STREET, ridden(*RIDE[:5], unserved=("B",)), {"aboard"}),
    ("half an order", STREET, ridden(PICK_B0, PICK_A1, DROP_A1, DROP_B0), {"whole"}),
    ("left out in silence", STREET, ridden(PICK_A0, PICK_A1, DROP_A0, DROP_A1), {"told"}),
    ("served and reported as left out", STREET, ridden(*RIDE, unserved=("B",)), {"told"}),
    ("reported twice", STREET, ridden(PICK_A0, PICK_A1, DROP_A0, DROP_A1, unserved=("B", "B")), {"told"}),
    ("a stranger reported", STREET, ridden(*RIDE, unserved=("C",)), {"told"}),
]


@pytest.mark.parametrize(("problem", "plan", "rules"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_each_broken_rule_is_found_and_no_other(problem: Problem, plan: Plan, rules: set[str]) -> None:
    assert {violation.rule for violation in violations(problem, plan)} == rules


def test_a_violation_says_who_what_and_by_how_much() -> None:
    late = ridden(*RIDE[:5], replace(DROP_B0, at_s=NINE + 730))
    (found,) = violations(STREET, late)
    assert (found.rule, found.vehicle, found.order_id, found.excess) == ("pace", 0, "B", 10)


def test_every_rule_of_the_checker_is_broken_once_in_the_table() -> None:
    assert set().union(*(row[3] for row in BROKEN)) == {
        "vehicle",
        "unknown",
        "once",
        "carrier",
        "window",
        "pace",
        "load",
        "cold",
        "shift",
        "aboard",
        "whole",
        "told",
    }
