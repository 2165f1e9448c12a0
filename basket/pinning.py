"""A pin set by hand, where the geocoder knows no such address: how it starts, how it moves, what the plan shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from marketplace.geo import FoundAddress, distance_m
from marketplace.plan import (
    Area,
    Drawing,
    Landmark,
    LatLon,
    Paper,
    View,
    draw,
    ground_at,
    shifted,
)

#: What fits between the edges of a phone of 320 px, and beside a column of text. Both are drawn, the style sheet
#: shows one: the spot that a browser sends is counted in pixels as shown, so a plan is never shown at another size.
SMALL, LARGE = Paper("small", 288, 320), Paper("large", 640, 480)
PAPERS = {paper.key: paper for paper in (SMALL, LARGE)}

#: Metres across, from the town's quarters to one's own door, where a pixel of the small plan is about a metre. A
#: finger hits within 20 px: from one view to the next the spot that was meant stays in sight. Before these comes
#: zoom 0, all that the rounds reach.
SPANS_M = (4_000, 1_200, 300)
FINEST = len(SPANS_M)
#: From here on a street's houses can be told apart; a pin set from farther away is only a guess.
CLOSE_ENOUGH = 2
#: The first arrow from the middle of a view leads to its edge after eight.
STEPS_ACROSS = 16

ARROWS = {"north": (0, 1), "south": (0, -1), "west": (-1, 0), "east": (1, 0)}
MOVES = (*ARROWS, "closer", "wider", "here", "confirm")


@dataclass(frozen=True, slots=True)
class Pin:
    """A point in degrees, and how closely it is looked at: 0, the whole ground of the rounds, to FINEST."""

    lat: float
    lon: float
    zoom: int

    @property
    def at(self) -> LatLon:
        return self.lat, self.lon

    @property
    def is_close_enough(self) -> bool:
        return self.zoom >= CLOSE_ENOUGH


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What lies around: where the rounds go (at least one area), and what people know there."""

    areas: tuple[Area, ...]
    known: tuple[Landmark, ...]

    def reach(self, at: LatLon) -> bool:
        return any(distance_m(area.centre, at) <= area.radius_m for area in self.areas)


def start(found: Sequence[FoundAddress], surroundings: Surroundings) -> Pin:
    """Where the pin stands before anybody has moved it: at the best of the places that may be meant and that the
    rounds reach, else in the middle of everything."""
    near = [place for place in found if surroundings.reach((place.lat, place.lon))]
    if not near:
        return Pin(*surroundings.areas[0].centre, zoom=0)
    best = near[0]
    return Pin(best.lat, best.lon, zoom=CLOSE_ENOUGH if best.precision in ("housenumber", "street") else 1)


def view_of(pin: Pin, surroundings: Surroundings) -> View:
    """The ground that is shown: around the pin; at zoom 0 all of it, wherever the pin is."""
    if pin.zoom > 0:
        return View(pin.at, SPANS_M[pin.zoom - 1])
    hub = surroundings.areas[0].centre
    farthest_m = max(distance_m(hub, area.centre) + area.radius_m for area in surroundings.areas)
    return View(hub, 2.1 * farthest_m)


def pressed_at(pin: Pin, surroundings: Surroundings, paper: Paper, x: int, y: int) -> Pin:
    """The pin after somebody has shown a spot of the plan: there, and one view closer.

    The keyboard presses a picture too, and browsers then send the corner: that looks closer and moves nothing.
    """
    closer = min(FINEST, pin.zoom + 1)
    if (x, y) == (0, 0):
        return replace(pin, zoom=closer)
    return Pin(*_kept(ground_at(view_of(pin, surroundings), paper, x, y)), zoom=closer)


def moved(pin: Pin, surroundings: Surroundings, move: str) -> Pin:
    """The pin after an arrow, or looked at from nearer or farther away."""
    if move in ARROWS:
        east, north = ARROWS[move]
        step_m = view_of(pin, surroundings).span_m / STEPS_ACROSS
        return Pin(*_kept(shifted(pin.at, east_m=east * step_m, north_m=north * step_m)), zoom=pin.zoom)
    if move == "closer":
        return replace(pin, zoom=min(FINEST, pin.zoom + 1))
    if move == "wider":
        return replace(pin, zoom=max(0, pin.zoom - 1))
    return pin


def put_here(lat: float, lon: float) -> Pin:
    """The pin where a telephone says that it is; it may be wrong by a street, so that one is still in sight."""
    return Pin(*_kept((lat, lon)), zoom=CLOSE_ENOUGH)


def drawings(
    pin: Pin, surroundings: Surroundings, *, found: Sequence[FoundAddress], near: FoundAddress | None
) -> tuple[Drawing, ...]:
    """The plan on both papers. Names find room in this order: what may be meant, what is near, then the nearest."""
    view = view_of(pin, surroundings)
    meant = [_landmark(place, "found") for place in found if surroundings.reach((place.lat, place.lon))]
    beside = [_landmark(near, "near")] if near is not None and pin.is_close_enough else []
    known = sorted(surroundings.known, key=lambda landmark: distance_m(landmark.at, view.centre))
    landmarks = [*meant, *beside, *known]
    return tuple(
        draw(view, paper, pin=pin.at, landmarks=landmarks, areas=surroundings.areas) for paper in PAPERS.values()
    )


def _kept(at: LatLon) -> LatLon:
    """A tenth of a metre is as much as anybody can show."""
    return round(at[0], 6), round(at[1], 6)


def _landmark(place: FoundAddress, kind: str) -> Landmark:
    return Landmark(place.city if place.precision == "municipality" else place.street, (place.lat, place.lon), kind)
