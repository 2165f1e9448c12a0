"""What the common round saves: the same deliveries, had every shop ridden its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from marketplace.delivery.planner import GreatCircle, Place


def alone_distance_m(homes_of: Mapping[Place, Sequence[Place]]) -> int:
    """Metres ridden if each shop brought its own parcels, from door to the nearest next door and back to the shop.

    The same stretched great circle as the plan's. Promised windows and loads are left out, which makes the lonely rides
    shorter than they would be: what is shown as saved is the least that is.
    """
    return sum(_nearest_next_m(shop, homes) for shop, homes in homes_of.items())


def _nearest_next_m(shop: Place, homes: Sequence[Place]) -> int:
    metres, _ = GreatCircle().matrices([shop, *homes])
    here, ridden_m, ahead = 0, 0, set(range(1, len(homes) + 1))
    while ahead:
        there = min(ahead, key=lambda home: (metres[here][home], home))
        ahead.discard(there)
        ridden_m += metres[here][there]
        here = there
    return ridden_m + metres[here][0]
