"""The round as the planner sees it: whole seconds, metres, hundreds of grams and litres; no database, no engine.

Seconds count from midnight of the round's day. Both ends of a window are allowed instants for a handover to begin.
A place is an index into `Problem.places`; two stops at one place cost the setup only once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

#: Opaque to the planner: whatever the caller calls an order.
OrderId = int | str
#: Indexed [from][to]; may be asymmetric; zero on the diagonal.
Matrix = Sequence[Sequence[int]]
StepKind = Literal["pickup", "drop"]


class Load(NamedTuple):
    hectograms: int
    litres: int
    chilled_litres: int


NO_LOAD = Load(0, 0, 0)


class Window(NamedTuple):
    opens_s: int
    closes_s: int


class Place(NamedTuple):
    lat: float
    lon: float


@dataclass(frozen=True, slots=True)
class Shop:
    place: int
    window: Window


@dataclass(frozen=True, slots=True)
class Parcel:
    shop: int
    load: Load

    @property
    def is_chilled(self) -> bool:
        return self.load.chilled_litres > 0


@dataclass(frozen=True, slots=True)
class HomeOrder:
    id: OrderId
    place: int
    window: Window
    parcels: tuple[Parcel, ...]

    @property
    def load(self) -> Load:
        return Load(
            sum(p.load.hectograms for p in self.parcels),
            sum(p.load.litres for p in self.parcels),
            sum(p.load.chilled_litres for p in self.parcels),
        )

    @property
    def is_chilled(self) -> bool:
        return any(p.is_chilled for p in self.parcels)


@dataclass(frozen=True, slots=True)
class Vehicle:
    start: int
    end: int
    capacity: Load
    shift: Window
    kind: str


class Travel(Protocol):
    """How far and how long between places; streets or great circle."""

    def matrices(self, places: Sequence[Place]) -> tuple[Matrix, Matrix]:
        """Metres and seconds between every two places."""
        ...


@dataclass(frozen=True, slots=True)
class Problem:
    places: tuple[Place, ...]
    shops: tuple[Shop, ...]
    orders: tuple[HomeOrder, ...]
    vehicles: tuple[Vehicle, ...]
    #: To park and enter, paid once on arrival from another place.
    shop_setup_s: int
    home_setup_s: int
    #: To hand over one parcel.
    shop_service_s: int
    home_service_s: int
    #: The longest that a chilled parcel may be on board, from pickup to drop.
    chill_max_s: int
    distance_m: Matrix
    duration_s: Matrix


@dataclass(frozen=True, slots=True)
class Step:
    """One parcel changes hands; `parcel` is its index in the order, `at_s` when the handover begins."""

    kind: StepKind
    order_id: OrderId
    parcel: int
    at_s: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What each vehicle does, in riding order (`routes[i]` belongs to `vehicles[i]`), and who is left out."""

    routes: tuple[tuple[Step, ...], ...]
    unserved: tuple[OrderId, ...]

    def distance_m(self, problem: Problem) -> int:
        """Metres ridden by all vehicles, from their start over all steps to their end."""
        orders = {order.id: order for order in problem.orders}
        metres = 0
        for vehicle, steps in zip(problem.vehicles, self.routes, strict=True):
            if not steps:
                continue
            here = vehicle.start
            for step in steps:
                order = orders[step.order_id]
                parcel = order.parcels[step.parcel]
                there = order.place if step.kind == "drop" else problem.shops[parcel.shop].place
                metres += problem.distance_m[here][there]
                here = there
            metres += problem.distance_m[here][vehicle.end]
        return metres
