"""How a pin starts and moves: pure decisions over points."""

from __future__ import annotations

import pytest

from basket import pinning
from basket.pinning import LARGE, SMALL, Pin, Surroundings
from marketplace.geo import FoundAddress, distance_m
from marketplace.plan import Area, Landmark, place_on

HUB = (45.6486, 0.1562)
TOWN = Surroundings((Area(HUB, 6_500),), (Landmark("Le local", HUB, "hub"),))


def found(lat: float, lon: float, precision: str = "street") -> FoundAddress:
    return FoundAddress("label", "Rue Hergé", "16000", "Angoulême", lat, lon, 0.6, precision)


def test_a_pin_starts_at_the_best_place_that_the_rounds_reach() -> None:
    assert pinning.start([found(48.85, 2.35), found(45.65, 0.16)], TOWN) == Pin(45.65, 0.16, 2)
    assert pinning.start([found(45.65, 0.16, "municipality")], TOWN) == Pin(45.65, 0.16, 1)


def test_without_any_place_it_starts_in_the_middle_of_the_whole_town() -> None:
    assert pinning.start([], TOWN) == Pin(*HUB, 0)
    assert pinning.start([found(48.85, 2.35)], TOWN) == Pin(*HUB, 0)


def test_the_whole_town_is_shown_around_its_middle_and_closer_views_around_the_pin() -> None:
    pin = Pin(45.66, 0.17, 0)
    town = pinning.view_of(pin, TOWN)
    assert (town.centre, town.span_m) == (HUB, 13_650)
    spans = [pinning.view_of(Pin(45.66, 0.17, zoom), TOWN).span_m for zoom in (1, 2, 3)]
    assert spans == [4_000, 1_200, 300]
    assert pinning.view_of(Pin(45.66, 0.17, 1), TOWN).centre == (45.66, 0.17)


def test_every_area_of_a_postcode_is_in_the_whole_town() -> None:
    two = Surroundings((Area(HUB, 3_000), Area((45.6936, 0.1562), 1_000)), ())
    assert pinning.view_of(Pin(*HUB, 0), two).span_m == pytest.approx(2.1 * 6_004, abs=1)
    assert two.reach((45.70, 0.1562))
    assert not two.reach((45.68, 0.1562))


def test_a_press_puts_the_pin_there_and_looks_closer() -> None:
    pin = Pin(*HUB, 0)
    pressed = pinning.pressed_at(pin, TOWN, SMALL, 144, 60)
    assert (pressed.lat, pressed.lon, pressed.zoom) == (45.691224, 0.1562, 1)
    assert distance_m(HUB, pressed.at) == pytest.approx(100 * 13_650 / 288, abs=1)


def test_both_papers_show_the_same_ground_at_their_own_scale() -> None:
    pin = Pin(*HUB, 3)
    small = pinning.pressed_at(pin, TOWN, SMALL, 144 + 60, 160)
    large = pinning.pressed_at(pin, TOWN, LARGE, 320 + 100, 240)
    assert small == large == Pin(45.6486, 0.157004, 3)
    assert distance_m(HUB, small.at) == pytest.approx(62.5, abs=0.1)


def test_three_presses_lead_from_the_whole_town_to_a_metre_for_a_pixel() -> None:
    door, pin = (45.661234, 0.173456), Pin(*HUB, 0)
    for _ in range(4):
        view = pinning.view_of(pin, TOWN)
        x, y = (round(v) for v in place_on(view, SMALL, door))
        pin = pinning.pressed_at(pin, TOWN, SMALL, x, y)
    assert pin.zoom == pinning.FINEST
    assert distance_m(door, pin.at) < 1


def test_the_corner_that_a_keyboard_sends_only_looks_closer() -> None:
    assert pinning.pressed_at(Pin(45.65, 0.16, 1), TOWN, SMALL, 0, 0) == Pin(45.65, 0.16, 2)
    assert pinning.pressed_at(Pin(45.65, 0.16, 3), TOWN, LARGE, 0, 0) == Pin(45.65, 0.16, 3)


@pytest.mark.parametrize(
    ("move", "there"),
    [
        ("north", Pin(45.649274, 0.1562, 2)),
        ("south", Pin(45.647926, 0.1562, 2)),
        ("west", Pin(45.6486, 0.155235, 2)),
        ("east", Pin(45.6486, 0.157165, 2)),
        ("closer", Pin(45.6486, 0.1562, 3)),
        ("wider", Pin(45.6486, 0.1562, 1)),
        ("", Pin(45.6486, 0.1562, 2)),
        ("here", Pin(45.6486, 0.1562, 2)),
    ],
)
def test_a_button_moves_the_pin_a_sixteenth_of_the_view_or_looks_otherwise(move: str, there: Pin) -> None:
    assert pinning.moved(Pin(*HUB, 2), TOWN, move) == there


def test_there_is_a_closest_and_a_widest_view() -> None:
    assert pinning.moved(Pin(*HUB, 3), TOWN, "closer").zoom == 3
    assert pinning.moved(Pin(*HUB, 0), TOWN, "wider").zoom == 0


def test_a_guess_from_afar_is_no_place_to_deliver_to() -> None:
    assert [Pin(*HUB, zoom).is_close_enough for zoom in range(4)] == [False, False, True, True]


def test_a_telephones_position_is_looked_at_with_its_streets_around() -> None:
    assert pinning.put_here(45.64861234567, 0.15) == Pin(45.648612, 0.15, 2)


def test_what_may_be_meant_and_what_is_near_are_named_before_the_shops() -> None:
    shop = Landmark("Librairie", (45.64861, 0.15621), "shop", 1)
    town = Surroundings(TOWN.areas, (shop,))
    small, large = pinning.drawings(Pin(45.6480, 0.1562, 3), town, found=[found(45.6486, 0.1562)], near=None)
    assert [dot.label for dot in small.dots] == [dot.label for dot in large.dots] == ["Rue Hergé"]
    near = found(45.6477, 0.1562, "housenumber")
    [drawing, _] = pinning.drawings(Pin(45.6480, 0.1562, 3), town, found=[], near=near)
    assert [(dot.kind, dot.label) for dot in drawing.dots] == [("near", "Rue Hergé"), ("shop", "Librairie")]
    [far, _] = pinning.drawings(Pin(45.6480, 0.1562, 1), town, found=[], near=near)
    assert [dot.kind for dot in far.dots] == ["shop"]
