"""One street with a hub, a bakery, a fishmonger and two homes, a minute and 100 m apart, and a round that fits it."""

from __future__ import annotations

from dataclasses import replace

from marketplace.delivery.planner import HomeOrder, Load, Parcel, Place, Plan, Problem, Shop, Step, Vehicle, Window

NINE = 32_400

BIKE = Vehicle(start=0, end=0, capacity=Load(60, 12, 4), shift=Window(NINE, NINE + 1000), kind="bike")

STREET = Problem(
    places=tuple(Place(45.65 + number / 1000, 0.15) for number in range(5)),
    shops=(Shop(1, Window(NINE, NINE + 3600)), Shop(2, Window(NINE, NINE + 3600))),
    orders=(
        HomeOrder("A", 3, Window(NINE + 600, NINE + 3600), (Parcel(0, Load(20, 5, 0)), Parcel(1, Load(30, 5, 4)))),
        HomeOrder("B", 4, Window(NINE + 600, NINE + 3600), (Parcel(0, Load(10, 2, 0)),)),
    ),
    vehicles=(BIKE, BIKE),
    shop_setup_s=30,
    home_setup_s=40,
    shop_service_s=10,
    home_service_s=20,
    chill_max_s=420,
    distance_m=[[100 * abs(a - b) for b in range(5)] for a in range(5)],
    duration_s=[[60 * abs(a - b) for b in range(5)] for a in range(5)],
)

RIDE = (
    Step("pickup", "A", 0, NINE + 90),
    Step("pickup", "B", 0, NINE + 100),
    Step("pickup", "A", 1, NINE + 200),
    Step("drop", "A", 0, NINE + 600),
    Step("drop", "A", 1, NINE + 620),
    Step("drop", "B", 0, NINE + 740),
)

#: Back at the hub 1,000 s after nine, to the second; full to the gram, the litre and the chilled litre.
FITTING = Plan(routes=(RIDE, ()), unserved=())


def ridden(*steps: Step, unserved: tuple[str, ...] = ()) -> Plan:
    return Plan(routes=(steps, ()), unserved=unserved)


def with_bike(**changes: object) -> Problem:
    bike = replace(BIKE, **changes)  # type: ignore[arg-type]  # the tests name Vehicle's own fields
    return replace(STREET, vehicles=(bike, bike))
