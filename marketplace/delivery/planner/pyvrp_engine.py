"""PyVRP behind the planner's adapter: homes are clients, the middle of the shops is a depot to come back to."""

from __future__ import annotations

import time

import numpy
import pyvrp

from .order_level import EngineRefused, OrderRoutes, OrderStop, last_handover_start_s, middle_of_shops
from .problem import Problem

#: More collections than this in one shift fit no afternoon: one takes 36 to 65 minutes.
MOST_RELOADS = 3
#: Weight of leaving an order out, in metres; far above any detour.
PRIZE_M = 200_000
#: Iterations in a second of CPU times orders: 70,000 at 150 orders and 110,000 at 500, measured on a busy machine.
#: The search ends on this count, so that a plan can be repeated; the clock only keeps a slower machine in its seconds.
ITERATIONS_PER_ORDER_SECOND = 60_000


class _Enough:
    """Ends the search on a count of iterations; on the clock only when the machine is slower than thought."""

    def __init__(self, iterations: int, until_cpu_s: float) -> None:
        self._left = iterations
        self._until_cpu_s = until_cpu_s

    def __call__(self, best_cost: float) -> bool:
        self._left -= 1
        return self._left < 0 or time.process_time() > self._until_cpu_s


class PyVrp:
    def order_routes(self, problem: Problem, *, seconds: float, seed: int) -> OrderRoutes:
        middle = middle_of_shops(problem)
        setup_s = numpy.zeros(len(problem.places), dtype=numpy.int64)
        for resident in problem.orders:
            setup_s[resident.place] = problem.home_setup_s
        duration_s = numpy.asarray(problem.duration_s, dtype=numpy.int64) + setup_s
        numpy.fill_diagonal(duration_s, 0)
        distance_m = numpy.asarray(problem.distance_m, dtype=numpy.int64)

        served = [
            order
            for order, resident in enumerate(problem.orders)
            if last_handover_start_s(problem, order) >= resident.window.opens_s
        ]
        riding = [
            index
            for index, vehicle in enumerate(problem.vehicles)
            if vehicle.shift.opens_s + problem.duration_s[vehicle.start][middle] <= vehicle.shift.closes_s
        ]
        if not served or not riding:
            raise EngineRefused("nobody to ride, or nobody to ride to")
        depots: dict[int, int] = {}
        for vehicle in problem.vehicles:
            for place in (vehicle.start, vehicle.end):
                depots.setdefault(place, len(depots))
        middle_depot = len(depots)
        collecting_s = _collecting_s(problem)
        opens_s = min(shop.window.opens_s for shop in problem.shops)
        data = pyvrp.ProblemData(
            locations=[pyvrp.Location(place.lat, place.lon) for place in problem.places],
            clients=[
                pyvrp.Client(
                    problem.orders[order].place,
                    delivery=list(problem.orders[order].load),
                    service_duration=problem.home_service_s * len(problem.orders[order].parcels),
                    tw_early=problem.orders[order].window.opens_s,
                    tw_late=last_handover_start_s(problem, order),
                    release_time=_ready_s(problem, order),
                    required=False,
                    prize=PRIZE_M,
                )
                for order in served
            ],
            depots=[
                *(pyvrp.Depot(place) for place in depots),
                pyvrp.Depot(middle, tw_early=opens_s, service_duration=collecting_s),
            ],
            vehicle_types=[
                pyvrp.VehicleType(
                    1,
                    capacity=list(vehicle.capacity),
                    start_depot=middle_depot,
                    end_depot=depots[vehicle.end],
                    tw_early=vehicle.shift.opens_s + problem.duration_s[vehicle.start][middle],
                    tw_late=vehicle.shift.closes_s,
                    reload_depots=[middle_depot],
                    max_reloads=MOST_RELOADS,
                )
                for vehicle in (problem.vehicles[index] for index in riding)
            ],
            distance_matrices=[distance_m],  # type: ignore[list-item]  # the stub says ndarray[int], unknown to numpy
            duration_matrices=[duration_s],  # type: ignore[list-item]  # as above
        )
        iterations = int(seconds * ITERATIONS_PER_ORDER_SECOND / max(20, len(served)))
        result = pyvrp.solve(
            data,
            stop=_Enough(iterations, time.process_time() + seconds),
            seed=seed,
            collect_stats=False,
        )
        return _order_routes(result.best, served, riding, len(problem.vehicles))


def _collecting_s(problem: Problem) -> int:
    """A trip's collection, roughly: a walk through town, every shop entered once, its share of the parcels."""
    parcel_qty = sum(len(resident.parcels) for resident in problem.orders)
    shop_qty = len({parcel.shop for resident in problem.orders for parcel in resident.parcels})
    trip_qty = max(1, 2 * len(problem.vehicles))
    per_trip_qty = parcel_qty / trip_qty
    entered_qty = min(shop_qty, per_trip_qty)
    return round(480 + problem.shop_setup_s * entered_qty + problem.shop_service_s * per_trip_qty)


def _ready_s(problem: Problem, order: int) -> int:
    resident = problem.orders[order]
    ready_s = max(problem.shops[parcel.shop].window.opens_s for parcel in resident.parcels)
    if resident.is_chilled:
        ready_s = max(ready_s, resident.window.closes_s - problem.chill_max_s)
    return ready_s


def _order_routes(solution: pyvrp.Solution, served: list[int], riding: list[int], vehicle_qty: int) -> OrderRoutes:
    """Per vehicle, for each trip: everything collected, then everything handed over."""
    routes: list[tuple[OrderStop, ...]] = [()] * vehicle_qty
    for route in solution.routes():
        trips: dict[int, list[int]] = {}
        for activity in route:
            if activity.is_client():
                trips.setdefault(activity.trip, []).append(served[activity.idx])
        routes[riding[route.vehicle_type()]] = tuple(
            OrderStop(is_drop, order)
            for _, homes in sorted(trips.items())
            for is_drop in (False, True)
            for order in homes
        )
    return tuple(routes)
