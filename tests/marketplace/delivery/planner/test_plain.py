from __future__ import annotations

from dataclasses import replace

import pytest

from marketplace.delivery.planner import Load, Plan, Step, Window, plan_plainly, violations
from tests.marketplace.delivery.planner.street import NINE, STREET, with_bike
from tests.marketplace.delivery.planner.town import hour, odd_town, town


def test_a_round_that_just_fits_one_bike_is_found_and_timed_to_the_second() -> None:
    assert plan_plainly(STREET).distance_m(STREET) == 800


def test_a_town_is_served_whole_without_any_engine() -> None:
    problem = town(1)
    plan = plan_plainly(problem)
    assert plan.unserved == ()
    assert violations(problem, plan) == ()


@pytest.mark.parametrize("seed", range(24))
def test_whatever_a_town_throws_in_the_plan_keeps_every_rule(seed: int) -> None:
    problem = odd_town(seed)
    assert violations(problem, plan_plainly(problem)) == ()


def test_the_same_seed_gives_the_same_plain_plan() -> None:
    assert plan_plainly(town(2), seed=5) == plan_plainly(town(2), seed=5)


def test_an_order_that_no_vehicle_can_carry_is_left_out_and_the_others_are_served() -> None:
    problem = town(3)
    heavy = replace(problem.orders[4], parcels=(replace(problem.orders[4].parcels[0], load=Load(99_999, 1, 0)),))
    problem = replace(problem, orders=(*problem.orders[:4], heavy, *problem.orders[5:]))
    assert plan_plainly(problem).unserved == (heavy.id,)


def test_an_order_promised_before_its_shop_opens_is_left_out_and_the_others_are_served() -> None:
    problem = town(3)
    early = replace(problem.orders[7], window=Window(hour(12), hour(13.5)))
    problem = replace(problem, orders=(*problem.orders[:7], early, *problem.orders[8:]))
    assert plan_plainly(problem).unserved == (early.id,)


def test_a_chilled_parcel_is_fetched_late_enough() -> None:
    """The home opens at 600 s, the second parcel is handed over at 620 s: 150 s of cold start at 470 s."""
    (ride, idle) = plan_plainly(replace(with_bike(shift=Window(NINE, NINE + 3600)), chill_max_s=150)).routes
    fish = next(step for step in (*ride, *idle) if (step.kind, step.order_id, step.parcel) == ("pickup", "A", 1))
    assert fish == Step("pickup", "A", 1, NINE + 470)


def test_a_chilled_parcel_that_cannot_arrive_cold_is_left_out() -> None:
    """From the fishmonger to the home: 10 s of handover, 60 s of way, 40 s to park, 20 s for the first parcel."""
    assert plan_plainly(replace(STREET, chill_max_s=130)).unserved == ()
    assert plan_plainly(replace(STREET, chill_max_s=129)).unserved == ("A",)


def test_a_round_without_vehicles_orders_or_shops_is_an_empty_plan() -> None:
    assert plan_plainly(replace(STREET, vehicles=())) == Plan((), ("A", "B"))
    assert plan_plainly(replace(STREET, orders=())) == Plan(((), ()), ())
    assert plan_plainly(replace(STREET, orders=(), shops=())) == Plan(((), ()), ())
