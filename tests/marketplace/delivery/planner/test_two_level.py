from __future__ import annotations

import time
from dataclasses import replace

import pytest

from marketplace.delivery.planner import Load, Plan, Problem, plan_plainly, violations
from marketplace.delivery.planner.two_level import plan
from tests.marketplace.delivery.planner.street import STREET
from tests.marketplace.delivery.planner.town import odd_town, town


def planned(problem: Problem, *, seed: int = 1, seconds: float = 1.0) -> Plan:
    """The engines' plan in this process, whose own CPU clock has run already."""
    return plan(problem, seconds=seconds, seed=seed, spent_s=-time.process_time())


@pytest.mark.parametrize("seed", range(12))
def test_whatever_a_town_throws_in_the_engines_plan_keeps_every_rule(seed: int) -> None:
    problem = odd_town(seed)
    assert violations(problem, planned(problem)) == ()


@pytest.mark.parametrize("seed", range(3))
def test_a_town_is_served_whole_and_not_longer_than_the_plain_plan(seed: int) -> None:
    problem = town(seed)
    with_engines = planned(problem, seconds=1.5)
    assert with_engines.unserved == ()
    assert violations(problem, with_engines) == ()
    assert with_engines.distance_m(problem) <= plan_plainly(problem).distance_m(problem)


def test_both_engines_propose_where_orders_are_many() -> None:
    problem = town(4, order_qty=64, vehicle_qty=4)
    assert planned(problem, seconds=1.5).unserved == ()


def test_an_order_that_no_vehicle_can_carry_is_left_out_and_the_others_are_served() -> None:
    problem = town(5)
    heavy = replace(problem.orders[4], parcels=(replace(problem.orders[4].parcels[0], load=Load(99_999, 1, 0)),))
    problem = replace(problem, orders=(*problem.orders[:4], heavy, *problem.orders[5:]))
    assert planned(problem).unserved == (heavy.id,)


def test_a_chilled_order_that_cannot_arrive_cold_does_not_disturb_the_others() -> None:
    assert planned(replace(STREET, chill_max_s=129)).unserved == ("A",)


def test_chilled_orders_are_served_where_the_slot_is_longer_than_the_cold_lasts() -> None:
    problem = town(6)
    chilled = tuple(
        replace(order, parcels=tuple(replace(parcel, load=Load(9, 3, 1)) for parcel in order.parcels))
        for order in problem.orders
    )
    problem = replace(problem, orders=chilled, chill_max_s=4500)
    with_engines = planned(problem)
    assert with_engines.unserved == ()
    assert violations(problem, with_engines) == ()


def test_an_idle_round_needs_no_engine() -> None:
    assert planned(replace(STREET, orders=())) == Plan(((), ()), ())
    assert planned(replace(STREET, vehicles=())) == Plan((), ("A", "B"))
