"""A round as a JSON document, and its solution: what `rounds solve` and the child process read and write.

The instance: `pts` [[lat, lon], …]; `shops` [{loc, open}]; `orders` [{id, loc, tw, parcels: [{shop, load}]}];
`vehicles` [{start, end, cap, tw, kind}]; `setup_shop`, `svc_shop`, `setup_home`, `svc_home`, `chill_max` in seconds.
`loc`, `start`, `end` are indices into `pts`, `shop` into `shops`; windows are [from, to] in seconds from midnight;
`load` and `cap` are [hundreds of grams, litres, chilled litres]. Optional together: `distance_m` and `duration_s`,
matrices over `pts` (streets); without them travel is the great circle. Other keys are left alone.
The solution: `routes` {vehicle index: [[pickup|drop, order id, parcel index, second], …]}, `unserved` [order id, …].
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from .problem import HomeOrder, Load, Matrix, Parcel, Place, Plan, Problem, Shop, Step, Travel, Vehicle, Window
from .travel import GreatCircle

T = TypeVar("T")

#: No round lasts longer than two days; engines count in 32 bits.
LATEST_S = 2 * 24 * 3600
#: A hundred tonnes, a thousand cubic metres: beyond that somebody mistook the unit.
LARGEST_LOAD = 1_000_000
#: Once around the earth.
FARTHEST_M = 40_100_000


class InstanceUnreadable(Exception):
    """One sentence that says where the document is wrong and what was expected there."""


def problem_from_json(text: str, travel: Travel | None = None) -> Problem:
    """The problem that a JSON document describes; InstanceUnreadable when it does not describe one."""
    document = _parse(text)
    places = _list(document, "pts", _place)
    if not places:
        raise InstanceUnreadable("pts: at least one place was expected.")
    shops = _list(document, "shops", lambda value, at: _shop(value, at, len(places)))
    orders = _list(document, "orders", lambda value, at: _order(value, at, len(places), len(shops)))
    vehicles = _list(document, "vehicles", lambda value, at: _vehicle(value, at, len(places)))
    seen = {order.id for order in orders}
    if len(seen) != len(orders):
        raise InstanceUnreadable("orders: every id must be there once, and one is there twice.")
    if "distance_m" in document or "duration_s" in document:
        distance_m = _matrix(document, "distance_m", len(places), FARTHEST_M)
        duration_s = _matrix(document, "duration_s", len(places), LATEST_S)
    else:
        distance_m, duration_s = (travel or GreatCircle()).matrices(places)
    return Problem(
        places=places,
        shops=shops,
        orders=orders,
        vehicles=vehicles,
        shop_setup_s=_seconds(document, "setup_shop"),
        home_setup_s=_seconds(document, "setup_home"),
        shop_service_s=_seconds(document, "svc_shop"),
        home_service_s=_seconds(document, "svc_home"),
        chill_max_s=_seconds(document, "chill_max"),
        distance_m=distance_m,
        duration_s=duration_s,
    )


def problem_to_json(problem: Problem) -> str:
    """The whole problem, matrices included: `problem_from_json` gives it back as it is."""
    return json.dumps(
        {
            "pts": problem.places,
            "shops": [{"loc": shop.place, "open": shop.window} for shop in problem.shops],
            "orders": [
                {
                    "id": order.id,
                    "loc": order.place,
                    "tw": order.window,
                    "parcels": [{"shop": parcel.shop, "load": parcel.load} for parcel in order.parcels],
                }
                for order in problem.orders
            ],
            "vehicles": [
                {
                    "start": vehicle.start,
                    "end": vehicle.end,
                    "cap": vehicle.capacity,
                    "tw": vehicle.shift,
                    "kind": vehicle.kind,
                }
                for vehicle in problem.vehicles
            ],
            "setup_shop": problem.shop_setup_s,
            "setup_home": problem.home_setup_s,
            "svc_shop": problem.shop_service_s,
            "svc_home": problem.home_service_s,
            "chill_max": problem.chill_max_s,
            "distance_m": problem.distance_m,
            "duration_s": problem.duration_s,
        }
    )


def plan_to_json(plan: Plan) -> str:
    return json.dumps(
        {
            "routes": {
                str(vehicle): [[step.kind, step.order_id, step.parcel, step.at_s] for step in steps]
                for vehicle, steps in enumerate(plan.routes)
                if steps
            },
            "unserved": plan.unserved,
        }
    )


def plan_from_json(text: str, problem: Problem) -> Plan:
    """The plan that a solution document describes, in shape only: whether it keeps the rules, the checker says."""
    document = _parse(text)
    routes: list[tuple[Step, ...]] = [()] * len(problem.vehicles)
    for key, steps in _typed(document, "routes", dict, "routes").items():
        if not (key.isdecimal() and int(key) < len(routes)):
            raise InstanceUnreadable(f"routes: {key!r} is the index of no vehicle.")
        routes[int(key)] = tuple(_step(step, f"routes.{key}[{at}]") for at, step in enumerate(steps))
    return Plan(
        routes=tuple(routes),
        unserved=_list(document, "unserved", lambda value, at: _order_id({"id": value}, at)),
    )


def _parse(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as trouble:
        raise InstanceUnreadable(f"This is not JSON: {trouble}.") from trouble
    if not isinstance(document, dict):
        raise InstanceUnreadable("A JSON object was expected.")
    return document


def _typed(record: Any, key: str, kind: type[T], at: str) -> T:
    if not isinstance(record, dict) or key not in record:
        raise InstanceUnreadable(f"{at}: “{key}” is missing.")
    value = record[key]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise InstanceUnreadable(f"{at}.{key}: {_KINDS[kind]} was expected.")
    return value


_KINDS: dict[type, str] = {int: "a whole number", list: "a list", dict: "an object", str: "a text"}


def _list(record: dict[str, Any], key: str, read: Callable[[Any, str], T]) -> tuple[T, ...]:
    values = _typed(record, key, list, "document")
    return tuple(read(value, f"{key}[{index}]") for index, value in enumerate(values))


def _whole(value: Any, at: str, largest: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= largest:
        raise InstanceUnreadable(f"{at}: a whole number from 0 to {largest} was expected.")
    return value


def _seconds(record: dict[str, Any], key: str) -> int:
    return _whole(_typed(record, key, int, "document"), key, LATEST_S)


def _index(record: Any, key: str, at: str, size: int, whose: str) -> int:
    value = _typed(record, key, int, at)
    if not 0 <= value < size:
        raise InstanceUnreadable(f"{at}.{key}: {value} is no index into “{whose}”, which has {size}.")
    return value


def _numbers(value: Any, at: str, count: int, largest: int) -> list[int]:
    if not isinstance(value, list) or len(value) != count:
        raise InstanceUnreadable(f"{at}: a list of {count} whole numbers was expected.")
    return [_whole(number, at, largest) for number in value]


def _window(record: Any, key: str, at: str) -> Window:
    window = Window(*_numbers(_typed(record, key, list, at), f"{at}.{key}", 2, LATEST_S))
    if window.opens_s > window.closes_s:
        raise InstanceUnreadable(f"{at}.{key}: the window ends before it begins.")
    return window


def _load(record: Any, key: str, at: str) -> Load:
    return Load(*_numbers(_typed(record, key, list, at), f"{at}.{key}", 3, LARGEST_LOAD))


def _place(value: Any, at: str) -> Place:
    if not isinstance(value, list) or len(value) != 2:
        raise InstanceUnreadable(f"{at}: [latitude, longitude] was expected.")
    for degrees, limit in zip(value, (90, 180), strict=True):
        # The comparison is false for NaN too.
        if not isinstance(degrees, int | float) or isinstance(degrees, bool) or not -limit <= degrees <= limit:
            raise InstanceUnreadable(f"{at}: degrees of latitude (to 90) and longitude (to 180) were expected.")
    return Place(float(value[0]), float(value[1]))


def _shop(value: Any, at: str, place_qty: int) -> Shop:
    return Shop(place=_index(value, "loc", at, place_qty, "pts"), window=_window(value, "open", at))


def _order_id(value: Any, at: str) -> int | str:
    if not isinstance(value, dict) or "id" not in value:
        raise InstanceUnreadable(f"{at}: “id” is missing.")
    order_id = value["id"]
    if not isinstance(order_id, int | str) or isinstance(order_id, bool):
        raise InstanceUnreadable(f"{at}.id: a whole number or a text was expected.")
    return order_id


def _order(value: Any, at: str, place_qty: int, shop_qty: int) -> HomeOrder:
    order_id = _order_id(value, at)
    raw_parcels = _typed(value, "parcels", list, at)
    if not raw_parcels:
        raise InstanceUnreadable(f"{at}.parcels: at least one parcel was expected.")
    return HomeOrder(
        id=order_id,
        place=_index(value, "loc", at, place_qty, "pts"),
        window=_window(value, "tw", at),
        parcels=tuple(
            Parcel(
                shop=_index(parcel, "shop", f"{at}.parcels[{k}]", shop_qty, "shops"),
                load=_load(parcel, "load", f"{at}.parcels[{k}]"),
            )
            for k, parcel in enumerate(raw_parcels)
        ),
    )


def _vehicle(value: Any, at: str, place_qty: int) -> Vehicle:
    return Vehicle(
        start=_index(value, "start", at, place_qty, "pts"),
        end=_index(value, "end", at, place_qty, "pts"),
        capacity=_load(value, "cap", at),
        shift=_window(value, "tw", at),
        kind=_typed(value, "kind", str, at),
    )


def _matrix(record: dict[str, Any], key: str, size: int, largest: int) -> Matrix:
    rows = _typed(record, key, list, "document")
    if len(rows) != size:
        raise InstanceUnreadable(f"{key}: a row for each of the {size} places was expected.")
    matrix = []
    for a, row in enumerate(rows):
        numbers = _numbers(row, f"{key}[{a}]", size, largest)
        if numbers[a]:
            raise InstanceUnreadable(f"{key}[{a}]: a place is at 0 from itself.")
        matrix.append(numbers)
    return matrix


def _step(value: Any, at: str) -> Step:
    if not isinstance(value, list) or len(value) != 4 or value[0] not in ("pickup", "drop"):
        raise InstanceUnreadable(f"{at}: [pickup or drop, order id, parcel index, second] was expected.")
    return Step(
        kind=value[0],
        order_id=_order_id({"id": value[1]}, at),
        parcel=_whole(value[2], at, LARGEST_LOAD),
        at_s=_whole(value[3], at, LATEST_S),
    )
