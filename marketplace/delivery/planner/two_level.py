"""The round's plan: engines on the order level, then ruin and recreate, polished by VROOM parcel by parcel.

Each proposal is turned into rides that keep every rule (what does not fit is taken out and put back where it does),
the cheapest goes on: the engines propose, our own reckoning decides, the checker has the last word.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise

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
START_S = 0.6
#: Kept for the last polish and the check.
END_S = 0.15
#: VROOM's time grows with the square of the orders and obeys no limit: beyond this PyVRP alone proposes.
VROOM_MOST_ORDERS = 250
#: Below this PyVRP proposes nothing that the search does not reach sooner by itself.
PYVRP_FEWEST_ORDERS = 60
PYVRP_SHARE = 0.15
#: The search stops so many times to let VROOM polish.
PARTS = 6


def plan(problem: Problem, *, seconds: float, seed: int, spent_s: float = 0.0) -> Plan:
    """The best plan found until this process has used `seconds` of CPU, what it used before included.

    Repeatable for the same seed and seconds, unless the machine is so slow that the clock ends the search.
    Orders that fit nowhere are unserved.
    """
    recreator = Recreator(problem, seed)
    rides = inserted(problem, recreator)
    if not problem.orders or not problem.vehicles:
        return checked_plan(problem, recreator, rides)
    for proposal in _proposals(problem, seconds, seed):
        routes = tuple(tuple(expand(problem, vehicle, stops)) for vehicle, stops in enumerate(proposal))
        rides = min(rides, _completed(recreator, recreator.rides_near(routes)), key=recreator.cost_m)
    effort = _effort(problem, seconds)
    heats_m = [HOT_M * (COLD_M / HOT_M) ** (part / PARTS) for part in range(PARTS + 1)]
    for hot_m, cold_m in pairwise(heats_m):
        rides = recreator.search(
            rides,
            effort // PARTS,
            hot_m=hot_m,
            cold_m=cold_m,
            until_cpu_s=seconds - spent_s - END_S,
        )
        rides = _polished(problem, recreator, rides)
    return checked_plan(problem, recreator, rides)


def _effort(problem: Problem, seconds: float) -> int:
    share = PYVRP_SHARE if len(problem.orders) >= PYVRP_FEWEST_ORDERS else 0.0
    search_s = max(0.0, seconds * (1 - share) - START_S - END_S)
    return min(int(search_s * LOOKED_AT_PER_S), LOOKED_AT_MOST_PER_ORDER * len(problem.orders))


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


def _polished(problem: Problem, recreator: Recreator, rides: list[Ride]) -> list[Ride]:
    """The rides after VROOM's local search where that is shorter.

    An order that comes back served in part is withdrawn whole and tried once more, else it stays out: then the
    rides as they were are the better ones and remain.
    """
    try:
        routes = Vroom().polish(problem, recreator.routes_of(rides), depth=1)
    except EngineRefused:
        return rides
    return min(rides, _completed(recreator, recreator.rides_near(routes)), key=recreator.cost_m)
