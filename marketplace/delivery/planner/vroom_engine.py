"""VROOM (pyvroom) behind the planner's adapter; only in the child process: it holds the GIL while it solves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy
import vroom

from .order_level import (
    EngineRefused,
    OrderRoutes,
    OrderStop,
    collecting_window,
    last_handover_start_s,
    middle_of_shops,
)
from .problem import Problem, Window
from .timing import Routes, Stop, earliest_times

#: One start heuristic and a short search: 0.2 s of CPU for 150 orders, where the engine's usual first level takes
#: 1.5 s and ends no shorter once ruin and recreate went over it.
SEARCHES, DEPTH = 1, 0
PROFILE = "bike"


class Vroom:
    """The order level from scratch (`order_routes`), and local search on the level of parcels (`polish`).

    Neither takes a seed: the same question gets the same answer. There is no time limit that holds (its own stops
    searches but not their start), so both are asked only where their time is known to be short.
    """

    def order_routes(self, problem: Problem, *, seconds: float, seed: int) -> OrderRoutes:
        question = _question(problem)
        middle = middle_of_shops(problem)
        for order, resident in enumerate(problem.orders):
            window = collecting_window(problem, order)
            latest_s = last_handover_start_s(problem, order)
            if window is None or latest_s < resident.window.opens_s:
                continue
            parcel_qty = len(resident.parcels)
            question.add_shipment(
                # 45 s a parcel stand for its share of the walk between the shops: 60 s to enter, 15 s to hand over.
                vroom.ShipmentStep(order, middle, default_service=45 * parcel_qty, time_windows=[window]),
                vroom.ShipmentStep(
                    order,
                    resident.place,
                    default_service=problem.home_service_s * parcel_qty,
                    time_windows=[(resident.window.opens_s, latest_s)],
                ),
                amount=vroom.Amount(list(resident.load)),
            )
        for index in range(len(problem.vehicles)):
            question.add_vehicle(_vehicle(problem, index, ()))
        return tuple(
            tuple(OrderStop(is_drop, order) for is_drop, order in steps)
            for steps in _answer(question, SEARCHES, DEPTH, len(problem.vehicles))
        )

    def polish(self, problem: Problem, routes: Routes, depth: int) -> Routes:
        """The routes after the engine's local search, parcel by parcel; some orders may come back split or left out.

        EngineRefused when the engine finds a rule broken in `routes` themselves.
        """
        not_before_s = _chilled_pickups(problem, routes)
        parcels: list[tuple[int, int]] = []
        question = _question(problem)
        for order, resident in enumerate(problem.orders):
            for parcel, described in enumerate(resident.parcels):
                shop = problem.shops[described.shop]
                collected, home = shop.window, resident.window
                if described.is_chilled:
                    from_s = not_before_s.get((order, parcel), home.closes_s - problem.chill_max_s)
                    collected = Window(max(collected.opens_s, from_s), collected.closes_s)
                    home = Window(home.opens_s, min(home.closes_s, from_s + problem.chill_max_s))
                    if collected.opens_s > collected.closes_s or home.opens_s > home.closes_s:
                        # Left out by the routes too, otherwise there would be an instant.
                        continue
                index = len(parcels)
                parcels.append((order, parcel))
                question.add_shipment(
                    vroom.ShipmentStep(
                        index, shop.place, default_service=problem.shop_service_s, time_windows=[collected]
                    ),
                    vroom.ShipmentStep(
                        index, resident.place, default_service=problem.home_service_s, time_windows=[home]
                    ),
                    amount=vroom.Amount(list(described.load)),
                )
        number = {item: index for index, item in enumerate(parcels)}
        for index, stops in enumerate(routes):
            steps = [(stop.is_drop, number[stop.order, stop.parcel]) for stop in stops]
            question.add_vehicle(_vehicle(problem, index, steps))
        return tuple(
            tuple(Stop(is_drop, *parcels[shipment]) for is_drop, shipment in steps)
            for steps in _answer(question, 1, depth, len(problem.vehicles))
        )


def _question(problem: Problem) -> vroom.Input:
    """Travel only: setup is part of the durations, paid on arrival from another place, and costs are metres."""
    setup_s = numpy.zeros(len(problem.places), dtype="uint32")
    for shop in problem.shops:
        setup_s[shop.place] = problem.shop_setup_s
    for resident in problem.orders:
        # Somebody may live above a shop: the longer of both is safe.
        setup_s[resident.place] = max(setup_s[resident.place], problem.home_setup_s)
    duration_s = numpy.asarray(problem.duration_s, dtype="uint32") + setup_s
    numpy.fill_diagonal(duration_s, 0)
    question = vroom.Input()
    question.set_durations_matrix(PROFILE, duration_s)
    question.set_costs_matrix(PROFILE, numpy.asarray(problem.distance_m, dtype="uint32"))
    return question


def _vehicle(problem: Problem, index: int, steps: Sequence[tuple[bool, int]]) -> vroom.Vehicle:
    vehicle = problem.vehicles[index]
    return vroom.Vehicle(
        index,
        start=vehicle.start,
        end=vehicle.end,
        profile=PROFILE,
        capacity=list(vehicle.capacity),
        time_window=vehicle.shift,
        steps=[
            vroom.VehicleStepStart(),
            *(vroom.VehicleStepDelivery(id) if is_drop else vroom.VehicleStepPickup(id) for is_drop, id in steps),
            vroom.VehicleStepEnd(),
        ]
        if steps
        else [],
    )


def _answer(question: vroom.Input, searches: int, depth: int, vehicle_qty: int) -> list[list[tuple[bool, int]]]:
    """Per vehicle (is delivery, id). Read from the private `_routes`: the public `routes` is a data frame of text."""
    try:
        solution = question._solve(searches, depth, 1, None)
    except vroom._vroom.VroomInputException as refusal:
        raise EngineRefused(str(refusal)) from refusal
    answer: list[list[tuple[bool, int]]] = [[] for _ in range(vehicle_qty)]
    for route in solution._routes:
        answer[route.vehicle] = [
            (step._job_type == vroom.JOB_TYPE.DELIVERY, step._id)
            for step in route.steps
            if step._step_type == vroom.STEP_TYPE.JOB
        ]
    return answer


def _chilled_pickups(problem: Problem, routes: Routes) -> dict[tuple[int, int], int]:
    """From when each chilled parcel may be collected so that it is surely dropped in time.

    The engine knows no longest ride. Two windows stand for it: collected not before x, dropped not after x plus the
    longest ride. x is the slot's end less the longest ride where the routes allow that (then the slot stays whole),
    otherwise the middle of what keeps the routes as they are feasible.
    """
    not_before_s: dict[tuple[int, int], int] = {}
    for vehicle, stops in zip(problem.vehicles, routes, strict=True):
        times = earliest_times(problem, vehicle, stops)
        if times is None:
            raise EngineRefused("the routes are not feasible")
        picked_s: dict[tuple[int, int], int] = {}
        for stop, at_s in zip(stops, times, strict=True):
            item = (stop.order, stop.parcel)
            resident = problem.orders[stop.order]
            if not resident.parcels[stop.parcel].is_chilled:
                continue
            if not stop.is_drop:
                picked_s[item] = at_s
            else:
                whole_slot_s = resident.window.closes_s - problem.chill_max_s
                if picked_s[item] < whole_slot_s:
                    not_before_s[item] = (at_s - problem.chill_max_s + picked_s[item]) // 2
    return not_before_s
