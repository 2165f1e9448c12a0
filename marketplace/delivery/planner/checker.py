"""Whether a plan may be shown to a person: every rule of the round, checked step by step. Knows no engine.

Written apart from the planner's own reckoning (timing.py), so that a mistake there is found here.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

from .problem import HomeOrder, OrderId, Parcel, Plan, Problem, Step, Vehicle

Rule = Literal[
    "vehicle",  # the plan has a route for each vehicle, no more
    "unknown",  # a step names an order or a parcel that does not exist
    "once",  # a parcel is picked up twice or dropped twice
    "carrier",  # a parcel is dropped by a courier who does not carry it
    "window",  # a handover begins outside of the shop's or the home's window
    "pace",  # a courier cannot be there by then
    "load",  # the vehicle carries more than it can
    "cold",  # a chilled parcel is on board for too long
    "shift",  # the courier leaves before the shift or is back after it
    "aboard",  # a parcel is still on board at the end
    "whole",  # an order is served in part
    "told",  # an order is left out and not reported, or reported and served, or reported twice
]


@dataclass(frozen=True, slots=True)
class Violation:
    rule: Rule
    vehicle: int | None = None
    order_id: OrderId | None = None
    #: By how much: seconds late or too early, units over the capacity; 0 where there is no measure.
    excess: int = 0


def violations(problem: Problem, plan: Plan) -> tuple[Violation, ...]:
    """Every rule that the plan breaks; empty when it may be ridden."""
    found: list[Violation] = []
    if len(plan.routes) != len(problem.vehicles):
        return (Violation("vehicle", excess=abs(len(plan.routes) - len(problem.vehicles))),)
    orders = {order.id: order for order in problem.orders}
    picked: Counter[tuple[OrderId, int]] = Counter()
    dropped: Counter[tuple[OrderId, int]] = Counter()
    for index, (vehicle, steps) in enumerate(zip(problem.vehicles, plan.routes, strict=True)):
        known: list[tuple[Step, HomeOrder, Parcel]] = []
        for step in steps:
            order = orders.get(step.order_id)
            if order is None or not 0 <= step.parcel < len(order.parcels):
                found.append(Violation("unknown", index, step.order_id))
                continue
            known.append((step, order, order.parcels[step.parcel]))
            (dropped if step.kind == "drop" else picked)[step.order_id, step.parcel] += 1
        found += _ride_violations(problem, index, vehicle, known)
    for counted in (picked, dropped):
        found += [Violation("once", order_id=order_id) for (order_id, _), times in counted.items() if times > 1]
    told = Counter(plan.unserved)
    for order in problem.orders:
        there = [bool(dropped[order.id, parcel]) for parcel in range(len(order.parcels))]
        if any(there) and not all(there):
            found.append(Violation("whole", order_id=order.id))
        if told[order.id] != (0 if any(there) else 1):
            found.append(Violation("told", order_id=order.id))
    found += [Violation("told", order_id=order_id) for order_id in told if order_id not in orders]
    return tuple(found)


def _ride_violations(
    problem: Problem, index: int, vehicle: Vehicle, steps: list[tuple[Step, HomeOrder, Parcel]]
) -> list[Violation]:
    found: list[Violation] = []
    on_board: dict[tuple[OrderId, int], int] = {}
    load = [0, 0, 0]
    here = vehicle.start
    #: When the courier is free to leave `here`: as late as they like before the first stop, never before the shift.
    free_s = vehicle.shift.opens_s
    for step, order, parcel in steps:
        key = (step.order_id, step.parcel)
        shop = problem.shops[parcel.shop]
        is_drop = step.kind == "drop"
        there = order.place if is_drop else shop.place
        window = order.window if is_drop else shop.window
        arrive_s = free_s
        if there != here:
            arrive_s += problem.duration_s[here][there]
            arrive_s += problem.home_setup_s if is_drop else problem.shop_setup_s
        if step.at_s < arrive_s:
            found.append(Violation("pace", index, step.order_id, arrive_s - step.at_s))
        if not window.opens_s <= step.at_s <= window.closes_s:
            outside_s = max(window.opens_s - step.at_s, step.at_s - window.closes_s)
            found.append(Violation("window", index, step.order_id, outside_s))
        if is_drop:
            picked_s = on_board.pop(key, None)
            if picked_s is None:
                found.append(Violation("carrier", index, step.order_id))
            else:
                load = [before - part for before, part in zip(load, parcel.load, strict=True)]
                ridden_s = step.at_s - picked_s
                if parcel.is_chilled and ridden_s > problem.chill_max_s:
                    found.append(Violation("cold", index, step.order_id, ridden_s - problem.chill_max_s))
        else:
            on_board[key] = step.at_s
            load = [before + part for before, part in zip(load, parcel.load, strict=True)]
            over = max(carried - most for carried, most in zip(load, vehicle.capacity, strict=True))
            if over > 0:
                found.append(Violation("load", index, step.order_id, over))
        # A step that is too early is one mistake, not one more at each step after it.
        free_s = max(step.at_s, arrive_s) + (problem.home_service_s if is_drop else problem.shop_service_s)
        here = there
    found += [Violation("aboard", index, order_id) for order_id, _ in on_board]
    back_s = free_s + problem.duration_s[here][vehicle.end]
    if steps and back_s > vehicle.shift.closes_s:
        found.append(Violation("shift", index, excess=back_s - vehicle.shift.closes_s))
    return found
