"""The upper of the two levels: one task per order, collected at one point in the middle of the shops.

Engines do badly on one shipment per (order, shop), because so many pickups share so few points; they do well on this
smaller question. `expand` then turns each collection into a walk over its real shops.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, Protocol

from .problem import Problem, Window
from .timing import Stop


class OrderStop(NamedTuple):
    """All of an order is collected, or all of it handed over at the home."""

    is_drop: bool
    order: int


#: One sequence per vehicle of the problem; orders that fit nowhere are in none.
OrderRoutes = tuple[tuple[OrderStop, ...], ...]


class EngineRefused(Exception):
    """The engine does not take the question, or the routes to start from; nothing was done."""


class Engine(Protocol):
    """A routing engine on the order level; what it answers is a proposal that the rest of the planner judges."""

    def order_routes(self, problem: Problem, *, seconds: float, seed: int) -> OrderRoutes:
        """Routes on the order level in about `seconds` of CPU; EngineRefused when the engine takes no such question."""
        ...


def middle_of_shops(problem: Problem) -> int:
    """The shop's place with the shortest way to all others, each counted by its parcels."""
    parcels: dict[int, int] = {}
    for order in problem.orders:
        for parcel in order.parcels:
            place = problem.shops[parcel.shop].place
            parcels[place] = parcels.get(place, 0) + 1
    return min(
        parcels,
        key=lambda here: sum(problem.distance_m[here][there] * qty for there, qty in parcels.items()),
    )


def collecting_window(problem: Problem, order: int) -> Window | None:
    """When an order may be collected: all its shops are open and nothing chilled waits too long for the slot's end.

    None when there is no such instant; the order may still be feasible with the real times.
    """
    resident = problem.orders[order]
    opens_s = max(problem.shops[parcel.shop].window.opens_s for parcel in resident.parcels)
    closes_s = min(problem.shops[parcel.shop].window.closes_s for parcel in resident.parcels)
    if resident.is_chilled:
        opens_s = max(opens_s, resident.window.closes_s - problem.chill_max_s)
    return Window(opens_s, closes_s) if opens_s <= closes_s else None


def last_handover_start_s(problem: Problem, order: int) -> int:
    """When the first of an order's parcels must be handed over at the latest: they are handed over one by one."""
    resident = problem.orders[order]
    return resident.window.closes_s - (len(resident.parcels) - 1) * problem.home_service_s


def expand(problem: Problem, vehicle: int, stops: Sequence[OrderStop]) -> list[Stop]:
    """The stops parcel by parcel: each run of collections as one walk over its shops, each home at once."""
    expanded: list[Stop] = []
    here = problem.vehicles[vehicle].start
    position = 0
    while position < len(stops):
        collected = []
        while position < len(stops) and not stops[position].is_drop:
            collected.append(stops[position].order)
            position += 1
        ahead = problem.orders[stops[position].order].place if position < len(stops) else here
        expanded += collection_walk(problem, collected, here, ahead)
        while position < len(stops) and stops[position].is_drop:
            order = stops[position].order
            expanded += [Stop(True, order, parcel) for parcel in range(len(problem.orders[order].parcels))]
            here = problem.orders[order].place
            position += 1
    return expanded


def collection_walk(problem: Problem, orders: Sequence[int], start: int, end: int) -> list[Stop]:
    """The pickups of `orders` on a short walk from `start` to `end`; a shop's parcels together, chilled ones last."""
    by_place: dict[int, list[Stop]] = {}
    for order in orders:
        for index, parcel in enumerate(problem.orders[order].parcels):
            by_place.setdefault(problem.shops[parcel.shop].place, []).append(Stop(False, order, index))
    walk: list[Stop] = []
    for place in short_walk(problem, list(by_place), start, end):
        walk += sorted(
            by_place[place],
            key=lambda stop: (
                problem.orders[stop.order].parcels[stop.parcel].shop,
                problem.orders[stop.order].parcels[stop.parcel].is_chilled,
            ),
        )
    return walk


def short_walk(problem: Problem, places: Sequence[int], start: int, end: int) -> list[int]:
    """Nearest neighbour, then 2-opt on whole tours: right also where there and back differ; at most some 60 shops."""
    metres = problem.distance_m
    left = list(places)
    tour = [start]
    while left:
        tour.append(min(left, key=metres[tour[-1]].__getitem__))
        left.remove(tour[-1])
    tour.append(end)

    def length_m(part: Sequence[int]) -> int:
        return sum(metres[a][b] for a, b in pairwise(part))

    shorter = True
    while shorter:
        shorter = False
        for i in range(1, len(tour) - 2):
            for j in range(i + 2, len(tour)):
                part = tour[i - 1 : j + 1]
                turned = [part[0], *part[-2:0:-1], part[-1]]
                if length_m(turned) < length_m(part):
                    tour[i - 1 : j + 1] = turned
                    shorter = True
    return tour[1:-1]
