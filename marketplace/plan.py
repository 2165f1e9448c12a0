"""A plan of the ground around a point: degrees become pixels and back, and names find room beside their dots.

Flat within its span: a degree of longitude is as long everywhere as in the middle. Over the 15 km that a round
reaches, that moves a point at the edge by less than 20 m, and nothing at the point that is looked at.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

#: Of the sphere that `marketplace.geo.distance_m` measures on.
METRES_PER_DEGREE = 111_195.08
#: Near the poles a degree of longitude has no length to divide by; no town of ours lies there.
MOST_LAT = 85.0

LatLon = tuple[float, float]

#: Letters of 14 px are about half as wide as high; a little more, so that labels never touch.
LETTER_PX = 7.4
LABEL_HEIGHT_PX = 18
DOT_PX = 6
#: Two dots nearer than this look like one.
DOTS_APART_PX = 14
PIN_WIDTH_PX, PIN_HEIGHT_PX = 30, 40


@dataclass(frozen=True, slots=True)
class Paper:
    """A size that a plan is drawn at; `key` names it in forms."""

    key: str
    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True)
class View:
    """A piece of ground: `span_m` metres along the paper's shorter side, `centre` in its middle, north above."""

    centre: LatLon
    span_m: float


@dataclass(frozen=True, slots=True)
class Area:
    """A circle on the ground."""

    centre: LatLon
    radius_m: float


@dataclass(frozen=True, slots=True)
class Landmark:
    """Something that people know. `kind` is shop, hub, found or near; a shop's dot has the colours of its awning."""

    name: str
    at: LatLon
    kind: str
    awning: int | None = None


@dataclass(frozen=True, slots=True)
class Dot:
    """A landmark on the paper, with its name where there was room; `anchor` as in SVG."""

    x: float
    y: float
    kind: str
    awning: int | None
    label: str
    label_x: float
    label_y: float
    anchor: str


@dataclass(frozen=True, slots=True)
class Ring:
    x: float
    y: float
    radius_px: float


@dataclass(frozen=True, slots=True)
class Drawing:
    """All that a template needs to draw; pixels from the upper left corner.

    `verticals` and `horizontals` are the lines of a net on the ground, as wide as the scale bar is long.
    `pin` is None when the point lies outside.
    """

    paper: Paper
    rings: tuple[Ring, ...]
    verticals: tuple[float, ...]
    horizontals: tuple[float, ...]
    dots: tuple[Dot, ...]
    pin: tuple[float, float] | None
    scale_m: int
    scale_px: float
    shows_edge: bool


@dataclass(frozen=True, slots=True)
class _Box:
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: _Box) -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )

    def lies_in(self, other: _Box) -> bool:
        return (
            other.left <= self.left
            and self.right <= other.right
            and other.top <= self.top
            and self.bottom <= other.bottom
        )


def metres_per_px(view: View, paper: Paper) -> float:
    return view.span_m / min(paper.width_px, paper.height_px)


def place_on(view: View, paper: Paper, at: LatLon) -> tuple[float, float]:
    """Where on the paper a point of the ground is; it may lie outside."""
    m_per_px = metres_per_px(view, paper)
    east_m = (at[1] - view.centre[1]) * METRES_PER_DEGREE * _shrink(view.centre[0])
    north_m = (at[0] - view.centre[0]) * METRES_PER_DEGREE
    return paper.width_px / 2 + east_m / m_per_px, paper.height_px / 2 - north_m / m_per_px


def ground_at(view: View, paper: Paper, x: float, y: float) -> LatLon:
    """The point of the ground under a pixel: the way back of `place_on`."""
    m_per_px = metres_per_px(view, paper)
    east_m, north_m = (x - paper.width_px / 2) * m_per_px, (paper.height_px / 2 - y) * m_per_px
    return shifted(view.centre, east_m=east_m, north_m=north_m)


def shifted(at: LatLon, *, east_m: float, north_m: float) -> LatLon:
    """The point so many metres away, kept off the poles and within the degrees that exist."""
    lat, lon = at
    lat = min(MOST_LAT, max(-MOST_LAT, lat))
    moved_lat = min(MOST_LAT, max(-MOST_LAT, lat + north_m / METRES_PER_DEGREE))
    moved_lon = min(180.0, max(-180.0, lon + east_m / (METRES_PER_DEGREE * _shrink(lat))))
    return moved_lat, moved_lon


def scale_bar(m_per_px: float, longest_px: float) -> tuple[int, float]:
    """The longest of 1, 2, 5, 10, 20, 50 … metres that fits, and its pixels."""
    step = 10 ** math.floor(math.log10(max(1.0, longest_px * m_per_px)))
    metres = max(m for m in (step, 2 * step, 5 * step) if m <= max(1.0, longest_px * m_per_px))
    return int(metres), metres / m_per_px


def draw(view: View, paper: Paper, *, pin: LatLon, landmarks: Sequence[Landmark], areas: Sequence[Area]) -> Drawing:
    """The plan of a view. Landmarks come by importance: the first ones get their dot and their name first."""
    m_per_px = metres_per_px(view, paper)
    rings = tuple(Ring(*_rounded(place_on(view, paper, a.centre)), round(a.radius_m / m_per_px, 1)) for a in areas)
    scale_m, scale_px = scale_bar(m_per_px, paper.width_px / 3)
    net_from = place_on(view, paper, areas[0].centre if areas else view.centre)
    pin_x, pin_y = _rounded(place_on(view, paper, pin))
    is_pin_seen = 0 <= pin_x <= paper.width_px and 0 <= pin_y <= paper.height_px
    taken = [
        _Box(0, paper.height_px - 34, max(scale_px + 20, 70), paper.height_px),
        _Box(paper.width_px - 36, 0, paper.width_px, 48),
    ]
    if is_pin_seen:
        taken.append(_Box(pin_x - PIN_WIDTH_PX / 2, pin_y - PIN_HEIGHT_PX, pin_x + PIN_WIDTH_PX / 2, pin_y + 2))
    return Drawing(
        paper=paper,
        rings=rings,
        verticals=_net(net_from[0], scale_px, paper.width_px),
        horizontals=_net(net_from[1], scale_px, paper.height_px),
        dots=tuple(_dots(view, paper, landmarks, taken)),
        pin=(pin_x, pin_y) if is_pin_seen else None,
        scale_m=scale_m,
        scale_px=round(scale_px, 1),
        shows_edge=not any(_covers(ring, paper) for ring in rings),
    )


def _shrink(lat: float) -> float:
    """How much shorter a degree of longitude is than one of latitude."""
    return math.cos(math.radians(min(MOST_LAT, max(-MOST_LAT, lat))))


def _rounded(point: tuple[float, float]) -> tuple[float, float]:
    return round(point[0], 1), round(point[1], 1)


def _net(origin: float, step: float, length: int) -> tuple[float, ...]:
    first = origin % step
    return tuple(round(first + n * step, 1) for n in range(math.ceil((length - first) / step)))


def _covers(ring: Ring, paper: Paper) -> bool:
    corners = ((x, y) for x in (0, paper.width_px) for y in (0, paper.height_px))
    return all(math.hypot(x - ring.x, y - ring.y) <= ring.radius_px for x, y in corners)


def _dots(view: View, paper: Paper, landmarks: Sequence[Landmark], taken: list[_Box]) -> Iterator[Dot]:
    """Dots first, so that no name covers one; then names, each where it meets nothing."""
    sheet = _Box(2, 2, paper.width_px - 2, paper.height_px - 2)
    placed: list[tuple[Landmark, float, float]] = []
    for landmark in landmarks:
        x, y = _rounded(place_on(view, paper, landmark.at))
        is_inside = _around(x, y, DOT_PX).lies_in(sheet)
        if is_inside and all(math.hypot(x - a, y - b) >= DOTS_APART_PX for _, a, b in placed):
            placed.append((landmark, x, y))
    labels = list(taken) + [_around(x, y, DOT_PX - 1) for _, x, y in placed]
    for landmark, x, y in placed:
        label, label_x, label_y, anchor = "", 0.0, 0.0, "start"
        for place_x, place_y, place_anchor, box in _rooms(x, y, len(landmark.name) * LETTER_PX):
            if box.lies_in(sheet) and not any(box.meets(other) for other in labels):
                label, label_x, label_y, anchor = landmark.name, place_x, place_y, place_anchor
                labels.append(box)
                break
        yield Dot(x, y, landmark.kind, landmark.awning, label, round(label_x, 1), round(label_y, 1), anchor)


def _around(x: float, y: float, half: float) -> _Box:
    return _Box(x - half, y - half, x + half, y + half)


def _rooms(x: float, y: float, width: float) -> Iterator[tuple[float, float, str, _Box]]:
    """Where a name may stand: right of its dot, left, below, above, farther below; the y is the letters' foot."""
    gap, half = DOT_PX + 3, LABEL_HEIGHT_PX / 2
    yield x + gap, y + 5, "start", _Box(x + gap, y - half, x + gap + width, y + half)
    yield x - gap, y + 5, "end", _Box(x - gap - width, y - half, x - gap, y + half)
    for middle in (y + gap + half, y - gap - half, y + 2 * gap + half):
        yield x, middle + 5, "middle", _Box(x - width / 2, middle - half, x + width / 2, middle + half)
