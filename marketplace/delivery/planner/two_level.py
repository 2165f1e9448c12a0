"""The round's plan: engines on the order level, then ruin and recreate, polished by VROOM parcel by parcel.

Each proposal is turned into rides that keep every rule (what does not fit is taken out and put back where it does)
and searched for a while, the cheapest goes on: the engines propose, our own reckoning decides, the checker has the
last word.
"""

from __future__ import annotations

import time
from contextlib import suppress
from itertools import pairwise
from typing import NamedTuple

from .order_level import Engine, EngineRefused, OrderRoutes, expand
from .plain import checked_plan, inserted
from .problem import Plan, Problem
from .pyvrp_engine import PyVrp
from .recreate import COLD_M, HOT_M, Recreator, Ride
from .vroom_engine import Vroom

#: What the search looks at in a second of CPU, a third below what was measured: then the effort, not the clock,
#: ends the search, and the same seed gives the same plan.
LOOKED_AT_PER_S = 800_000
#: More per order finds nothing more: a small round is planned at once, whatever the budget.
LOOKED_AT_MOST_PER_ORDER = 60_000
#: CPU seconds gone before the first order is looked at: the interpreter and the engines' imports.
START_S = 0.4
#: Kept for the check and the answer, here and in the calling process, on a slow day.
END_S = 0.3
#: VROOM's time grows with the square of the orders and obeys no limit: beyond this PyVRP alone proposes.
VROOM_MOST_ORDERS = 250
#: Below this PyVRP proposes nothing that the search does not reach sooner by itself.
PYVRP_FEWEST_ORDERS = 60
PYVRP_SHARE = 0.15
#: Of the effort, for each start. One start in five ends in a valley 3 to 5 % higher; the best of three hardly does.
START_SHARE = 0.2
#: The best start is searched on less hot: what was won there is to be kept.
AGAIN_HOT_M = 80.0
#: CPU seconds of one polish of a thousand parcels (0.1 s for 320, measured: nearly the cube), and how many parcels are
#: polished in all: six times at 150 orders, four times at 500.
POLISH_1000_S = 2.0
POLISHED_PARCELS = 5000
MOST_POLISHES = 6


class _Budget(NamedTuple):
    """What the search may look at, in how many parts between the polishes, and when the clock ends it all."""

    effort: int
    parts: int
    polish_s: float
    until_cpu_s: float


def plan(problem: Problem, *, seconds: float, seed: int, spent_s: float = 0.0) -> Plan:
    """The best plan found until this process has used `seconds` less `spent_s` of CPU, from its own start on.

    Repeatable for the same seed and seconds, unless the machine is so slow that the clock ends the search.
    Orders that fit nowhere are unserved. The plan has passed the checker.
    """
    recreator = Recreator(problem, seed)
    starts = [inserted(problem, recreator)]
    if not problem.orders or not problem.vehicles:
        return checked_plan(problem, recreator, starts[0])
    budget = _budget(problem, seconds, spent_s)
    for proposal in _proposals(problem, seconds, seed):
        routes = tuple(tuple(expand(problem, vehicle, stops)) for vehicle, stops in enumerate(proposal))
        starts.append(_completed(recreator, recreator.rides_near(routes)))
    start_effort = int(budget.effort * START_SHARE)
    if len(problem.orders) > VROOM_MOST_ORDERS:
        # Large rounds have no time for several beginnings.
        starts = [min(starts, key=recreator.cost_m)]
    rides = min(
        (
            recreator.search(start, start_effort, hot_m=HOT_M, cold_m=COLD_M, until_cpu_s=budget.until_cpu_s)
            for start in starts
        ),
        key=recreator.cost_m,
    )
    part_effort = (budget.effort - start_effort * len(starts)) // budget.parts
    cooling = COLD_M / AGAIN_HOT_M
    heats_m = [AGAIN_HOT_M * cooling ** (part / budget.parts) for part in range(budget.parts + 1)]
    for hot_m, cold_m in pairwise(heats_m):
        rides = _polished(problem, recreator, rides, budget)
        rides = recreator.search(rides, part_effort, hot_m=hot_m, cold_m=cold_m, until_cpu_s=budget.until_cpu_s)
    return checked_plan(problem, recreator, _polished(problem, recreator, rides, budget))


def _budget(problem: Problem, seconds: float, spent_s: float) -> _Budget:
    parcel_qty = sum(len(resident.parcels) for resident in problem.orders)
    polishes = max(2, min(MOST_POLISHES, POLISHED_PARCELS // parcel_qty))
    polish_s = POLISH_1000_S * (parcel_qty / 1000) ** 3
    share = PYVRP_SHARE if len(problem.orders) >= PYVRP_FEWEST_ORDERS else 0.0
    search_s = max(0.0, seconds * (1 - share) - START_S - END_S - polishes * polish_s)
    return _Budget(
        effort=min(int(search_s * LOOKED_AT_PER_S), LOOKED_AT_MOST_PER_ORDER * len(problem.orders)),
        parts=polishes - 1,
        polish_s=polish_s,
        until_cpu_s=seconds - spent_s - END_S - polish_s,
    )


def _proposals(problem: Problem, seconds: float, seed: int) -> list[OrderRoutes]:
    engines: list[Engine] = []
    if len(problem.orders) <= VROOM_MOST_ORDERS:
        engines.append(Vroom())
    if len(problem.orders) >= PYVRP_FEWEST_ORDERS:
        engines.append(PyVrp())
    proposals = []
    for engine in engines:
        with suppress(EngineRefused):
            proposals.append(engine.order_routes(problem, seconds=seconds * PYVRP_SHARE, seed=seed))
    return proposals


def _completed(recreator: Recreator, rides: list[Ride]) -> list[Ride]:
    recreator.insert(rides, recreator.missing(rides))
    return rides


def _polished(problem: Problem, recreator: Recreator, rides: list[Ride], budget: _Budget) -> list[Ride]:
    """The rides after VROOM's local search where that is shorter.

    An order that comes back served in part is withdrawn whole and tried once more, else it stays out: then the
    rides as they were are the better ones and remain.
    """
    if time.process_time() > budget.until_cpu_s + END_S:
        return rides
    try:
        routes = Vroom().polish(problem, recreator.routes_of(rides), depth=1)
    except EngineRefused:
        return rides
    return min(rides, _completed(recreator, recreator.rides_near(routes)), key=recreator.cost_m)
