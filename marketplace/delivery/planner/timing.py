"""When a courier who does these stops in this order is where: the earliest schedule that keeps every rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .problem import HomeOrder, Parcel, Plan, Problem, Step, Vehicle


class Stop(NamedTuple):
    """One parcel changes hands; indices into `Problem.orders` and its parcels. Planner's inside form of a Step."""

    is_drop: bool
    order: int
    parcel: int


#: One tuple of stops per vehicle of the problem.
Routes = tuple[tuple[Stop, ...], ...]


def earliest_times(problem: Problem, vehicle: Vehicle, stops: Sequence[Stop]) -> list[int] | None:
    """The second at which each handover begins, or None when no schedule keeps windows, loads, shift and cold time.

    The earliest of all schedules, exactly: every rule says "not before" something that only moves later, so that the
    least fixed point is reached by pushing. A chilled parcel that would ride too long is picked up later (the
    courier waits before that shop), which may push what follows.
    Stops must be well-formed: each parcel picked up before it is dropped.
    """
    if not stops:
        return []
    legs, services, at, closes, rides = [], [], [], [], []
    here = vehicle.start
    load = [0, 0, 0]
    picked: dict[tuple[int, int], int] = {}
    for position, stop in enumerate(stops):
        order: HomeOrder = problem.orders[stop.order]
        parcel: Parcel = order.parcels[stop.parcel]
        if stop.is_drop:
            there, setup, service, window = order.place, problem.home_setup_s, problem.home_service_s, order.window
            for d in range(3):
                load[d] -= parcel.load[d]
            if parcel.load[2]:
                rides.append((picked[stop.order, stop.parcel], position))
        else:
            shop = problem.shops[parcel.shop]
            there, setup, service, window = shop.place, problem.shop_setup_s, problem.shop_service_s, shop.window
            for d in range(3):
                load[d] += parcel.load[d]
                if load[d] > vehicle.capacity[d]:
                    return None
            picked[stop.order, stop.parcel] = position
        legs.append(problem.duration_s[here][there] + setup if there != here else 0)
        services.append(service)
        at.append(window[0])
        closes.append(window[1])
        here = there
    home_s = problem.duration_s[here][vehicle.end]
    last = len(stops) - 1
    while True:
        free_s = vehicle.shift[0]
        for position in range(last + 1):
            begin = free_s + legs[position]
            if begin > at[position]:
                at[position] = begin
            else:
                begin = at[position]
            if begin > closes[position]:
                return None
            free_s = begin + services[position]
        if free_s + home_s > vehicle.shift[1]:
            return None
        pushed = False
        for pickup, drop in rides:
            not_before = at[drop] - problem.chill_max_s
            if at[pickup] < not_before:
                at[pickup] = not_before
                pushed = True
        if not pushed:
            return at


def plan_of(problem: Problem, routes: Routes) -> Plan | None:
    """The timed plan of these routes, or None when one of them cannot be ridden as it stands."""
    timed: list[tuple[Step, ...]] = []
    served: set[int] = set()
    for vehicle, stops in zip(problem.vehicles, routes, strict=True):
        times = earliest_times(problem, vehicle, stops)
        if times is None:
            return None
        served.update(stop.order for stop in stops)
        timed.append(
            tuple(
                Step("drop" if stop.is_drop else "pickup", problem.orders[stop.order].id, stop.parcel, at_s)
                for stop, at_s in zip(stops, times, strict=True)
            )
        )
    return Plan(
        routes=tuple(timed),
        unserved=tuple(order.id for index, order in enumerate(problem.orders) if index not in served),
    )
