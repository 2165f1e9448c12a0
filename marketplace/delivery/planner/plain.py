"""A plan without any engine, in the calling process: what remains when the child process fails."""

from __future__ import annotations

from .checker import violations
from .problem import Plan, Problem
from .recreate import Recreator, Ride
from .timing import plan_of


class PlanBroken(Exception):
    """The planner's own reckoning and the checker disagree: a mistake in the planner."""


#: Visits to look at per order: 0.5 s of CPU for 150 orders, and a plan a tenth longer than the engines'.
EFFORT_PER_ORDER = 4_000


def plan_plainly(problem: Problem, *, seed: int = 0) -> Plan:
    """Every order where it costs least, earliest slots first, then improved a little; the same plan every time.

    Orders that fit nowhere are unserved. The plan has passed the checker.
    """
    recreator = Recreator(problem, seed)
    effort = EFFORT_PER_ORDER * len(problem.orders)
    return checked_plan(problem, recreator, recreator.search(inserted(problem, recreator), effort))


def inserted(problem: Problem, recreator: Recreator) -> list[Ride]:
    """All orders put in one after the other, by the end of their slot."""
    rides = recreator.empty()
    by_slot = sorted(range(len(problem.orders)), key=lambda order: problem.orders[order].window.closes_s)
    recreator.insert(rides, by_slot)
    return rides


def checked_plan(problem: Problem, recreator: Recreator, rides: list[Ride]) -> Plan:
    """The rides as a plan; PlanBroken when the checker finds fault with it, so that it never leaves the planner."""
    plan = plan_of(problem, recreator.routes_of(rides))
    if plan is None:
        raise PlanBroken("a ride cannot be ridden")
    broken = violations(problem, plan)
    if broken:
        raise PlanBroken(f"{len(broken)} rules broken, first {broken[0]}")
    return plan
