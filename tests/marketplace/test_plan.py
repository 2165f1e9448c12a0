"""The plan's geometry: degrees to pixels and back, a scale that can be read, names that cover nothing."""

from __future__ import annotations

import math
from random import Random

import pytest

from marketplace.geo import distance_m
from marketplace.plan import (
    Area,
    Drawing,
    Landmark,
    LatLon,
    Paper,
    View,
    draw,
    ground_at,
    metres_per_px,
    place_on,
    scale_bar,
    shifted,
)

PAPER = Paper("small", 288, 320)
HALL = (45.6486, 0.1562)
VIEW = View(HALL, 288)


def drawn(*landmarks: Landmark, pin: LatLon = HALL, view: View = VIEW, radius_m: float = 6_000) -> Drawing:
    return draw(view, PAPER, pin=pin, landmarks=landmarks, areas=[Area(HALL, radius_m)])


def beside(east_m: float, north_m: float, name: str = "Chez Paul") -> Landmark:
    return Landmark(name, shifted(HALL, east_m=east_m, north_m=north_m), "shop", 3)


def test_the_centre_of_the_view_is_the_middle_of_the_paper() -> None:
    assert place_on(VIEW, PAPER, HALL) == (144, 160)
    assert ground_at(VIEW, PAPER, 144, 160) == HALL


def test_a_pixel_is_a_metre_and_north_is_above() -> None:
    assert metres_per_px(VIEW, PAPER) == 1
    assert place_on(VIEW, PAPER, (45.6495, 0.1562)) == pytest.approx((144, 59.9), abs=0.05)
    assert place_on(VIEW, PAPER, (45.6486, 0.1572)) == pytest.approx((221.7, 160), abs=0.05)


@pytest.mark.parametrize("span_m", [300, 1_200, 4_000, 13_650])
@pytest.mark.parametrize("spot", [(0, 0), (288, 320), (17, 301), (144, 160)])
def test_what_was_pressed_is_found_again(span_m: float, spot: tuple[int, int]) -> None:
    view = View(HALL, span_m)
    assert place_on(view, PAPER, ground_at(view, PAPER, *spot)) == pytest.approx(spot, abs=1e-6)


def test_metres_are_those_of_the_globe() -> None:
    assert distance_m(HALL, shifted(HALL, east_m=300, north_m=400)) == pytest.approx(500, abs=0.1)
    far = shifted(HALL, east_m=0, north_m=-6_500)
    assert distance_m(HALL, far) == pytest.approx(6_500, abs=0.1)


@pytest.mark.parametrize(
    ("at", "east_m", "north_m", "there"),
    [
        ((90, 0), 10, 10, (85, 0.001032)),
        ((-90, 180), 10, -10, (-85, 180)),
        ((0, -180), -5_000, 0, (0, -180)),
        ((45, 0), 1e9, 1e9, (85, 180)),
    ],
)
def test_at_the_ends_of_the_world_a_point_stays_in_it(at: LatLon, east_m: float, north_m: float, there: LatLon) -> None:
    assert shifted(at, east_m=east_m, north_m=north_m) == pytest.approx(there, abs=1e-6)


@pytest.mark.parametrize(
    ("m_per_px", "metres", "px"),
    [(1, 50, 50), (0.625, 50, 80), (4.2, 200, 47.6), (13.9, 1_000, 71.9), (47.4, 2_000, 42.2), (0.001, 1, 1_000)],
)
def test_the_scale_bar_is_a_round_number_of_metres(m_per_px: float, metres: int, px: float) -> None:
    assert scale_bar(m_per_px, 96) == (metres, pytest.approx(px, abs=0.1))


def test_the_net_and_the_rounds_edge_stand_on_the_ground() -> None:
    drawing = drawn(view=View(shifted(HALL, east_m=20, north_m=0), 288))
    assert (drawing.scale_m, drawing.scale_px) == (50, 50)
    assert drawing.verticals == (24, 74, 124, 174, 224, 274)
    assert drawing.rings[0].x == 124
    assert drawing.rings[0].radius_px == 6_000


def test_the_edge_is_shown_where_it_can_be_seen() -> None:
    assert drawn().shows_edge is False
    assert drawn(radius_m=150).shows_edge is True


def test_a_pin_outside_is_not_drawn() -> None:
    assert drawn().pin == (144, 160)
    assert drawn(pin=(45.7, 0.1562)).pin is None


def test_a_shop_has_its_name_beside_its_dot() -> None:
    [dot] = drawn(beside(-100, 100)).dots
    assert (dot.x, dot.y, dot.awning) == (44, 60, 3)
    assert (dot.label, dot.label_x, dot.label_y, dot.anchor) == ("Chez Paul", 53, 65, "start")


def test_at_the_right_edge_the_name_stands_left() -> None:
    [dot] = drawn(beside(130, 90)).dots
    assert (dot.label, dot.anchor) == ("Chez Paul", "end")


def test_what_lies_outside_is_left_out_and_of_two_dots_in_one_place_the_first_stays() -> None:
    drawing = drawn(beside(200, 0), beside(60, 100, "Le premier"), beside(65, 100, "Le second"))
    assert [dot.label for dot in drawing.dots] == ["Le premier"]


def test_names_never_touch_each_other_nor_a_dot_nor_the_pin() -> None:
    draw_lots = Random(16_000)
    crowd = [beside(draw_lots.uniform(-140, 140), draw_lots.uniform(-150, 150), f"Boutique {n}") for n in range(40)]
    drawing = drawn(*crowd)
    named = [dot for dot in drawing.dots if dot.label]
    assert len(named) >= 5
    boxes = []
    for dot in named:
        width = 7.4 * len(dot.label)
        left = {"start": dot.label_x, "end": dot.label_x - width, "middle": dot.label_x - width / 2}[dot.anchor]
        boxes.append((left, dot.label_y - 14, left + width, dot.label_y + 4))
    boxes.append((129, 120, 159, 162))
    for i, (left, top, right, bottom) in enumerate(boxes):
        assert left >= 0
        assert right <= 288 or i == len(named)
        for other in boxes[:i]:
            assert not (left < other[2] and other[0] < right and top < other[3] and other[1] < bottom)
        if i < len(named):
            assert all(
                math.hypot(max(left - dot.x, 0, dot.x - right), max(top - dot.y, 0, dot.y - bottom)) >= 4
                for dot in drawing.dots
            )


def test_a_plan_without_areas_or_landmarks_is_still_a_plan() -> None:
    drawing = draw(VIEW, PAPER, pin=HALL, landmarks=[], areas=[])
    assert (drawing.rings, drawing.dots, drawing.pin) == ((), (), (144, 160))
