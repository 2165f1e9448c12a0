"""Ruin and recreate on whole orders: take out neighbouring strings of homes, put each order back where it costs least.

After Christiaens and Vanden Berghe, "Slack Induction by String Removals for Vehicle Routing Problems"
(Transportation Science 54(2), 2020), carried over to orders that are collected at several shops. It needs no engine,
so that it is also the planner when the engines fail. An order is always on one route, whole, or on none.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Sequence
from itertools import pairwise
from operator import itemgetter
from typing import NamedTuple

from .problem import Problem, Vehicle
from .timing import Routes, Stop, earliest_times

#: Metres that leaving an order out costs: more than any detour in a town, so that serving always wins.
UNSERVED_M = 200_000
#: Orders taken out per ruin on average, and the longest string, as published; smaller rounds take smaller bites.
MEAN_OUT_QTY = 6
LONGEST_STRING = 8
#: Of the orders that fit nowhere, so many get another chance after each ruin: all would take most of the time at 500.
MOST_MISSING_QTY = 20
#: Chance to overlook a position: a little disorder where every insertion would be the greedy one.
BLINK = 0.01
#: Temperatures of the annealing, in metres: a detour of this size is often accepted at the start, hardly at the end.
HOT_M, COLD_M = 120.0, 20.0
#: Insertions tried in earnest per route and order, cheapest first; the tenth is hardly ever the first that fits.
TRIES = 6

Item = tuple[int, int]


class Visit(NamedTuple):
    """One arrival: a shop with the parcels (order, index) collected there, or the home of one order (`shop` = -1)."""

    place: int
    shop: int
    opens_s: int
    #: The last instant to begin so that the last of the handovers still begins in the window.
    closes_s: int
    setup_s: int
    work_s: int
    items: tuple[Item, ...]
    hectograms: int
    litres: int
    chilled_litres: int


class Ride(NamedTuple):
    """A vehicle's visits with what follows from them; never changed, only replaced."""

    visits: tuple[Visit, ...]
    #: Earliest begin at each visit, and the latest that keeps everything after it (chilled time aside).
    at_s: tuple[int, ...]
    latest_s: tuple[int, ...]
    distance_m: int


#: Where an order could go: detour in metres, ride, gap of the home, per shop (gap, joins the visit behind that gap) or
#: None for a collection of its own just before the home, and whether that one walks its shops in reverse.
_Spot = tuple[int, int, int, tuple[tuple[int, bool], ...] | None, bool]


class Recreator:
    """The search over one problem; `seed` makes it repeatable as long as `stop` does not look at a clock."""

    def __init__(self, problem: Problem, seed: int) -> None:
        self._problem = problem
        self._random = random.Random(seed)  # noqa: S311 - a search, not a secret
        self._distance = problem.distance_m
        self._duration = problem.duration_s
        #: Columns of the distance matrix: metres to a place, from everywhere.
        self._distance_to = list(zip(*problem.distance_m, strict=True))
        self._homes = [self._home_visit(order) for order in range(len(problem.orders))]
        self._shops = [self._own_collection(order) for order in range(len(problem.orders))]
        self._chain_m = [
            (
                sum(self._distance[a.place][b.place] for a, b in pairwise(shops)),
                sum(self._distance[b.place][a.place] for a, b in pairwise(shops)),
            )
            for shops in self._shops
        ]
        self._chilled = [order.is_chilled for order in problem.orders]
        places = [order.place for order in problem.orders]
        #: Visits looked at so far: the search's own clock, the same on every machine. Every pass over a ride adds a
        #: little for its beginning, so that short rides take as long by this clock as by the processor's.
        self.looked_at_qty = 0
        self._near = [_nearest(places, problem.distance_m[place]) for place in places]
        hub = problem.vehicles[0].start if problem.vehicles else 0
        self._far = [problem.distance_m[hub][place] for place in places]

    # -- in and out ---------------------------------------------------------------------------------------------

    def rides_near(self, routes: Routes) -> list[Ride]:
        """The routes as rides, without the orders that are split and those at which a courier would come too late."""
        problem = self._problem
        split = _split_orders(problem, routes)
        rides = []
        for vehicle, stops in zip(problem.vehicles, routes, strict=True):
            kept = [stop for stop in stops if stop.order not in split]
            while (ride := self._ride(vehicle, self._merged(kept))) is None:
                late = kept[_feasible_qty(problem, vehicle, kept)].order
                kept = [stop for stop in kept if stop.order != late]
            rides.append(ride)
        return rides

    def empty(self) -> list[Ride]:
        """Every vehicle at home; a vehicle whose shift is shorter than its own way home stays unused."""
        return [Ride((), (), (), 0) for _ in self._problem.vehicles]

    @staticmethod
    def routes_of(rides: Sequence[Ride]) -> Routes:
        return tuple(
            tuple(Stop(visit.shop < 0, order, parcel) for visit in ride.visits for order, parcel in visit.items)
            for ride in rides
        )

    def cost_m(self, rides: Sequence[Ride]) -> int:
        served = sum(1 for ride in rides for visit in ride.visits if visit.shop < 0)
        return sum(ride.distance_m for ride in rides) + UNSERVED_M * (len(self._homes) - served)

    # -- the search ---------------------------------------------------------------------------------------------

    def search(
        self,
        rides: list[Ride],
        effort: int,
        *,
        hot_m: float = HOT_M,
        cold_m: float = COLD_M,
        until_cpu_s: float = math.inf,
    ) -> list[Ride]:
        """The best rides found while looking at `effort` visits, never worse than `rides`.

        Repeatable, unless the process's CPU clock passes `until_cpu_s` first.
        """
        chance = self._random
        current, current_m = list(rides), self.cost_m(rides)
        best, best_m = current, current_m
        begun = self.looked_at_qty
        while (looked_at_qty := self.looked_at_qty - begun) < effort and time.process_time() < until_cpu_s:
            self.looked_at_qty += 50
            candidate = list(current)
            self.insert(candidate, self._ruin(candidate))
            candidate_m = self.cost_m(candidate)
            heat_m = hot_m * (cold_m / hot_m) ** (looked_at_qty / effort)
            if candidate_m < current_m - heat_m * math.log(1.0 - chance.random()):
                current, current_m = candidate, candidate_m
                if current_m < best_m:
                    best, best_m = current, current_m
        return best

    def insert(self, rides: list[Ride], orders: Sequence[int]) -> list[int]:
        """Put each order into `rides` where it costs least; those that fit nowhere are returned."""
        left_out = []
        for order in orders:
            if not self._insert_one(rides, order):
                left_out.append(order)
        return left_out

    def missing(self, rides: Sequence[Ride]) -> list[int]:
        served = {visit.items[0][0] for ride in rides for visit in ride.visits if visit.shop < 0}
        return [order for order in range(len(self._homes)) if order not in served]

    def _ruin(self, rides: list[Ride]) -> list[int]:
        """Take strings of neighbouring homes out of `rides`; returns them and some of those that were missing before.

        In the order in which they should be put back.
        """
        chance = self._random
        where = {
            visit.items[0][0]: index for index, ride in enumerate(rides) for visit in ride.visits if visit.shop < 0
        }
        out = [order for order in range(len(self._homes)) if order not in where]
        if len(out) > MOST_MISSING_QTY:
            out = chance.sample(out, MOST_MISSING_QTY)
        if where:
            used = len(set(where.values()))
            longest = max(1.0, min(LONGEST_STRING, len(where) / used))
            strings = int(chance.uniform(1, 4 * MEAN_OUT_QTY / (1 + longest)))
            ruined: set[int] = set()
            for order in self._near[chance.choice(list(where))]:
                if len(ruined) >= max(1, strings):
                    break
                index = where.get(order)
                if index is None or index in ruined:
                    continue
                ruined.add(index)
                homes = [visit.items[0][0] for visit in rides[index].visits if visit.shop < 0]
                size = int(chance.uniform(1, min(longest, len(homes)) + 1))
                at = homes.index(order)
                first = chance.randint(max(0, at - size + 1), min(at, len(homes) - size))
                string = homes[first : first + size]
                slimmer = self._without(index, rides[index], set(string))
                if slimmer is not None:
                    rides[index] = slimmer
                    out += string
        key = chance.random()
        chance.shuffle(out)
        if key < 0.3:
            out.sort(key=lambda order: -len(self._shops[order]))
        elif key < 0.55:
            out.sort(key=lambda order: -self._far[order])
        elif key < 0.65:
            out.sort(key=lambda order: self._far[order])
        elif key < 0.85:
            out.sort(key=lambda order: self._problem.orders[order].window.closes_s)
        return out

    def _without(self, index: int, ride: Ride, orders: set[int]) -> Ride | None:
        """The ride without these orders; None in the odd case that roads make the shorter way the later one."""
        visits = []
        for visit in ride.visits:
            if visit.shop < 0:
                if visit.items[0][0] not in orders:
                    visits.append(visit)
            else:
                items = tuple(item for item in visit.items if item[0] not in orders)
                if len(items) == len(visit.items):
                    visits.append(visit)
                elif items:
                    visits.append(self._shop_visit(visit.shop, items))
        return self._ride(self._problem.vehicles[index], visits)

    def _insert_one(self, rides: list[Ride], order: int) -> bool:
        spots: list[_Spot] = []
        for index, ride in enumerate(rides):
            spots += self._spots(index, ride, order)
        spots.sort(key=itemgetter(0))
        tries = [TRIES] * len(rides)
        for spot in spots:
            index = spot[1]
            if not tries[index] or self._random.random() < BLINK:
                continue
            tries[index] -= 1
            longer = self._ride(self._problem.vehicles[index], self._with(rides[index], order, spot))
            if longer is not None:
                rides[index] = longer
                return True
        return False

    def _spots(self, index: int, ride: Ride, order: int) -> list[_Spot]:
        """Where the order could go on a ride, by detour; what surely comes too late is left out already.

        The detour of several new shops in one gap is their sum, thus too high: an estimate to sort by.
        """
        vehicle = self._problem.vehicles[index]
        capacity = vehicle.capacity
        load = self._problem.orders[order].load
        if any(need > room for need, room in zip(load, capacity, strict=True)):
            return []
        home_place, _, opens_s, closes_home_s, setup_s, work_s, *_ = self._homes[order]
        shops = self._shops[order]
        distance, duration = self._distance, self._duration
        to_home, from_home, ride_home = self._distance_to[home_place], distance[home_place], duration[home_place]
        first, last = shops[0].place, shops[-1].place
        to_first, to_last = self._distance_to[first], self._distance_to[last]
        there_m, back_m = self._chain_m[order]
        there_m += to_home[last]
        back_m += to_home[first]
        per_shop = [
            (k, shop.shop, self._distance_to[shop.place], distance[shop.place], shop.place, shop.closes_s)
            for k, shop in enumerate(shops)
        ]
        own_shops = {shop.shop: k for k, shop in enumerate(shops)}
        chilled = self._chilled[order]
        visits, at_s, latest_s = ride.visits, ride.at_s, ride.latest_s
        size = len(visits)
        self.looked_at_qty += size + 12
        nowhere = 10**9
        best_m = [nowhere] * len(shops)
        best_at = [(0, False)] * len(shops)
        sum_m = nowhere
        spots: list[_Spot] = []
        here, free_s = vehicle.start, vehicle.shift.opens_s
        # The ends of a ride count as neighbours of shops: vehicles start and end in town.
        from_shop = True
        for gap in range(size + 1):
            if gap < size:
                after = visits[gap]
                there, after_shop = after.place, after.shop
                until_s = latest_s[gap]
            else:
                there, after_shop, until_s = vehicle.end, gap, nowhere
            skipped_m = distance[here][there]
            leave_s = duration[here]
            if chilled and after_shop >= 0 and not from_shop:
                # Another walk begins: what is cold is collected on the last one before its home.
                best_m = [nowhere] * len(shops)
                sum_m = nowhere
            if after_shop >= 0 or from_shop:
                for k, _, to_shop, from_row, place, closes_s in per_shop:
                    detour_m = to_shop[here] + from_row[there] - skipped_m
                    if detour_m <= best_m[k] and free_s + leave_s[place] <= closes_s:
                        best_m[k], best_at[k] = detour_m, (gap, False)
                sum_m = sum(best_m)
            if until_s > opens_s:
                leaves_s = free_s + (leave_s[home_place] + setup_s if here != home_place else 0)
                if leaves_s > closes_home_s:
                    break
                if leaves_s < opens_s:
                    leaves_s = opens_s
                if leaves_s + work_s + ride_home[there] <= until_s:
                    rest_m = from_home[there] - skipped_m
                    if sum_m < nowhere:
                        spots.append((to_home[here] + rest_m + sum_m, index, gap, tuple(best_at), False))
                    forth_m, reverse_m = to_first[here] + there_m, to_last[here] + back_m
                    own_m = rest_m + (forth_m if forth_m <= reverse_m else reverse_m)
                    spots.append((own_m, index, gap, None, reverse_m < forth_m))
            if gap < size:
                from_shop = after_shop >= 0
                if from_shop and after_shop in own_shops:
                    k = own_shops[after_shop]
                    best_m[k], best_at[k] = 0, (gap, True)
                    sum_m = sum(best_m)
                here, free_s = there, at_s[gap] + after.work_s
        return spots

    def _with(self, ride: Ride, order: int, spot: _Spot) -> list[Visit]:
        visits = list(ride.visits)
        shops = self._shops[order]
        _, _, home_gap, pickups, reverse = spot
        if pickups is None:
            visits[home_gap:home_gap] = [*(reversed(shops) if reverse else shops), self._homes[order]]
            return visits
        joined: list[Visit] = []
        new: dict[int, list[Visit]] = {home_gap: []}
        for shop, (gap, joins) in zip(shops, pickups, strict=True):
            if joins:
                visits[gap] = self._shop_visit(shop.shop, visits[gap].items + shop.items)
            else:
                new.setdefault(gap, []).append(shop)
        new[home_gap].append(self._homes[order])
        for gap, visit in enumerate(visits):
            joined += new.get(gap, ())
            joined.append(visit)
        return joined + new.get(len(visits), [])

    # -- rides --------------------------------------------------------------------------------------------------

    def _ride(self, vehicle: Vehicle, visits: Sequence[Visit]) -> Ride | None:
        """The visits with their times, or None when they break a window, a load, the shift or the cold time."""
        if not visits:
            return Ride((), (), (), 0)
        self.looked_at_qty += len(visits) + 6
        duration, distance = self._duration, self._distance
        most_hg, most_l, most_chilled_l = vehicle.capacity
        hectograms = litres = chilled_litres = metres = 0
        here = vehicle.start
        free_s = vehicle.shift.opens_s
        legs, at_s = [], []
        for visit in visits:
            place, _, opens_s, closes_s, setup_s, work_s, _, visit_hg, visit_l, visit_chilled_l = visit
            if place != here:
                leg_s = duration[here][place] + setup_s
                metres += distance[here][place]
                here = place
            else:
                leg_s = 0
            begin_s = free_s + leg_s
            if begin_s < opens_s:
                begin_s = opens_s
            if begin_s > closes_s:
                return None
            hectograms += visit_hg
            litres += visit_l
            chilled_litres += visit_chilled_l
            if hectograms > most_hg or litres > most_l or chilled_litres > most_chilled_l:
                return None
            legs.append(leg_s)
            at_s.append(begin_s)
            free_s = begin_s + work_s
        leg_s = duration[here][vehicle.end]
        metres += distance[here][vehicle.end]
        if free_s + leg_s > vehicle.shift.closes_s:
            return None
        if any(visit[9] for visit in visits) and not self._keep_cold(vehicle, visits, legs, at_s, leg_s):
            return None
        latest_s = [0] * len(visits)
        until_s = vehicle.shift.closes_s - leg_s
        for position in range(len(visits) - 1, -1, -1):
            visit = visits[position]
            until_s -= visit.work_s
            if until_s > visit.closes_s:
                until_s = visit.closes_s
            latest_s[position] = until_s
            until_s -= legs[position]
        return Ride(tuple(visits), tuple(at_s), tuple(latest_s), metres)

    def _keep_cold(
        self, vehicle: Vehicle, visits: Sequence[Visit], legs: Sequence[int], at_s: list[int], home_s: int
    ) -> bool:
        """Push pickups in `at_s` later until no chilled parcel rides too long; False when that is impossible."""
        problem = self._problem
        picked: dict[Item, tuple[int, int]] = {}
        rides = []
        for position, visit in enumerate(visits):
            if visit.chilled_litres > 0:
                for nth, item in enumerate(visit.items):
                    picked[item] = (position, nth * problem.shop_service_s)
            elif visit.chilled_litres < 0:
                for nth, item in enumerate(visit.items):
                    if problem.orders[item[0]].parcels[item[1]].is_chilled:
                        pickup, offset_s = picked[item]
                        rides.append((pickup, position, nth * problem.home_service_s - offset_s - problem.chill_max_s))
        while True:
            pushed = False
            for pickup, drop, lag_s in rides:
                not_before_s = at_s[drop] + lag_s
                if at_s[pickup] < not_before_s:
                    at_s[pickup] = not_before_s
                    pushed = True
            if not pushed:
                return True
            free_s = vehicle.shift.opens_s
            for position, visit in enumerate(visits):
                begin_s = max(at_s[position], free_s + legs[position])
                if begin_s > visit.closes_s:
                    return False
                at_s[position] = begin_s
                free_s = begin_s + visit.work_s
            if free_s + home_s > vehicle.shift.closes_s:
                return False

    def _merged(self, stops: Sequence[Stop]) -> list[Visit]:
        visits: list[Visit] = []
        for stop in stops:
            item = (stop.order, stop.parcel)
            before = visits[-1] if visits else None
            if stop.is_drop:
                if before is None or before.shop >= 0 or before.items[0][0] != stop.order:
                    visits.append(self._homes[stop.order])
            else:
                shop = self._problem.orders[stop.order].parcels[stop.parcel].shop
                if before is not None and before.shop == shop:
                    visits[-1] = self._shop_visit(shop, (*before.items, item))
                else:
                    visits.append(self._shop_visit(shop, (item,)))
        return visits

    def _shop_visit(self, shop: int, items: tuple[Item, ...]) -> Visit:
        problem = self._problem
        loads = [problem.orders[order].parcels[parcel].load for order, parcel in items]
        window = problem.shops[shop].window
        return Visit(
            place=problem.shops[shop].place,
            shop=shop,
            opens_s=window.opens_s,
            closes_s=window.closes_s - (len(items) - 1) * problem.shop_service_s,
            setup_s=problem.shop_setup_s,
            work_s=len(items) * problem.shop_service_s,
            items=items,
            hectograms=sum(load[0] for load in loads),
            litres=sum(load[1] for load in loads),
            chilled_litres=sum(load[2] for load in loads),
        )

    def _home_visit(self, order: int) -> Visit:
        problem = self._problem
        resident = problem.orders[order]
        qty = len(resident.parcels)
        load = resident.load
        return Visit(
            place=resident.place,
            shop=-1,
            opens_s=resident.window.opens_s,
            closes_s=resident.window.closes_s - (qty - 1) * problem.home_service_s,
            setup_s=problem.home_setup_s,
            work_s=qty * problem.home_service_s,
            items=tuple((order, parcel) for parcel in range(qty)),
            hectograms=-load.hectograms,
            litres=-load.litres,
            chilled_litres=-load.chilled_litres,
        )

    def _own_collection(self, order: int) -> list[Visit]:
        """One visit per shop of the order, in the order of a short walk."""
        items: dict[int, list[Item]] = {}
        for parcel, described in enumerate(self._problem.orders[order].parcels):
            items.setdefault(described.shop, []).append((order, parcel))
        left = [self._shop_visit(shop, tuple(parcels)) for shop, parcels in items.items()]
        chain = [left.pop(0)]
        while left:
            left.sort(key=lambda visit: self._distance[chain[-1].place][visit.place])
            chain.append(left.pop(0))
        return chain


def _nearest(places: Sequence[int], row: Sequence[int]) -> list[int]:
    return sorted(range(len(places)), key=lambda order: row[places[order]])


def _split_orders(problem: Problem, routes: Routes) -> set[int]:
    """Orders served in part, by two couriers, or by one who comes to the home twice."""
    parcels: dict[int, list[tuple[int, Stop]]] = {}
    visits: dict[int, int] = {}
    for vehicle, stops in enumerate(routes):
        before = None
        for stop in stops:
            parcels.setdefault(stop.order, []).append((vehicle, stop))
            if stop.is_drop and (before is None or not before.is_drop or before.order != stop.order):
                visits[stop.order] = visits.get(stop.order, 0) + 1
            before = stop
    return {
        order
        for order, found in parcels.items()
        if len(set(found)) != 2 * len(problem.orders[order].parcels)
        or len({vehicle for vehicle, _ in found}) != 1
        or visits.get(order) != 1
    }


def _feasible_qty(problem: Problem, vehicle: Vehicle, stops: Sequence[Stop]) -> int:
    """How many stops from the first can be done; the stop with that index is where it fails, at the latest the last."""
    possible, impossible = 0, len(stops)
    while impossible - possible > 1:
        middle = (possible + impossible) // 2
        if earliest_times(problem, vehicle, stops[:middle]) is None:
            impossible = middle
        else:
            possible = middle
    return possible
