"""What is told as saved is counted from a baseline that has a name."""

from __future__ import annotations

from marketplace.delivery.planner import Place
from marketplace.delivery.saving import alone_distance_m

#: A thousandth of a degree of latitude is 111 metres, 150 as ridden.
SHOP = Place(45.650, 0.156)
NORTH, FARTHER, SOUTH = Place(45.651, 0.156), Place(45.653, 0.156), Place(45.648, 0.156)


def test_a_shop_alone_rides_to_the_nearest_door_then_the_next_and_home_again() -> None:
    assert alone_distance_m({SHOP: [FARTHER, NORTH]}) == 900
    assert alone_distance_m({SHOP: [SOUTH, NORTH]}) == 150 + 450 + 300


def test_every_shop_rides_its_own_way_and_one_without_parcels_none() -> None:
    assert alone_distance_m({SHOP: [NORTH], FARTHER: [NORTH]}) == 300 + 600
    assert alone_distance_m({SHOP: []}) == 0
    assert alone_distance_m({}) == 0
